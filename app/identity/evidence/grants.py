"""Probes over roles: given, and held, only as somebody else agreed to that very grant (7.2.3, 8.2.4)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, approval_rows, role_grants, roles
from app.identity.given import GRANTED, LastWord, last_words, single
from app.identity.models import approval, role_grant
from app.identity.parts import Identity
from app.kernel.access import Actor, ActorKind
from app.kernel.approvals import ApprovalChanged, State, Verdict
from compliance.contracts.planting import plant
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation
from compliance.told import has_ended, is_about
from ingest import models as log
from ingest.events.admin import (
    ApprovalDecided,
    BootstrapUsed,
    RoleGranted,
    RoleRequested,
)
from ingest.events.envelope import at_path
from ingest.log.subject_keys import SubjectErased
from ingest.store.port import walk
from ingest.store.query import And, Eq, In, Search
from ingest.store.query import Window as StoreWindow

ACCOUNTS: Final = ("admin.account.invited", "admin.account.disabled", "admin.account.enabled")
NUMBERED: Final = timedelta(minutes=10)
"""So long the event of a grant may wait for its number."""
_OPERATOR: Final = ActorKind.SERVICE.value
_DONE: Final = (State.APPROVED.value, State.EXECUTED.value)


def probes(parts: Identity) -> tuple[Probe, ...]:
    """Return the probes over grants, as they are given and as they are held."""
    return (
        Probe(
            name="identity.grants",
            kind=Kind.WINDOW,
            asks="Grants of roles and changes of accounts; wrong is one that nobody approved, or by the wrong people.",
            read=_grants,
            plant=_plant,
        ),
        Probe(
            name="identity.grants_held",
            kind=Kind.STATE,
            asks="Roles that staff hold; wrong is one without an approval of that grant by somebody else, of another "
            "day than it was given, or one that ended.",
            read=partial(_held, parts=parts),
            plant=_plant_held,
        ),
    )


def _grants(look: Look) -> Reading:
    """Every grant is followed to who asked for it and who agreed; accounts are changed by administrators."""
    window = StoreWindow(lo=look.window.lo, hi=look.window.hi)
    count, wrong = 0, []
    for document in walk(look.store, Search(where=In("event.action", (GRANTED, *ACCOUNTS)), window=window)):
        look.deadline.check()
        count += 1
        says = _says(look, document)
        if says is not None:
            event_id = str(at_path(document, "event.id"))
            wrong.append(Violation(component=str(at_path(document, "event.action")), object_id=event_id, says=says))
    return Reading(population={"changes": count}, violations=wrong)


def _says(look: Look, document: dict[str, object]) -> str | None:
    is_service = at_path(document, "onepay.actor.kind") == _OPERATOR
    if at_path(document, "event.action") != GRANTED:
        held = at_path(document, "user.roles") or []
        is_lawful = is_service or roles.ADMINISTRATOR in held
        return None if is_lawful else "an account was changed by somebody who is no administrator"
    by, target = at_path(document, "user.id"), single(at_path(document, "user.target.id"))
    approved = at_path(document, "onepay.approval.id")
    if approved is not None:
        return "somebody gave a role to themselves" if by == target else _unapproved(look, document, target)
    if is_service and list(at_path(document, "user.target.roles") or []) == [roles.ADMINISTRATOR]:
        return None  # one of the first two: `identity.grants_held` looks for the event that says so
    return "a role was given without an approval"


def _unapproved(look: Look, document: dict[str, object], target: str) -> str | None:
    """Follow an approval in the log: somebody asked for this role for this person, and somebody else agreed."""
    id_, sequence = at_path(document, "onepay.approval.id"), int(at_path(document, "event.sequence"))
    told = In("event.action", (RoleRequested.kind, ApprovalDecided.kind))
    where = And((Eq("onepay.approval.id", id_), told))
    asked_by, agreed = set(), set()
    for one in walk(look.store, Search(where=where, window=StoreWindow(lo=0, hi=sequence))):
        who = str(at_path(one, "user.id"))
        if at_path(one, "event.action") == RoleRequested.kind:
            is_same = at_path(one, "user.target.roles") == at_path(document, "user.target.roles")
            if is_same and single(at_path(one, "user.target.id")) == target:
                asked_by.add(who)
        elif at_path(one, "onepay.approval.decision") == Verdict.APPROVED.value:
            agreed.add(who)
    if not asked_by:
        return "its approval was not asked for this role of this person"
    return None if agreed - asked_by - {target} else "nobody else than who asked, or who got it, agreed to it"


def _plant(look: Look) -> str:
    giver = Actor(id=look.ctx.new_id("acc"), kind=ActorKind.STAFF, roles=frozenset({roles.ADMINISTRATOR}))
    target = look.ctx.new_id("acc")
    return plant(look, RoleGranted(target=target, target_roles=(roles.ANALYST,), about=(target,)), 1, actor=giver)


def _held(look: Look, *, parts: Identity) -> Reading:
    """Every role that staff hold, whoever wrote its row: with its approval, or with the event of the first two."""
    of = role_grant.c
    grants = look.session.execute(
        sa.select(role_grant).where(of.role.in_(roles.STAFF_ROLES), accounts.is_held(look.at)).order_by(of.id)
    ).all()
    ids = [row.approval_id for row in grants if row.approval_id is not None]
    approvals = {row.id: row for row in look.session.execute(sa.select(approval).where(approval.c.id.in_(ids)))}
    agreed = approval_rows.agreed(look.session, ids)
    first, said = _bootstrapped(look.session, grants), last_words(look.session)
    wrong = []
    for row in grants:
        look.deadline.check()
        says: str | None
        last = said.get((row.account_id, row.role))
        if last is not None and last.has_ended:
            says = "was taken away or had run out, and is held without being given again"
        elif row.approval_id is None:
            is_first = row.role == roles.ADMINISTRATOR and not {row.account_id, None}.isdisjoint(
                first.get(row.from_at, ())
            )
            says = None if is_first or _is_waiting(look, row) else "is held without an approval"
        elif row.approval_id not in approvals:
            says = "names an approval that there is not"
        else:
            asked = approvals[row.approval_id]
            told = agreed.get(row.approval_id, frozenset())
            is_untold = not told and has_ended(look.session, ApprovalDecided.kind, asked.decided_at)
            says = _differs(row, asked, None if is_untold else told, parts)
        says = says or _of_another_day(look.session, row, last)
        if says is not None:
            wrong.append(Violation(component=row.role, object_id=row.id, says=says))
    return Reading(population={"roles held": len(grants)}, violations=wrong)


def _of_another_day(session: Session, grant: Any, last: LastWord | None) -> str | None:  # a row of `role_grant`
    """Return what is wrong with when a role is held from, by the event that gave it or the entry that is left of it."""
    is_then = has_ended(session, GRANTED, grant.from_at) if last is None else is_about(last.at, grant.from_at)
    return None if is_then else "is held from another day than it was given"


def _differs(grant: Any, asked: Any, agreed: Collection[str] | None, parts: Identity) -> str | None:  # rows of tables
    """Return what is wrong with the approval of a grant; `agreed` is None where the log says so no more."""
    if asked.kind != role_grants.GRANT or asked.state not in _DONE:
        return "its approval is of something else, or was not given"
    try:
        is_same = role_grants.is_of(approval_rows.opened(asked, parts=parts), grant)
    except SubjectErased:
        is_same = asked.object_id == grant.account_id
    except ApprovalChanged:
        return "its approval was changed since"
    if not is_same:
        return "its approval is of another grant"
    is_by_another = agreed is None or not {asked.requested_by, grant.account_id}.issuperset(agreed)
    return None if is_by_another else "nobody else than who asked, or who holds it, agreed to it"


def _bootstrapped(session: Session, grants: Collection[Any]) -> Mapping[datetime, Collection[str | None]]:
    """Return to whom the log says that the first administrators' roles were given, by instant.

    None stands for somebody whose event's body went by its period: the entry alone is left.
    """
    if all(row.approval_id is not None for row in grants):
        return {}
    of, body = log.entry.c, log.body.c
    told = sa.select(of.at, body.body).outerjoin(log.body, body.sequence == of.sequence)
    found: dict[datetime, set[str | None]] = {}
    for row in session.execute(told.where(of.kind == BootstrapUsed.kind)):
        target = None if row.body is None else single(at_path(json.loads(row.body), "user.target.id"))
        found.setdefault(row.at, set()).add(target)
    return found


def _is_waiting(look: Look, grant: Any) -> bool:  # a row of `role_grant`
    """Tell whether the event of one of the first grants may not have its number yet."""
    return bool(grant.role == roles.ADMINISTRATOR and look.at - grant.from_at < NUMBERED)


def _plant_held(look: Look) -> str:
    """Plant what somebody with the database at hand writes: a role that a service seems to have given."""
    id_ = look.ctx.new_id("rol")
    values = {"account_id": look.ctx.new_id("acc"), "role": roles.COMPLIANCE_OFFICER, "given_by": "svc_planted"}
    look.session.execute(sa.insert(role_grant).values(id=id_, from_at=look.at - NUMBERED, reason="planted", **values))
    return id_
