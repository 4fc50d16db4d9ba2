"""What an auditor asks of an officer: a question, or a sample by their own seed; answered with evidence numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import AUDIT_REQUEST_ANSWER, AUDIT_REQUEST_WRITE, AUDIT_SAMPLE_DRAW, Actor
from app.kernel.context import Context
from app.kernel.db import change_one
from app.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from compliance.audit import filters, models, sample
from compliance.audit.filters import Filter
from compliance.engine import rerun
from compliance.reports.parts import Reports
from ingest.log import read

QUESTION, SAMPLE = "question", "sample"
WAITING, ANSWERED = "waiting", "answered"
BODY_MAX: Final = 2_000
EVIDENCE_MAX: Final = 1_000
LIST_MAX: Final = 100
_NUMBER: Final = re.compile(r"EV-\d{1,15}")


class RequestAnswered(Conflict):
    """This is answered already."""

    code = "audit_request_answered"


class SamplePicked(Invalid):
    """A sample is drawn by the auditor's seed; nobody picks what is in it."""

    code = "sample_picked"


class EvidenceUnknown(Invalid):
    """An answer names evidence by numbers such as EV-000012345, of events that the auditor's period holds."""

    code = "evidence_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it stands."""

    id: str
    auditor: str | None
    kind: str
    body: str
    seed: str | None
    count: int | None
    filter: Mapping[str, Any]
    period_from: datetime
    period_until: datetime
    state: str
    asked_at: datetime
    answer: str | None
    evidence: Sequence[str]
    answered_by: str | None
    answered_at: datetime | None


def ask(session: Session, body: str, ctx: Context) -> str:
    """Ask a question; returns its id."""
    ctx.actor.require(AUDIT_REQUEST_WRITE)
    body = words.checked(body, param="body", longest=BODY_MAX)
    return _keep(session, ctx, kind=QUESTION, body=body, seed=None, count=None, filter={})


def ask_sample(session: Session, seed: str, wanted: Filter, count: int, body: str, ctx: Context) -> str:
    """Ask an officer to draw a sample by this seed and filter; returns its id. Raises `SampleInvalid`."""
    ctx.actor.require(AUDIT_REQUEST_WRITE)
    sample.demand(seed, count)
    inside = wanted.within(ctx.actor)
    body = words.checked(body, param="body", longest=BODY_MAX)
    return _keep(session, ctx, kind=SAMPLE, body=body, seed=seed, count=count, filter=inside.plain())


def answer(session: Session, request_id: str, text: str, evidence: str, ctx: Context, *, parts: Reports) -> Request:
    """Answer with words and evidence numbers; of a sample what is drawn is the evidence, and nothing is picked.

    Raises `NotFound`, `RequestAnswered`, `EvidenceUnknown`, and `SamplePicked` where numbers are given for a sample.
    """
    ctx.actor.require(AUDIT_REQUEST_ANSWER)
    found = _by_id(session, request_id)
    if found.auditor == ctx.actor.id:
        raise Forbidden("Somebody else answers what you ask.")
    if found.state != WAITING:
        raise RequestAnswered
    if found.kind == QUESTION:
        numbers = _numbers(session, evidence, found)
    elif evidence.strip():
        raise SamplePicked(param="evidence")
    else:
        ctx.actor.require(AUDIT_SAMPLE_DRAW)
        drawn = sample.draw(
            session, str(found.seed), filters.read(found.filter, ctx.at), int(found.count or 1), ctx, parts=parts
        )
        numbers = [rerun.number_of(sequence) for sequence in drawn.sequences]
    text = words.checked(text, param="answer", longest=BODY_MAX)
    table = models.request
    change_one(
        session,
        sa.update(table)
        .where(table.c.id == request_id, table.c.state == WAITING)
        .values(state=ANSWERED, answer=text, evidence=numbers, answered_by=ctx.actor.id, answered_at=ctx.at),
        otherwise=RequestAnswered,
    )
    return _by_id(session, request_id)


def listed(session: Session, actor: Actor, *, limit: int = LIST_MAX) -> list[Request]:
    """Return requests, those that wait first; an auditor sees their own alone."""
    table = models.request
    query = sa.select(table).order_by(table.c.state.desc(), table.c.asked_at.desc(), table.c.id).limit(limit)
    if not actor.may(AUDIT_REQUEST_ANSWER):
        actor.require(AUDIT_REQUEST_WRITE)
        query = query.where(table.c.auditor == actor.id)
    return [_request(row) for row in session.execute(query)]


def by_id(session: Session, request_id: str, actor: Actor) -> Request:
    """Return a request; somebody else's looks to an auditor as one that is not there."""
    found = _by_id(session, request_id)
    if not actor.may(AUDIT_REQUEST_ANSWER):
        actor.require(AUDIT_REQUEST_WRITE)
        if found.auditor != actor.id:
            raise NotFound(object_id=request_id)
    return found


def _keep(session: Session, ctx: Context, **values: Any) -> str:
    begin, end = ctx.actor.period or (ctx.at, ctx.at)
    id = ctx.new_id("aud")
    session.execute(
        sa.insert(models.request).values(
            id=id,
            auditor=ctx.actor.own_id,
            period_from=begin,
            period_until=end,
            state=WAITING,
            asked_at=ctx.at,
            evidence=[],
            **values,
        )
    )
    return id


def _numbers(session: Session, text: str, found: Request) -> list[str]:
    given = text.replace(",", " ").split()
    if len(given) > EVIDENCE_MAX or not all(_NUMBER.fullmatch(one) for one in given):
        raise EvidenceUnknown(param="evidence")
    sequences = sorted({rerun.sequence_of(one) for one in given})
    entries = read.entries_of(session, sequences) if sequences else []
    inside = [one for one in entries if found.period_from <= one.at < found.period_until]
    if len(inside) != len(sequences):
        raise EvidenceUnknown(param="evidence")
    return [rerun.number_of(sequence) for sequence in sequences]


def _by_id(session: Session, request_id: str) -> Request:
    row = session.execute(sa.select(models.request).where(models.request.c.id == request_id)).one_or_none()
    if row is None:
        raise NotFound(object_id=request_id)
    return _request(row)


def _request(row: sa.Row[Any]) -> Request:
    return Request(**dict(row._mapping))


def said(wanted: Mapping[str, Any]) -> str:
    """Return a filter in words."""
    return ", ".join(f"{name} {value}" for name, value in wanted.items()) or "everything"
