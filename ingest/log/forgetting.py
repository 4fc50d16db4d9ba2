"""Removing the bodies of one class and month everywhere: event store, log, archive. The tree keeps every proof.

What is held for a case is copied first, and counted. What was said to go is written down before anything goes, so that
neither the shipper sends it again nor anybody takes its absence for damage; that it is gone is said last, when it was
looked for. Killed at any point, the same call goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import LOG_SEGMENT_PRUNE
from app.kernel.context import Context
from app.kernel.db import Database, delete_for_good, insert_once
from app.kernel.errors import Conflict, WrongState
from ingest import models
from ingest.events.health import SegmentDropped
from ingest.log import archive as archives
from ingest.log import entries as form
from ingest.log import forgotten, outbox, read, units
from ingest.log.archive import MONTH_GRACE, OPEN_NAME, Archive
from ingest.log.archive_check import ArchiveReader
from ingest.log.forgotten import BEGUN, GONE, UNSTORED, Removal
from ingest.log.read import Body
from ingest.log.units import Unit
from ingest.store.columns import month_begin, month_end
from ingest.store.placing import CLASSES, hold_case
from ingest.store.port import EventStore
from ingest.store.query import Eq, Window

BATCH: Final = 1_000
CLASS_PATH: Final = "onepay.class"


class UnitNotOver(WrongState):
    """The month is not over, or not all of it is in archive and store yet; nothing was removed."""

    code = "unit_not_over"


class HoldTooLate(Conflict):
    """What is to be held is gone already; nothing more was removed."""

    code = "hold_too_late"


class StillThere(WrongState):
    """A part of the unit is still there, so it is not said to be gone; the run goes on later."""

    code = "unit_still_there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What removing a unit did: its sequences, those that holds keep, by case, and what went from each place."""

    class_: str
    month: str
    count: int
    held: int
    by_case: Mapping[str, int]
    bodies: int
    segments: int
    run: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What another reader finds of a unit: rows, documents, a file or index, files of the archive."""

    bodies: int
    documents: int
    has_unit: bool
    files: tuple[str, ...]
    is_covered: bool
    """What the store has and what was lawfully removed are together every sequence."""

    def __str__(self) -> str:
        """Return what is left in words, for people."""
        said = []
        if self.bodies:
            said.append("1 text in the log" if self.bodies == 1 else f"{self.bodies:,} texts in the log")
        if self.documents:
            kept = "1 document" if self.documents == 1 else f"{self.documents:,} documents"
            said.append(f"{kept} in the event store")
        if self.has_unit:
            said.append("its file or index in the event store")
        if self.files:
            said.append(f"in the archive {', '.join(self.files)}")
        if not self.is_covered:
            said.append("the event store does not account for every sequence")
        return "; ".join(said) or "nothing"

    @property
    def is_gone(self) -> bool:
        """Whether nothing is left, and nothing else is missing."""
        return not (self.bodies or self.documents or self.has_unit or self.files) and self.is_covered


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The places that bodies lie in; `target` is the name under which the shipper knows the store."""

    db: Database
    store: EventStore
    target: str
    archive: Archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held of a unit, by case, as somebody looked for it.

    `stands` tells within a transaction that writes whether nothing was added since, and lets nothing be added before
    that transaction ends.
    """

    by_case: Mapping[str, Collection[int]]
    stands: Callable[[Session], bool] = lambda session: True


Keeping: TypeAlias = Callable[[int, int], Held]
"""Whoever is asked what of a unit's sequences in (lo, hi] is held; asked outside any transaction, and again."""


def drop(class_: str, month: str, keep: Keeping, run: str, ctx: Context, *, parts: Parts) -> Dropped:
    """Remove one class and month from store, log bodies and archive; called again after a crash it goes on.

    `keep` is asked for the held sequences by case: as the removal is written down, and until the store has let go of
    the unit, so that what is held meanwhile stays. Those of other units are of no concern here. `run` is
    the approved run. On SQLite writers wait for the moment in which the store lets go.
    Opens transactions of its own. Demands `log:segment:prune`. Raises `UnitUnknown`, `UnitNotOver`, `HoldTooLate`,
    `StillThere`, and what database, store or archive raise when they do not answer: then it is called again.
    """
    assert class_ in CLASSES, "a hold is not a class"
    ctx.actor.require(LOG_SEGMENT_PRUNE)
    removal, held = _begin(class_, month, keep, run, ctx, parts)
    parts.archive.seal_month(parts.db, class_, month, ctx.at)
    while True:
        with parts.db.read() as session:
            holds = forgotten.holds_of(session, class_, month)
        if removal.state == BEGUN:
            _copy_held(class_, month, holds, parts)
        if _unstore(removal, holds, held, parts):
            break
        removal, held = _begin(class_, month, keep, run, ctx, parts)
    bodies = _delete_bodies(removal, parts)
    with parts.archive.alone():
        parts.archive.unlink(class_, month)
    with parts.db.read() as session:
        left = remaining(session, class_, month, store=parts.store, archive=parts.archive)
    if not left.is_gone:
        raise StillThere(f"Of {class_} {month} is left: {left}.")
    segments = _end(removal, ctx, parts)
    return Dropped(
        class_=class_,
        month=month,
        count=removal.count,
        held=removal.held,
        by_case={case: len(sequences) for case, sequences in holds.items()},
        bodies=bodies,
        segments=segments,
        run=removal.run,
        at=ctx.at,
    )


