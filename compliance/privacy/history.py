"""Who looked at a person's data: date, purpose, role and system of each reading, with its place in the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.kernel.clock import parse_rfc3339
from ingest.events.access import PURPOSE_OF_VIEW
from ingest.events.envelope import at_path
from ingest.store.port import EventStore
from ingest.store.query import And, Eq, In, Search, Window

KINDS: Final = ("access.data.read", "access.field.revealed")
VIEWS: Final = {
    "people": "List of customers",
    "person": "Page of your account",
    "privacy_requests": "List of privacy requests",
    "privacy_request": "Page of a privacy request",
    "privacy_package": "Preparing the copy of your data",
    "privacy_plan": "Planning an erasure",
    "search": "Search for an account",
    "record": "Your record",
    "approval": "A decision about you",
    "consents": "Your consents",
}
ROLES: Final = {"dpo": "Data protection officer"}
"""Roles that people do not call as they are written."""
PURPOSES: Final = {
    **PURPOSE_OF_VIEW,
    "privacy_request": "Answer what you asked of your data",
    "privacy_package": "Prepare the copy you asked for",
    "privacy_plan": "Prepare the erasure you asked for",
}
"""What views are for, in words to the person; of other readings their event says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One reading: the person who read is not named, their role is."""

    at: datetime
    purpose: str
    role: str
    system: str
    event_id: str
    sequence: int | None


def looks(store: EventStore, subject: str, *, since: datetime | None, limit: int = 100) -> Sequence[Look]:
    """Return the newest readings of a person's data; raises `StoreUnavailable`."""
    where = And((Eq("onepay.subject.id", subject), In("event.action", KINDS)))
    whole = since.replace(microsecond=0) if since else None
    page = store.search(Search(where=where, window=Window(since=whole), limit=min(limit, 1_000)))
    return [_look(document) for document in page.documents]


def looks_among(documents: Iterable[Mapping[str, Any]], subject: str) -> list[Look]:
    """Return the readings of a person among events of the log, in their order."""
    return [
        _look(document)
        for document in documents
        if at_path(document, "event.action") in KINDS and subject in (at_path(document, "onepay.subject.id") or ())
    ]


def _look(document: Mapping[str, Any]) -> Look:
    view = str(at_path(document, "onepay.access.view") or "")
    roles = at_path(document, "user.roles") or []
    kind = at_path(document, "onepay.actor.kind")
    purpose = at_path(document, "onepay.purpose")
    if purpose in (None, PURPOSE_OF_VIEW.get(view)):
        purpose = PURPOSES.get(view, "Not said")
    return Look(
        at=parse_rfc3339(at_path(document, "@timestamp")),
        purpose=str(purpose),
        role=", ".join(ROLES.get(str(role), str(role).replace("_", " ").capitalize()) for role in roles)
        or ("A job of OnePay" if kind == "service" else "OnePay"),
        system=VIEWS.get(view, view.replace("_", " ").capitalize()),
        event_id=str(at_path(document, "event.id")),
        sequence=at_path(document, "event.sequence") or document.get("sequence"),
    )
