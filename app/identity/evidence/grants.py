"""A probe over the log: roles and accounts change only as somebody else approved it (7.2.3, 8.2.4)."""

from __future__ import annotations

from typing import Final

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from compliance.contracts.planting import plant
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation
from ingest.events.admin import RoleGranted
from ingest.events.envelope import at_path
from ingest.store.port import walk
from ingest.store.query import In, Search
from ingest.store.query import Window as StoreWindow

GRANTED: Final = "admin.role.granted"
ACCOUNTS: Final = ("admin.account.invited", "admin.account.disabled", "admin.account.enabled")
_OPERATOR: Final = ActorKind.SERVICE.value


def _grants(look: Look) -> Reading:
    """Every grant carries its approval, and nobody gives one to themselves; accounts are changed by administrators."""
    window = StoreWindow(lo=look.window.lo, hi=look.window.hi)
    count, wrong = 0, []
    for document in walk(look.store, Search(where=In("event.action", (GRANTED, *ACCOUNTS)), window=window)):
        look.deadline.check()
        count += 1
        says = _says(document)
        if says is not None:
            event_id = str(at_path(document, "event.id"))
            wrong.append(Violation(component=str(at_path(document, "event.action")), object_id=event_id, says=says))
    return Reading(population={"changes": count}, violations=wrong)


def _says(document: dict[str, object]) -> str | None:
    by, target = at_path(document, "user.id"), at_path(document, "user.target.id")
    if at_path(document, "onepay.actor.kind") == _OPERATOR:
        return None  # whoever holds the machine makes the first administrators; nobody is there to approve
    if at_path(document, "event.action") == GRANTED:
        if at_path(document, "onepay.approval.id") is None:
            return "a role was given without an approval"
        return "somebody gave a role to themselves" if by == target else None
    held = at_path(document, "user.roles") or []
    return None if roles.ADMINISTRATOR in held else "an account was changed by somebody who is no administrator"


def _plant(look: Look) -> str:
    giver = Actor(id=look.ctx.new_id("acc"), kind=ActorKind.STAFF, roles=frozenset({roles.ADMINISTRATOR}))
    target = look.ctx.new_id("acc")
    return plant(look, RoleGranted(target=target, target_roles=(roles.ANALYST,), about=(target,)), 1, actor=giver)


PROBES: Final = (
    Probe(
        name="identity.grants",
        kind=Kind.WINDOW,
        asks="Grants of roles and changes of accounts; wrong is one that nobody approved, or by the wrong people.",
        read=_grants,
        plant=_plant,
    ),
)
