"""What the report on the GDPR says of duties: requests, consents, runs, holds, breaches and processors.

No table holds the name or the id of a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.privacy import clock, then
from compliance.privacy import models as privacy
from compliance.privacy.request import Kind
from compliance.privacy.request import State as Stage
from compliance.registers import models as registers
from compliance.registers import processors
from compliance.reports.document import Table, minute, written_over
from compliance.reports.parts import Making, Reports
from compliance.reports.then import awareness
from compliance.retention import models as retention

UNTOLD_STATE: Final = "not certified yet"


def tables(session: Session, making: Making, parts: Reports) -> list[Table]:
    """Return a table for each duty, as it stood when the period of the report ended."""
    return [
        _requests(session, making, parts),
        _consents(session, making),
        _runs(session, making),
        _holds(session, making),
        _breaches(session, making),
        _processors(session, making),
    ]


def _requests(session: Session, making: Making, parts: Reports) -> Table:
    of, step = privacy.request.c, privacy.request_step.c
    newest = (
        sa.select(step.state)
        .where(step.request_id == of.id, step.at <= making.as_of)
        .order_by(step.n.desc())
        .limit(1)
        .scalar_subquery()
    )
    is_of_period = (of.received_at >= making.since) & (of.received_at <= making.as_of)
    was_open = (of.closed_at.is_(None) | (of.closed_at > making.as_of)) & (of.received_at <= making.as_of)
    rows = session.execute(
        sa.select(privacy.request, newest.label("state_then"))
        .where(is_of_period | was_open)
        .order_by(of.received_at, of.id)
    ).all()
    days = _dues(session, rows, making, parts)
    return Table(
        name="requests",
        title="Requests of people",
        says="By their clock, as its events had set it by then; who asked is not told here.",
        columns=("Request", "Kind", "Received", "Due", "State", "Answered", "Clock"),
        rows=tuple(
            (
                one.id,
                Kind(one.kind),
                one.received_on,
                days[one.id][0],
                Stage(one.state_then) if one.state_then else None,
                minute(_by(making, one.answered_at)),
                _clock(days[one.id][1], _by(making, one.answered_at or one.closed_at), making.as_of),
            )
            for one in rows
        ),
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


def _consents(session: Session, making: Making) -> Table:
    of = privacy.consent_receipt.c
    rows = session.execute(
        sa.select(of.purpose, of.action, sa.func.count())
        .where(of.at <= making.as_of, of.at >= making.since)
        .group_by(of.purpose, of.action)
        .order_by(of.purpose, of.action)
    )
    return Table(
        name="consents",
        title="Consents",
        columns=("Purpose", "Act", "Receipts"),
        rows=tuple((purpose, action, count) for purpose, action, count in rows),
    )


def _runs(session: Session, making: Making) -> Table:
    of = retention.run.c
    rows = session.execute(
        sa.select(retention.run)
        .where(of.planned_at >= making.since, of.planned_at <= making.as_of)
        .order_by(of.planned_at, of.id)
    )
    return Table(
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
            for one in rows
        ),
    )


def _holds(session: Session, making: Making) -> Table:
    of = retention.hold.c
    rows = session.execute(sa.select(retention.hold).where(of.placed_at <= making.as_of).order_by(of.placed_at))
    return Table(
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
            for one in rows
        ),
    )


def _breaches(session: Session, making: Making) -> Table:
    of, sent = registers.breach.c, registers.breach_notice.c
    told = sa.select(sa.func.min(sent.sent_at)).where(sent.breach_id == of.id, sent.recipient == "authority")
    rows = session.execute(
        sa.select(registers.breach, told.scalar_subquery().label("told_at"))
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


def _processors(session: Session, making: Making) -> Table:
    handed, untold = processors.as_of(session, making.as_of)
    day = making.as_of.date()
    return Table(
        name="processors",
        title="Processors",
        says=written_over(untold),
        columns=("Name", "Does", "Contract", "Review on", "Lacks"),
        rows=tuple(
            (one.name, one.does, one.contract, one.review_on.isoformat(), "; ".join(one.lacks(day)) or "nothing")
            for one in handed
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
