"""Who never says that a request is theirs is reminded once and refused after thirty days, and never sooner."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.identity import roles
from compliance.privacy import identity, intake, requests
from compliance.privacy.request import Asked, State
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person

REMINDER, REFUSAL = "We still wait for your answer", "We cannot do what you asked"


@pytest.fixture
def rights(either_rights: Rights) -> Rights:
    return either_rights


@pytest.fixture
def waiting(rights: Rights, officer: Person) -> str:
    """A request that came by letter, whose person was asked who they are."""
    amber = rights.house.customer("amber_one")
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        id = intake.enter(session, Asked(kind="access"), amber.account, ctx.at.date(), ctx, parts=rights.parts)
        identity.ask(session, id, ctx, parts=rights.parts)
    return id


def titles(rights: Rights, id: str) -> list[str]:
    with rights.db.begin() as session:
        story = requests.story(session, id, rights.staff(roles.DPO), parts=rights.parts)
    return [each.title for each in story.letters]


def test_a_reminder_and_then_a_refusal(rights: Rights, waiting: str) -> None:
    rights.clock.move(timedelta(days=19))
    rights.work()
    assert REMINDER not in titles(rights, waiting)
    rights.clock.move(timedelta(days=1))
    rights.work()
    rights.work()
    assert titles(rights, waiting).count(REMINDER) == 1
    rights.clock.move(timedelta(days=9))
    rights.work()
    assert rights.get(waiting).state is State.IDENTITY
    rights.clock.move(timedelta(days=1))
    rights.work()
    rights.work()
    assert rights.get(waiting).state is State.REFUSED
    assert titles(rights, waiting).count(REFUSAL) == 1
    assert rights.kinds().count("privacy.request.refused") == 1


def test_nobody_is_refused_without_ten_days_after_the_reminder(rights: Rights, waiting: str) -> None:
    rights.clock.move(timedelta(days=45))
    rights.work()
    rights.clock.move(timedelta(days=9))
    rights.work()
    assert rights.get(waiting).state is State.IDENTITY, "the worker had stood, and the reminder came late"
    rights.clock.move(timedelta(days=1))
    rights.work()
    assert rights.get(waiting).state is State.REFUSED


def test_who_answers_is_left_in_peace(rights: Rights, waiting: str, officer: Person) -> None:
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        identity.answer(session, waiting, "wrote from their address", ctx, parts=rights.parts)
    rights.clock.move(timedelta(days=31))
    rights.work()
    assert REMINDER not in titles(rights, waiting)
    assert rights.get(waiting).state is not State.REFUSED
