"""Working on a breach: entered, assessed, told of by phase within 72 hours of awareness, closed; each step is kept."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto, words
from app.kernel.access import PRIVACY_BREACH_DECIDE, PRIVACY_BREACH_WRITE, ActorKind
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, SamePerson, WrongState
from compliance.registers import breach_log, breaches
from compliance.registers.models import breach, breach_notice, breach_step
from compliance.registers.parts import Registers
from ingest.events.privacy import BreachAssessed, BreachNotified, BreachOpened
from ingest.log import outbox


class IncidentUnknown(Invalid):
    """There is no such incident: a breach names the one in which it is worked by its id, or none."""

    code = "incident_unknown"


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


def open_breach(session: Session, found: breaches.Found, ctx: Context, *, parts: Registers) -> str:
    """Enter a breach and start its clock; the same incident again is the same breach.

    Raises `AwarenessInvalid` and `IncidentUnknown`.
    """
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    title = words.checked(found.title, param="title", longest=breaches.TITLE_MAX)
    _demand_aware(found.aware_at, ctx.at)
    controller = found.controller and words.checked(
        found.controller, param="controller", shortest=2, longest=breaches.TITLE_MAX
    )
    if found.incident is not None:
        if not parts.incident_exists(session, found.incident):
            raise IncidentUnknown(param="incident")
        known = sa.select(breach.c.id).where(breach.c.incident_ref == found.incident)
        there = session.execute(known).scalar_one_or_none()
        if there is not None:
            return str(there)
    id_, due_at = ctx.new_id("brc"), found.aware_at + timedelta(hours=breaches.HOURS)
    session.execute(
        sa.insert(breach).values(
            id=id_,
            incident_ref=found.incident,
            title=title,
            aware_at=found.aware_at,
            due_at=due_at,
            hours=breaches.HOURS,
            recorded_at=ctx.at,
            recorded_by=_staff(ctx),
            state=breaches.SUSPECTED,
            categories=[],
            controller=controller,
        )
    )
    event = BreachOpened(breach=id_, due_at=rfc3339(due_at), incident=found.incident)
    note(session, id_, "opened", ctx, after=rfc3339(found.aware_at), event_id=outbox.record(session, event, ctx))
    return id_


def correct_awareness(session: Session, breach_id: str, aware_at: datetime, reason: str, ctx: Context) -> None:
    """Set when a person was reasonably certain to another instant, with why; both stay to be seen (6.4).

    Raises `AwarenessInvalid`, and `BreachDiffers` as whatever else the log is told of a breach.
    """
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = breach_log.as_told(session, breach_id)
    said = words.reason(reason, longest=breaches.TEXT_MAX)
    _demand_aware(aware_at, found.recorded_at)
    if found.closed_at is not None:
        raise WrongState
    due_at = aware_at + timedelta(hours=found.hours)
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(aware_at=aware_at, due_at=due_at))
    before, after = rfc3339(found.aware_at), rfc3339(aware_at)
    event_id = told(session, breaches.get(session, breach_id), ctx)
    note(session, breach_id, "awareness", ctx, before=before, after=after, reason=said, event_id=event_id)


def assess(session: Session, breach_id: str, made: breaches.Assessment, ctx: Context) -> None:
    """Write down what is known by now; it may be written again while it is open, as phases bring more.

    So it is set right, too, where its row says something else than the log.
    Raises `RiskDecided` where one person would take back the high risk that two decided on.
    """
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = breaches.locked(session, breach_id)
    if not found.is_open or (found.approval_id is not None and found.decision is None):
        raise WrongState("A second person is deciding about what is written here.")
    if not made.high_risk and breach_log.is_decided_high(session, found):
        raise RiskDecided
    values = {
        "nature": words.checked(made.nature, param="nature", longest=breaches.TEXT_MAX),
        "categories": [
            words.checked(one, param="categories", shortest=2, longest=breaches.TITLE_MAX)
            for one in made.categories
            if one.strip()
        ],
        "people": made.people,
        "records": made.records,
        "consequences": words.checked(made.consequences, param="consequences", longest=breaches.TEXT_MAX),
        "measures": words.checked(made.measures, param="measures", longest=breaches.TEXT_MAX),
        "high_risk": made.high_risk,
        "state": breaches.ASSESSING if found.state == breaches.SUSPECTED else found.state,
    }
    if not values["categories"]:
        raise BreachIncomplete("Say which categories of data and people it touches.", param="categories")
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(**values))
    known = breaches.get(session, breach_id)
    before, after = _extent(found), _extent(known)
    note(session, breach_id, "assessed", ctx, before=before, after=after, event_id=told(session, known, ctx))


def notify(
    session: Session,
    breach_id: str,
    recipient: str,
    text: str,
    ctx: Context,
    *,
    reference: str | None = None,
    late_reason: str | None = None,
) -> breaches.Notice:
    """Note a notice that was sent, in its very words; more of them are its further phases (Art. 33(4)).

    Raises `LateReasonMissing` where a first notice to the authority comes after its hours.
    """
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = breaches.locked(session, breach_id)
    if recipient not in (breaches.AUTHORITY, breaches.PEOPLE, breaches.CONTROLLER):
        raise Invalid("A notice goes to the authority, to people, or to the controller.", param="recipient")
    if recipient == breaches.AUTHORITY and found.state not in (breaches.TO_NOTIFY, breaches.NOTIFIED):
        raise WrongState("Two people decide first whether the authority is told.")
    said = words.checked(text, param="text", longest=20_000)
    earlier = found.told(recipient)
    is_late = recipient == breaches.AUTHORITY and not earlier and ctx.at > found.due_at
    why = (late_reason or "").strip()
    if is_late and not words.says_enough(why):
        raise LateReasonMissing(param="late_reason")
    mark = reference and words.checked(reference, param="reference", shortest=1, longest=breaches.TITLE_MAX)
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
            reference=mark,
            sent_at=ctx.at,
            sent_by=_staff(ctx),
            late_reason=words.reason(why, longest=breaches.TEXT_MAX) if is_late else None,
            event_id=event_id,
        )
    )
    if recipient == breaches.AUTHORITY:
        session.execute(sa.update(breach).where(breach.c.id == breach_id).values(state=breaches.NOTIFIED))
    note(session, breach_id, f"notice to {recipient}", ctx, after=str(len(earlier) + 1), event_id=event_id)
    return breaches.get(session, breach_id).told(recipient)[-1]


def except_letters(session: Session, breach_id: str, reason: str, ctx: Context) -> None:
    """Write down why people are not written to although the risk is high (Art. 34(3)); who decides does."""
    ctx.actor.require(PRIVACY_BREACH_DECIDE)
    found = breach_log.as_told(session, breach_id)
    if not found.high_risk or found.closed_at is not None:
        raise WrongState
    if any(one.what in ("assessed", "proposed") and one.actor == ctx.actor.id for one in found.steps):
        raise SamePerson
    said = words.reason(reason, longest=breaches.TEXT_MAX)
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(letters_exception=said))
    event_id = told(session, found, ctx, breaches.LETTERS_LEFT_OUT)
    note(session, breach_id, breaches.LEFT_OUT, ctx, reason=said, event_id=event_id)


def complete(session: Session, breach_id: str, ctx: Context) -> None:
    """Close a breach that was notified: nothing more is to be told.

    Raises `PeopleUntold` where the risk is high, and `BreachDiffers` where its row says otherwise than the log.
    """
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = breach_log.as_told(session, breach_id)
    if found.state != breaches.NOTIFIED:
        raise WrongState
    if found.high_risk and not found.told(breaches.PEOPLE) and not found.letters_exception:
        raise PeopleUntold
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(state=breaches.COMPLETE, closed_at=ctx.at))
    note(session, breach_id, "complete", ctx, event_id=told(session, found, ctx, breaches.COMPLETE))


def draft(found: breaches.Breach, *, parts: Registers, contact: str) -> str:
    """Return what Art. 33(3) asks of a notice, filled with what is known; what is not known yet says so."""
    unknown = "not known yet; a further notice follows (Art. 33(4))"
    who = f"about {breaches.people_words(found.people)}" if found.people is not None else f"number of people: {unknown}"
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


def _demand_aware(aware_at: datetime, recorded_at: datetime) -> None:
    if aware_at > recorded_at:
        raise AwarenessInvalid("Nobody was aware later than it was written down.", param="aware_at")
    if recorded_at - aware_at > timedelta(days=3_650):
        raise AwarenessInvalid(param="aware_at")


def told(session: Session, found: breaches.Breach, ctx: Context, decision: str | None = None) -> str:
    """Record that what is known of a breach, or what is decided about it, was written down."""
    event = BreachAssessed(
        breach=found.id,
        due_at=rfc3339(found.due_at),
        incident=found.incident_ref,
        decision=decision,
        high_risk=found.high_risk,
        sha256=breach_log.digest(found),
    )
    return outbox.record(session, event, ctx)


def _extent(found: breaches.Breach) -> str | None:
    """Return in a line what the two later readers ask first: risk, whose data, how many."""
    if found.high_risk is None:
        return None
    people = breaches.people_words(found.people) if found.people is not None else "unknown number of people"
    return f"{'high risk' if found.high_risk else 'no high risk'}; {', '.join(found.categories)}; {people}"


def note(session: Session, breach_id: str, what: str, ctx: Context, **more: str | None) -> None:
    """Keep a step, with what changed and its event as `more` of its columns."""
    values = {"breach_id": breach_id, "at": ctx.at, "actor": _staff(ctx), "what": what, **more}
    session.execute(sa.insert(breach_step).values(**values))


def _staff(ctx: Context) -> str | None:
    return ctx.actor.id if ctx.actor.kind is ActorKind.STAFF else None
