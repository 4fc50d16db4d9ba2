"""What administrators see of people."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from app.identity import people, roles
from app.identity.people import Person
from app.kernel.access import ActorKind
from tests.app.identity.test_disabling import admin
from tests.support.installation import Installation, installed


def page(house: Installation, kind: ActorKind) -> tuple[list[Person], int]:
    """Return the first page of people and how many statements the database was asked for it."""
    heard: list[str] = []

    def listen(conn, cursor, statement, *_) -> None:
        heard.append(statement)

    sa.event.listen(house.system.db.engine, "before_cursor_execute", listen)
    try:
        with house.system.db.begin() as session:
            return list(people.page(session, kind, None, admin(house, "acc_one"), parts=house.system.identity)), len(
                heard
            )
    finally:
        sa.event.remove(house.system.db.engine, "before_cursor_execute", listen)


def test_a_page_shows_what_stands_of_each(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as house:
        house.customer("amber"), house.customer("bruno", factor=False)
        house.browser().sign_in(house.staff("ada", roles.ADMINISTRATOR), surface="staff")
        bruno, amber = page(house, ActorKind.CUSTOMER)[0]
        assert (amber.name, amber.address, amber.roles) == ("Amber Finch", "a•••@onepay.example", (roles.CUSTOMER,))
        assert (amber.factors, amber.sessions, bruno.factors, bruno.sessions) == (1, 1, 0, 1)
        (ada,) = page(house, ActorKind.STAFF)[0]
        assert (ada.roles, ada.factors, ada.sessions) == ((roles.ADMINISTRATOR,), 1, 1)


def test_a_page_asks_the_database_as_often_for_many_as_for_one(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as house:
        house.customer("one")
        for_one = page(house, ActorKind.CUSTOMER)[1]
        for n in range(6):
            house.customer(f"more_{n}")
        many, for_many = page(house, ActorKind.CUSTOMER)
        assert (len(many), for_many) == (7, for_one)
