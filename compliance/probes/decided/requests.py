"""Requests of people, which stand where their steps and the events of those say; and the restrictions they brought."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.errors import Conflict, NotFound
from compliance.contracts.probes import Look, Violation
from compliance.privacy import logged
from compliance.privacy import requests as asked
from compliance.privacy.erasure import decided
from compliance.privacy.logged import Documents, Logged
from compliance.privacy.models import REQUEST_CLASS, request, request_step, restriction
from compliance.privacy.request import BEGUN, FOLLOWING, JOURNAL, Kind, State
from compliance.retention import decided as retention
from compliance.told import ended, fits, instant, is_about, vouched
from ingest.events.envelope import at_path
from ingest.events.privacy import RequestCompleted, RequestRefused, RequestStopped, SubjectReleased
from ingest.log import read

_AT_ONCE: Final = 500
_ZONES: Final = timedelta(hours=14)
"""So far from that of UTC does a day end anywhere; where the law applied is a setting, which can have changed."""
_ENDS: Final[Mapping[str, str]] = {
    State.CLOSED.value: RequestCompleted.kind,
    State.REFUSED.value: RequestRefused.kind,
    State.WITHDRAWN.value: RequestStopped.kind,
    State.STOPPED.value: RequestStopped.kind,
}
"""Which event says of a request that it ended so."""
_BEGUN: Final = frozenset((*BEGUN, State.WAITING, State.CLOSED))


def moved(look: Look) -> tuple[int, list[Violation]]:
    """Count the requests, and find those that stand where no event of theirs brought them."""
    count, wrong, after, logged_ = 0, list[Violation](), "", logged.by_request(look.session)
    while True:
        look.deadline.check()
        query = sa.select(request).where(request.c.id > after).order_by(request.c.id).limit(_AT_ONCE)
        rows = look.session.execute(query).all()
        if not rows:
            return count, wrong
        count, after = count + len(rows), rows[-1].id
        wrong += _moved(look.session, rows, logged_)


def _moved(session: Session, rows: Sequence[Any], logged_: Mapping[str, Documents]) -> Iterator[Violation]:
    steps = defaultdict[str, list[Any]](list)
    of = request_step.c
    query = sa.select(request_step).where(of.request_id.in_([row.id for row in rows]))
    for step in session.execute(query.order_by(of.n)):
        steps[step.request_id].append(step)
    events = [step.event_id for each in steps.values() for step in each if step.event_id is not None]
    said = read.documents(session, events)
    over = ended(session, [id for id in events if id not in said])
    beside = _beside(session, rows)
    for row in rows:
        past = [step for step in steps[row.id] if fits(over.get(step.event_id), _ENDS.get(step.state, ""), step.at)]
        is_over = bool(past) or row.id in beside
        says = _wrong(session, row, steps[row.id], said, is_over=is_over)
        says = says or _unsaid(session, row, logged.fold(logged_.get(row.id, ()), row.subject))
        if says is not None:
            yield Violation(component="requests", object_id=row.id, says=says)


def _wrong(
    session: Session, row: Any, steps: Sequence[Any], said: Mapping[str, Mapping[str, Any]], *, is_over: bool
) -> str | None:
    """Return what is wrong with where a request stands; `is_over` where no event of its own has to say of its end."""
    if not steps or steps[-1].state != row.state:
        return "stands where none of its steps brought it"
    told = [said[step.event_id] for step in steps if step.event_id in said]
    if not all(is_about(instant(said[step.event_id]), step.at) for step in steps if step.event_id in said):
        return "has a step of another day than its event"
    about = {(at_path(one, "onepay.request.id"), tuple(at_path(one, "onepay.subject.id") or ())) for one in told}
    if about - {(row.id, (row.subject,))}:
        return "rests on an event about another request or another person"
    if {right for one in told if (right := at_path(one, "onepay.request.right"))} - {row.kind}:
        return "rests on an event about another right"
    if {day for one in told if (day := at_path(one, "onepay.request.received_on"))} - {row.received_on}:
        return "was received on another day than its event says"
    if abs(row.due_at - _end_of(row.due)) > _ZONES:
        return "is due at another instant than its day ends"
    due = [day for one in told if (day := at_path(one, "onepay.request.due_at"))]
    if due and due[-1] != row.due:
        return "is due on another day than its newest event says"
    ends = None if is_over else _ENDS.get(row.state)
    if ends is not None and ends not in {at_path(one, "event.action") for one in told}:
        return f"stands as {row.state}, and no event says so"
    return None


def _end_of(day: str) -> datetime:
    """Return when a day ends in UTC."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), tzinfo=UTC)


def _unsaid(session: Session, row: Any, said: Logged) -> str | None:  # a row of `request`
    """Return what the log says otherwise of where a request stands, by its last word and not by one of them."""
    if said.called_off is not None and _ENDS.get(row.state) != said.called_off:
        return f"stands as {row.state}, and was called off"
    if said.is_carried_on:
        return "was called off, and was carried out nevertheless"
    if row.kind == Kind.ERASURE.value and row.channel != JOURNAL and State(row.state) in _BEGUN:
        if said.approved and said.erased_at and said.erased_at < said.approved.begins_at:
            return "was carried out before its person's time to call it off was over"
        try:
            decided.check(session, asked.of_row(row), said)
        except (Conflict, NotFound):
            return "is carried out, and the log knows of nobody who approved it"
    return None


def _beside(session: Session, rows: Sequence[Any]) -> frozenset[str]:  # rows of `request`
    """Return those that ended with the one they stand beside: one answer is an answer to both, in one event."""
    linked = [
        row
        for row in rows
        if row.state == State.CLOSED.value and row.channel != FOLLOWING and row.linked_to is not None
    ]
    of = sa.select(request).where(request.c.id.in_({row.linked_to for row in linked}))
    firsts = {first.id: first for first in session.execute(of)} if linked else {}
    # Who asks is told of retention only where the first is gone: mostly none is.
    is_gone = any(row.linked_to not in firsts for row in linked)
    until = retention.ended_until(session).get(REQUEST_CLASS) if is_gone else None
    return frozenset(row.id for row in linked if _is_answered_by(firsts.get(row.linked_to), row, until))


def _is_answered_by(first: Any, row: Any, until: datetime | None) -> bool:  # rows of `request`
    """Tell whether the request that another stands beside answers it, or may be gone since retention ended it."""
    if first is None:
        return until is not None and row.closed_at is not None and row.closed_at < until
    return (first.subject, first.kind, first.state) == (row.subject, row.kind, row.state)


def restrictions(look: Look) -> tuple[int, list[Violation]]:
    """Count the restrictions that ended, and find those of which no event says so."""
    lifted = look.session.execute(sa.select(restriction).where(restriction.c.lifted_at.is_not(None))).all()
    stand = {row.id: ((row.subject, row.ground), row.lifted_at) for row in lifted}
    wrong = sorted(stand.keys() - vouched(look.session, SubjectReleased.kind, stand, says=_released))
    says = "has ended, and no event says so"
    return len(lifted), [Violation(component="restrictions", object_id=one, says=says) for one in wrong]


def _released(said: Mapping[str, Any]) -> tuple[object, object]:
    (subject,) = at_path(said, "onepay.subject.id") or (None,)
    return subject, at_path(said, "event.reason")
