"""Probes over our own registers of rights: clocks, periods, bases, consents, corrections, restrictions, objections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto, words
from compliance.catalog import periods, purposes
from compliance.catalog import retention as classes
from compliance.catalog.purposes import Purpose
from compliance.catalog.unended import UNENDED
from compliance.contracts.gate import ProcessingGate
from compliance.contracts.personal import Target
from compliance.contracts.probes import VIOLATIONS_KEPT, Kind, Look, Probe, Reading, Use, Violation, WhenEmpty
from compliance.contracts.tables import MarkedTables, id_of, mark_of
from compliance.privacy import clock, consent, graph, letters, restrict, selftest
from compliance.privacy.gate import COMPELLING
from compliance.privacy.models import (
    CONSENT_CLASS,
    consent_receipt,
    consent_text,
    objection,
    request,
    request_step,
    restriction,
)
from compliance.privacy.parts import Privacy
from compliance.privacy.request import ANSWERED, ENDED
from compliance.privacy.request import Kind as Right
from compliance.privacy.request import State as Stage
from compliance.registers.models import selftest_run
from compliance.retention import holds, policies, runs
from compliance.retention.models import run, target
from compliance.retention.parts import Retention
from compliance.retention.plan import unit_leaf
from ingest.log import forgetting, forgotten, read
from ingest.store.columns import month_end
from ingest.store.placing import CLASSES
from ingest.store.port import walk
from ingest.store.query import And, In, Not, Search
from ingest.store.query import Window as StoreWindow

LATE_SHOWN: Final = timedelta(days=90)
"""So long an answer that came late still counts."""
GRACE: Final = timedelta(hours=48)
"""So long after falling due something may wait for a run."""
BALANCED_MONTHS: Final = 24
STOPS: Final = timedelta(minutes=5)
NIGHTS: Final = timedelta(hours=49)
"""So old a self-test may be: one night can fail to come."""
NUMBERED: Final = timedelta(minutes=10)
_PLANTED: Final = "acc_planted"


def probes(parts: Privacy, retention: Retention, gate: ProcessingGate) -> tuple[Probe, ...]:
    """Return the probes over what people asked, consented and objected to, and over what is kept and why."""
    found = (
        Probe(
            name="privacy.clocks",
            kind=Kind.STATE,
            asks="Requests of people; wrong is one unanswered past its day, extended too late, or refused without why.",
            read=partial(_clocks, parts=parts),
            plant=partial(_plant_late, parts=parts),
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
        Probe(
            name="privacy.storage",
            kind=Kind.STATE,
            asks="Stores and what is due in them; wrong is one without period or end, or due for 48 h, not held.",
            read=partial(_storage, parts=parts, retention=retention),
            plant=partial(_plant_due, parts=parts),
        ),
        Probe(
            name="privacy.basis",
            kind=Kind.STATE,
            asks="Purposes and the stores that name them; wrong is one without a basis, or weighed over 24 months ago.",
            read=partial(_basis, parts=parts),
            plant=_plant_baseless,
        ),
        Probe(
            name="privacy.consent",
            kind=Kind.STATE,
            asks="Receipts and uses by consent; wrong is a text not kept, a use without receipt, a withdrawal unheard.",
            read=partial(_consent, gate=gate),
            plant=_plant_receipt,
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
        Probe(
            name="privacy.corrections",
            kind=Kind.STATE,
            asks="Requests to correct; wrong is one late, closed without an answer, or changed without both hashes.",
            read=_corrections,
            plant=partial(_plant_untold, parts=parts),
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
        Probe(
            name="privacy.restrictions",
            kind=Kind.STATE,
            asks="People restricted, by purpose; wrong is a use that the gate lets through, or a request not in force.",
            read=partial(_restrictions, gate=gate),
            plant=partial(_plant_unrestricted, parts=parts),
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
        Probe(
            name="privacy.objections",
            kind=Kind.STATE,
            asks="Objections; wrong is one whose use goes on undecided, is decided late, or overruled without grounds.",
            read=partial(_objections, gate=gate),
            plant=_plant_groundless,
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
        Probe(
            name="privacy.selftest",
            kind=Kind.STATE,
            asks="Stores in the newest self-test; wrong is what was not found, stopped or erased, or no new test.",
            read=_selftest,
            plant=partial(_plant_night, leg="erasure"),
        ),
        Probe(
            name="privacy.portability",
            kind=Kind.STATE,
            asks="The portable copy of the newest self-test; wrong is what its schema or Art. 20 does not allow.",
            read=_portability,
            plant=partial(_plant_night, leg="portability"),
        ),
    )
    return tuple(replace(one, use=Use.CUSTOMERS) for one in found)


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
        if row.answered_at is None and row.state not in _ENDED and look.at >= row.due_at:
            say(row, f"was due on {row.due} and is not answered")
        elif row.answered_at is not None and row.answered_at >= row.due_at > look.at - LATE_SHOWN:
            say(row, f"was answered after {row.due}")
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


def _answered_by_steps(session: Session) -> Mapping[str, datetime]:
    """Return when each request was answered first, as its steps say it."""
    of = request_step.c
    first, states = sa.func.min(of.at, type_=of.at.type), [state.value for state in ANSWERED]
    query = sa.select(of.request_id, first.label("at")).where(of.state.in_(states)).group_by(of.request_id)
    return {row.request_id: row.at for row in session.execute(query)}


def _plant_late(look: Look, *, parts: Privacy) -> str:
    received = (look.at - timedelta(days=40)).date()
    return _planted_request(look, parts, kind=Right.ACCESS, state=Stage.SCOPED, received=received)


def _storage(look: Look, *, parts: Privacy, retention: Retention) -> Reading:
    """Count what has a period and what is due by it, by queries of its own: none of the run that would remove it."""
    known = classes.shipped()
    stores = graph.stores(parts.sources)
    wrong = [
        Violation(component="stores", object_id=each.name, says=f"{each.category} is kept by no class that there is")
        for each in stores
        if each.retention not in known
    ]
    standing, due = holds.active(look.session), 0
    named = _named_by_runs(look.session)
    rows = frozenset(leaf.rsplit("|", 2)[0] for leaf in named)
    periods_ = policies.in_force(look.session)
    tables = [source for source in parts.sources if isinstance(source, MarkedTables)]
    nobody, old = _not_by_runs(look, tables, periods_)
    wrong += [*nobody, *old]
    months = forgetting.units(look.session)
    for class_, policy in sorted(periods_.items()):
        look.deadline.check()
        before = policy.before(look.at - GRACE)
        for source in tables:
            for store, ended in source.ended.items():
                if ended.retention != class_:
                    continue
                targets = _ended(look, source, store, before, parts_max=retention.settings.rows_max)
                waits = [one for one in targets if f"{one.store}|{one.id}" not in rows]
                free = [one for one in waits if not any(hold.keeps(one) for hold in standing)]
                due += len(targets)
                if free:
                    says = f"{len(free)} are due for more than 48 h, and no open run names them"
                    wrong.append(Violation(component="rows", object_id=f"{class_} {store}", says=says))
        if class_ in CLASSES:
            for unit in months:
                if unit.class_ == class_ and month_end(unit.month) <= before:
                    due += 1
                    is_named = unit_leaf(unit) in named
                    if not is_named and not holds.sequences(standing, look.store, class_, unit.first - 1, unit.last):
                        says = f"{unit.count} events are due for more than 48 h, and no open run names them"
                        wrong.append(Violation(component="months", object_id=f"{class_} {unit.month}", says=says))
    gone = [one for one in forgotten.removals(look.session) if one.ended_at is not None]
    for one in gone:
        look.deadline.check()
        places = retention.log
        left = forgetting.remaining(look.session, one.class_, one.month, store=look.store, archive=places.archive)
        if not left.is_gone:
            says = f"was removed, and {left.bodies} bodies and {left.documents} documents are still there"
            wrong.append(Violation(component="removed", object_id=f"{one.class_} {one.month}", says=says))
    population = {"stores": len(stores), "due": due, "removed months": len(gone)}
    return Reading(population=population, violations=wrong, asked={"grace": "PT48H"})


def _ended(look: Look, source: MarkedTables, store: str, before: datetime, *, parts_max: int) -> list[Target]:
    """Return the rows of a store that ended before an instant, as those that a hold could keep; asked in no order."""
    table, found = next(one for one in source.every_table() if one.name == store), []
    class_ = source.ended[store].retention
    marks = [mark for column in table.columns if (mark := mark_of(column)) is not None and mark.retention == class_]
    about = next((str(mark.subject) for mark in marks if mark.category != "none"), "")
    for row in look.session.execute(source.ended_before(store, before).limit(parts_max)).mappings():
        subject = str(row.get(about, ""))
        found.append(
            Target(store=store, id=id_of(table, row), subject=subject, category="", action="", retention=class_)
        )
    return found


def _not_by_runs(
    look: Look, tables: Sequence[MarkedTables], known: Mapping[str, policies.Policy]
) -> tuple[list[Violation], list[Violation]]:
    """Return the stores that nothing ends, and those named as not ended by runs whose rows are older than they may be.

    Of what is named without an instant, such as an account that is open, no row can be older: its period begins with
    what ends it.
    """
    nobody, old = [], []
    for source in tables:
        carried = source.carried_out()
        by_name = {table.name: table for table in source.every_table()}
        for name in sorted({store.name for store in source.stores()}):
            look.deadline.check()
            named = UNENDED.get(name)
            if named is None:
                if name not in carried:
                    says = "no run ends its rows, and nothing is named that does"
                    nobody.append(Violation(component="stores", object_id=name, says=says))
                continue
            if named.column is None or named.retention is None:
                continue
            before = known[named.retention].before(look.at - GRACE - named.slack)
            late = sa.select(sa.func.count()).select_from(by_name[name])
            count = look.session.scalar(late.where(by_name[name].c[named.column] < before)) or 0
            if count:
                says = f"{count} are past their class for more than 48 h, and are to end by {named.by}"
                old.append(Violation(component="rows", object_id=f"{named.retention} {name}", says=says))
    return nobody, old


def _named_by_runs(session: Session) -> frozenset[str]:
    """Return the leaves of all open runs: what one of them names is being seen to, and nothing else of its class."""
    of = target.c
    mine = sa.select(of.leaves).join(run, run.c.id == of.run_id).where(run.c.state.in_(runs.OPEN))
    return frozenset(leaf for leaves in session.scalars(mine) for leaf in leaves)


def _plant_due(look: Look, *, parts: Privacy) -> str:
    """Plant a request that was closed before its class ends, and that nothing holds."""
    closed = look.at - timedelta(days=366 * 4)
    _planted_request(
        look,
        parts,
        kind=Right.ACCESS,
        state=Stage.CLOSED,
        received=closed.date(),
        answered_at=closed,
        closed_at=closed,
    )
    return "rights.request compliance_request"


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
    # A receipt goes when its class ends; of what was used before that nobody can say any more by what it was.
    since = policies.in_force(look.session)[CONSENT_CLASS].before(look.at)
    for event_id, subject, purpose, at in _uses(look):
        look.deadline.check()
        if at < since:
            continue
        uses += 1
        if not _stood(look.session, subject, purpose, at):
            says = f"used data for {purpose} without a receipt that stood"
            wrong.append(Violation(component="uses", object_id=event_id, says=says))
        if len(wrong) > 10 * VIOLATIONS_KEPT:
            break
    return Reading(population={"receipts": receipts, "uses": uses}, violations=wrong, asked={"stops in": "PT5M"})


def _kept_texts(session: Session) -> Mapping[tuple[str, int, str], str]:
    """Return the hash of each kept text, made anew from its words."""
    found = {}
    for row in session.execute(sa.select(consent_text)):
        digest = crypto.sha256(f"{row.purpose}\n{row.version}\n{row.text}".encode()).hex()
        found[row.purpose, row.version, row.language] = digest
    return found


def _uses(look: Look) -> Iterator[tuple[str, str, str, datetime]]:
    """Yield events whose purpose rests on consent, by person: what records consent itself is no use of it."""
    wanted = [one.id for one in purposes.shipped().values() if one.needs_consent]
    told = ("privacy.consent.given", "privacy.consent.withdrawn")
    where = And((In("onepay.purpose", tuple(wanted)), Not(In("event.action", told))))
    window = StoreWindow(lo=0, hi=read.head(look.session).size)
    fields = ("event.id", "onepay.purpose", "onepay.subject.id", "@timestamp")
    for document in walk(look.store, Search(where=where, window=window, fields=fields)):
        of = document["onepay"]
        subjects = of.get("subject", {}).get("id") or []
        at = datetime.fromisoformat(document["@timestamp"])
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
        "subject": _PLANTED,
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


def _corrections(look: Look) -> Reading:
    asked, changes, wrong = 0, 0, []

    def say(object_id: str, says: str) -> None:
        wrong.append(Violation(component="corrections", object_id=object_id, says=says))

    for row in look.session.execute(sa.select(request).where(request.c.kind == Right.RECTIFICATION.value)):
        look.deadline.check()
        asked += 1
        if row.answered_at is None and row.state not in _ENDED and look.at >= row.due_at:
            say(row.id, f"was due on {row.due} and is not answered")
        elif row.answered_at is not None and row.answered_at >= row.due_at > look.at - LATE_SHOWN:
            say(row.id, f"was answered after {row.due}")
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
    request_id = _planted_request(look, parts, kind=Right.RECTIFICATION, state=Stage.EXECUTING, received=look.at.date())
    values = {"request_id": request_id, "state": Stage.EXECUTING.value, "at": look.at, "role": "planted"}
    look.session.execute(sa.insert(request_step).values(**values, note="corrected: name in app_account"))
    return request_id


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
    return _planted_request(
        look, parts, kind=Right.RESTRICTION, state=Stage.EXECUTED, received=look.at.date(), answered_at=look.at
    )


def _objections(look: Look, *, gate: ProcessingGate) -> Reading:
    known, counted, wrong = purposes.shipped(), 0, []
    due_of = {row.id: row.due_at for row in look.session.execute(sa.select(request.c.id, request.c.due_at))}
    for row in look.session.execute(sa.select(objection)):
        look.deadline.check()
        counted += 1

        def say(says: str, object_id: str = row.id) -> None:
            wrong.append(Violation(component="objections", object_id=object_id, says=says))

        stands = row.decision is None or row.decision == restrict.UPHELD
        overruled = _overruled_since(look.session, row)
        if stands and not overruled and row.purpose in known and gate.allowed(look.session, row.subject, row.purpose):
            say(f"stands, and {row.purpose} goes on")
        due = due_of.get(row.request_id)
        if row.decision is None and due is not None and look.at >= due:
            say("is not decided, and its day has ended")
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


def _overruled_since(session: Session, row: Any) -> bool:  # a row of `objection`
    """Tell whether a later objection of the same person to the same use was overruled: it is the one that decides."""
    of = objection.c
    later = sa.select(of.id).where(
        of.subject == row.subject, of.purpose == row.purpose, of.at > row.at, of.decision == COMPELLING
    )
    return session.execute(later.limit(1)).first() is not None


def _plant_groundless(look: Look) -> str:
    values = {
        "id": look.ctx.new_id("obj"),
        "subject": _PLANTED,
        "purpose": next(one.id for one in purposes.shipped().values() if one.may_be_objected_to),
        "at": look.at,
        "decision": COMPELLING,
        "decided_at": look.at,
    }
    look.session.execute(sa.insert(objection).values(**values))
    return str(values["id"])


def _selftest(look: Look) -> Reading:
    """Return all that the newest night found: a person who is nowhere has no data, and everything of them is a leg."""
    done = selftest.newest(look.session)
    if done is None:
        return Reading(population={"stores": 0})
    wrong = [_of_night(done, problem) for problem in done.problems]
    return _night(look, done, wrong, {"stores": done.stores, "markers": done.planted})


def _portability(look: Look) -> Reading:
    done = selftest.newest(look.session)
    if done is None:
        return Reading(population={"copies": 0})
    # Of a copy that could not be made nothing is known: that is no copy that is right.
    own = [one for one in done.problems if one.leg == "portability" or one.place == "package"]
    return _night(look, done, [_of_night(done, one) for one in own], {"copies": 1})


def _of_night(done: selftest.Run, problem: selftest.Problem) -> Violation:
    return Violation(component=problem.leg, object_id=f"{done.id} {problem.place}", says=problem.says)


def _night(look: Look, done: selftest.Run, wrong: list[Violation], population: Mapping[str, int]) -> Reading:
    if look.at - done.ended_at > NIGHTS:
        says = f"was last tested in the night of {done.night}"
        wrong.append(Violation(component="nights", object_id="selftest", says=says))
    return Reading(population=population, violations=wrong, asked={"run": done.id, "held": len(done.held)})


def _plant_night(look: Look, *, leg: str) -> str:
    id_ = look.ctx.new_id("slf")
    values = {
        "id": id_,
        "night": look.at.date().isoformat(),
        "subject": _PLANTED,
        "started_at": look.at,
        "ended_at": look.at + timedelta(seconds=1),
        "stores": 1,
        "planted": 1,
        "found": 1,
        "left": 1,
        "held": [],
        "problems": [[leg, "planted", "was left out"]],
        "result": selftest.FAILED,
        "event_id": "evt_planted",
    }
    look.session.execute(sa.insert(selftest_run).values(**values))
    return f"{id_} planted"


_ENDED: Final = frozenset(state.value for state in ANSWERED | ENDED)


def _planted_request(look: Look, parts: Privacy, *, kind: Right, state: Stage, received: date, **more: Any) -> str:
    calendar, id_ = clock.of(parts.settings), look.ctx.new_id("req")
    due = calendar.due(received, clock.MONTHS, 0)
    values = {
        "id": id_,
        "kind": kind.value,
        "subject": _PLANTED,
        "channel": "planted",
        "received_on": received.isoformat(),
        "received_at": look.at,
        "rules": clock.RULES,
        "due": due.isoformat(),
        "internal_due": (received + timedelta(days=clock.INTERNAL_DAYS)).isoformat(),
        "due_at": calendar.end_of(due),
        "paused_days": 0,
        "state": state.value,
        "is_verified": True,
        "is_extended": False,
        "is_incomplete": False,
    }
    look.session.execute(sa.insert(request).values(**{**values, **more}))
    return id_
