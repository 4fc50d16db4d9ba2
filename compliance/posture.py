"""Would we pass today? Counts by state and requirement, the share of the quarter in place, what changed lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import COMPLIANCE_CONTROL_READ, Actor
from compliance import deadlines, models
from compliance.catalog.controls import GDPR, PCI
from compliance.deadlines import Deadline
from compliance.engine import history, past, standing
from compliance.engine.history import Interval
from compliance.engine.parts import Parts
from compliance.engine.standing import Standing
from compliance.states import Reason, State

LATELY: Final = timedelta(days=7)
STRIP_DAYS: Final = 90
CHANGES_MAX: Final = 500
_ORDER: Final = list(State)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One requirement or chapter: its controls by state, worst first."""

    number: int
    title: str
    counts: Mapping[State, int]

    @property
    def applicable(self) -> int:
        """How many of its controls apply."""
        return sum(count for state, count in self.counts.items() if state is not State.NOT_APPLICABLE)

    @property
    def in_place(self) -> int:
        """How many of them are in place."""
        return sum(count for state, count in self.counts.items() if state.is_in_place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """One framework: its groups, and the seconds of the quarter in place and judged, over all its controls."""

    name: str
    groups: Sequence[Group]
    counts: Mapping[State, int]
    in_place: tuple[int, int]

    @property
    def applicable(self) -> int:
        """How many of its controls apply."""
        return sum(group.applicable for group in self.groups)

    @property
    def held(self) -> int:
        """How many of them are in place."""
        return sum(group.in_place for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A control moved from one state to another."""

    framework: str
    key: str
    before: State
    after: State
    at: datetime

    @property
    def is_loss(self) -> bool:
        """Tell whether it was in place and is not any more."""
        return self.before.is_in_place and not self.after.is_in_place and self.after is not State.NOT_APPLICABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of a control: its worst state, how it ended, and how long nobody knew; no state before it was judged."""

    worst: State | None
    last: State | None
    unknown: timedelta

    @property
    def ended_in_place(self) -> bool:
        """Tell whether the control was in place when the day ended."""
        return self.last is not None and self.last.is_in_place


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """All of it at one instant; `measured_from` is when the quarter began, or the first reading where that is later."""

    at: datetime
    is_past: bool
    """Whether it is of an instant of the past: of papers nothing is told then, as they are judged as they stand."""
    measured_from: datetime
    pci: Framework
    gdpr: Framework
    changes: Sequence[Change]
    failing: Sequence[tuple[Standing, datetime]]
    deadlines: Sequence[Deadline]
    unowned: Sequence[Standing]
    """Rows that a person has to answer for by name, and nobody does."""


def of_now(session: Session, actor: Actor, at: datetime, parts: Parts) -> Posture:
    """Return the posture at an instant that is now, or to an auditor whose period is over as it was at its end."""
    actor.require(COMPLIANCE_CONTROL_READ)
    as_of = history.before_now(actor, at)
    if as_of is None:
        standings, since = standing.all_of(session, at, parts), since_of(session, actor)
    else:
        standings = past.all_of(session, actor, as_of, parts.catalogue)
        since = {key: one.from_at for key, one in history.at_instant(session, actor, as_of).items()}
    then = as_of or at
    quarter = quarter_of(then)
    found = history.intervals(session, actor, quarter, then)
    measured = history.judged_from(found, quarter, then)
    failing = [(one, since.get(key, then)) for key, one in standings.items() if one.state is State.FAIL]
    lately = max(then - LATELY, actor.period[0]) if actor.period is not None else then - LATELY
    unwritten = _unwritten(standings, found, history.first_known(session, actor), at) if as_of is None else []
    return Posture(
        at=then,
        is_past=as_of is not None,
        measured_from=measured,
        pci=_framework(PCI, standings, found, measured, then),
        gdpr=_framework(GDPR, standings, found, measured, then),
        changes=[*unwritten, *changes(session, lately, then)],
        failing=sorted(failing, key=lambda pair: pair[1]),
        deadlines=deadlines.next_of(session, actor, at, anchor=parts.settings.assessment_anchor),
        unowned=[one for one in standings.values() if any(leg.reason is Reason.NEVER_ATTESTED for leg in one.legs)],
    )


def _unwritten(
    standings: Mapping[tuple[str, str], Standing],
    found: Mapping[tuple[str, str], Sequence[Interval]],
    first: Mapping[tuple[str, str], datetime],
    at: datetime,
) -> list[Change]:
    """Return what has changed and nobody has written down yet, as by age while the worker stands still."""
    made = []
    for key, one in standings.items():
        last = found[key][-1] if found.get(key) else None
        if key in first and last is not None and last.to_at is None and last.state is not one.state:
            since = max(one.turned_at or at, last.from_at)
            made.append(Change(framework=key[0], key=key[1], before=last.state, after=one.state, at=since))
    return sorted(made, key=lambda change: (not change.is_loss, change.key))


def quarter_of(at: datetime) -> datetime:
    """Return the instant at which the calendar quarter of an instant began."""
    return datetime(at.year, 3 * ((at.month - 1) // 3) + 1, 1, tzinfo=UTC)


def since_of(session: Session, actor: Actor) -> dict[tuple[str, str], datetime]:
    """Return since when each control is in its state, as it was written down; to an auditor from their period on."""
    rows = session.execute(sa.select(models.standing))
    begin = actor.period[0] if actor.period is not None else datetime.min.replace(tzinfo=UTC)
    return {(row.framework, row.key): max(row.since, begin) for row in rows}


def changes(session: Session, since: datetime, until: datetime) -> list[Change]:
    """Return what changed from an instant until another, the newest first; a first reading is no change.

    What left its place and did not come back stands before all else, and is in it however much else changed.
    """
    of = models.interval
    earlier, first = of.alias("earlier"), history.first_judged().subquery("first")
    rows = session.execute(
        sa.select(of.c.framework, of.c.key, of.c.state, of.c.from_at, earlier.c.state.label("before"))
        .join(
            earlier,
            sa.and_(earlier.c.framework == of.c.framework, earlier.c.key == of.c.key, earlier.c.to_at == of.c.from_at),
        )
        .join(first, sa.and_(first.c.framework == of.c.framework, first.c.key == of.c.key))
        .where(of.c.from_at >= since, of.c.from_at <= until, of.c.from_at > first.c.at, earlier.c.id != of.c.id)
        .where(earlier.c.state != of.c.state)
        .order_by(of.c.from_at.desc(), of.c.id.desc())
        .execution_options(yield_per=CHANGES_MAX)
    )
    settled, lost, others = set[tuple[str, str]](), list[Change](), list[Change]()
    for row in rows:
        key, before, after = (row.framework, row.key), State(row.before), State(row.state)
        one = Change(framework=row.framework, key=row.key, before=before, after=after, at=row.from_at)
        if one.is_loss and key not in settled:
            lost.append(one)
        elif len(others) < CHANGES_MAX:
            others.append(one)
        # What does not apply any more has no place that it could come back to.
        if after.is_in_place or after is State.NOT_APPLICABLE:
            settled.add(key)
    return [*lost, *others][:CHANGES_MAX]


def strip(found: Sequence[Interval], at: datetime, first: datetime | None, *, days: int = STRIP_DAYS) -> list[Day]:
    """Return each of the last days, oldest first; `first` is when the control was first judged, if ever.

    Hours of which nobody knew the state are part of a day as any other, so that an outage is not painted over by the
    readings around it; only what lies before the very first reading is no outage.
    """
    end = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    made = []
    for ago in range(days, 0, -1):
        begin, finish = end - timedelta(days=ago), min(end - timedelta(days=ago - 1), at)
        begin = max(begin, first) if first is not None else finish
        spans = [clipped for one in found if (clipped := one.clipped(begin, finish)) is not None]
        known = sum((_length(one) for one in spans if one.state is not State.NOT_EVALUABLE), timedelta())
        made.append(
            Day(
                worst=min((one.state for one in spans), key=_ORDER.index, default=None),
                last=spans[-1].state if spans else None,
                unknown=max(finish - begin, timedelta()) - known,
            )
        )
    return made


def _length(one: Interval) -> timedelta:
    assert one.to_at is not None, "a clipped interval ends"
    return one.to_at - one.from_at


def _framework(
    name: str,
    standings: Mapping[tuple[str, str], Standing],
    found: Mapping[tuple[str, str], Sequence[Interval]],
    since: datetime,
    at: datetime,
) -> Framework:
    mine = {key: one for key, one in standings.items() if key[0] == name}
    groups: dict[int, list[Standing]] = {}
    for one in mine.values():
        groups.setdefault(one.control.group, []).append(one)
    shares = [history.share_in_place(found.get(key, ()), since, at) for key in mine]
    counts = Counter(one.state for one in mine.values())
    return Framework(
        name=name,
        groups=[
            Group(
                number=number,
                title=members[0].control.group_title,
                counts=_worst_first(Counter(one.state for one in members)),
            )
            for number, members in sorted(groups.items())
        ],
        counts=_worst_first(counts),
        in_place=(sum(share[0] for share in shares), sum(share[1] for share in shares)),
    )


def _worst_first(counts: Mapping[State, int]) -> dict[State, int]:
    return {state: counts[state] for state in State if counts.get(state)}
