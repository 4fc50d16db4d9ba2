"""One-time codes by RFC 6238: enrolled by a code, accepted once, also among concurrent requests."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyotp
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, notices
from app.identity.models import account, factor
from app.identity.parts import Identity
from app.kernel import crypto
from app.kernel.access import SECURITY_OWN_MANAGE, Acr
from app.kernel.context import Context
from app.kernel.db import change_one, changed
from app.kernel.errors import Conflict, Invalid, NotFound
from ingest.events.auth import FactorEnrolled, FactorRemoved
from ingest.log import outbox

STEP_SECONDS: Final = 30
WINDOW: Final = 1
HINT_WINDOW: Final = 10
SECRET_BYTES: Final = 20
FACTORS_MAX: Final = 5
TOTP: Final = "totp"
LABEL: Final = "Authenticator app"
# A secret that belongs to nobody; what a code matches with it counts for nothing.
_NOBODYS: Final = base64.b32encode(bytes(SECRET_BYTES)).decode("ascii")


class CodeRefused(Invalid):
    """The code was not accepted. Wait for the next one and try again."""

    code = "code_refused"


class LastFactor(Conflict):
    """This is your only second factor. Add another one before you remove it."""

    code = "last_factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A way to prove oneself, without its secret."""

    id: str
    kind: str
    label: str
    enrolled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The outcome of comparing a code: which factor and time step it belongs to; the step is not yet used up."""

    factor_id: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an authenticator app needs to become a factor."""

    secret: str
    uri: str


def factors_of(session: Session, account_id: str) -> Sequence[Factor]:
    """Return the enrolled factors of an account, oldest first."""
    rows = session.execute(
        sa.select(factor.c.id, factor.c.kind, factor.c.label, factor.c.enrolled_at)
        .where(factor.c.account_id == account_id, factor.c.removed_at.is_(None))
        .order_by(factor.c.id)
    )
    return [Factor(id=row.id, kind=row.kind, label=row.label, enrolled_at=row.enrolled_at) for row in rows]


def count_by_account(session: Session, account_ids: Sequence[str]) -> Mapping[str, int]:
    """Count the enrolled factors of each of some accounts; one that has none is left out."""
    query = (
        sa.select(factor.c.account_id, sa.func.count().label("factors"))
        .where(factor.c.account_id.in_(account_ids), factor.c.removed_at.is_(None))
        .group_by(factor.c.account_id)
    )
    return {row.account_id: row.factors for row in session.execute(query)}


def offer(session: Session, account_id: str, holder: str, account_name: str, *, parts: Identity) -> Offer:
    """Return the secret that a page shows to add an authenticator, changing nothing.

    It is derived (RFC 4226, 7.5) for the holder alone, a session or a link: what somebody else was shown, who was in
    the account before, never becomes the owner's factor. Each factor that is added makes the next offer another one.
    """
    secret = _offered(session, account_id, holder, parts)
    return Offer(secret=secret, uri=_uri(secret, account_name))


def take(session: Session, account_id: str, holder: str, code: str, ctx: Context, *, parts: Identity) -> str:
    """Add the authenticator that was offered to this holder by its first code, which is used up.

    Raises `CodeRefused`, or `Conflict` where no more factors may stand. Two at once take their turn: the second finds
    another offer, and is refused.
    """
    _lock(session, account_id)
    _demand_room(session, account_id)
    secret = _offered(session, account_id, holder, parts)
    step = _step_of(secret, code, ctx.at, WINDOW)
    if step is None:
        raise CodeRefused(param="code")
    factor_id = ctx.new_id("fac")
    session.execute(
        sa.insert(factor).values(
            id=factor_id,
            account_id=account_id,
            kind=TOTP,
            label=LABEL,
            secret_ct=crypto.seal_text(parts.credentials, secret, f"{account_id}|{factor_id}"),
            last_step=step,
            enrolled_at=ctx.at,
        )
    )
    _tell_added(session, account_id, factor_id, ctx, parts)
    return factor_id


def match(session: Session, account_id: str, code: str, at: datetime, *, parts: Identity) -> tuple[Match | None, str]:
    """Compare a code with every enrolled factor; returns the match, or None with why: wrong or clock."""
    rows = session.execute(
        sa.select(factor).where(factor.c.account_id == account_id, factor.c.removed_at.is_(None))
    ).all()
    reason = "wrong"
    for row in rows:
        secret = _secret(row, parts)
        step = _step_of(secret, code, at, WINDOW)
        if step is not None:
            return Match(factor_id=row.id, step=step), ""
        if _step_of(secret, code, at, HINT_WINDOW) is not None:
            reason = "clock"
    return None, reason


