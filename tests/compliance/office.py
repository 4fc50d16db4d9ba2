"""An office for tests: two officers and two data protection officers, each with a fresh second factor."""

from __future__ import annotations

import json
from datetime import date

from app.identity import roles
from app.kernel.access import EVENT_PERSONAL_READ, Acr, Actor, ActorKind, service
from app.kernel.approvals import Verdict
from app.kernel.context import Context
from compliance.retention.holds import Item, Order
from tests.support.installation import Installation

ROLES = {
    "olga": roles.COMPLIANCE_OFFICER,
    "omar": roles.COMPLIANCE_OFFICER,
    "dora": roles.DPO,
    "dirk": roles.DPO,
    "ada": roles.ADMINISTRATOR,
    "ines": roles.ANALYST,
    "ivan": roles.INCIDENT_COMMANDER,
}


def opened(house: Installation, *names: str) -> None:
    """Let people begin."""
    for name in names:
        house.staff(name, ROLES[name])


def ctx(house: Installation, name: str) -> Context:
    """Return the context of somebody who has shown a second factor this minute."""
    actor = Actor(
        id=house.people[name].account,
        kind=ActorKind.STAFF,
        roles=frozenset({ROLES[name]}),
        permissions=roles.ROLES[ROLES[name]],
        acr=Acr.MFA,
        authenticated_at=house.system.clock.now(),
        session_id=f"ses_{name}",
    )
    return house.system.context(actor)


def agree(house: Installation, approval: str | None, *names: str) -> None:
    """Let people say yes."""
    assert approval is not None
    for name in names:
        with house.system.db.begin() as session:
            house.system.approvals.decide(session, approval, Verdict.APPROVED, "", ctx(house, name))


def unsealed(house: Installation, event: str) -> dict[str, dict[str, str]]:
    """Return what an event keeps sealed, by the person under whose key it is."""
    reader = house.system.context(service("reader", EVENT_PERSONAL_READ))
    return house.system.subject_keys.reveal(json.loads(event), reader)


def hold_on(case: str, *items: Item, reason: str = "a claim about a payment") -> Order:
    """Return what a court orders to be kept, to be looked at again in January 2028."""
    return Order(case=case, reason=reason, authority="Regional court", review_on=date(2028, 1, 10), items=items)
