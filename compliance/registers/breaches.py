"""The register of breaches (GDPR Art. 33, 34): 72 hours from awareness, a decision by two people, notices by phase.

Every breach of personal data stands here, notified or not (Art. 33(5)); none is ever taken out before its class ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto, words
from app.kernel.access import PRIVACY_BREACH_DECIDE, PRIVACY_BREACH_WRITE, PRIVACY_REQUEST_READ, ActorKind
from app.kernel.approvals import ApprovalKind, Approvals, Payload
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, NotFound, SamePerson, WrongState
from compliance.registers.models import breach, breach_notice, breach_step
from compliance.registers.parts import Registers
from ingest.events.privacy import BreachAssessed, BreachNotified, BreachOpened
from ingest.log import outbox

APPROVAL: Final = "privacy.breach"
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


class AwarenessInvalid(Invalid):
    """Nobody was aware after it was written down, nor before it can have happened."""

    code = "awareness_invalid"


class BreachIncomplete(Conflict):
    """A notice says what happened, to whose data, what follows and what is done (Art. 33(3))."""

    code = "breach_incomplete"


class LateReasonMissing(Invalid):
    """After 72 hours a notice says why it comes late (Art. 33(1))."""

    code = "late_reason_missing"


class RiskDecided(Conflict):
    """Two people decided on this breach as one of high risk: who decides writes down why people are not written to."""

    code = "breach_risk_decided"


class PeopleUntold(Conflict):
    """The risk is high: people are told, or it is written down why not (Art. 34)."""

    code = "people_untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What somebody noticed; `aware_at` is when a person was reasonably certain, `incident` where it is worked."""

    title: str
    aware_at: datetime
    incident: str | None = None
    nature: str | None = None
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


def open_breach(session: Session, found: Found, ctx: Context) -> str:
    """Enter a breach and start its clock; the same incident again is the same breach. Raises `AwarenessInvalid`."""
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    title = words.checked(found.title, param="title", longest=TITLE_MAX)
    _demand_aware(found.aware_at, ctx.at)
    if found.incident is not None:
        known = sa.select(breach.c.id).where(breach.c.incident_ref == found.incident)
        there = session.execute(known).scalar_one_or_none()
        if there is not None:
            return str(there)
    id_, due_at = ctx.new_id("brc"), found.aware_at + timedelta(hours=HOURS)
    session.execute(
        sa.insert(breach).values(
            id=id_,
            incident_ref=found.incident,
            title=title,
            aware_at=found.aware_at,
            due_at=due_at,
            hours=HOURS,
            recorded_at=ctx.at,
            recorded_by=_staff(ctx),
            state=SUSPECTED,
            nature=found.nature,
            categories=[],
            controller=found.controller,
        )
    )
    event = BreachOpened(breach=id_, due_at=rfc3339(due_at), incident=found.incident)
    _note(session, id_, "opened", ctx, after=rfc3339(found.aware_at), event_id=outbox.record(session, event, ctx))
    return id_


def correct_awareness(session: Session, breach_id: str, aware_at: datetime, reason: str, ctx: Context) -> None:
    """Set when a person was reasonably certain to another instant, with why; both stay to be seen (6.4)."""
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = locked(session, breach_id)
    said = words.reason(reason, longest=TEXT_MAX)
    _demand_aware(aware_at, found.recorded_at)
    if found.closed_at is not None:
        raise WrongState
    due_at = aware_at + timedelta(hours=found.hours)
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(aware_at=aware_at, due_at=due_at))
    before, after = rfc3339(found.aware_at), rfc3339(aware_at)
    event_id = _told(session, get(session, breach_id), ctx)
    _note(session, breach_id, "awareness", ctx, before=before, after=after, reason=said, event_id=event_id)


def assess(session: Session, breach_id: str, made: Assessment, ctx: Context) -> None:
    """Write down what is known by now; it may be written again while it is open, as phases bring more.

    Raises `RiskDecided` where one person would take back the high risk that two decided on.
    """
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = locked(session, breach_id)
    if not found.is_open or (found.approval_id is not None and found.decision is None):
        raise WrongState("A second person is deciding about what is written here.")
    if found.decision is not None and found.high_risk and not made.high_risk:
        raise RiskDecided
    values = {
        "nature": words.checked(made.nature, param="nature", longest=TEXT_MAX),
        "categories": [one.strip() for one in made.categories if one.strip()],
        "people": made.people,
        "records": made.records,
        "consequences": words.checked(made.consequences, param="consequences", longest=TEXT_MAX),
        "measures": words.checked(made.measures, param="measures", longest=TEXT_MAX),
        "high_risk": made.high_risk,
        "state": ASSESSING if found.state == SUSPECTED else found.state,
    }
    if not values["categories"]:
        raise BreachIncomplete("Say which categories of data and people it touches.", param="categories")
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(**values))
    before, after = _extent(found), _extent(get(session, breach_id))
    _note(session, breach_id, "assessed", ctx, before=before, after=after, event_id=_told(session, found, ctx))