def remaining(session: Session, class_: str, month: str, *, store: EventStore, archive: Archive) -> Remaining:
    """Look for a unit everywhere; meant for another reader than the one who removed it. Raises `UnitUnknown`."""
    removal = forgotten.removal(session, class_, month)
    if removal is None:
        unit = units.get(session, class_, month)
        first, last, held = unit.first, unit.last, 0
    else:
        first, last, held = removal.first, removal.last, removal.held
    window = Window(lo=first - 1, hi=last)
    store.settle()
    present = store.coverage(first - 1, last)
    folder = archive.folder / "body" / class_
    files = [str(file.relative_to(archive.folder)) for file in sorted((folder / month).glob("*"))]
    path = f"body/{class_}/{OPEN_NAME}"
    if any(first <= sequence <= last for sequence, _ in archive.lines(path)):
        files.append(path)
    return Remaining(
        bodies=session.scalar(sa.select(sa.func.count()).select_from(units.bodies_of(class_, first, last).subquery()))
        or 0,
        documents=store.count(Eq(CLASS_PATH, class_), window) - held,
        has_unit=store.holds(class_, month),
        files=tuple(files),
        is_covered=present + forgotten.dropped(session, first - 1, last) == last - first + 1,
    )


def _begin(
    class_: str,
    month: str,
    keep: Keeping,
    run: str,
    ctx: Context,
    parts: Parts,
) -> tuple[Removal, Held]:
    """Write down what will go and what is held, or take up what was written down before, with what is held anew."""
    while True:
        held = _asked(class_, month, keep, parts)
        with parts.db.begin() as session:
            if held.stands(session):
                return _taken_up(session, class_, month, held.by_case, run, ctx, parts), held


def _asked(class_: str, month: str, keep: Keeping, parts: Parts) -> Held:
    """Return what is held; of what the store has let go of nothing can be held any more, so nobody is asked."""
    with parts.db.read() as session:
        removal = forgotten.removal(session, class_, month)
        of = units.get(session, class_, month) if removal is None else removal
    if removal is not None and (removal.state != BEGUN or not parts.store.holds(class_, month)):
        return Held(by_case={})
    return keep(of.first - 1, of.last)


def _taken_up(
    session: Session,
    class_: str,
    month: str,
    keep: Mapping[str, Collection[int]],
    run: str,
    ctx: Context,
    parts: Parts,
) -> Removal:
    known = forgotten.removal(session, class_, month)
    if known is None:
        known = _written(session, units.get(session, class_, month), run, ctx, parts)
    fresh = _fresh_holds(session, known, keep)
    if fresh and (known.state != BEGUN or not parts.store.holds(class_, month)):
        raise HoldTooLate(f"Of {class_} {month}, {len(fresh)} sequences are gone already.")
    insert_once(session, models.held, *fresh)
    held = session.scalar(
        sa.select(sa.func.count(models.held.c.sequence.distinct())).where(
            models.held.c["class"] == class_, models.held.c.month == month
        )
    )
    session.execute(sa.update(models.forgotten).where(_is(known)).values(held=held or 0))
    found = forgotten.removal(session, class_, month)
    assert found is not None, "it was written a moment ago"
    return found


def _written(session: Session, unit: Unit, run: str, ctx: Context, parts: Parts) -> Removal:
    shipped = session.scalar(sa.select(models.target.c.done).where(models.target.c.name == parts.target)) or 0
    is_over = ctx.at >= month_end(unit.month) + MONTH_GRACE
    if not is_over or min(shipped, archives.archived(session)[0]) < unit.last:
        raise UnitNotOver
    values = {
        "class": unit.class_,
        "month": unit.month,
        "first": unit.first,
        "last": unit.last,
        "count": unit.count,
        "held": 0,
        "state": BEGUN,
        "run": run,
        "begun_at": ctx.at,
        "ended_at": None,
    }
    session.execute(sa.insert(models.forgotten).values(values))
    found = forgotten.removal(session, unit.class_, unit.month)
    assert found is not None, "it was written a moment ago"
    return found


