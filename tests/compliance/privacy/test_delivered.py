"""Whoever's copy is fetched is told each time, and says by the letter's link that it was not them (PRV-16)."""

from __future__ import annotations

import pytest

from app.kernel.errors import NotFound, WrongState
from compliance.privacy import moving
from compliance.privacy.parts import PackageGone
from compliance.privacy.request import State
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_last_word import found_by_probe
from tests.support.installation import Person


def fetched_letters(rights: Rights, person: Person) -> list[str]:
    return [each for each in rights.letters_to(person) if each.startswith("The copy of your data was fetched")]


def link_of(letter: str) -> str:
    return "/privacy/link/" + letter.partition("/privacy/link/")[2].split()[0]


def ready(rights: Rights, name: str) -> tuple[Person, str]:
    person = rights.house.customer(name)
    rights.calm()
    request_id = rights.ask(person)
    rights.work()
    return person, request_id


def test_each_fetch_is_told_with_the_way_to_stop_it(rights: Rights) -> None:
    amber, request_id = ready(rights, "amber_fetched")
    assert fetched_letters(rights, amber) == []
    rights.fetch(amber, request_id)
    rights.fetch(amber, request_id)
    first, second = fetched_letters(rights, amber)
    assert "It can be fetched 4 more times." in first
    assert "It can be fetched 3 more times." in second
    stranger = rights.house.browser()
    assert stranger.get(link_of(first)).status_code == 404, "a newer letter ends the link of the one before"
    assert "Stop the request" in stranger.get(link_of(second)).text
    done = stranger.post(link_of(second), {})
    assert "It was fetched 2 times before" in done.text
    assert rights.get(request_id).state is State.STOPPED
    assert "auth.activity.disowned" in rights.kinds()
    with pytest.raises(PackageGone):
        rights.fetch(amber, request_id)
    assert found_by_probe(rights) == [], "it was handed over before that was known"


def test_the_last_fetch_is_disowned_though_the_copy_has_ended_and_once(rights: Rights) -> None:
    basil, request_id = ready(rights, "basil_fetched")
    for _ in range(5):
        rights.fetch(basil, request_id)
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    letter = fetched_letters(rights, basil)[-1]
    assert "It can be fetched no more." in letter
    before = rights.kinds().count("auth.activity.disowned")
    stranger = rights.house.browser()
    assert "It was not me" in stranger.get(link_of(letter)).text
    assert "whoever did that has it" in stranger.post(link_of(letter), {}).text
    assert rights.kinds().count("auth.activity.disowned") == before + 1
    assert rights.get(request_id).state is State.CLOSED
    with pytest.raises(NotFound), rights.db.begin() as session:
        moving.stop(session, link_of(letter).rpartition("/")[2], rights.me(basil), parts=rights.parts)


def test_a_copy_that_ended_unfetched_has_nothing_to_disown(rights: Rights) -> None:
    cedar, request_id = ready(rights, "cedar_unfetched")
    token = link_of(next(each for each in rights.letters_to(cedar) if "is ready" in each)).rpartition("/")[2]
    rights.clock.move(rights.parts.settings.package_ttl)
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    with pytest.raises(WrongState), rights.db.begin() as session:
        moving.stop(session, token, rights.me(cedar), parts=rights.parts)