def match_nothing(code: str, at: datetime) -> None:
    """Do the work of `match` for one factor in vain, so that a missing account takes as long as a wrong code."""
    for window in (WINDOW, HINT_WINDOW):
        _step_of(_NOBODYS, code, at, window)


def use_up(session: Session, found: Match) -> bool:
    """Accept a matched step once: false if it or a later one was used before, whoever was faster (RFC 6238 5.2)."""
    done = changed(
        session,
        sa.update(factor)
        .where(factor.c.id == found.factor_id, factor.c.last_step < found.step, factor.c.removed_at.is_(None))
        .values(last_step=found.step),
    )
    return done == 1


def remove(session: Session, factor_id: str, ctx: Context, *, parts: Identity) -> None:
    """Remove a factor of one's own, after a fresh proof; the last one stays."""
    ctx.actor.require(SECURITY_OWN_MANAGE)
    ctx.actor.require_fresh(Acr.MFA, parts.policy.step_up, ctx.at)
    account_id = ctx.actor.own_id
    # Of two removals at the same instant each would take the other's factor for the one that stays.
    _lock(session, account_id)
    if len(factors_of(session, account_id)) <= 1:
        raise LastFactor
    take_away(session, account_id, factor_id, "own", ctx)
    remedy = notices.remedy(accounts.get(session, account_id), parts=parts)
    text = f"An authenticator was removed from your OnePay account. {remedy}"
    notices.tell(session, account_id, "A second factor was removed", text, "factor_removed", ctx, parts=parts)


def take_away(session: Session, account_id: str, factor_id: str, reason: str, ctx: Context) -> None:
    """Mark a factor removed and record it; another's or an unknown one is `NotFound`. Removals take their turn."""
    _lock(session, account_id)
    change_one(
        session,
        sa.update(factor)
        .where(factor.c.id == factor_id, factor.c.account_id == account_id, factor.c.removed_at.is_(None))
        .values(removed_at=ctx.at, removed_by=ctx.actor.id, removed_reason=reason, secret_ct=b""),
        otherwise=NotFound,
    )
    event = FactorRemoved(
        account=account_id,
        factor=TOTP,
        factor_id=factor_id,
        about=(account_id,),
        reason="own" if reason == "own" else "by_staff",
    )
    outbox.record(session, event, ctx)


def demand_proof(session: Session, ctx: Context, *, parts: Identity) -> None:
    """Demand a fresh proof of a factor from everybody who has one (MFA-7)."""
    if factors_of(session, ctx.actor.own_id):
        ctx.actor.require_fresh(Acr.MFA, parts.policy.step_up, ctx.at)


def _offered(session: Session, account_id: str, holder: str, parts: Identity) -> str:
    ever = sa.select(sa.func.count()).where(factor.c.account_id == account_id)
    count = session.execute(ever).scalar_one()
    key = crypto.derive(parts.credentials, "offer")
    digest = crypto.mac(key, f"{account_id}|{holder}|{count}".encode())
    return base64.b32encode(digest[:SECRET_BYTES]).decode("ascii")


def _demand_room(session: Session, account_id: str) -> None:
    if len(factors_of(session, account_id)) >= FACTORS_MAX:
        raise Conflict(f"At most {FACTORS_MAX} factors can stand at once.")


def _lock(session: Session, account_id: str) -> None:
    session.execute(sa.select(account.c.id).where(account.c.id == account_id).with_for_update())


def _tell_added(session: Session, account_id: str, factor_id: str, ctx: Context, parts: Identity) -> None:
    event = FactorEnrolled(account=account_id, factor=TOTP, factor_id=factor_id, about=(account_id,))
    outbox.record(session, event, ctx)
    found = accounts.get(session, account_id)
    if found.state is accounts.State.ACTIVE:  # who accepts an invitation knows it
        text = f"An authenticator was added to your OnePay account. {notices.remedy(found, parts=parts)}"
        notices.tell(session, account_id, "A second factor was added", text, "factor_added", ctx, parts=parts)


def _uri(secret: str, account_name: str) -> str:
    return pyotp.TOTP(secret).provisioning_uri(name=account_name, issuer_name="OnePay")


def _secret(row: Any, parts: Identity) -> str:  # a row of `factor`
    return crypto.open_text(parts.credentials, row.secret_ct, f"{row.account_id}|{row.id}")


def _step_of(secret: str, code: str, at: datetime, window: int) -> int | None:
    digits = code.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) == 6):
        return None
    now = int(at.timestamp()) // STEP_SECONDS
    generator = pyotp.TOTP(secret)
    found = None
    # Every step is compared, in constant time each, so that the answer's time tells nothing.
    for step in range(now - window, now + window + 1):
        if crypto.same(generator.generate_otp(step).encode(), digits.encode()):
            found = step
    return found
