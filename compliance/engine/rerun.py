"""Reading a window again: the same probe over the same sequences must say the same, or the evidence is contradicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.access import COMPLIANCE_CONTROL_RUN, COMPLIANCE_EVIDENCE_READ, Actor
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import Conflict, Invalid, NotFound
from compliance import models
from compliance.contracts.probes import Kind, Window
from compliance.engine import code, reading, sealed
from compliance.engine.parts import Parts
from compliance.engine.verdict import Canary, Tested
from ingest.events.compliance import EvidenceContradicted
from ingest.log import outbox, read
from ingest.store.port import EventStore

EV = "EV-"


class NotReplayable(Conflict):
    """This evidence cannot be read again."""

    code = "not_replayable"


class NotAsSealed(Conflict):
    """This reading does not lie as it was sealed, so it is no evidence. Its event still says what it was."""

    code = "not_as_sealed"


class EvidenceNumberInvalid(Invalid):
    """An evidence number is EV- and the sequence of its event, such as EV-000012345."""

    code = "evidence_number_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One kept reading, as it was told to the log. `sequence` is None while the log has not numbered it."""

    id: str
    probe: str
    code_hash: str
    build: str
    host: str
    controls: list[str]
    asked: Mapping[str, Any]
    lo: int
    hi: int
    started_at: datetime
    ended_at: datetime
    state: str
    reason: str | None
    population: Mapping[str, int]
    violations: list[dict[str, str]]
    total: int
    canary: str | None
    canary_at: datetime | None
    sha256: str
    event_id: str
    sequence: int | None
    is_as_sealed: bool
    """Whether it lies as its event says; what does not is no evidence."""

    @property
    def counted(self) -> int:
        """The whole population."""
        return sum(self.population.values())

    @property
    def number(self) -> str:
        """The evidence number, or the event's id while there is none."""
        return number_of(self.sequence) if self.sequence is not None else self.event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """What reading again said, and whether that is what stands in the evidence."""

    observation: Observation
    is_same: bool
    population: Mapping[str, int]
    total: int


def number_of(sequence: int) -> str:
    """Return the evidence number of a sequence."""
    return f"{EV}{sequence:09d}"


def sequence_of(number: str) -> int:
    """Return the sequence of an evidence number; raises `EvidenceNumberInvalid`."""
    digits = number.removeprefix(EV)
    if not number.startswith(EV) or not (digits.isascii() and digits.isdigit()) or len(digits) > 15:
        raise EvidenceNumberInvalid(param="number")
    return int(digits)


def find(session: Session, number: str, actor: Actor) -> Observation:
    """Return the observation of an evidence number or of an observation's id.

    Raises `NotFound`, also to an auditor where it was made outside of their period.
    """
    actor.require(COMPLIANCE_EVIDENCE_READ)
    table = models.observation
    if number.startswith(EV):
        entries = read.entries(session, sequence_of(number) - 1, sequence_of(number))
        where = table.c.event_id == (entries[0].event_id if entries else "")
    else:
        where = table.c.id == number
    row = session.execute(sa.select(table).where(where)).one_or_none()
    if row is None or not actor.sees(row.ended_at):
        raise NotFound(object_id=number)
    return of_rows(session, [row])[0]


def of_probe(
    session: Session, probe: str, actor: Actor, *, limit: int = 20, until: datetime | None = None
) -> list[Observation]:
    """Return the newest observations of a probe, or the newest that there were at an instant, newest first.

    An auditor is told of those of their period alone.
    """
    actor.require(COMPLIANCE_EVIDENCE_READ)
    table = models.observation
    query = sa.select(table).where(table.c.probe == probe)
    if until is not None:
        query = query.where(table.c.ended_at <= until)
    if actor.period is not None:
        query = query.where(table.c.ended_at >= actor.period[0], table.c.ended_at < actor.period[1])
    rows = session.execute(query.order_by(table.c.ended_at.desc(), table.c.id.desc()).limit(limit))
    return of_rows(session, rows)


def rerun(number: str, ctx: Context, *, db: Database, store: EventStore, parts: Parts) -> Rerun:
    """Read an observation's window again.

    Raises `NotAsSealed` where it was changed since, as nothing proves what stands there now, and `NotReplayable` with
    the reason where it cannot be read again.
    """
    ctx.actor.require(COMPLIANCE_CONTROL_RUN)
    with db.read() as session:
        found = find(session, number, ctx.actor)
    if not found.is_as_sealed:
        raise NotAsSealed
    probe = parts.probes.get(found.probe)
    if probe is None or probe.kind is not Kind.WINDOW:
        raise NotReplayable("It reads rows or acts as they are at a moment, and that moment is gone.")
    if found.hi == found.lo:
        raise NotReplayable("It read nothing: its window is empty.")
    if code.code_hash(probe) != found.code_hash:
        raise NotReplayable("The probe was changed since.")
    window = Window(lo=found.lo, hi=found.hi)
    with db.read() as session:
        if not reading.is_whole(session, store, window):
            raise NotReplayable("The event store does not hold the whole window any more.")
    tested = Tested(canary=Canary(found.canary) if found.canary else None, at=found.canary_at)
    seen = reading.read_window(probe, ctx, window, tested, db=db, store=store, parts=parts)
    before = [dict(found.population), found.violations, found.total]
    now = [dict(seen.reading.population), reading.named(seen.reading), len(seen.reading.violations)]
    is_same = seen.error is None and canonical.encode(before) == canonical.encode(now)
    if not is_same:
        told = EvidenceContradicted(
            of_event=found.event_id,
            observation=found.id,
            probe=found.probe,
            population=seen.reading.counted,
            violations=len(seen.reading.violations),
        )
        with db.begin() as session:
            outbox.record(session, told, ctx)
    return Rerun(
        observation=found,
        is_same=is_same,
        population=seen.reading.population,
        total=len(seen.reading.violations),
    )


def of_rows(session: Session, found: Iterable[sa.Row[tuple[object, ...]]]) -> list[Observation]:
    """Return observations from their rows, each with its number and whether it lies as it was sealed."""
    rows = [dict(row._mapping) for row in found]
    numbers = read.sequences_of(session, [row["event_id"] for row in rows])
    intact = sealed.intact(session, rows)
    return [Observation(**row, sequence=numbers.get(row["event_id"]), is_as_sealed=row["id"] in intact) for row in rows]
