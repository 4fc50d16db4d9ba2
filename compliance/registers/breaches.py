"""The register of breaches (GDPR Art. 33, 34): what one is, in which state, who was told, and how it is read.

Every breach of personal data stands here, notified or not (Art. 33(5)); none is ever taken out before its class ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_READ
from app.kernel.clock import parse_rfc3339
from app.kernel.context import Context
from app.kernel.errors import NotFound
from compliance.registers.models import breach, breach_notice, breach_step

HOURS: Final = 72
"""Art. 33(1); kept with each breach, since a change to 96 has been proposed."""
TEXT_MAX: Final = 4_000
TITLE_MAX: Final = 200
SUSPECTED, ASSESSING, NO_NOTICE, TO_NOTIFY, NOTIFIED, COMPLETE = (
    "suspected",
    "assessing",
    "no_notice",
    "to_notify",
    "notified",
    "complete",
)
NOTIFY, KEEP = "notify", "no_notice"
LETTERS_LEFT_OUT: Final = "letters_left_out"
LEFT_OUT: Final = "letters left out"
"""The step by which somebody decides that people are not written to."""
WRITTEN_OVER: Final = "written over since; its history says how far it was known to reach"
AUTHORITY, PEOPLE, CONTROLLER = "authority", "people", "controller"
RUNNING: Final = (SUSPECTED, ASSESSING, TO_NOTIFY)
"""States in which the 72 hours run: nobody has decided yet, or the authority is still to be told."""
_OPEN: Final = (*RUNNING, NOTIFIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What somebody noticed; `aware_at` is when a person was reasonably certain, `incident` where it is worked."""

    title: str
    aware_at: datetime
    incident: str | None = None
    controller: str | None = None
    """For whom the data is processed, where it is another's: then they are told, without delay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is known of it by now."""

    nature: str
    categories: tuple[str, ...]
    people: int | None
    records: int | None
    consequences: str
    measures: str
    high_risk: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice that went out: to whom, in which phase, its very words."""

    recipient: str
    phase: int
    text: str
    sha256: str
    reference: str | None
    sent_at: datetime
    late_reason: str | None
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change: what it was before and is after, and why."""

    at: datetime
    actor: str | None
    what: str
    before: str | None
    after: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A breach as it stands."""

    id: str
    incident_ref: str | None
    title: str
    aware_at: datetime
    due_at: datetime
    hours: int
    recorded_at: datetime
    state: str
    nature: str | None
    categories: Sequence[str]
    people: int | None
    records: int | None
    consequences: str | None
    measures: str | None
    high_risk: bool | None
    controller: str | None
    decision: str | None
    reasons: str | None
    decided_at: datetime | None
    approval_id: str | None
    letters_exception: str | None
    closed_at: datetime | None
    notices: Sequence[Notice]
    steps: Sequence[Step]

    @property
    def is_open(self) -> bool:
        return self.state in _OPEN

    @property
    def is_assessed(self) -> bool:
        """Tell whether all stands there that a notice says."""
        return bool(self.nature and self.categories and self.consequences and self.measures) and (
            self.high_risk is not None
        )

    def told(self, recipient: str) -> Sequence[Notice]:
        return [one for one in self.notices if one.recipient == recipient]


def register(session: Session, ctx: Context, *, limit: int = 200) -> list[Breach]:
    """Return every breach, the open ones by their clock first; to an auditor those of their period, as `of_period`."""
    ctx.actor.require(PRIVACY_REQUEST_READ)
    if ctx.actor.period is not None:
        found = of_period(session, ctx.actor.period)
        return sorted(found, key=lambda one: (one.closed_at is not None, one.due_at, one.id))[:limit]
    is_closed = sa.case((breach.c.closed_at.is_(None), 0), else_=1)
    query = sa.select(breach).order_by(is_closed, breach.c.due_at, breach.c.id).limit(limit)
    return _all_of(session, session.execute(query).all())


def of_period(session: Session, period: tuple[datetime, datetime]) -> list[Breach]:
    """Return the breaches that stood in a period, as they did at its end, by their clock."""
    begin, end = period
    of = breach.c
    query = sa.select(breach).where(of.recorded_at < end, of.closed_at.is_(None) | (of.closed_at >= begin))
    found = [_stood(one, end) for one in _all_of(session, session.execute(query).all())]
    return sorted(found, key=lambda one: (one.due_at, one.id))


def every(session: Session) -> list[Breach]:
    """Return all breaches there are, for who counts them."""
    return _all_of(session, session.execute(sa.select(breach).order_by(breach.c.id)).all())


def get(session: Session, breach_id: str) -> Breach:
    """Return a breach; raises `NotFound`."""
    row = session.execute(sa.select(breach).where(breach.c.id == breach_id)).one_or_none()
    if row is None:
        raise NotFound
    return _all_of(session, [row])[0]


def locked(session: Session, breach_id: str) -> Breach:
    """Return a breach that nobody else changes until this transaction ends."""
    session.execute(sa.select(breach.c.id).where(breach.c.id == breach_id).with_for_update())
    return get(session, breach_id)


def people_words(count: int) -> str:
    """Return a number of people in words."""
    return "1 person" if count == 1 else f"{count:,} people"


def _stood(found: Breach, end: datetime) -> Breach:
    """Return a breach as its steps had brought it before an instant; what was written over since says so."""
    steps = [one for one in found.steps if one.at < end]
    if len(steps) == len(found.steps):
        return found
    newest = {one.what: one for one in steps}
    aware = newest.get("awareness") or newest.get("opened")
    aware_at = parse_rfc3339(aware.after) if aware is not None and aware.after else found.aware_at
    decided, proposed, excepted = (newest.get(what) for what in ("decided", "proposed", LEFT_OUT))
    was = replace(
        found,
        aware_at=aware_at,
        due_at=aware_at + timedelta(hours=found.hours),
        state=_state(newest),
        decision=decided.after if decided is not None else None,
        decided_at=decided.at if decided is not None else None,
        reasons=proposed.reason if proposed is not None else None,
        approval_id=found.approval_id if decided is not None else None,
        letters_exception=excepted.reason if excepted is not None else None,
        closed_at=found.closed_at if found.closed_at is not None and found.closed_at < end else None,
        notices=[one for one in found.notices if one.sent_at < end],
        steps=steps,
    )
    if not any(one.what == "assessed" and one.at >= end for one in found.steps):
        return was
    known = WRITTEN_OVER if "assessed" in newest else None
    return replace(
        was,
        nature=known,
        categories=[],
        people=None,
        records=None,
        consequences=known,
        measures=known,
        high_risk=None,
    )


def _state(newest: Mapping[str, Step]) -> str:
    """Return the state to which steps brought a breach, by the newest of each kind."""
    if "complete" in newest:
        return COMPLETE
    if f"notice to {AUTHORITY}" in newest:
        return NOTIFIED
    if "decided" in newest:
        return TO_NOTIFY if newest["decided"].after == NOTIFY else NO_NOTICE
    return ASSESSING if "assessed" in newest else SUSPECTED


def _all_of(session: Session, rows: Sequence[Any]) -> list[Breach]:
    """Return the breaches of some rows with their notices and steps, by one statement each."""
    notice, step, ids = breach_notice.c, breach_step.c, [row.id for row in rows]
    notices: dict[str, list[Any]] = {}
    steps: dict[str, list[Any]] = {}
    told = sa.select(breach_notice).where(notice.breach_id.in_(ids)).order_by(notice.recipient, notice.phase)
    for one in session.execute(told):
        notices.setdefault(one.breach_id, []).append(one)
    for one in session.execute(sa.select(breach_step).where(step.breach_id.in_(ids)).order_by(step.n)):
        steps.setdefault(one.breach_id, []).append(one)
    return [_of(row, notices.get(row.id, ()), steps.get(row.id, ())) for row in rows]


def _of(row: Any, notices: Sequence[Any], steps: Sequence[Any]) -> Breach:  # rows of the tables
    return Breach(
        id=row.id,
        incident_ref=row.incident_ref,
        title=row.title,
        aware_at=row.aware_at,
        due_at=row.due_at,
        hours=row.hours,
        recorded_at=row.recorded_at,
        state=row.state,
        nature=row.nature,
        categories=row.categories,
        people=row.people,
        records=row.records,
        consequences=row.consequences,
        measures=row.measures,
        high_risk=row.high_risk,
        controller=row.controller,
        decision=row.decision,
        reasons=row.reasons,
        decided_at=row.decided_at,
        approval_id=row.approval_id,
        letters_exception=row.letters_exception,
        closed_at=row.closed_at,
        notices=[
            Notice(
                recipient=one.recipient,
                phase=one.phase,
                text=one.text,
                sha256=one.sha256,
                reference=one.reference,
                sent_at=one.sent_at,
                late_reason=one.late_reason,
                event_id=one.event_id,
            )
            for one in notices
        ],
        steps=[
            Step(at=one.at, actor=one.actor, what=one.what, before=one.before, after=one.after, reason=one.reason)
            for one in steps
        ],
    )
