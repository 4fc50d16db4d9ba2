"""The two status reports: every row of a framework, what changed, what was out of place, what ends soon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance import posture
from compliance.catalog.controls import GDPR, PCI
from compliance.engine import history
from compliance.privacy import clock, then
from compliance.privacy import models as privacy
from compliance.registers import models as breaches
from compliance.registers import processors
from compliance.reports import evidence
from compliance.reports.document import NOTHING, UNTOLD, Document, Table, minute, seal_at, written_over
from compliance.reports.evidence import Known
from compliance.reports.parts import Making, Reports
from compliance.reports.then import awareness
from compliance.retention import models as retention
from compliance.scans import standing as scans
from compliance.states import State

QUARTERS: Final = 4
UNTOLD_STATE: Final = "not certified yet"
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
        tables += _duties(session, making, parts)
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
            *((state.value, counts[state]) for state in State if counts.get(state)),
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
                one.state.value,
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
                found.append((after.from_at, one.control.key, before.state.value, after.state.value))
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
                lost.state.value,
                lost.reason,
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
            (one.control.key, leg.name, leg.beneath.value if leg.beneath else None, minute(leg.until))
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
                    (leg.until, one.control.key, leg.name, leg.state.value, "over" if left < timedelta() else within)
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


def _dues(
    session: Session, requests: Sequence[Any], making: Making, parts: Reports
) -> Mapping[str, tuple[str | None, datetime | None]]:
    """Return until which day each request was to be answered, and when that day ended, as it stood then."""
    if not making.is_past:
        return {one.id: (one.due, one.due_at) for one in requests}
    calendar = clock.of(parts.registers.settings)
    known = then.clocks(session, [one.id for one in requests], making.as_of)
    return {
        one.id: (known[one.id].due.isoformat(), calendar.end_of(known[one.id].due)) if one.id in known else (None, None)
        for one in requests
    }


def _duties(session: Session, making: Making, parts: Reports) -> list[Table]:
    """Requests of people, consents, runs, holds, breaches and processors, without names or ids of people."""
    of = privacy.request.c
    period = (of.received_at >= making.since) & (of.received_at <= making.as_of)
    step = privacy.request_step.c
    newest = (
        sa.select(step.state)
        .where(step.request_id == of.id, step.at <= making.as_of)
        .order_by(step.n.desc())
        .limit(1)
        .scalar_subquery()
    )
    requests = session.execute(
        sa.select(privacy.request, newest.label("state_then"))
        .where(period | ((of.closed_at.is_(None) | (of.closed_at > making.as_of)) & (of.received_at <= making.as_of)))
        .order_by(of.received_at, of.id)
    ).all()
    days = _dues(session, requests, making, parts)
    receipt = privacy.consent_receipt.c
    consents = session.execute(
        sa.select(receipt.purpose, receipt.action, sa.func.count())
        .where(receipt.at <= making.as_of, receipt.at >= making.since)
        .group_by(receipt.purpose, receipt.action)
        .order_by(receipt.purpose, receipt.action)
    )
    run = retention.run.c
    runs = session.execute(
        sa.select(retention.run)
        .where(run.planned_at >= making.since, run.planned_at <= making.as_of)
        .order_by(run.planned_at, run.id)
    )
    handed, untold = processors.as_of(session, making.as_of)
    held, day = retention.hold.c, making.as_of.date()
    holds = session.execute(sa.select(retention.hold).where(held.placed_at <= making.as_of).order_by(held.placed_at))
    return [
        Table(
            name="requests",
            title="Requests of people",
            says="By their clock, as its events had set it by then; who asked is not told here.",
            columns=("Request", "Kind", "Received", "Due", "State", "Answered", "Clock"),
            rows=tuple(
                (
                    one.id,
                    one.kind,
                    one.received_on,
                    days[one.id][0],
                    one.state_then,
                    minute(_by(making, one.answered_at)),
                    _clock(days[one.id][1], _by(making, one.answered_at or one.closed_at), making.as_of),
                )
                for one in requests
            ),
        ),
        Table(
            name="consents",
            title="Consents",
            columns=("Purpose", "Act", "Receipts"),
            rows=tuple((purpose, action, count) for purpose, action, count in consents),
        ),
        Table(
            name="retention",
            title="Retention runs",
            columns=("Run", "Class", "Before", "Due", "Removed", "State", "Planned", "Certified"),
            rows=tuple(
                (
                    one.id,
                    one._mapping["class"],
                    minute(one.before),
                    one.total,
                    one.done if _by(making, one.certified_at) else None,
                    "certified" if _by(making, one.certified_at) else UNTOLD_STATE if making.is_past else one.state,
                    minute(one.planned_at),
                    minute(_by(making, one.certified_at)),
                )
                for one in runs
            ),
        ),
        Table(
            name="holds",
            title="Legal holds",
            columns=("Case", "Authority", "Placed", "Review on", "State", "Released"),
            rows=tuple(
                (
                    one.case,
                    one.authority,
                    minute(one.placed_at),
                    one.review_on,
                    "released" if _by(making, one.released_at) else "in force",
                    minute(_by(making, one.released_at)),
                )
                for one in holds
            ),
        ),
        _breaches(session, making),
        Table(
            name="processors",
            title="Processors",
            says=written_over(untold),
            columns=("Name", "Does", "Contract", "Review on", "Lacks"),
            rows=tuple(
                (one.name, one.does, one.contract, one.review_on.isoformat(), "; ".join(one.lacks(day)) or "nothing")
                for one in handed
            ),
        ),
    ]


def _breaches(session: Session, making: Making) -> Table:
    of, sent = breaches.breach.c, breaches.breach_notice.c
    told = sa.select(sa.func.min(sent.sent_at)).where(sent.breach_id == of.id, sent.recipient == "authority")
    rows = session.execute(
        sa.select(breaches.breach, told.scalar_subquery().label("told_at"))
        .where(of.recorded_at <= making.as_of, sa.or_(of.closed_at.is_(None), of.closed_at >= making.since))
        .order_by(of.aware_at, of.id)
    ).all()
    known = awareness(session, [one.id for one in rows], making.as_of) if making.is_past else {}
    aware = {one.id: known.get(one.id, one.aware_at) for one in rows}
    due = {one.id: aware[one.id] + timedelta(hours=one.hours) for one in rows}
    return Table(
        name="breaches",
        title="Breaches of personal data",
        says="The authority is told within 72 hours of becoming aware, or it is written down why not (Art. 33).",
        columns=("Breach", "Title", "Aware", "Due", "State", "Decision", "Authority told", "Clock"),
        rows=tuple(
            (
                one.id,
                one.title,
                minute(aware[one.id]),
                minute(due[one.id]),
                "closed" if _by(making, one.closed_at) else "open",
                one.decision if _by(making, one.decided_at) else None,
                minute(_by(making, one.told_at)),
                _clock(due[one.id], _by(making, one.told_at or one.closed_at), making.as_of),
            )
            for one in rows
        ),
    )


def _by(making: Making, at: datetime | None) -> datetime | None:
    """Return an instant if it had come by the time the report is about."""
    return at if at is not None and at <= making.as_of else None


def _clock(due: datetime | None, ended: datetime | None, at: datetime) -> str | None:
    if due is None:
        return None
    if ended is not None:
        return "late" if ended > due else "in time"
    return "late" if at > due else f"{(due - at).days} days left"


def _share(in_place: int, judged: int) -> str | None:
    """Return a share with one decimal, cut and never rounded up."""
    return f"{in_place * 1000 // judged / 10:.1f} %" if judged else None
