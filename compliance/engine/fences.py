"""Fences: where a planted violation stands while a probe looks at it, and nothing of it remains.

Nobody waits for a fence. On PostgreSQL it is a transaction that is undone, and what is planted is beyond the reach of
all others; SQLite has one writer, so there the fence is an overlay that never takes its lock. Where the lock has to be
taken, as by what erases a person in every store, a fence is open until its budget ends at the latest.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import ORMExecuteState, Session

from app.kernel.db import BUSY_SECONDS, Database
from app.kernel.errors import Unavailable
from compliance.contracts.probes import Kind, Look, Probe, Violation, Window, planted_ids
from compliance.engine import overlay
from compliance.engine.verdict import Canary
from ingest.store.memory import MemoryStore

WINDOW_MAX = 1_000
OPEN_SECONDS_MAX: Final = BUSY_SECONDS / 2
"""So long may a fence hold SQLite's writer: whoever waits for it meanwhile is never refused."""


class FenceOverran(Unavailable):
    """A fence was open for longer than its budget, and was ended: nothing is known by it."""

    code = "fence_overran"


class _Undone(Exception):
    """Ends a fence: whatever was planted is rolled back."""


@contextmanager
def rows(db: Database, seconds: float = OPEN_SECONDS_MAX) -> Iterator[Session]:
    """Open a transaction that is always rolled back; raises `FenceOverran` where it is open for too long.

    Once the time is over each further statement is refused, so that whatever stands within ends soon.
    """
    with suppress(_Undone), db.begin() as session:
        until = time.monotonic() + seconds

        def check(_state: ORMExecuteState) -> None:
            if time.monotonic() > until:
                raise FenceOverran

        # No statement is broken off: SQLite would end the transaction with it, and what follows would be kept.
        sa.event.listen(session, "do_orm_execute", check)
        yield session
        if time.monotonic() > until:
            raise FenceOverran
        raise _Undone


def test(probe: Probe, look: Look, db: Database, *, before: Sequence[Violation] | None) -> Canary:
    """Plant what the probe plants and tell whether it names all of it, and did not before.

    `before` is what was wrong a moment ago, where that is known; else the probe reads in the fence first.
    """
    if probe.kind is Kind.STATE:
        with _planted(db) as session:
            return _looked(probe, replace(look, session=session, is_fence=True, fence={}), before)
    with db.read() as session:
        scratch = MemoryStore()
        scratch.open()
        window = Window(lo=0, hi=WINDOW_MAX)
        return _looked(
            probe, replace(look, session=session, store=scratch, window=window, is_fence=True, fence={}), before
        )


@contextmanager
def _planted(db: Database) -> Iterator[Session]:
    """Open a session in which rows can be planted; on PostgreSQL for as long as the probe's own deadline lets it."""
    if db.is_sqlite:
        with overlay.opened(db) as session:
            yield session
        return
    with suppress(_Undone), db.begin() as session:
        yield session
        raise _Undone


def _looked(probe: Probe, look: Look, known: Sequence[Violation] | None) -> Canary:
    """What was wrong before is no answer: each planted violation must be new, by its object and its words."""
    before = Counter(probe.read(look).violations if known is None else known)
    planted = planted_ids(probe.plant(look))
    assert planted, "a probe plants something"
    new = {one.object_id for one in Counter(probe.read(look).violations) - before}
    return Canary.CAUGHT if planted <= new else Canary.MISSED