def _fresh_holds(session: Session, removal: Removal, keep: Mapping[str, Collection[int]]) -> list[dict[str, object]]:
    """Return the rows of what is to be held of this unit and is not written down yet."""
    known = {
        (case, sequence)
        for case, sequences in forgotten.holds_of(session, removal.class_, removal.month).items()
        for sequence in sequences
    }
    fresh: list[dict[str, object]] = []
    for case in sorted(keep):
        inside = sorted({one for one in keep[case] if removal.first <= one <= removal.last})
        for first in range(0, len(inside), BATCH):
            for entry in read.entries_of(session, inside[first : first + BATCH]):
                if entry.class_ == removal.class_ and (case, entry.sequence) not in known:
                    row = {"sequence": entry.sequence, "hold": hold_case(case)}
                    fresh.append({**row, "class": removal.class_, "month": removal.month})
    return fresh


def _copy_held(class_: str, month: str, holds: Mapping[str, list[int]], parts: Parts) -> None:
    """Copy what is held into the archive's folder of its case, each compared with what its entry commits to."""
    reader = ArchiveReader(parts.archive)
    for case, sequences in holds.items():
        found: list[Body] = []
        for first in range(0, len(sequences), BATCH):
            some = sequences[first : first + BATCH]
            with parts.db.read() as session:
                bodies = {body.sequence: body for body in read.bodies_of(session, some)}
                for entry in read.entries_of(session, some):
                    of_log, of_archive = bodies.get(entry.sequence), reader.body(entry.sequence, class_)
                    sound = [
                        body
                        for body in (of_log, of_archive)
                        if body is not None and form.commitment(body.salt, body.body) == entry.commitment
                    ]
                    if not sound:
                        raise HoldTooLate(f"Sequence {entry.sequence} is held, and no sound copy of it is left.")
                    found.append(sound[0])
        with parts.archive.alone():
            made = parts.archive.hold(case, class_, month, found)
        assert made.count >= len(sequences), "every held body is in the file of its case"


def _unstore(removal: Removal, holds: Mapping[str, list[int]], held: Held, parts: Parts) -> bool:
    """Remove the unit from the store, and say so once the store has no more of it than what is held.

    False where something was held since it was asked for; then nothing was removed.
    """
    before = month_end(removal.month)
    with parts.db.begin() as session:
        if not held.stands(session):
            return False
        parts.store.drop(removal.class_, before, holds, since=month_begin(removal.month))
        parts.store.settle()
        left = parts.store.count(Eq(CLASS_PATH, removal.class_), Window(lo=removal.first - 1, hi=removal.last))
        if left != removal.held or parts.store.holds(removal.class_, removal.month):
            raise StillThere(
                f"The store has {left} documents of {removal.class_} {removal.month}, {removal.held} are held."
            )
        session.execute(
            sa.update(models.forgotten).where(_is(removal), models.forgotten.c.state == BEGUN).values(state=UNSTORED)
        )
    return True


def _delete_bodies(removal: Removal, parts: Parts) -> int:
    deleted = 0
    while True:
        with parts.db.begin() as session:
            delete_for_good(session)
            some = list(session.scalars(units.bodies_of(removal.class_, removal.first, removal.last).limit(BATCH)))
            if not some:
                return deleted
            session.execute(sa.delete(models.body).where(models.body.c.sequence.in_(some)))
        deleted += len(some)


def _end(removal: Removal, ctx: Context, parts: Parts) -> int:
    """Say in one transaction that all of it is gone, with an event for each segment."""
    segment = models.segment.c
    with parts.db.begin() as session:
        is_ours = (
            (segment["class"] == removal.class_) & (segment.month == removal.month) & (segment.state == archives.SEALED)
        )
        rows = [
            row
            for row in session.execute(sa.select(models.segment).where(is_ours).order_by(segment.first))
            if not row.path.startswith(f"body/{archives.HOLD}")
        ]
        for row in rows:
            session.execute(
                sa.update(models.segment)
                .where(segment.path == row.path)
                .values(state=archives.DROPPED, run=removal.run, at=ctx.at)
            )
        gone = [
            SegmentDropped(
                path=row.path,
                sha256=row.sha256,
                first=row.first,
                last=row.last,
                class_=removal.class_,
                run=removal.run,
            )
            for row in rows
        ]
        outbox.record_many(session, gone, ctx)
        session.execute(
            sa.update(models.forgotten)
            .where(_is(removal), models.forgotten.c.state != GONE)
            .values(state=GONE, ended_at=ctx.at)
        )
    return len(rows)


def _is(removal: Removal) -> sa.ColumnElement[bool]:
    unit = models.forgotten.c
    return (unit["class"] == removal.class_) & (unit.month == removal.month)
