"""Probes over what people asked for: answered inside the clock, with reasons, and corrected with proof."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from compliance.contracts.probes import Kind, Look, Probe, Reading, Use, Violation, WhenEmpty
from compliance.privacy import clock, letters
from compliance.privacy.clock import LegalCalendar
from compliance.privacy.models import request, request_step
from compliance.privacy.parts import Privacy
from compliance.privacy.request import ANSWERED, ENDED
from compliance.privacy.request import Kind as Right
from compliance.privacy.request import State as Stage
from compliance.probes.planted import planted_request
from ingest.log import read

LATE_SHOWN: Final = timedelta(days=90)
"""So long an answer that came late still counts."""
NUMBERED: Final = timedelta(minutes=10)
_ENDED: Final = frozenset(state.value for state in ANSWERED | ENDED)


def probes(parts: Privacy) -> tuple[Probe, ...]:
    """Return the probes over requests, and over what was corrected."""
    return (
        Probe(
            name="privacy.clocks",
            kind=Kind.STATE,
            asks="Requests of people; wrong is one unanswered past its day, extended too late, or refused without why.",
            read=partial(_clocks, parts=parts),
            plant=partial(_plant_late, parts=parts),
            empty_means=WhenEmpty.NOT_APPLICABLE,
            use=Use.CUSTOMERS,
        ),
        Probe(
            name="privacy.corrections",
            kind=Kind.STATE,
            asks="Requests to correct; wrong is one late, closed without an answer, or changed without both hashes.",
            read=partial(_corrections, parts=parts),
            plant=partial(_plant_untold, parts=parts),
            empty_means=WhenEmpty.NOT_APPLICABLE,
            use=Use.CUSTOMERS,
        ),
    )


def _clocks(look: Look, *, parts: Privacy) -> Reading:
    calendar, counted, wrong = clock.of(parts.settings), 0, []

    def say(row: Any, says: str) -> None:
        wrong.append(Violation(component="requests", object_id=row.id, says=says))

    told = _answered_by_steps(look.session)
    for row in look.session.execute(sa.select(request)):
        look.deadline.check()
        counted += 1
        if row.answered_at is not None and told.get(row.id) != row.answered_at:
            say(row, "says that it was answered, and no step of it does")
        if (late := _late(row, look, calendar)) is not None:
            say(row, late)
        if row.is_extended:
            first = calendar.due(date.fromisoformat(row.received_on), clock.MONTHS, row.paused_days)
            if row.extended_at is None or row.extended_at >= calendar.end_of(first):
                say(row, f"was extended after its first day, {first.isoformat()}")
        if row.state == Stage.REFUSED.value and not words.says_enough(row.outcome or ""):
            say(row, "was refused and no reason is kept")
    said = letters.templates()["refused"]["text"]
    if "{reasons}" not in said or "{authority}" not in said:
        missing = "the letter of a refusal names no reasons, or nobody to complain to"
        wrong.append(Violation(component="letters", object_id="refused", says=missing))
    return Reading(population={"requests": counted}, violations=wrong, asked={"rules": clock.RULES})


def _late(row: Any, look: Look, calendar: LegalCalendar) -> str | None:  # a row of `request`
    """Return what is late about a request."""
    due = last_day(row, calendar)
    due_at = calendar.end_of(due)
    if row.answered_at is None and row.state not in _ENDED and look.at >= due_at:
        return f"was due on {due.isoformat()} and is not answered"
    if row.answered_at is not None and row.answered_at >= due_at > look.at - LATE_SHOWN:
        return f"was answered after {due.isoformat()}"
    return None


def last_day(row: Any, calendar: LegalCalendar) -> date:  # a row of `request`
    """Return the day that the receipt of a request sets or the one kept beside it, whichever is first.

    So neither is moved alone; the one beside it is what the events of the request say.
    """
    months = clock.EXTENDED_MONTHS if row.is_extended else clock.MONTHS
    counted = calendar.due(date.fromisoformat(row.received_on), months, row.paused_days)
    return min(counted, date.fromisoformat(row.due))


def _answered_by_steps(session: Session) -> Mapping[str, datetime]:
    """Return when each request was answered first, as its steps say it."""
    of = request_step.c
    first, states = sa.func.min(of.at, type_=of.at.type), [state.value for state in ANSWERED]
    query = sa.select(of.request_id, first.label("at")).where(of.state.in_(states)).group_by(of.request_id)
    return {row.request_id: row.at for row in session.execute(query)}


def _plant_late(look: Look, *, parts: Privacy) -> str:
    received = (look.at - timedelta(days=40)).date()
    return planted_request(look, parts, kind=Right.ACCESS, state=Stage.SCOPED, received=received)


def _corrections(look: Look, *, parts: Privacy) -> Reading:
    asked, changes, wrong, calendar = 0, 0, list[Violation](), clock.of(parts.settings)

    def say(object_id: str, says: str) -> None:
        wrong.append(Violation(component="corrections", object_id=object_id, says=says))

    for row in look.session.execute(sa.select(request).where(request.c.kind == Right.RECTIFICATION.value)):
        look.deadline.check()
        asked += 1
        if (late := _late(row, look, calendar)) is not None:
            say(row.id, late)
        if row.state == Stage.CLOSED.value and row.linked_to is None and not (row.outcome or "").strip():
            say(row.id, "was closed without an answer")
    of = request_step.c
    steps = (
        sa.select(of.request_id, of.at, of.event_id)
        .join(request, request.c.id == of.request_id)
        .where(request.c.kind == Right.RECTIFICATION.value, of.state == Stage.EXECUTING.value)
    )
    for step in look.session.execute(steps):
        look.deadline.check()
        changes += 1
        if missing := _untold(look, step.event_id, step.at):
            say(step.request_id, missing)
    return Reading(population={"requests": asked, "changes": changes}, violations=wrong)


def _untold(look: Look, event_id: str | None, at: datetime) -> str | None:
    """Tell what is wrong with the event of a change: it names the hashes of before and after."""
    if event_id is None:
        return "changed a value that no event tells of"
    sequence = read.sequence_of(look.session, event_id)
    if sequence is None:
        return "changed a value that the log does not know" if look.at - at > NUMBERED else None
    body = read.body(look.session, sequence)
    if body is None:
        return None  # its month ended
    told = json.loads(body.body).get("onepay", {}).get("privacy", {})
    hashes = [str(told.get(name) or "") for name in ("before_hash", "after_hash")]
    return None if all(hashes) else "changed a value without the hashes of before and after"


def _plant_untold(look: Look, *, parts: Privacy) -> str:
    request_id = planted_request(look, parts, kind=Right.RECTIFICATION, state=Stage.EXECUTING, received=look.at.date())
    values = {"request_id": request_id, "state": Stage.EXECUTING.value, "at": look.at, "role": "planted"}
    look.session.execute(sa.insert(request_step).values(**values, note="corrected: name in app_account"))
    return request_id
