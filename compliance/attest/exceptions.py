"""Exceptions: a control fails, and two people bear it until a day. What fails stays visible beneath."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import (
    COMPLIANCE_CONTROL_READ,
    COMPLIANCE_EXCEPTION_APPROVE,
    COMPLIANCE_EXCEPTION_PROPOSE,
    Actor,
)
from app.kernel.approvals import ApprovalKind, Payload
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.db import change_one
from app.kernel.errors import Conflict
from compliance.attest import models, versions
from compliance.attest.parts import (
    ENDED,
    EXPIRED,
    IN_FORCE,
    PROPOSED,
    TEXT_MAX,
    YEAR,
    Desk,
    PaperMoved,
    control_of,
    demand_end,
)
from ingest.events.compliance import ExceptionEnded, ExceptionGranted
from ingest.log import outbox

APPROVAL: Final = "compliance.exception"
PREFIX: Final = "exc"
COMPONENT_MAX: Final = 80


class Kind(StrEnum):
    """Why a failing control is borne for a while."""

    ACCEPTED_RISK = "accepted_risk"
    COMPENSATING = "compensating"
    CUSTOMISED = "customised"


class NothingToExcept(Conflict):
    """No probe looks at this control, so it cannot fail: there is nothing to except."""

    code = "nothing_to_except"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An exception as somebody writes it; `component` None is all of it, `worksheet` what is done instead."""

    framework: str
    key: str
    kind: Kind
    why: str
    until: datetime
    component: str | None = None
    worksheet: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """An exception as it stands."""

    id: str
    framework: str
    key: str
    component: str | None
    kind: Kind
    why: str
    worksheet: str | None
    proposed_by: str
    from_at: datetime | None
    until_at: datetime
    state: str
    ended_at: datetime | None
    approval_id: str | None
    event_id: str | None


def propose(session: Session, draft: Draft, ctx: Context, *, desk: Desk) -> Exemption:
    """Ask a second person to bear that a control fails until a day.

    Raises `NotFound`, `NothingToExcept`, `PaperInvalid`, `PaperTooLong`, and `PaperOpen` while another one waits.
    """
    ctx.actor.require(COMPLIANCE_EXCEPTION_PROPOSE)
    control = control_of(desk.catalogue, draft.framework, draft.key)
    if not control.probes:
        raise NothingToExcept
    demand_end(draft.until, ctx.at, YEAR.after(ctx.at), YEAR.in_words(), param="until")
    component = draft.component and words.checked(draft.component, param="component", shortest=1, longest=COMPONENT_MAX)
    worksheet = draft.worksheet.strip()
    if worksheet or draft.kind is not Kind.ACCEPTED_RISK:
        worksheet = words.checked(worksheet, param="worksheet", longest=TEXT_MAX)
    table = models.exception
    twin = sa.and_(
        table.c.framework == control.framework,
        table.c.key == control.key,
        table.c.component.is_(None) if component is None else table.c.component == component,
    )
    versions.demand_none_waits(session, table, twin)
    exception_id = ctx.new_id(PREFIX)
    session.execute(
        sa.insert(table).values(
            id=exception_id,
            framework=control.framework,
            key=control.key,
            component=component or None,
            kind=draft.kind,
            why=words.checked(draft.why, param="why", longest=TEXT_MAX),
            worksheet=worksheet or None,
            proposed_by=ctx.actor.own_id,
            until_at=draft.until,
            state=PROPOSED,
        )
    )
    payload = _payload(session, exception_id, desk)
    approval = desk.approvals.ask(session, APPROVAL, payload, ctx, object_id=exception_id, reason=payload["why"])
    session.execute(sa.update(table).where(table.c.id == exception_id).values(approval_id=approval))
    return by_id(session, exception_id)


def end(session: Session, exception_id: str, reason: str, ctx: Context) -> None:
    """End an exception before its day; raises `NotFound` or `PaperMoved`."""
    ctx.actor.require(COMPLIANCE_EXCEPTION_PROPOSE)
    found = by_id(session, exception_id)
    _end(session, found, ENDED, words.reason(reason, longest=TEXT_MAX), ctx)


