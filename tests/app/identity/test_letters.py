"""Letters leave once, whoever delivers them, and one that cannot be read holds up no other."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import jobs
from app.identity import letters
from app.identity.letters import CLAIM, UNENDED_MAX, Letter
from app.identity.models import message
from app.kernel.access import Actor, ActorKind
from tests.app.identity.conftest import People
from tests.support.installation import Installation, installed


def queue(people: People, *names: str) -> list[str]:
    made = []
    for name in names:
        letter = Letter(to=f"{name}@onepay.example", subject=name, text="…")
        with people.ground.db.begin() as session:
            made.append(letters.queue(session, letter, "test", people.ctx(), parts=people.parts, account_id=None))
    return made


def claim(people: People) -> letters.Taken | None:
    with people.ground.db.begin() as session:
        return letters.claim(session, people.ground.clock.now(), parts=people.parts)


def claimed(people: People) -> letters.Taken:
    found = claim(people)
    assert found is not None
    return found


def due(people: People) -> bool:
    with people.ground.db.read() as session:
        return letters.are_due(session, people.ground.clock.now())


def state(people: People, letter_id: str) -> str:
    with people.ground.db.read() as session:
        return session.execute(sa.select(message.c.state).where(message.c.id == letter_id)).scalar_one()


def test_a_letter_that_cannot_be_deciphered_is_set_aside_and_the_others_go(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    system, made = installation.system, []
    ctx = system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
    with system.db.begin() as session:
        for name in ("lost", "whole"):
            letter = Letter(to=f"{name}@onepay.example", subject=name, text="…")
            made.append(letters.queue(session, letter, "test", ctx, parts=system.identity, account_id=None))
        session.execute(sa.update(message).where(message.c.id == made[0]).values(content_ct=b"\x00" * 40))
    (deliver,) = [job for job in jobs.all_jobs(system) if job.name == "messaging.deliver"]
    with caplog.at_level(logging.ERROR):
        deliver.run(system.clock.now())
        deliver.run(system.clock.now())

    with system.db.read() as session:
        states = dict(session.execute(sa.select(message.c.id, message.c.state).where(message.c.id.in_(made))).all())
    assert states == {made[0]: "unreadable", made[1]: "delivered"}
    assert [record.__dict__["message__id"] for record in caplog.records] == [made[0]]


class Choking:
    """A messenger that one letter is too much for, in a way nobody foresaw."""

    def __init__(self, subject: str) -> None:
        self.subject, self.sent = subject, []

    def send(self, letter_id: str, letter: Letter, at: datetime) -> None:
        if letter.subject == self.subject:
            raise RuntimeError("choked")
        self.sent.append(letter.subject)


def test_a_letter_no_messenger_can_bear_holds_up_itself_alone(tmp_path: Path) -> None:
    with installed(tmp_path) as house:
        system = replace(house.system, messenger=(choking := Choking("bad")))
        ctx = system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
        with system.db.begin() as session:
            for name in ("bad", "good", "fine"):
                letter = Letter(to=f"{name}@onepay.example", subject=name, text="…")
                letters.queue(session, letter, "test", ctx, parts=system.identity, account_id=None)
        (deliver,) = [job for job in jobs.all_jobs(system) if job.name == "messaging.deliver"]
        with pytest.raises(RuntimeError):
            deliver.run(system.clock.now())
        deliver.run(system.clock.now())
    assert sorted(choking.sent) == ["fine", "good"]


def test_what_is_claimed_is_nobody_elses_until_the_claim_lapses(people: People) -> None:
    queue(people, "amber")
    first = claimed(people)
    assert claim(people) is None
    people.ground.clock.move(CLAIM - timedelta(seconds=1))
    assert claim(people) is None
    people.ground.clock.move(timedelta(seconds=1))
    second = claimed(people)
    assert (second.id, second.tries) == (first.id, 2)


def test_who_held_a_letter_too_long_decides_nothing_about_it(people: People) -> None:
    queue(people, "amber")
    late = claimed(people)
    people.ground.clock.move(CLAIM)
    second = claimed(people)
    with people.ground.db.begin() as session:
        letters.failed(session, late, people.ground.clock.now())
    people.ground.clock.move(timedelta(seconds=6))
    assert claim(people) is None, "the second still has it"
    with people.ground.db.begin() as session:
        letters.delivered(session, second.id)
    assert state(people, second.id) == "delivered"


def test_a_letter_that_ends_the_process_is_not_tried_for_ever(people: People) -> None:
    (made,) = queue(people, "amber")
    for _ in range(UNENDED_MAX):
        claimed(people)
        people.ground.clock.move(CLAIM)
    assert claim(people) is None
    with people.ground.db.begin() as session:
        assert letters.set_aside(session, people.ground.clock.now()) == 1
        assert letters.set_aside(session, people.ground.clock.now()) == 0
    assert state(people, made) == "unended"


def test_the_last_claim_of_a_letter_is_waited_for(people: People) -> None:
    (made,) = queue(people, "amber")
    for _ in range(UNENDED_MAX - 1):
        claimed(people)
        people.ground.clock.move(CLAIM)
    claimed(people)
    with people.ground.db.begin() as session:
        assert letters.set_aside(session, people.ground.clock.now()) == 0
        letters.delivered(session, made)
    people.ground.clock.move(CLAIM)
    with people.ground.db.begin() as session:
        assert letters.set_aside(session, people.ground.clock.now()) == 0
    assert state(people, made) == "delivered"


def test_a_letter_that_cannot_be_handed_over_is_tried_for_as_long_as_it_is_kept(people: People) -> None:
    (made,) = queue(people, "amber")
    begun, tries = people.ground.clock.now(), 0
    while (taken := claim(people)) is not None:
        tries += 1
        with people.ground.db.begin() as session:
            letters.failed(session, taken, people.ground.clock.now())
        people.move(minutes=10)
    assert people.ground.clock.now() - begun == letters.KEPT
    assert tries == 24 * 6
    with people.ground.db.begin() as session:
        letters.expire(session, people.ground.clock.now())
    assert state(people, made) == "expired"


def test_the_pause_between_tries_grows_to_ten_minutes(people: People) -> None:
    queue(people, "amber")
    pauses = []
    for _ in range(9):
        begun, taken = people.ground.clock.now(), claimed(people)
        with people.ground.db.begin() as session:
            letters.failed(session, taken, begun)
        while not due(people):
            people.move(seconds=5)
        pauses.append((people.ground.clock.now() - begun).seconds)
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600]


def test_what_the_law_rests_on_is_tried_for_weeks_seldom_and_says_nothing_of_the_messenger(people: People) -> None:
    letter = Letter(to="amber@onepay.example", subject="amber", text="…")
    with people.ground.db.begin() as session:
        letters.queue(
            session, letter, "test", people.ctx(), parts=people.parts, account_id=None, kept=letters.KEPT_BY_LAW
        )
        session.execute(sa.update(message).values(tries=letters.SELDOM_TRIES - 1))
    begun, taken = people.ground.clock.now(), claimed(people)
    with people.ground.db.begin() as session:
        letters.failed(session, taken, begun)
        assert letters.standing(session, begun).troubled == 1
    people.move(hours=5)
    assert not due(people)
    people.move(hours=1)
    assert due(people)
    people.move(hours=19)
    with people.ground.db.read() as session:
        stands = letters.standing(session, people.ground.clock.now())
    assert (stands.failing, stands.troubled) == (1, 0)


@pytest.mark.needs("postgres")
@pytest.mark.xdist_group("postgres")
def test_two_workers_at_once_take_each_letter_once(people_on_postgres: People) -> None:
    people = people_on_postgres
    made = queue(people, *(f"n{n}" for n in range(20)))
    gate, found = threading.Barrier(4), []

    def work() -> None:
        gate.wait()
        while (taken := claim(people)) is not None:
            found.append(taken.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(made)


@pytest.mark.needs("postgres")
@pytest.mark.xdist_group("postgres")
def test_how_letters_stand_on_postgres(people_on_postgres: People) -> None:
    people = people_on_postgres
    queue(people, "amber", "birch")
    people.move(seconds=7)
    claimed(people)
    with people.ground.db.begin() as session:
        session.execute(sa.update(message).where(message.c.tries == 1).values(tries=letters.FAILING_TRIES))
        stands = letters.standing(session, people.ground.clock.now())
    assert stands == letters.Waiting(letters=2, overdue=timedelta(seconds=7), failing=1, lost=0, troubled=1)
