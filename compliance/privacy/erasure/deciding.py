"""Deciding an erasure (Art. 17): planned, put before a second person, approved, and begun when its wait is over.

What is approved waits, restricted, until its person cannot call it off any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.access import PRIVACY_REQUEST_HANDLE, Actor, ActorKind
from app.kernel.approvals import Approvals, Verdict
from app.kernel.context import Context
from app.kernel.errors import Conflict, SamePerson, WrongState
from compliance.privacy import letters, logged, moving, requests, restrict, whose
from compliance.privacy.erasure import decided, execution, planning
from compliance.privacy.erasure.decided import ErasureUndecided
from compliance.privacy.erasure.planning import Planned
from compliance.privacy.models import request
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Kind, Request, State
from compliance.retention import holds
from ingest.events.access import DataRead
from ingest.events.privacy import RequestApproved, RequestReturned
from ingest.log import outbox

ERASURE: Final = "privacy.erasure"


class NothingGoes(Conflict):
    """Nothing would be erased: all of it is kept, by law or by a hold. Refuse it with the reason, or wait."""

    code = "nothing_goes"


def prepare(session: Session, ctx: Context, *, parts: Privacy) -> str | None:
    """Plan the erasure that is due first and was asked by its person; returns its id, or None where there is none.

    One that cannot be planned is set aside, and says why.
    """
    is_erasure = request.c.kind == Kind.ERASURE.value
    request_id = moving.next_free(session, ctx.at, is_erasure, moving.is_asked_first(), by=request.c.due_at)
    if request_id is None:
        return None
    found = requests.get(session, request_id)
    moving.tried(session, found, "planning", lambda: _prepare(session, found, ctx, parts), ctx)
    return found.id


def _prepare(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    whose.demand(session, found)
    outbox.record(session, DataRead(view="privacy_plan", count=1, about=(found.subject,)), ctx)
    planned = planning.plan(session, found.subject, parts=parts)
    planning.show(session, found, planned, ctx)
    note = "planned: an officer prepares it, and a second person decides"
    moving.move(session, found, State.IN_REVIEW, ctx, note=note, plan_root=planned.root)


def propose(
    session: Session, request_id: str, reason: str, ctx: Context, *, parts: Privacy, approvals: Approvals
) -> str:
    """Put an erasure before a second person, as it is planned now; returns the approval's id.

    It takes the place of one that waits, whoever asked for it: that one was of an older plan. Raises `RequestDiffers`
    where the log does not say that this person asked, and `HoldNotAsPlaced` where the plan would leave out what a hold
    keeps.
    """
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.locked(session, request_id)
    if ctx.actor.id == found.subject:
        raise SamePerson
    if found.kind is not Kind.ERASURE or found.state is not State.IN_REVIEW:
        raise WrongState
    whose.demand(session, found)
    holds.as_placed(session)
    planned = planning.plan(session, found.subject, parts=parts)
    if not planned.goes:
        raise NothingGoes
    planning.show(session, found, planned, ctx)
    moving.move(session, found, State.IN_REVIEW, ctx, note="put before a second person", plan_root=planned.root)
    approval_id = approvals.ask(
        session, ERASURE, payload(session, request_id), ctx, object_id=request_id, reason=reason, subject=found.subject
    )
    moving.replace_approval(session, found, approval_id, ctx, parts)
    values = {"handled_by": ctx.actor.id, "approval_id": approval_id}
    session.execute(sa.update(request).where(request.c.id == request_id).values(**values))
    return approval_id


def payload(session: Session, request_id: str) -> dict[str, Any]:
    """Return what a second person approves: whom it is about, and what goes and stays, as it was planned."""
    found, items = requests.get(session, request_id), requests.items(session, request_id)
    return {
        "request": found.id,
        "subject": found.subject,
        "root": planning.root_of(session, request_id),
        "goes": [[each.store, each.category, each.found - each.held] for each in items if each.found > each.held],
        "stays": [
            # What was planned before laws were kept with a plan is approved as it was asked for.
            [each.store, each.category, each.held, str(each.stays_until), *([each.law] if each.law else [])]
            for each in items
            if each.held
        ],
    }


def approve(
    session: Session,
    request_id: str,
    ctx: Context,
    *,
    parts: Privacy,
    approvals: Approvals,
    approval_id: str,
) -> str:
    """Begin the wait of an approved erasure: its person is restricted and can call it off until it ends (PRV-33)."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.locked(session, request_id)
    read = payload(session, request_id)
    approvals.take(session, approval_id, ERASURE, read, ctx)
    if found.state is not State.IN_REVIEW or found.approval_id != approval_id:
        raise WrongState
    whose.demand(session, found)
    begins = ctx.at + parts.settings.erase_delay
    restrict.restrict(session, found.subject, restrict.ERASURE, found.id, ctx)
    approved = partial(RequestApproved, begins_at=begins, plan_root=read["root"], sha256=_digest(read))
    event = moving.event_of(approved, found)
    decided_by = next((who for who, verdict, _ in _votes(session, approval_id, approvals) if verdict), None)
    values: dict[str, Any] = {"not_before": begins, "approved_by": decided_by}
    if decided_by is not None:
        roles = parts.people.roles(session, decided_by, ctx.at)
        values["by"] = Actor(id=decided_by, kind=ActorKind.STAFF, roles=roles)
    moving.move(session, found, State.WAITING, ctx, event=event, note="approved by a second person", **values)
    letters.approved_erasure(session, requests.get(session, request_id), begins, ctx, parts=parts)
    return f"begins on {begins:%-d %B %Y at %H:%M} UTC"