def expire(session: Session, ctx: Context) -> int:
    """Write down which exceptions ended by their day, and return how many; readers know it without."""
    table = models.exception
    due = session.execute(
        sa.select(table).where(table.c.state == IN_FORCE, table.c.until_at <= ctx.at).order_by(table.c.until_at)
    ).mappings()
    found = [_exemption(row) for row in due]
    for one in found:
        _end(session, one, EXPIRED, None, ctx)
    return len(found)


def kind(desk: Desk) -> ApprovalKind:
    """Return what a second person decides about an exception."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        exception_id = str(payload["exception"])
        desk.approvals.take(session, id, APPROVAL, _payload(session, exception_id, desk), ctx)
        found = by_id(session, exception_id)
        demand_end(found.until_at, ctx.at, YEAR.after(ctx.at), YEAR.in_words(), param="until")
        event = ExceptionGranted(
            control=f"{found.framework} {found.key}", until=found.until_at, sha256=content_hash(found)
        )
        versions.put_in_force(session, models.exception, exception_id, event, ctx, at="from_at")
        return f"in force until {found.until_at:%Y-%m-%d}"

    return ApprovalKind(
        name=APPROVAL,
        title="Accept a failing control for a limited time",
        asks=COMPLIANCE_EXCEPTION_PROPOSE,
        decides=COMPLIANCE_EXCEPTION_APPROVE,
        render=_rendered,
        run=run,
        ttl=timedelta(hours=72),
        closed=versions.rejecting(models.exception),
    )


def by_id(session: Session, exception_id: str) -> Exemption:
    """Return one exception; raises `NotFound`."""
    return _exemption(versions.row_of(session, models.exception, exception_id))


def listed(session: Session, actor: Actor, *, of: tuple[str, str] | None = None) -> list[Exemption]:
    """Return all exceptions, or those of one control, by their end; to an auditor those of their period."""
    actor.require(COMPLIANCE_CONTROL_READ)
    table = models.exception
    ends = sa.func.coalesce(table.c.ended_at, table.c.until_at)
    seen = versions.seen_by(actor, table, PREFIX, ends)
    query = sa.select(table).where(*seen).order_by(table.c.until_at, table.c.id)
    if of is not None:
        query = query.where(table.c.framework == of[0], table.c.key == of[1])
    return [_exemption(row) for row in session.execute(query).mappings()]


def content_hash(found: Exemption) -> str:
    """Return the SHA-256 of all that was agreed to."""
    return crypto.sha256(canonical.encode(_content(found))).hex()


def _content(found: Exemption) -> dict[str, Any]:
    return {
        "framework": found.framework,
        "key": found.key,
        "component": found.component,
        "kind": found.kind.value,
        "why": found.why,
        "worksheet": found.worksheet,
        "until": rfc3339(found.until_at),
    }


def _payload(session: Session, exception_id: str, desk: Desk) -> dict[str, Any]:
    found = by_id(session, exception_id)
    control = control_of(desk.catalogue, found.framework, found.key)
    return {**_content(found), "exception": exception_id, "control": control.name, "title": control.title}


def _rendered(payload: Payload) -> list[str]:
    where = f"of {payload['component']}" if payload["component"] else "as a whole"
    return [
        f"{payload['control']}, {payload['title']}: {payload['kind'].replace('_', ' ')}, {where}.",
        f"Because: {payload['why']}",
        *([f"Instead: {payload['worksheet']}"] if payload["worksheet"] else []),
        f"Until {payload['until'][:10]}; then it fails again by itself. It never counts as in place.",
    ]


def _end(session: Session, found: Exemption, state: str, why: str | None, ctx: Context) -> None:
    table = models.exception
    ended = found.until_at if state == EXPIRED else ctx.at
    change_one(
        session,
        sa.update(table).where(table.c.id == found.id, table.c.state == IN_FORCE).values(state=state, ended_at=ended),
        otherwise=PaperMoved,
    )
    event = ExceptionEnded(
        control=f"{found.framework} {found.key}",
        until=ended,
        sha256=content_hash(found),
        reason=state,
        why=why,
        about=(ctx.actor.own_id,) if why else (),  # whose words they are; their key seals them
    )
    outbox.record(session, event, ctx)


def _exemption(row: Any) -> Exemption:
    values = {name: value for name, value in row.items() if name != "reminded"}
    return Exemption(**{**values, "kind": Kind(row["kind"])})
