"""What no run of retention ends: each store with what ends its rows instead, why, and how another reader can look.

A store with personal data stands here or has an end that runs carry out (`Ended`); at start one that has neither stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_BOOKED: Final = "ten years of book years have not gone by; then what was booked is anonymised, which no run does yet"
_STANDS: Final = "it stands for as long as the account does; only an erasure closes an account, and ends it with that"
_SOON: Final = "it is over within days, and waits for no plan"
SLACK: Final = timedelta(days=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unended:
    """By what the rows of a store end and why by no run.

    Where `column` names when the time of a row began, a row that is older than `retention` and `slack` is looked for.
    """

    by: str
    why: str
    column: str | None = None
    retention: str | None = None
    slack: timedelta = timedelta()


def _booked(column: str | None = None) -> Unended:
    return Unended(
        by="nothing yet",
        why=_BOOKED,
        column=column,
        retention="ledger.postings" if column else None,
        # The period begins with the end of the book year.
        slack=timedelta(days=366),
    )


UNENDED: Final[Mapping[str, Unended]] = {
    "app_account": Unended(by="erasure", why=_STANDS),
    "app_attempts": Unended(by="job identity.expire", why=_SOON, column="first_at", retention="operations"),
    "app_contact": Unended(by="erasure", why=_STANDS),
    "app_link": Unended(by="job identity.expire", why=_SOON, column="expires_at", retention="credential", slack=SLACK),
    "app_login": Unended(by="job identity.expire", why=_SOON, column="expires_at", retention="credential", slack=SLACK),
    "app_password": Unended(by="the next password, or erasure", why="the newest ones bar what was used before"),
    "payments_balance": _booked(),
    "payments_bank_reference": _booked(),
    "payments_book": _booked("closed_at"),
    "payments_entry": _booked(),
    "payments_handle": _booked("released_at"),
    "payments_hold": _booked("expires_at"),
    "payments_idempotency": Unended(
        by="job payments.purge", why=_SOON, column="expires_at", retention="operations", slack=SLACK
    ),
    "payments_topup": _booked("at"),
    "payments_transaction": _booked("at"),
    "payments_transfer": _booked("at"),
}
