"""What became of a letter that the law rests on is known: it is tried for a month, and said to be what it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity import letters, roles
from app.identity.models import message
from app.identity.privacy import People
from app.kernel.errors import Unavailable
from compliance.privacy import fates, intake, moving, requests
from compliance.privacy.request import Asked, Fate
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person


@pytest.fixture
def rights(either_rights: Rights) -> Rights:
    return either_rights


def entered(rights: Rights, officer: Person, person: Person) -> str:
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        asked = Asked(kind="access", channel="letter")
        return intake.enter(session, asked, person.account, ctx.at.date(), ctx, parts=rights.parts)


def shown(rights: Rights, request_id: str) -> list[Fate]:
    with rights.db.begin() as session:
        story = requests.story(session, request_id, rights.staff(roles.DPO), parts=rights.parts)
    return [each.fate for each in story.letters]


def hand_over(rights: Rights, *, all_but: int) -> None:
    """Deliver what is due, oldest first, but the newest ones."""
    with rights.db.begin() as session:
        due = sa.select(message.c.id).where(message.c.state == "queued").order_by(message.c.id)
        ids = session.scalars(due).all()
        for id in ids[: len(ids) - all_but]:
            letters.delivered(session, id)


def later(rights: Rights, after: timedelta) -> None:
    rights.clock.move(after)
    with rights.db.begin() as session:
        letters.expire(session, rights.clock.now())


def test_each_letter_of_a_request_says_what_became_of_it(rights: Rights, officer: Person) -> None:
    request_id = entered(rights, officer, rights.house.customer("amber"))
    rights.clock.move(timedelta(seconds=1))
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        moving.extend(session, request_id, "many stores, two of us ill", ctx, parts=rights.parts)
    later(rights, timedelta(days=2))
    assert shown(rights, request_id) == [Fate.WAITING, Fate.WAITING], "a day without post loses no notice of the law"
    hand_over(rights, all_but=1)
    assert shown(rights, request_id) == [Fate.DELIVERED, Fate.WAITING]
    later(rights, timedelta(days=28))
    assert shown(rights, request_id) == [Fate.DELIVERED, Fate.EXPIRED]


def test_it_is_known_after_the_message_has_gone(rights: Rights, officer: Person) -> None:
    request_id = entered(rights, officer, rights.house.customer("amber"))
    hand_over(rights, all_but=0)
    for noted in (1, 0):
        with rights.db.begin() as session:
            assert fates.settle(session, rights.job(), parts=rights.parts) == noted
    other = entered(rights, officer, rights.house.customer("basil"))
    with rights.db.begin() as session:
        session.execute(sa.delete(message))
    assert (shown(rights, request_id), shown(rights, other)) == ([Fate.DELIVERED], [Fate.UNKNOWN])


def test_a_letter_that_was_set_aside_is_lost(rights: Rights, officer: Person) -> None:
    request_id = entered(rights, officer, rights.house.customer("amber"))
    for _ in range(letters.UNENDED_MAX):
        with rights.db.begin() as session:
            while letters.claim(session, rights.clock.now(), parts=rights.house.system.identity):
                pass
        rights.clock.move(letters.CLAIM)
    with rights.db.begin() as session:
        letters.set_aside(session, rights.clock.now())
    assert shown(rights, request_id) == [Fate.LOST]


def test_who_has_no_address_is_said_to_have_none(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber")
    rights.due_erasure(amber, officer, dpo)
    rights.work()
    assert shown(rights, entered(rights, officer, amber)) == [Fate.UNREACHABLE]


def test_nothing_is_done_without_its_letter_while_the_keys_are_away(rights: Rights, officer: Person) -> None:
    class Away:
        def open_value(self, *given: Any) -> str:
            raise Unavailable

    request_id = entered(rights, officer, rights.house.customer("amber"))
    identity: Any = replace(rights.house.system.identity, subject_keys=Away())  # type: ignore[arg-type]
    parts = replace(rights.parts, people=People(identity))
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with pytest.raises(Unavailable), rights.db.begin() as session:
        moving.extend(session, request_id, "many stores, two of us ill", ctx, parts=parts)
    assert not rights.get(request_id).is_extended
    assert len(shown(rights, request_id)) == 1
