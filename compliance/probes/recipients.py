"""Probe over notices to recipients (Art. 19): what was corrected, erased or restricted was told on, within its days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import ids, words
from compliance.contracts.personal import StoreInfo
from compliance.contracts.probes import Kind, Look, Probe, Reading, Use, Violation, WhenEmpty
from compliance.privacy import clock, graph
from compliance.privacy.erasure.planning import GOES
from compliance.privacy.models import erasure_target, recipient_notice, request, request_step
from compliance.privacy.parts import Privacy
from compliance.privacy.recipients import DAYS, IMPOSSIBLE, RECEIPT, TOLD
from compliance.privacy.request import Kind as Right
from compliance.privacy.request import State as Stage
from compliance.probes.planted import planted_request
from compliance.registers.models import processor

LATE_SHOWN: Final = timedelta(days=90)
"""So long counts what was not told, or told late: nobody can mend the past."""
_DONE_BY: Final = {
    Right.RECTIFICATION: Stage.EXECUTING,
    Right.ERASURE: Stage.EXECUTING,
    Right.RESTRICTION: Stage.EXECUTED,
}
"""The step by which each right is carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """Something that was carried out, and the stores that it is about."""

    request_id: str
    at: datetime
    concerns: Sequence[StoreInfo]


def probes(parts: Privacy) -> tuple[Probe, ...]:
    """Return the probe of Art. 19."""
    return (
        Probe(
            name="privacy.recipients",
            kind=Kind.STATE,
            asks="What was corrected, erased, restricted; wrong is a recipient not told, or not answered in 30 days.",
            read=partial(_read, parts=parts),
            plant=partial(_plant, parts=parts),
            empty_means=WhenEmpty.NOT_APPLICABLE,
            use=Use.CUSTOMERS,
        ),
    )


def _read(look: Look, *, parts: Privacy) -> Reading:
    wrong, counted, told = [], 0, set[tuple[str, str]]()
    erased, today = _erased_at(look.session), clock.of(parts.settings).day_of(look.at)
    query = sa.select(recipient_notice, request.c.subject).join(request, request.c.id == recipient_notice.c.request_id)
    for row in look.session.execute(query.where(request.c.kind.in_([kind.value for kind in TOLD]))):
        look.deadline.check()
        counted += 1
        told.add((row.request_id, row.processor_id))
        says = _wrong_with(row, look, (today - LATE_SHOWN).isoformat(), erased.get(row.subject))
        if says is not None:
            wrong.append(Violation(component="notices", object_id=row.id, says=says))
    requests, hands = set[str](), look.session.execute(sa.select(processor).order_by(processor.c.name)).all()
    for done in _carried_out(look.session, graph.stores(parts.sources)):
        look.deadline.check()
        requests.add(done.request_id)
        if done.at <= look.at - LATE_SHOWN:
            continue
        for one in hands:
            if (done.request_id, one.id) not in told and _was_to_be_told(one, done):
                says = f"was carried out on {done.at:%Y-%m-%d}, and no notice tells {one.name}"
                wrong.append(Violation(component="requests", object_id=done.request_id, says=says))
                told.add((done.request_id, one.id))
    population = {"requests": len(requests), "notices": counted}
    return Reading(population=population, violations=wrong, asked={"days": DAYS})


def _wrong_with(row: Any, look: Look, shown: str, erased_at: datetime | None) -> str | None:  # a row of the notices
    if row.answer is None:
        return f"was due on {row.due}, and {row.name} has not confirmed it" if look.at >= row.due_at else None
    if row.answered_on is None or (row.answer == RECEIPT and not (row.reference or "").strip()):
        return f"says that {row.name} was told, without a receipt"
    # Why it could not be goes with its person: words of colleagues are about them.
    is_gone = erased_at is not None and erased_at >= row.answered_at
    if row.answer == IMPOSSIBLE and not words.says_enough(row.says or "") and not is_gone:
        return f"says that {row.name} cannot be told, and not why"
    if row.answered_on > row.due and row.due > shown:
        return f"was due on {row.due}, and {row.name} was told on {row.answered_on}"
    return None


