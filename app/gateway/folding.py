"""Refusals without end, told with an end: the first of a kind and source alone, the rest in one event with a count.

Gateway spec 4.3 (LIM-4). What is counted and not yet written is at most ten seconds of repeats: whoever kills the
process takes those from the log, never the first ten refusals of a source.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from app.kernel.access import ANONYMOUS
from app.kernel.context import Context, Source
from app.kernel.db import Database
from app.kernel.networks import client_of
from ingest.events.access import RequestBlocked, RequestEvent
from ingest.events.envelope import Event
from ingest.log import outbox

ALONE_MAX: Final = 10
WINDOW: Final = timedelta(minutes=1)
FLUSH: Final = timedelta(seconds=10)
KEYS_MAX: Final = 1_000
# However many sources strangers come from: so many a minute are told alone, by this process.
ALONE_ALL_MAX: Final = 600
# The same for one person who is signed in, and for how many of them at once.
PERSON_KEYS_MAX: Final = 20
PERSON_ALONE_MAX: Final = 60
PEOPLE_MAX: Final = 5_000
_DETAILS: Final = ("method", "status", "path", "route", "permission")

Key = tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What one kind of refusal of one source came to in its minute."""

    since: datetime
    alone: int = 0
    count: int = 0
    event: RequestEvent | None = None
    ctx: Context | None = None


@dataclass(slots=True, kw_only=True)
class _Crowd:
    """Those who share one capacity: all strangers together, or one person who is signed in."""

    is_one_person: bool = False
    keys_max: int = KEYS_MAX
    alone_max: int = ALONE_ALL_MAX
    seen: dict[Key, _Seen] = field(default_factory=dict)
    minute: datetime | None = None
    alone: int = 0

    def is_alone(self, counted: RequestEvent, ctx: Context) -> bool:
        """Tell whether a refusal is told alone; else it is counted."""
        key = _key_of(counted, ctx)
        if key not in self.seen and len(self.seen) >= self.keys_max:
            self.forget(ctx.at)
        if key not in self.seen and len(self.seen) >= self.keys_max:
            # More sources than can be told apart: the rest is counted together, without a source.
            actor = ctx.actor if self.is_one_person else ANONYMOUS
            self.count(("overflow", *key[:3]), counted, replace(ctx, source=Source(), actor=actor), 1)
            return False
        seen = self.seen.setdefault(key, _Seen(since=ctx.at))
        if ctx.at - seen.since >= WINDOW and seen.count == 0:
            seen.since, seen.alone = ctx.at, 0
        if self.minute is None or ctx.at - self.minute >= WINDOW:
            self.minute, self.alone = ctx.at, 0
        if seen.alone < ALONE_MAX and self.alone < self.alone_max:
            seen.alone += 1
            self.alone += 1
            return True
        self.count(key, counted, ctx, 1)
        return False

    def count(self, key: Key, counted: RequestEvent, ctx: Context, count: int) -> None:
        """Add to what is told with a count."""
        seen = self.seen.setdefault(key, _Seen(since=ctx.at, alone=ALONE_MAX))
        seen.event = _common(seen.event, counted)
        seen.ctx = ctx
        seen.count += count

    def given_out(self, at: datetime) -> list[_Seen]:
        """Return what was counted, which begins anew."""
        due = [replace(seen) for seen in self.seen.values() if seen.count]
        for seen in self.seen.values():
            seen.count, seen.event, seen.ctx = 0, None, None
        self.forget(at)
        return due

    def forget(self, at: datetime) -> None:
        """Make room: whose minute is over, and owes nothing, begins anew."""
        over = [key for key, seen in self.seen.items() if seen.count == 0 and at - seen.since >= WINDOW]
        for key in over:
            del self.seen[key]


@dataclass(slots=True)
class Folding:
    """Decides which refusals are written alone; counts the others and gives them out every ten seconds.

    No flood of strangers takes the place of what a person does who is signed in: each has a capacity of their own.
    """

    _strangers: _Crowd = field(default_factory=_Crowd)
    _people: dict[str, _Crowd] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _flushed_at: datetime | None = None

    def tell(self, db: Database, event: Event, counted: RequestEvent, ctx: Context) -> None:
        """Record a refusal in a transaction of its own, or count it; `counted` stands for it where it is folded.

        A flood that touches no other request still gets its counts written: what is due goes along with the next one.
        """
        with self._guard:
            told = [(event, ctx)] if self._crowd_of(ctx).is_alone(counted, ctx) else []
            due = self._due(ctx.at)
        self._write(db, told, due)

    def tell_limited(self, db: Database, event: Event, path: str, ctx: Context) -> None:
        """As `tell`, for what a limit turned away; its own event has no place for a count."""
        counted = RequestBlocked(layer="limit", reason=event.reason, path=path)
        self.tell(db, event, counted, ctx)

    def flush(self, db: Database, at: datetime) -> int:
        """Record what was counted, and return in how many events."""
        with self._guard:
            due = self._due(at, wait=False)
        self._write(db, [], due)
        return len(due)

    def _write(self, db: Database, told: Sequence[tuple[Event, Context]], due: Sequence[_Seen]) -> None:
        if not told and not due:
            return
        try:
            with db.begin() as session:
                for event, ctx in told:
                    outbox.record(session, event, ctx)
                for seen in due:
                    assert seen.event is not None
                    assert seen.ctx is not None
                    outbox.record(session, replace(seen.event, count=seen.count), seen.ctx)
        except BaseException:
            # Nothing was written, so the counts stay owed.
            with self._guard:
                for seen in due:
                    assert seen.event is not None
                    assert seen.ctx is not None
                    crowd = self._crowd_of(seen.ctx)
                    crowd.count(_key_of(seen.event, seen.ctx), seen.event, seen.ctx, seen.count)
            raise

    def _crowd_of(self, ctx: Context) -> _Crowd:
        person = ctx.actor.id
        if person is None:
            return self._strangers
        if person not in self._people and len(self._people) >= PEOPLE_MAX:
            return self._strangers  # who comes after so many in a minute shares the strangers' place
        own = _Crowd(is_one_person=True, keys_max=PERSON_KEYS_MAX, alone_max=PERSON_ALONE_MAX)
        return self._people.setdefault(person, own)

    def _due(self, at: datetime, *, wait: bool = True) -> list[_Seen]:
        if self._flushed_at is None:
            self._flushed_at = at
        if wait and at - self._flushed_at < FLUSH:
            return []
        self._flushed_at = at
        due = [seen for crowd in (self._strangers, *self._people.values()) for seen in crowd.given_out(at)]
        self._people = {person: crowd for person, crowd in self._people.items() if crowd.seen}
        return due


def _key_of(event: RequestEvent, ctx: Context) -> Key:
    """Return what is folded together: kind, reason, layer, who asks, from where (IPv6: the /64 of one client).

    Of somebody who is signed in, what they wanted as well: many harmless denials do not hide another one.
    """
    where = client_of(ctx.source.ip) if ctx.source.ip else ""
    wanted = (event.method or "", event.route or "", event.permission or "") if ctx.actor.id else ()
    return (event.kind, event.reason or "", getattr(event, "layer", ""), ctx.actor.id or "", where, *wanted)


def _common(one: RequestEvent | None, other: RequestEvent) -> RequestEvent:
    """Return an event that says of both only what is true of both."""
    if one is None:
        return other
    differing: dict[str, Any] = {name: None for name in _DETAILS if getattr(one, name) != getattr(other, name)}
    return replace(one, **differing)
