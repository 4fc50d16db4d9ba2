"""The reading that a probe stands by: the newest that was sealed, whatever its row names and whatever was deleted.

A row can be set back to an older reading, which lies as it was sealed. So what was sealed after it is looked for twice:
among the readings that are kept, and in the log, whose entries outlive a reading that somebody took away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance import models
from compliance.engine import sealed
from compliance.engine.held import FAILURE_STANDS, leaves
from compliance.told import ended
from ingest import models as log
from ingest.events.compliance import ProbeObserved
from ingest.events.envelope import at_path
from ingest.log import read

MISSED_AMONG: Final = 2_000
"""Among so many of the newest readings in the log one without its row is missed, which is more than a day of them."""
_BACK_MAX: Final = 20
_FOLDED_MAX: Final = 1_000
_NO_PLACE: Final = (0, 0)
_PROBE: Final = "onepay.control.probe"

Row: TypeAlias = Mapping[str, Any]
Place: TypeAlias = tuple[int, int]
"""Where an event stands: those that wait for their number come after all that have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a probe goes on from: the reading that stands, and until where and when it was sealed last."""

    stands: Row | None
    hi: int
    sealed_at: datetime | None


def overtaken(session: Session, named: Mapping[str, Row]) -> frozenset[str]:
    """Return the probes after whose named reading another was sealed that does not leave it standing."""
    if not named:
        return frozenset()
    later, missed = _later(session, named), _missed(session)
    if not later and not missed:
        return frozenset()
    places = _places(session, [one["event_id"] for one in (*named.values(), *later)] + missed)
    begin = {probe: places.get(one["event_id"], _NO_PLACE) for probe, one in named.items()}
    found = set[str]()
    after = [one for one in later if places.get(one["event_id"], _NO_PLACE) > begin[one["probe"]]]
    intact = sealed.intact(session, after, are_past=False)
    found |= {one["probe"] for one in after if one["id"] not in intact or not leaves(named[one["probe"]], one)}
    for event_id, probe in _probes_of(session, missed).items():
        # Of whom nobody can say which probe it was of, it may have been of any.
        found |= {one for one in ([probe] if probe else named) if one in named and places[event_id] > begin[one]}
    return frozenset(found)


def kept(session: Session, probe: str, until: datetime) -> Kept:
    """Return what a probe goes on from; `until` is the latest at which a reading can have been made."""
    of = models.observation
    mine = sa.select(of).where(of.c.probe == probe)
    newest = mine.where(of.c.ended_at <= until).order_by(of.c.ended_at.desc(), of.c.id.desc())
    rows = [dict(row) for row in session.execute(newest.limit(_BACK_MAX)).mappings()]
    named = {name: row for name, row in sealed.latest(session, probe).items() if _is_intact(session, row)}
    last = _last(session, {row["id"]: row for row in (*rows, *named.values())}.values())
    if last is None:
        return Kept(stands=None, hi=0, sealed_at=None)
    stands = named.get(probe)
    if stands is None or overtaken(session, named):
        lately = newest.where(of.c.ended_at > last["ended_at"] - FAILURE_STANDS).limit(_FOLDED_MAX)
        stands = _stands(session, [dict(row) for row in session.execute(lately).mappings()])
    return Kept(stands=stands, hi=last["hi"], sealed_at=last["started_at"])


def _later(session: Session, named: Mapping[str, Row]) -> list[Row]:
    """Return the readings of probes that ended after the ones they name."""
    one, of, probe = models.observation.alias("one"), models.observation, models.probe
    query = (
        sa.select(one)
        .join(probe, probe.c.name == one.c.probe)
        .join(of, sa.and_(of.c.id == probe.c.observation_id, of.c.probe == probe.c.name))
        .where(one.c.ended_at >= of.c.ended_at, one.c.id != of.c.id, probe.c.name.in_(list(named)))
    )
    return [dict(row) for row in session.execute(query).mappings()]


def _missed(session: Session) -> list[str]:
    """Return the events of readings that are not kept, among the newest ones."""
    entry, waits, of = log.entry.c, log.outbox.c, models.observation.c
    of_kind = entry.kind == ProbeObserved.kind
    newest = sa.select(entry.event_id, entry.at).where(of_kind).order_by(entry.at.desc()).limit(MISSED_AMONG).subquery()
    # A reading ends after the instant of its event; one that was put back before it would hide behind older ones.
    its = sa.and_(of.event_id == newest.c.event_id, of.started_at == newest.c.at, of.ended_at >= of.started_at)
    gone = sa.select(newest.c.event_id).outerjoin(models.observation, its).where(of.id.is_(None))
    still = (
        sa.select(waits.id)
        .outerjoin(models.observation, of.event_id == waits.id)
        .where(waits.kind == ProbeObserved.kind, of.id.is_(None))
    )
    # First those that wait: an event only ever goes from there to the entries, so none is in neither.
    waiting = session.scalars(still).all()
    return list(dict.fromkeys((*waiting, *session.scalars(gone))))


def _probes_of(session: Session, event_ids: Sequence[str]) -> dict[str, str | None]:
    """Return which probe each event is of, None where its body is gone; left out is one that lawfully ended."""
    said = read.documents(session, event_ids)
    lacking = [id_ for id_ in event_ids if id_ not in said]
    over = ended(session, lacking) if lacking else {}
    found: dict[str, str | None] = {id_: str(at_path(document, _PROBE)) for id_, document in said.items()}
    return found | {id_: None for id_ in lacking if id_ not in over}


def _places(session: Session, event_ids: Collection[str]) -> dict[str, Place]:
    waits, wanted, found = log.outbox.c, sorted(set(event_ids)), dict[str, Place]()
    # First those that wait: an event only ever goes from there to the entries, so none is in neither.
    for first in range(0, len(wanted), read.SLICE_MAX):
        query = sa.select(waits.id, waits.n).where(waits.id.in_(wanted[first : first + read.SLICE_MAX]))
        found |= {row.id: (1, row.n) for row in session.execute(query)}
    return found | {id_: (0, number) for id_, number in read.sequences_of(session, wanted).items()}


def _last(session: Session, rows: Collection[Row]) -> Row | None:
    """Return the reading that was sealed last of these, of those that lie as they were."""
    places = _places(session, [row["event_id"] for row in rows])
    ordered = sorted(rows, key=lambda row: places.get(row["event_id"], _NO_PLACE), reverse=True)
    return next((row for row in ordered if _is_intact(session, row)), None)


def _stands(session: Session, rows: Sequence[Row]) -> Row | None:
    """Return what stands of readings of one probe, each after the one before it."""
    intact = sealed.intact(session, rows, are_past=False)
    places = _places(session, [row["event_id"] for row in rows])
    stands: Row | None = None
    for row in sorted((row for row in rows if row["id"] in intact), key=lambda row: places[row["event_id"]]):
        if stands is None or not leaves(stands, row):
            stands = row
    return stands


def _is_intact(session: Session, row: Row) -> bool:
    return bool(sealed.intact(session, [row], are_past=False))
