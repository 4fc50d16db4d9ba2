"""What a wallet shows of its past."""

from __future__ import annotations

import sqlalchemy as sa

from payments import activity, handles
from payments.models import handle
from tests.payments.world import Person, World


def renamed(world: World, person: Person, name: str) -> None:
    with world.db.begin() as session:
        session.execute(
            sa.update(handle).where(handle.c.owner_id == person.id).values(released_at=world.ground.clock.now())
        )
        handles.claim(session, person.id, name, world.ctx(person.actor))


def counterparts(world: World, person: Person) -> list[str | None]:
    with world.db.read() as session:
        return [one.counterpart for one in activity.list(session, person.actor, person.wallet).data]


def test_what_was_paid_names_whom_it_was_addressed_to(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    world.pay(anna, berta, 10)
    renamed(world, berta, "berta_new")
    renamed(world, anna, "anna_new")

    assert counterparts(world, anna) == ["berta", None]
    assert counterparts(world, berta) == ["anna_new"]
