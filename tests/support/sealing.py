"""Events into the log and back: what tests of the log, the store and the detectors do all the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest import models
from ingest.events.auth import LoginFailed
from ingest.events.envelope import Event
from ingest.log import entries, merkle, outbox, read
from ingest.log.sequencer import Sequencer
from tests.support.ground import Ground

# Beyond any lease and any event of a process that runs on the machine's clock.
FAR = timedelta(days=3650)


def sequencer(ground: Ground, holder: str = "test", **options: int) -> Sequencer:
    return Sequencer(ground.db, ground.clock, holder=holder, ids=ground.ids, **options)


def failed_login(reason: str = "wrong_password") -> Event:
    return LoginFailed(reason=reason, identifier="5e" * 16)


def record(ground: Ground, *events: Event) -> list[str]:
    """Record events in one transaction of their own; without any, one failed sign-in."""
    with ground.db.begin() as session:
        return outbox.record_many(session, events or [failed_login()], ground.ctx())


def every_entry(session: Session) -> Iterator[read.Entry]:
    size = session.scalar(sa.select(sa.func.coalesce(sa.func.max(models.entry.c.sequence), 0)))
    for lo in range(0, size, read.SLICE_MAX):
        yield from read.entries(session, lo, min(lo + read.SLICE_MAX, size))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over all these leaf hashes."""
    return merkle.root(merkle.append(merkle.Edge(0, ()), leaves)[0])


def assert_sound(ground: Ground) -> int:
    """Assert that the log is gap-free, each body is what its leaf commits to, and the root is that of a replay."""
    with ground.db.read() as session:
        head = read.head(session)
        log = list(every_entry(session))
        slices = [(lo, min(lo + read.SLICE_MAX, head.size)) for lo in range(0, head.size, read.SLICE_MAX)]
        bodies = [body for lo, hi in slices for body in read.bodies(session, lo, hi)]
    assert [entry.sequence for entry in log] == list(range(1, head.size + 1))
    assert [body.sequence for body in bodies] == list(range(1, head.size + 1))
    for entry, body in zip(log, bodies, strict=True):
        assert entries.commitment(body.salt, body.body) == entry.commitment
    assert root_of(entry.leaf for entry in log) == head.root
    times = [entry.ingested for entry in log]
    assert times == sorted(times)
    return head.size
