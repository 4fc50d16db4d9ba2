"""The two status reports: every row of a framework, what changed, what was out of place, what ends soon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from sqlalchemy.orm import Session

from compliance import posture
from compliance.catalog.controls import GDPR, PCI
from compliance.engine import history
from compliance.reports import duties, evidence
from compliance.reports.document import NOTHING, UNTOLD, Document, Table, minute, seal_at
from compliance.reports.evidence import Known
from compliance.reports.parts import Making, Reports
from compliance.scans import standing as scans
from compliance.states import Reason, State

QUARTERS: Final = 4
_LEAD: Final = {
    State.FAIL: ("fails", "fail"),
    State.EXCEPTED: ("fails under an exception", "fail under an exception"),
    State.STALE: ("is stale", "are stale"),
    State.EXPIRED: ("is expired", "are expired"),
    State.NOT_EVALUABLE: ("cannot be judged", "cannot be judged"),
}
SOON_DAYS: Final = (30, 60, 90)
TITLES: Final = {PCI: "PCI DSS v4.0.1: status of controls", GDPR: "GDPR: status of controls and duties"}


def build(session: Session, framework: str, making: Making, parts: Reports) -> Document:
    """Return the status of one framework."""
    rows = evidence.known(session, making, parts, framework)
    counts = Counter(one.state for one in rows)
    seen = {(one.control.framework, one.control.key): one.intervals for one in rows}
    measured = history.judged_from(seen, making.since, making.as_of)
    shares = [history.share_in_place(one.intervals, measured, making.as_of) for one in rows]
    of = "over the period" if measured == making.since else f"since {minute(measured)}, when it was first judged"
    tables = [_controls(rows), _changes(rows, making), _outages(rows), _exceptions(rows, making), _soon(rows, making)]
    tables.append(_quarters(session, rows, making))
    if framework == GDPR:
        tables += duties.tables(session, making, parts)
    else:
        tables.append(_scans(session, making, parts.engine.settings.assessment_anchor))
    return Document(
        kind=making.kind,
        title=TITLES[framework],
        lead=lead_of(counts),
        since=making.since,
        as_of=making.as_of,
        build=parts.engine.build,
        seal=seal_at(session, making.as_of),
        facts=(
            ("Company", parts.registers.settings.controller_name),
            ("Profile", parts.engine.profile),
            ("Rows", len(rows)),
            ("Requirement ids", sum(len(one.control.ids) for one in rows)),
            (f"In place {of}", _share(sum(one for one, _ in shares), sum(all_ for _, all_ in shares))),
            *((state, counts[state]) for state in State if counts.get(state)),
        ),
        tables=tuple(tables),
        findings=counts.get(State.FAIL, 0),
    )


def lead_of(counts: Mapping[State, int]) -> str:
    """Return how many rows are in place, and how those stand that ask for somebody."""
    applicable = sum(count for state, count in counts.items() if state is not State.NOT_APPLICABLE)
    held = sum(count for state, count in counts.items() if state.is_in_place)
    others = [
        f"{counts[state]:,} {one if counts[state] == 1 else many}"
        for state, (one, many) in _LEAD.items()
        if counts.get(state)
    ]
    said = [f"{held} of {applicable} applicable rows {'is' if held == 1 else 'are'} in place"]
    return f"{'; '.join([*said, *([', '.join(others)] if others else [])])}."


def _controls(rows: Sequence[Known]) -> Table:
    columns = (
        "Key", "Requires", "State", "Proposed finding", "Why", "Since", "Last looked", "Population", "Violations",
        "Evidence", "Owner", "Ids",
    )  # fmt: skip
    return Table(
        name="controls",
        title="Controls",
        columns=columns,
        rows=tuple(
            (
                one.control.key,
                one.control.title,
                one.state,
                one.state.finding,
                one.reason or None,
                minute(one.since),
                minute(one.observed_at),
                one.population,
                one.violations,
                one.numbers or None,
                one.owner,
                " ".join(one.control.ids),
            )
            for one in rows
        ),
    )


def _changes(rows: Sequence[Known], making: Making) -> Table:
    found = []
    for one in rows:
        for before, after in zip(one.intervals, one.intervals[1:], strict=False):
            if before.state is not after.state and after.from_at >= making.since:
                found.append((after.from_at, one.control.key, before.state, after.state))
    return Table(
        name="changes",
        title="Changes of state",
        says="A first reading is no change.",
        columns=("When", "Key", "Before", "After"),
        rows=tuple((minute(at), key, before, after) for at, key, before, after in sorted(found)),
    )


def _outages(rows: Sequence[Known]) -> Table:
    found = [(one, lost) for one in rows for lost in history.outages(one.intervals, one.in_place_since)]
    return Table(
        name="outages",
        title="Outages of controls",
        says="Times out of place after a control had been in place. Cause and fix of 10.7.3 stand with the incident.",
        columns=("Key", "State", "Why", "From", "To"),
        rows=tuple(
            (
                one.control.key,
                lost.state,
                Reason(lost.reason) if lost.reason else None,
                minute(lost.from_at),
                minute(lost.to_at) or "goes on",
            )
            for one, lost in found
        ),
    )


def _exceptions(rows: Sequence[Known], making: Making) -> Table:
    return Table(
        name="exceptions",
        title="Exceptions in force",
        says="Each stands over a failure, which is shown beneath it; none makes a control count as in place.",
        columns=("Key", "Probe", "Beneath", "Until"),
        rows=tuple(
            (one.control.key, leg.name, leg.beneath, minute(leg.until))
            for one in rows
            for leg in one.legs
            if leg.state is State.EXCEPTED
        ),
        empty=_empty(making),
    )


def _soon(rows: Sequence[Known], making: Making) -> Table:
    found, at = [], making.as_of
    for one in rows:
        for leg in one.legs:
            # What a probe saw goes stale within hours; only what people signed is awaited by days.
            if leg.until is None or (leg.name in one.control.probes and leg.state is not State.EXCEPTED):
                continue
            left = leg.until - at
            if left <= timedelta(days=SOON_DAYS[-1]):
                within = next((days for days in SOON_DAYS if left <= timedelta(days=days)), SOON_DAYS[-1])
                found.append(
                    (leg.until, one.control.key, leg.name, leg.state, "over" if left < timedelta() else within)
                )
    return Table(
        name="expiries",
        title="What ends within 30, 60 and 90 days",
        columns=("Until", "Key", "What", "State", "Within days"),
        rows=tuple((minute(at), *more) for at, *more in sorted(found, key=lambda line: (line[0], line[1], line[2]))),
        empty=_empty(making),
    )


def _empty(making: Making) -> str:
    """Return what an empty table of papers says: they are judged as they stand, so of a past instant not at all."""
    return UNTOLD if making.is_past else NOTHING


def _quarters(session: Session, rows: Sequence[Known], making: Making) -> Table:
    end, made = posture.quarter_of(making.as_of), []
    for _ in range(QUARTERS):
        begin = posture.quarter_of(end - timedelta(days=1))
        found = history.intervals(session, evidence.READER, begin, end)
        measured = history.judged_from(found, begin, end)
        shares = [
            history.share_in_place(found.get((one.control.framework, one.control.key), ()), measured, end)
            for one in rows
        ]
        in_place, judged = sum(one for one, _ in shares), sum(all_ for _, all_ in shares)
        said = _share(in_place, judged) if measured < end else "nothing was judged"
        made.append((f"{begin:%Y} Q{(begin.month + 2) // 3}", minute(measured), minute(end), said))
        end = begin
    return Table(
        name="quarters",
        title="Closed quarters",
        says="Share of the time in place since the first reading, over all applicable rows.",
        columns=("Quarter", "Judged from", "To", "In place"),
        rows=tuple(made),
    )


def _scans(session: Session, making: Making, anchor: date) -> Table:
    """Return the quarters of scans that closed, with what has no pass: the two kinds that are due each quarter."""
    today = making.as_of.date()
    rows = [
        (kind.value, one.begin.isoformat(), one.end.isoformat(), "passed" if one.is_passed else "not passed",
         ", ".join(one.lacking) or None)
        for kind in scans.QUARTERLY
        for one in scans.of_kind(session, kind, today, anchor=anchor).closed
    ]  # fmt: skip
    return Table(
        name="scans",
        title="Closed quarters of scans",
        says="As the register says now; a quarter passes with a pass of each component that is dated inside it.",
        columns=("Kind", "From", "To", "Result", "Without a pass"),
        rows=tuple(rows),
    )


def _share(in_place: int, judged: int) -> str | None:
    """Return a share with one decimal, cut and never rounded up."""
    return f"{in_place * 1000 // judged / 10:.1f} %" if judged else None
