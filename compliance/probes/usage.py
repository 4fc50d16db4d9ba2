"""Probes over how data is used: by a basis that was weighed, by consent that stands, and not against a restriction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto, words
from compliance.catalog import periods, purposes
from compliance.catalog.purposes import Purpose
from compliance.contracts.gate import ProcessingGate
from compliance.contracts.probes import VIOLATIONS_KEPT, Kind, Look, Probe, Reading, Use, Violation, WhenEmpty
from compliance.privacy import clock, consent, graph, letters, restrict
from compliance.privacy.clock import LegalCalendar
from compliance.privacy.gate import COMPELLING
from compliance.privacy.models import CONSENT_CLASS, consent_receipt, consent_text, objection, request, restriction
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Kind as Right
from compliance.privacy.request import State as Stage
from compliance.probes.planted import PLANTED, planted_request
from compliance.probes.rights import LATE_SHOWN, last_day
from compliance.retention import policies
from ingest.log import read
from ingest.store.port import walk
from ingest.store.query import And, In, Not, Search
from ingest.store.query import Window as StoreWindow

BALANCED_MONTHS: Final = 24
STOPS: Final = timedelta(minutes=5)


def probes(parts: Privacy, gate: ProcessingGate) -> tuple[Probe, ...]:
    """Return the probes over bases, consents, restrictions and objections."""
    return (
        Probe(
            name="privacy.basis",
            kind=Kind.STATE,
            asks="Purposes and the stores that name them; wrong is one without a basis, or weighed over 24 months ago.",
            read=partial(_basis, parts=parts),
            plant=_plant_baseless,
            use=Use.CUSTOMERS,
        ),
        Probe(
            name="privacy.consent",
            kind=Kind.STATE,
            asks="Receipts, and uses by consent of the last 90 days; wrong is a text not kept, a use without receipt, "
            "a withdrawal unheard.",
            read=partial(_consent, gate=gate),
            plant=_plant_receipt,
            empty_means=WhenEmpty.NOT_APPLICABLE,
            use=Use.CUSTOMERS,
        ),
        Probe(
            name="privacy.restrictions",
            kind=Kind.STATE,
            asks="People restricted, by purpose; wrong is a use that the gate lets through, or a request not in force.",
            read=partial(_restrictions, gate=gate),
            plant=partial(_plant_unrestricted, parts=parts),
            empty_means=WhenEmpty.NOT_APPLICABLE,
            use=Use.CUSTOMERS,
        ),
        Probe(
            name="privacy.objections",
            kind=Kind.STATE,
            asks="Objections; wrong is one whose use goes on undecided, is decided late, or overruled without grounds.",
            read=partial(_objections, gate=gate, calendar=clock.of(parts.settings)),
            plant=_plant_groundless,
            empty_means=WhenEmpty.NOT_APPLICABLE,
            use=Use.CUSTOMERS,
        ),
    )


def _basis(look: Look, *, parts: Privacy) -> Reading:
    known: Mapping[str, Purpose] = {**purposes.shipped(), **look.fence.get("purposes", {})}
    weighed, wrong = purposes.as_of(), []
    oldest = periods.add_months(look.at, -BALANCED_MONTHS).date()
    for name, one in known.items():
        if not one.law.strip() or not one.basis:
            wrong.append(Violation(component="purposes", object_id=name, says="names no basis or no law"))
        if one.basis == purposes.LEGITIMATE_INTEREST and not (one.balancing or "").strip():
            wrong.append(Violation(component="purposes", object_id=name, says="rests on an interest nobody weighed"))
        elif one.basis == purposes.LEGITIMATE_INTEREST and weighed < oldest:
            wrong.append(Violation(component="purposes", object_id=name, says=f"was weighed on {weighed}"))
        if one.needs_consent and not one.text.strip():
            wrong.append(Violation(component="purposes", object_id=name, says="rests on consent to no text"))
    stores = graph.stores(parts.sources)
    for each in stores:
        if not each.purposes or any(name not in known for name in each.purposes):
            says = f"{each.category} serves no purpose that there is"
            wrong.append(Violation(component="stores", object_id=each.name, says=says))
    return Reading(population={"purposes": len(known), "stores": len(stores)}, violations=wrong)


def _plant_baseless(look: Look) -> str:
    nothing = Purpose(id="planted", says="planted", basis="", law="", when_restricted=False, recipients=())
    look.fence["purposes"] = {"planted": nothing}
    return "planted"


def _consent(look: Look, *, gate: ProcessingGate) -> Reading:
    of, kept = consent_receipt.c, _kept_texts(look.session)
    receipts, wrong = 0, []
    newest: dict[tuple[str, str], Any] = {}
    for row in look.session.execute(sa.select(consent_receipt).order_by(of.n)):
        look.deadline.check()
        receipts += 1
        newest[row.subject, row.purpose] = row
        if kept.get((row.purpose, row.version, row.language)) != row.sha256:
            says = f"names a text of {row.purpose} that is not kept"
            wrong.append(Violation(component="receipts", object_id=f"receipt {row.n}", says=says))
    for (subject, purpose), row in newest.items():
        look.deadline.check()
        if row.action == consent.WITHDRAWN and gate.allowed(look.session, subject, purpose):
            says = f"took consent to {purpose} back, and the gate lets it through"
            wrong.append(Violation(component="withdrawals", object_id=subject, says=says))
    uses = 0
    # As long as a late answer is told. A receipt goes when its class ends; before that nobody can say any more by what.
    since = max(policies.in_force(look.session)[CONSENT_CLASS].before(look.at), look.at - LATE_SHOWN)
    for event_id, subject, purpose, at in _uses(look, since):
        look.deadline.check()
        uses += 1
        if not _stood(look.session, subject, purpose, at):
            says = f"used data for {purpose} without a receipt that stood"
            wrong.append(Violation(component="uses", object_id=event_id, says=says))
        if len(wrong) > 10 * VIOLATIONS_KEPT:
            break
    return Reading(
        population={"receipts": receipts, "uses": uses},
        violations=wrong,
        asked={"stops in": "PT5M", "uses since": f"P{LATE_SHOWN.days}D"},
    )


def _kept_texts(session: Session) -> Mapping[tuple[str, int, str], str]:
    """Return the hash of each kept text, made anew from its words."""
    found = {}
    for row in session.execute(sa.select(consent_text)):
        digest = crypto.sha256(f"{row.purpose}\n{row.version}\n{row.text}".encode()).hex()
        found[row.purpose, row.version, row.language] = digest
    return found


def _uses(look: Look, since: datetime) -> Iterator[tuple[str, str, str, datetime]]:
    """Yield events since an instant whose purpose rests on consent, by person: what records consent is no use of it."""
    wanted = [one.id for one in purposes.shipped().values() if one.needs_consent]
    told = ("privacy.consent.given", "privacy.consent.withdrawn")
    where = And((In("onepay.purpose", tuple(wanted)), Not(In("event.action", told))))
    # What was before arrived before, or is an import of the past, which nobody uses anything by.
    window = StoreWindow(lo=read.first_since(look.session, since) - 1, hi=read.head(look.session).size)
    fields = ("event.id", "onepay.purpose", "onepay.subject.id", "@timestamp")
    for document in walk(look.store, Search(where=where, window=window, fields=fields)):
        of = document["onepay"]
        subjects = of.get("subject", {}).get("id") or []
        at = datetime.fromisoformat(document["@timestamp"])
        if at < since:
            continue
        for subject in subjects if isinstance(subjects, list) else [subjects]:
            yield str(document["event"]["id"]), str(subject), str(of["purpose"]), at


def _stood(session: Session, subject: str, purpose: str, at: datetime) -> bool:
    """Tell whether consent stood at an instant, or had been taken back so lately that the use had begun."""
    of = consent_receipt.c
    query = sa.select(of.action).where(of.subject == subject, of.purpose == purpose).order_by(of.n.desc()).limit(1)
    return any(
        session.execute(query.where(of.at <= until)).scalar_one_or_none() == consent.GIVEN for until in (at, at - STOPS)
    )


def _plant_receipt(look: Look) -> str:
    values = {
        "n": -1,
        "subject": PLANTED,
        "purpose": next(one.id for one in purposes.shipped().values() if one.needs_consent),
        "version": 1,
        "language": letters.LANGUAGE,
        "sha256": "0" * 64,
        "action": consent.GIVEN,
        "channel": "planted",
        "at": look.at,
        "event_id": "evt_planted",
    }
    look.session.execute(sa.insert(consent_receipt).values(**values))
    return "receipt -1"


def _restrictions(look: Look, *, gate: ProcessingGate) -> Reading:
    stops = [one.id for one in purposes.shipped().values() if not one.when_restricted]
    in_batches = {
        name: gate.refused(look.session, name) for name in stops if not purposes.shipped()[name].needs_consent
    }
    people = set(
        look.session.execute(sa.select(restriction.c.subject).where(restriction.c.lifted_at.is_(None))).scalars()
    )
    wrong = []
    for subject in sorted(people):
        look.deadline.check()
        for name in stops:
            passes = gate.allowed(look.session, subject, name)
            if passes or (name in in_batches and subject not in in_batches[name]):
                says = f"is restricted, and {name} goes on"
                wrong.append(Violation(component="people", object_id=subject, says=says))
    of = request.c
    asked = sa.select(of.id, of.subject).where(
        of.kind == Right.RESTRICTION.value, of.state == Stage.EXECUTED.value, of.linked_to.is_(None)
    )
    requests = look.session.execute(asked).all()
    for row in requests:
        if row.subject not in people:
            says = "was carried out, and no restriction stands"
            wrong.append(Violation(component="requests", object_id=row.id, says=says))
    population = {"people and purposes": len(people) * len(stops), "requests": len(requests)}
    return Reading(population=population, violations=wrong, asked={"purposes": stops})


def _plant_unrestricted(look: Look, *, parts: Privacy) -> str:
    return planted_request(
        look, parts, kind=Right.RESTRICTION, state=Stage.EXECUTED, received=look.at.date(), answered_at=look.at
    )


def _objections(look: Look, *, gate: ProcessingGate, calendar: LegalCalendar) -> Reading:
    known, counted, wrong = purposes.shipped(), 0, []
    days = _days(look.session, calendar)
    for row in look.session.execute(sa.select(objection)):
        look.deadline.check()
        counted += 1

        def say(says: str, object_id: str = row.id) -> None:
            wrong.append(Violation(component="objections", object_id=object_id, says=says))

        stands = row.decision is None or row.decision == restrict.UPHELD
        # One that was upheld stands whatever became of a later one: its person objected once, and that was granted.
        if stands and row.purpose in known and gate.allowed(look.session, row.subject, row.purpose):
            say(f"stands, and {row.purpose} goes on")
        if (late := _late(row, days.get(row.request_id), look, calendar)) is not None:
            say(late)
        if row.decision == COMPELLING and not words.says_enough(row.grounds or ""):
            say("was overruled and no ground is kept")
    for id_, purpose in look.session.execute(
        sa.select(request.c.id, request.c.purpose)
        .outerjoin(objection, objection.c.request_id == request.c.id)
        .where(request.c.kind == Right.OBJECTION.value, request.c.state == Stage.IN_REVIEW.value)
        .where(request.c.is_verified, objection.c.id.is_(None))
    ):
        says = f"is in review, and nothing stops {purpose} meanwhile"
        wrong.append(Violation(component="requests", object_id=id_, says=says))
    return Reading(population={"objections": counted}, violations=wrong)


def _days(session: Session, calendar: LegalCalendar) -> Mapping[str, date]:
    """Return the last day of each request to object, as answers to requests are counted."""
    rows = session.execute(sa.select(request).where(request.c.kind == Right.OBJECTION.value))
    return {row.id: last_day(row, calendar) for row in rows}


def _late(row: Any, due: date | None, look: Look, calendar: LegalCalendar) -> str | None:  # a row of `objection`
    """Return what is late about an objection; a decision that came late counts for ninety days, as answers do."""
    if due is None:
        return None
    due_at = calendar.end_of(due)
    if row.decision is None:
        return "is not decided, and its day has ended" if look.at >= due_at else None
    if row.decided_at is not None and row.decided_at >= due_at > look.at - LATE_SHOWN:
        return f"was decided after {due.isoformat()}"
    return None


def _plant_groundless(look: Look) -> str:
    values = {
        "id": look.ctx.new_id("obj"),
        "subject": PLANTED,
        "purpose": next(one.id for one in purposes.shipped().values() if one.may_be_objected_to),
        "at": look.at,
        "decision": COMPELLING,
        "decided_at": look.at,
    }
    look.session.execute(sa.insert(objection).values(**values))
    return str(values["id"])
