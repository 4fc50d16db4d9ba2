"""What happened around one's own account, in plain words, read from the event store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.kernel.access import ActorKind
from app.kernel.clock import parse_rfc3339
from app.kernel.errors import Unavailable
from ingest.events.envelope import at_path
from ingest.store.port import EventStore
from ingest.store.query import And, Eq, In, Search, Window

LIMIT: Final = 12
WORDS: Final = {
    "auth.account.registered": "Account opened",
    "auth.login.succeeded": "Signed in",
    "auth.login.failed": "A try to sign in failed",
    "auth.account.locked": "Account locked",
    "auth.account.unlocked": "Account unlocked",
    "auth.factor.enrolled": "A factor was added",
    "auth.factor.removed": "A factor was removed",
    "auth.password.changed": "Password changed",
    "auth.activity.disowned": "You said it wasn’t you",
    "auth.mfa.failed": "Wrong code",
    "transaction.wallet.frozen": "Outgoing payments stopped",
    "transaction.wallet.unfrozen": "Outgoing payments allowed again",
}
# A lock-out of guesses is no lock of the account.
_OF_FAILURES: Final = {
    "auth.account.locked": "Wrong tries to sign in: further ones turned away",
    "auth.account.unlocked": "Tries to sign in allowed again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One security event as its subject reads it."""

    event_id: str
    at: datetime
    what: str
    where: str
    may_disown: bool


def recent(store: EventStore, subject: str, since: datetime, until: datetime) -> Sequence[Happened] | None:
    """Return the newest security events about a person, or None while the store does not answer."""
    window = Window(since=_whole(since), until=_whole(until) + timedelta(seconds=1))
    where = And((Eq("onepay.subject.id", subject), In("event.action", tuple(WORDS))))
    try:
        page = store.search(Search(where=where, window=window, limit=LIMIT))
    except Unavailable:
        return None
    return [_of(document, subject) for document in page.documents]


def _of(document: dict, subject: str) -> Happened:  # type: ignore[type-arg]  # a stored document is untyped data
    kind, is_of_failures = at_path(document, "event.action"), at_path(document, "event.reason") == "failures"
    words = {**WORDS, **_OF_FAILURES} if is_of_failures else WORDS
    return Happened(
        event_id=at_path(document, "event.id"),
        at=parse_rfc3339(at_path(document, "@timestamp")),
        what=words[kind],
        where="by OnePay" if _is_ours(document, subject) else _where(document),
        may_disown=kind in ("auth.login.succeeded", "auth.factor.enrolled", "auth.password.changed"),
    )


def _is_ours(document: dict, subject: str) -> bool:  # type: ignore[type-arg]  # as above
    """Tell whether a colleague or a service did it: where they sat is nothing a customer is shown."""
    by_another = at_path(document, "user.id") != subject
    return by_another and at_path(document, "onepay.actor.kind") not in (ActorKind.CUSTOMER, ActorKind.UNKNOWN)


def _where(document: dict) -> str:  # type: ignore[type-arg]  # as above
    agent = [at_path(document, "user_agent.name"), at_path(document, "user_agent.os.name")]
    words = " on ".join(part for part in agent if part) or "Unknown program"
    ip = at_path(document, "source.ip")
    return f"{words}, from {ip}" if ip else words


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)
