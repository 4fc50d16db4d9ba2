"""What presses, counted for whoever looks around: tasks, requests of people, the next days of the law.

Aggregates alone: nobody is shown a row about a person, so nothing of it is a reading of anybody's data. One statement
each, since every page of the console asks; two where an auditor's past is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import (
    COMPLIANCE_ATTESTATION_PROPOSE,
    COMPLIANCE_CONTROL_READ,
    COMPLIANCE_EXCEPTION_PROPOSE,
    COMPLIANCE_RISK_PROPOSE,
    PRIVACY_REQUEST_HANDLE,
    PRIVACY_REQUEST_READ,
    Actor,
)
from compliance.attest.models import attestation, exception, risk_analysis
from compliance.attest.parts import EXPIRED, IN_FORCE
from compliance.attest.todo import SOON
from compliance.privacy import recipients, trouble
from compliance.privacy import requests as asked
from compliance.privacy.models import recipient_notice, request, request_trouble
from compliance.privacy.request import ENDED, Request
from compliance.registers import breaches
from compliance.registers.models import breach

DUE_SOON: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The open requests of people: those that wait for an answer, by how they stand, and those that have theirs."""

    waiting: int
    late: int
    """Waiting past the day of the law."""
    soon: int
    """Waiting, and due by law within 7 days."""
    behind: int
    """Waiting past our own earlier day, and not past the law's."""
    unknown: int
    """Waiting, and it is not shown who asks."""
    answered: int
    """Answered, and open until what was answered has run its course."""
    due_at: datetime | None
    """The nearest day of the law of those that wait."""


def tasks(session: Session, actor: Actor, at: datetime) -> int:
    """Count what presses of this actor's tasks: papers, of the kinds they sign, that ended or end within 30 days, and,
    of who handles requests, those that do not go on and notices that wait for an answer.

    What was never signed and what runs beside a baseline stand on the page: only all standings and what runs tell them.
    """
    actor.require(COMPLIANCE_CONTROL_READ)
    kinds = (
        (COMPLIANCE_ATTESTATION_PROPOSE, attestation, attestation.c.expires_at, (IN_FORCE, EXPIRED)),
        (COMPLIANCE_EXCEPTION_PROPOSE, exception, exception.c.until_at, (IN_FORCE,)),
        (COMPLIANCE_RISK_PROPOSE, risk_analysis, risk_analysis.c.review_by, (IN_FORCE,)),
    )
    found = [
        sa.select(sa.func.count())
        .select_from(table)
        .where(table.c.state.in_(states), ends <= at + SOON)
        .scalar_subquery()
        for permission, table, ends, states in kinds
        if actor.may(permission)
    ]
    if actor.may(PRIVACY_REQUEST_HANDLE):
        found += [_stuck(), _notices()]
    if not found:
        return 0
    return sum(session.execute(sa.select(*found)).one())


def _stuck() -> sa.ScalarSelect[int]:
    query = sa.select(sa.func.count()).join_from(request_trouble, request, request.c.id == request_trouble.c.request_id)
    return query.where(request_trouble.c.tries >= trouble.STUCK_TRIES, trouble.goes_on()).scalar_subquery()


def _notices() -> sa.ScalarSelect[int]:
    query = sa.select(sa.func.count())
    joined = query.join_from(recipient_notice, request, request.c.id == recipient_notice.c.request_id)
    return joined.where(recipients.is_waiting()).scalar_subquery()


def _is_open() -> sa.ColumnElement[bool]:
    return request.c.state.not_in([state.value for state in ENDED])


def requests(session: Session, actor: Actor, at: datetime) -> Asked:
    """Count the open requests of people with the nearest day, an auditor's as they stood at the end of their period."""
    actor.require(PRIVACY_REQUEST_READ)
    if actor.period is not None:
        return _asked_then(asked.of_period(session, actor.period), min(at, actor.period[1]))
    waits, is_late = request.c.answered_at.is_(None), request.c.due_at <= at
    query = sa.select(
        _times("waiting", waits),
        _times("late", waits, is_late),
        _times("soon", waits, ~is_late, request.c.due_at <= at + DUE_SOON),
        _times("behind", waits, ~is_late, request.c.internal_due < f"{at:%Y-%m-%d}"),
        _times("unknown", waits, request.c.is_verified.is_(False)),
        _times("answered", ~waits),
        sa.func.min(sa.case((waits, request.c.due_at))).label("due_at"),
    ).where(_is_open())
    row = session.execute(query).one()
    return Asked(
        waiting=row.waiting,
        late=row.late,
        soon=row.soon,
        behind=row.behind,
        unknown=row.unknown,
        answered=row.answered,
        due_at=row.due_at,
    )


def _asked_then(found: Sequence[Request], at: datetime) -> Asked:
    """Count requests that stood at an instant, as the database counts those of now."""
    waiting = [one for one in found if one.is_open and one.answered_at is None]
    in_time = [one for one in waiting if not one.is_overdue(at)]
    return Asked(
        waiting=len(waiting),
        late=len(waiting) - len(in_time),
        soon=sum(one.due_at <= at + DUE_SOON for one in in_time),
        behind=sum(one.internal_due < at.date() for one in in_time),
        unknown=sum(not one.is_verified for one in waiting),
        answered=sum(one.is_open for one in found) - len(waiting),
        due_at=min((one.due_at for one in waiting), default=None),
    )


def _times(name: str, *conditions: sa.ColumnElement[bool]) -> sa.Label[int]:
    return sa.func.count(sa.case((sa.and_(*conditions), 1))).label(name)


def notice_due(session: Session, actor: Actor) -> datetime | None:
    """Return the nearest day of the notices to recipients that wait, for who answers them."""
    actor.require(PRIVACY_REQUEST_HANDLE)
    query = sa.select(sa.func.min(recipient_notice.c.due_at))
    joined = query.join_from(recipient_notice, request, request.c.id == recipient_notice.c.request_id)
    return session.execute(joined.where(recipients.is_waiting())).scalar_one_or_none()


def breach_due(session: Session, actor: Actor) -> datetime | None:
    """Return when the next breach is to be decided or told to the authority, of those that are not yet."""
    actor.require(PRIVACY_REQUEST_READ)
    if actor.period is not None:
        stood = breaches.of_period(session, actor.period)
        return next((one.due_at for one in stood if one.state in breaches.RUNNING), None)
    query = sa.select(sa.func.min(breach.c.due_at)).where(breach.c.state.in_(breaches.RUNNING))
    return session.execute(query).scalar_one_or_none()