def start(session: Session, ctx: Context, *, parts: Privacy) -> str | None:
    """Begin the erasure whose wait is over: access ends at once, and what is to be done is written down, anew.

    One that would erase what was approved to stay, as its reason was settled meanwhile, goes back to those who decide.
    One that cannot be begun is set aside, and says why.
    """
    of = request.c
    is_over = sa.and_(of.kind == Kind.ERASURE.value, of.state == State.WAITING.value, of.not_before <= ctx.at)
    request_id = moving.next_free(session, ctx.at, is_over, by=of.not_before)
    if request_id is None:
        return None
    found = requests.get(session, request_id)
    moving.tried(session, found, "beginning", lambda: _start(session, found, ctx, parts), ctx)
    return found.id


def _start(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    decided.demand(session, found, ctx.at)
    _demand_as_approved(session, found)
    planned = planning.plan(session, found.subject, parts=parts)
    more = _more_than_approved(session, found, planned)
    if more:
        said = ", ".join(each.replace("_", " ") for each in more)
        why = f"what was approved to stay would go now ({said})"
        _decide_again(session, found, planned, why, ctx, parts)
    elif not planned.goes:
        _decide_again(session, found, planned, "what was approved to go is kept now", ctx, parts)
    else:
        beyond = _beyond(session, found, planned)
        execution.begin(session, found, ctx, parts=parts, planned=planned, beyond=beyond)


def _demand_as_approved(session: Session, found: Request) -> None:
    """Raise `ErasureUndecided` where what goes and stays does not read here as it did to whoever approved it."""
    said = logged.of(session, found).approved
    if said is not None and said.sha256 is not None and said.sha256 != _digest(payload(session, found.id)):
        raise ErasureUndecided(object_id=found.id)


def _digest(read: Mapping[str, Any]) -> str:
    return crypto.sha256(canonical.encode(read)).hex()


def _beyond(session: Session, found: Request, planned: Planned) -> list[str]:
    """Return the stores and categories of which less stays than was approved to stay, as something goes instead."""
    stays = Counter[tuple[str, str]]()
    for target in planned.every:
        if target.action == "keep":
            stays[target.store, target.category] += target.entries
    less = [one for one in requests.items(session, found.id) if stays[one.store, one.category] < one.held]
    return sorted(f"{one.store} {one.category}" for one in less if (one.store, one.category) in planned.goes)


def _more_than_approved(session: Session, found: Request, planned: Planned) -> list[str]:
    """Return the categories of which, in some store, all was approved to stay and something would go now.

    What ended or came since in a store and category of which something was approved to go is carried out with it.
    """
    stay = {(each.store, each.category) for each in requests.items(session, found.id) if each.found == each.held > 0}
    return sorted({category for _, category in stay & planned.goes})


def _decide_again(session: Session, found: Request, planned: Planned, why: str, ctx: Context, parts: Privacy) -> None:
    """Put an approved erasure back before two people, and say so to its person."""
    planning.show(session, found, planned, ctx)
    restrict.release(session, found.subject, restrict.ERASURE, ctx, request_id=found.id)
    note = f"{why}: it is decided again"
    values: dict[str, Any] = {"approved_by": None, "not_before": None}
    event = moving.event_of(RequestReturned, found)
    moving.move(session, found, State.IN_REVIEW, ctx, event=event, note=note, plan_root=planned.root, **values)
    letters.again_erasure(session, requests.get(session, found.id), ctx, parts=parts)


def _votes(session: Session, approval_id: str, approvals: Approvals) -> list[tuple[str, bool, datetime]]:
    standing = approvals.state_of(session, approval_id)
    return [(who, verdict is Verdict.APPROVED, at) for who, verdict, at in standing.votes]
