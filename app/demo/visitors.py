"""The customers a visitor signs in as: lived like everybody else, with their secrets kept for the board."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from app.demo.accounts import Account, Made, new_password
from app.identity import roles
from app.simulator import customers
from app.simulator.world import Person, World

CUSTOMERS: Final = (
    ("customer", "Amber Finch", "amber_finch"),
    ("customer2", "Rowan Pike", "rowan_pike"),
)
"""Who a visitor signs in as: one to live, and one to be erased."""


def visitors(world: World, made: Made) -> list[customers.Life]:
    """Return the lives of the customers a visitor signs in as, noting their authenticators' secrets for the board."""
    return [_visitor(world, made, model, *of) for model, of in zip(world.people, CUSTOMERS, strict=False)]


def _visitor(world: World, made: Made, model: Person, name: str, full_name: str, handle: str) -> customers.Life:
    person: Person = replace(
        model,
        id=f"visitor.{name}",
        name=full_name,
        handle=handle,
        address=f"{name}@onepay.example",
        password=new_password(),
        has_factor=True,
        typo_rate=0.0,
    )
    inner = customers.live(person, world)
    wish = next(inner)
    while True:
        outcome = yield wish
        if "secret" in outcome.made:
            secret = outcome.made["secret"]
            made.accounts.append(
                Account(role=roles.CUSTOMER, address=person.address, password=person.password, secret=secret)
            )
        try:
            wish = inner.send(outcome)
        except StopIteration:
            return
