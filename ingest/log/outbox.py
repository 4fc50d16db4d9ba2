"""Recording: the event of a change, inserted in the transaction of the change."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.context import Context
from app.kernel.db import insert_once, wake_after
from app.kernel.errors import Unavailable
from ingest.events import catalog
from ingest.events.envelope import BODY_BYTES_MAX, Event, EventInvalid, Rendered, render
from ingest.events.health import SecretFound
from ingest.models import entry, outbox

RECORDING: Final = "recording"
SALT_BYTES: Final = 16

Seal = Callable[[Mapping[str, str], str, str, str], dict[str, Any] | None]


class LogFull(Unavailable):
    """The log cannot take more events now; nothing was changed."""

    code = "log_full"


@dataclass(slots=True)
class Recording:
    """What recording needs to know of the installation; `compose` lays it into every session of its database."""

    seal: Seal
    origin: str = "live"
    version: str = "0"
    environment: str = "embedded"
    is_full: bool = False


def record(session: Session, event: Event, ctx: Context) -> str:
    """Insert one event into the caller's transaction and return its id; it never commits and never waits for the log.

    Raises `LogFull` above the limits of the outbox and `EventInvalid` for what is not of the published form.
    """
    return record_many(session, [event], ctx)[0]


def record_many(session: Session, events: Sequence[Event], ctx: Context) -> list[str]:
    """Insert a batch of events in one statement and return their ids in order."""
    return insert_rendered(session, [row_of(session, event, ctx, ctx.new_id("evt")) for event in events])


def record_once(session: Session, event: Event, ctx: Context, event_id: str) -> bool:
    """Insert an event under an id of its own unless it is recorded already, and tell whether it was not."""
    if session.scalar(sa.select(entry.c.sequence).where(entry.c.event_id == event_id)) is not None:
        return False
    is_new = insert_once(session, outbox, *flat([row_of(session, event, ctx, event_id)])) > 0
    if is_new:
        wake_after(session)
    return is_new


def row_of(session: Session, event: Event, ctx: Context, event_id: str) -> dict[str, Any]:
    """Render one event to its outbox row; the ledger uses it to know an event before its batch is written.

    Where free text held a secret, the row brings the events that say so, under `found`; `insert_rendered` adds them.
    """
    recording = session.info[RECORDING]
    assert isinstance(recording, Recording)
    if recording.is_full:
        raise LogFull(retry_after=5)
    kind = type(event)
    if catalog.by_kind().get(kind.kind) is not kind:
        raise EventInvalid(f"{kind.kind} is not in the catalogue")
    rendered = render(
        event,
        ctx,
        event_id=event_id,
        origin=recording.origin,
        version=recording.version,
        environment=recording.environment,
    )
    document = rendered.document
    if rendered.personal:
        _seal_personal(document, rendered.personal, rendered.owner, recording, kind.event_class.value, event_id)
    body = canonical.encode(document)
    if len(body) > BODY_BYTES_MAX:
        raise EventInvalid(f"the body of {kind.kind} has {len(body)} bytes")
    row: dict[str, Any] = {
        "id": event_id,
        "kind": kind.kind,
        "class": kind.event_class.value,
        "at": ctx.at,
        "salt": secrets.token_bytes(SALT_BYTES),
        "body": body,
    }
    if rendered.found:
        row["found"] = _findings(session, rendered, event_id, ctx)
    return row


def insert_rendered(session: Session, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Insert rows made by `row_of`, with what was found in them, and return the ids of their events."""
    if rows:
        session.execute(sa.insert(outbox), flat(rows))
        wake_after(session)
    return [row["id"] for row in rows]


def flat(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows as the table takes them: each, then what was found in it."""
    return [
        {name: value for name, value in each.items() if name != "found"}
        for row in rows
        for each in (row, *row.get("found", ()))
    ]


def _findings(session: Session, rendered: Rendered, event_id: str, ctx: Context) -> list[dict[str, Any]]:
    return [
        row_of(
            session,
            SecretFound(pattern=pattern, count=count, field=path, of_event=event_id, about=rendered.subjects),
            ctx,
            ctx.new_id("evt"),
        )
        for (path, pattern), count in Counter(rendered.found).items()
    ]


def _seal_personal(
    document: dict[str, Any],
    personal: Mapping[str, str],
    owner: str | None,
    recording: Recording,
    class_: str,
    event_id: str,
) -> None:
    if owner is None:
        raise EventInvalid("personal fields need a subject")
    element = recording.seal(personal, owner, class_, event_id)
    place = document["onepay"]
    if element is None:
        place["truncated"] = [*place.get("truncated", []), "personal"]
    else:
        place["personal"] = [element]