def _erased_at(session: Session) -> dict[str, datetime]:
    """Return when erasures of a person were begun, the newest."""
    of = request_step.c
    query = (
        sa.select(request.c.subject, sa.func.max(of.at, type_=of.at.type).label("at"))
        .join(request_step, of.request_id == request.c.id)
        .where(request.c.kind == Right.ERASURE.value, of.state == Stage.EXECUTED.value)
        .group_by(request.c.subject)
    )
    return {row.subject: row.at for row in session.execute(query)}


def _carried_out(session: Session, stores: Sequence[StoreInfo]) -> Iterator[_Done]:
    """Yield what was carried out by its steps, which are other rows than the notices."""
    of = request_step.c
    query = (
        sa.select(of.request_id, of.at, of.note, of.event_id, request.c.kind)
        .join(request, request.c.id == of.request_id)
        .where(sa.or_(*(_is_done(kind, state) for kind, state in _DONE_BY.items())))
        .order_by(of.n)
    )
    first = set[str]()
    for row in session.execute(query).all():
        kind = Right(row.kind)
        if kind is Right.RECTIFICATION:
            if row.event_id is not None:
                yield _Done(request_id=row.request_id, at=row.at, concerns=_corrected(row.note or "", stores))
        elif row.request_id not in first:
            first.add(row.request_id)
            concerns = stores if kind is Right.RESTRICTION else _gone(session, row.request_id, stores)
            yield _Done(request_id=row.request_id, at=row.at, concerns=concerns)


def _is_done(kind: Right, state: Stage) -> sa.ColumnElement[bool]:
    return (request.c.kind == kind.value) & (request_step.c.state == state.value)


def _corrected(note: str, stores: Sequence[StoreInfo]) -> list[StoreInfo]:
    """Return what the note of a correction names; none once the note went with its person."""
    field, _, store = note.removeprefix("corrected: ").partition(" in ")
    return [one for one in stores if one.name == store and field in one.fields]


def _gone(session: Session, request_id: str, stores: Sequence[StoreInfo]) -> list[StoreInfo]:
    of = erasure_target.c
    query = sa.select(of.store, of.category).where(of.request_id == request_id, of.action.in_(GOES)).distinct()
    goes: Set[tuple[str, str]] = {(row.store, row.category) for row in session.execute(query)}
    return [one for one in stores if (one.name, one.category) in goes]


def _was_to_be_told(one: Any, done: _Done) -> bool:  # a row of the processors
    """Tell whether a processor worked with it by then; of one whose entry changed since it is not known."""
    known = one.id < ids.derived("prc", done.at, 0) and one.changed_at <= done.at
    is_there = one.ended_at is None or one.ended_at > done.at
    uses = {name for store in done.concerns if store.category not in ("none", "staff") for name in store.purposes}
    return known and is_there and not uses.isdisjoint(one.purposes)


def _plant(look: Look, *, parts: Privacy) -> str:
    """Plant a restriction whose recipient was to be told by yesterday."""
    calendar = clock.of(parts.settings)
    made, yesterday = look.at - timedelta(days=DAYS + 1), calendar.day_of(look.at) - timedelta(days=1)
    request_id = planted_request(
        look,
        parts,
        kind=Right.RESTRICTION,
        state=Stage.EXECUTED,
        received=made.date(),
        received_at=made,
        answered_at=made,
    )
    notice = {
        "id": look.ctx.new_id("rcn"),
        "request_id": request_id,
        "processor_id": look.ctx.new_id("prc"),
        "turn": 1,
        "name": "Planted Ltd",
        "categories": ["name"],
        "made_at": made,
        "due": yesterday.isoformat(),
        "due_at": calendar.end_of(yesterday),
    }
    look.session.execute(sa.insert(recipient_notice).values(**notice))
    return str(notice["id"])