def propose(
    session: Session, breach_id: str, decision: str, reasons: str, ctx: Context, *, approvals: Approvals
) -> str:
    """Ask a second person whether the authority is told; returns the approval's id."""
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = locked(session, breach_id)
    if decision not in (NOTIFY, KEEP):
        raise Invalid("It is notified, or it is not.", param="decision")
    if not found.is_assessed:
        raise BreachIncomplete
    if found.state not in (SUSPECTED, ASSESSING):
        raise WrongState
    said = words.checked(reasons, param="reason", longest=TEXT_MAX)
    values = {"decision": None, "reasons": said, "proposed_by": ctx.actor.id}
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(**values))
    payload = _payload(get(session, breach_id), decision)
    approval = approvals.ask(session, APPROVAL, payload, ctx, object_id=breach_id, reason=said)
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(approval_id=approval))
    _note(session, breach_id, "proposed", ctx, after=decision, reason=said)
    return approval


def kind(approvals: Approvals) -> ApprovalKind:
    """Return what a second person decides about a breach."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        found, decision = locked(session, str(payload["breach"])), str(payload["decision"])
        approvals.take(session, id, APPROVAL, _payload(found, decision), ctx)
        if found.state not in (SUSPECTED, ASSESSING):
            raise WrongState
        votes = approvals.state_of(session, id).votes
        state = TO_NOTIFY if decision == NOTIFY else NO_NOTICE
        values = {"decision": decision, "state": state, "decided_at": ctx.at, "decided_by": votes[-1][0]}
        if state == NO_NOTICE:
            values["closed_at"] = ctx.at
        session.execute(sa.update(breach).where(breach.c.id == found.id).values(**values))
        _note(session, found.id, "decided", ctx, after=decision, event_id=_told(session, found, ctx, decision))
        return "the authority is told" if decision == NOTIFY else "no notice, with its reasons"

    def closed(session: Session, id: str, state: Any, ctx: Context) -> None:
        session.execute(
            sa.update(breach).where(breach.c.approval_id == id, breach.c.decision.is_(None)).values(approval_id=None)
        )

    return ApprovalKind(
        name=APPROVAL,
        title="Decide whether a breach is notified",
        asks=PRIVACY_BREACH_WRITE,
        decides=PRIVACY_BREACH_DECIDE,
        render=_rendered,
        run=run,
        closed=closed,
    )


def notify(
    session: Session,
    breach_id: str,
    recipient: str,
    text: str,
    ctx: Context,
    *,
    reference: str | None = None,
    late_reason: str | None = None,
) -> Notice:
    """Note a notice that was sent, in its very words; more of them are its further phases (Art. 33(4)).

    Raises `LateReasonMissing` where a first notice to the authority comes after its hours.
    """
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = locked(session, breach_id)
    if recipient not in (AUTHORITY, PEOPLE, CONTROLLER):
        raise Invalid("A notice goes to the authority, to people, or to the controller.", param="recipient")
    if recipient == AUTHORITY and found.state not in (TO_NOTIFY, NOTIFIED):
        raise WrongState("Two people decide first whether the authority is told.")
    said = words.checked(text, param="text", longest=20_000)
    earlier = found.told(recipient)
    is_late = recipient == AUTHORITY and not earlier and ctx.at > found.due_at
    why = (late_reason or "").strip()
    if is_late and not words.says_enough(why):
        raise LateReasonMissing(param="late_reason")
    digest = crypto.sha256(said.encode()).hex()
    event = BreachNotified(
        breach=breach_id,
        due_at=rfc3339(found.due_at),
        incident=found.incident_ref,
        recipient=recipient,
        sha256=digest,
        reason="late" if is_late else None,
    )
    event_id = outbox.record(session, event, ctx)
    session.execute(
        sa.insert(breach_notice).values(
            breach_id=breach_id,
            recipient=recipient,
            phase=len(earlier) + 1,
            text=said,
            sha256=digest,
            reference=reference,
            sent_at=ctx.at,
            sent_by=_staff(ctx),
            late_reason=words.reason(why, longest=TEXT_MAX) if is_late else None,
            event_id=event_id,
        )
    )
    if recipient == AUTHORITY:
        session.execute(sa.update(breach).where(breach.c.id == breach_id).values(state=NOTIFIED))
    _note(session, breach_id, f"notice to {recipient}", ctx, after=str(len(earlier) + 1), event_id=event_id)
    return get(session, breach_id).told(recipient)[-1]


def except_letters(session: Session, breach_id: str, reason: str, ctx: Context) -> None:
    """Write down why people are not written to although the risk is high (Art. 34(3)); who decides does."""
    ctx.actor.require(PRIVACY_BREACH_DECIDE)
    found = locked(session, breach_id)
    if not found.high_risk or found.closed_at is not None:
        raise WrongState
    if any(one.what in ("assessed", "proposed") and one.actor == ctx.actor.id for one in found.steps):
        raise SamePerson
    said = words.reason(reason, longest=TEXT_MAX)
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(letters_exception=said))
    event_id = _told(session, found, ctx, LETTERS_LEFT_OUT)
    _note(session, breach_id, "letters left out", ctx, reason=said, event_id=event_id)


def complete(session: Session, breach_id: str, ctx: Context) -> None:
    """Close a breach that was notified: nothing more is to be told. Raises `PeopleUntold` where the risk is high."""
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = locked(session, breach_id)
    if found.state != NOTIFIED:
        raise WrongState
    if found.high_risk and not found.told(PEOPLE) and not found.letters_exception:
        raise PeopleUntold
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(state=COMPLETE, closed_at=ctx.at))
    _note(session, breach_id, "complete", ctx, event_id=_told(session, found, ctx, COMPLETE))


def draft(found: Breach, *, parts: Registers, contact: str) -> str:
    """Return what Art. 33(3) asks of a notice, filled with what is known; what is not known yet says so."""
    unknown = "not known yet; a further notice follows (Art. 33(4))"
    who = f"about {_people(found.people)}" if found.people is not None else f"number of people: {unknown}"
    what = f"about {found.records:,} records" if found.records is not None else f"number of records: {unknown}"
    lines = [
        f"Notice of a personal data breach by {parts.settings.controller_name} (GDPR Art. 33)",
        f"Reference: {found.id}" + (f", incident {found.incident_ref}" if found.incident_ref else ""),
        f"Known to us since {found.aware_at:%-d %B %Y, %H:%M} UTC.",
        "",
        f"(a) Nature of the breach: {found.nature or unknown}",
        f"    Categories of data and people: {', '.join(found.categories) or unknown}",
        f"    Extent: {who}; {what}",
        f"(b) Data protection officer: {contact}",
        f"(c) Likely consequences: {found.consequences or unknown}",
        f"(d) Measures taken or proposed: {found.measures or unknown}",
    ]
    return "\n".join(lines)


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


def _demand_aware(aware_at: datetime, recorded_at: datetime) -> None:
    if aware_at > recorded_at:
        raise AwarenessInvalid("Nobody was aware later than it was written down.", param="aware_at")
    if recorded_at - aware_at > timedelta(days=3_650):
        raise AwarenessInvalid(param="aware_at")


def _payload(found: Breach, decision: str) -> Mapping[str, Any]:
    return {
        "breach": found.id,
        "decision": decision,
        "title": found.title,
        "aware_at": rfc3339(found.aware_at),
        "due_at": rfc3339(found.due_at),
        "nature": str(found.nature),
        "categories": list(found.categories),
        "people": found.people if found.people is not None else -1,
        "high_risk": bool(found.high_risk),
        "reasons": str(found.reasons),
    }


def _rendered(payload: Payload) -> list[str]:
    people = f"about {_people(payload['people'])}" if payload["people"] >= 0 else "an unknown number of people"
    risk = "high risk" if payload["high_risk"] else "no high risk"
    ends = "The authority is told" if payload["decision"] == NOTIFY else "The authority is not told"
    return [
        f"{payload['title']} ({payload['breach']}), known since {payload['aware_at']}, to be notified by "
        f"{payload['due_at']}.",
        f"{payload['nature']} It touches {', '.join(payload['categories'])} of {people}; {risk}.",
        f"{ends}: {payload['reasons']}",
    ]


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def _told(session: Session, found: Breach, ctx: Context, decision: str | None = None) -> str:
    """Record that what is known of a breach, or what is decided about it, was written down."""
    due_at = rfc3339(found.due_at)
    event = BreachAssessed(breach=found.id, due_at=due_at, incident=found.incident_ref, decision=decision)
    return outbox.record(session, event, ctx)


def _extent(found: Breach) -> str | None:
    """Return in a line what the two later readers ask first: risk, whose data, how many."""
    if found.high_risk is None:
        return None
    people = _people(found.people) if found.people is not None else "unknown number of people"
    return f"{'high risk' if found.high_risk else 'no high risk'}; {', '.join(found.categories)}; {people}"


def _note(session: Session, breach_id: str, what: str, ctx: Context, **more: str | None) -> None:
    values = {"breach_id": breach_id, "at": ctx.at, "actor": _staff(ctx), "what": what, **more}
    session.execute(sa.insert(breach_step).values(**values))


def _staff(ctx: Context) -> str | None:
    return ctx.actor.id if ctx.actor.kind is ActorKind.STAFF else None


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
