"""The register of breaches (GDPR Art. 33, 34): what one is, in which state, who was told, and how it is read.

Every breach of personal data stands here, notified or not (Art. 33(5)); none is ever taken out before its class ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_READ
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
    """Return every breach, the open ones by their clock first; to an auditor those that stood in their period."""
    ctx.actor.require(PRIVACY_REQUEST_READ)
    is_closed = sa.case((breach.c.closed_at.is_(None), 0), else_=1)
    query = sa.select(breach).order_by(is_closed, breach.c.due_at, breach.c.id).limit(limit)
    if ctx.actor.period is not None:
        begin, end = ctx.actor.period
        is_over = breach.c.closed_at.is_not(None) & (breach.c.closed_at < begin)
        query = query.where(breach.c.recorded_at < end, ~is_over)
    return _all_of(session, session.execute(query).all())


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
