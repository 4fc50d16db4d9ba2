"""Nothing is kept longer than it serves, and nothing that still counts is deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.identity import expiry, letters, links, recovery, signup
from app.identity.links import LinkClosed, LinkPurpose
from app.identity.models import attempts, device, factor, link, login, message
from app.identity.models import session as session_table
from app.identity.signin import Step, Throttled
from app.kernel.access import ActorKind
from tests.app.identity.conftest import People

AMBER = "amber@onepay.example"
TABLES = (attempts, device, factor, link, login, message, session_table)


def purge(people: People, **more: int) -> int:
    with people.ground.db.begin() as session:
        return expiry.purge(session, people.ctx(), policy=people.parts.policy, **more)


def rows(people: People, table: sa.Table) -> int:
    with people.ground.db.read() as session:
        return session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def recover(people: People, address: str, ip: str = "198.18.0.9") -> None:
    with people.ground.db.begin() as session:
        recovery.ask(session, ActorKind.CUSTOMER, address, people.ctx(ip=ip), parts=people.parts)


def lived(people: People) -> None:
    """Leave a row of every kind behind, all of them done with."""
    account = people.sign_up(AMBER, "amber")
    people.enrol(account)
    assert people.try_in(AMBER).step is Step.CHALLENGED
    people.move(seconds=60)
    people.try_in("nobody@onepay.example", "x" * 20)
    with people.ground.db.begin() as session:
        while (taken := letters.claim(session, people.ground.clock.now(), parts=people.parts)) is not None:
            letters.delivered(session, taken.id)


def test_every_kind_of_row_goes_in_its_time(people: People) -> None:
    lived(people)
    assert purge(people) == 0, "nothing is over yet"
    people.move(days=1, minutes=31)
    assert purge(people) > 0
    assert (rows(people, link), rows(people, login), rows(people, attempts), rows(people, factor)) == (0, 0, 0, 1)


def test_what_has_a_period_ends_by_runs_alone(people: People) -> None:
    """A job that asks neither policy nor holds touches no session, letter or device, however old."""
    lived(people)
    with people.ground.db.begin() as session:
        session.execute(sa.update(session_table).values(ended_at=people.ground.clock.now()))
    kept = {table: rows(people, table) for table in (device, message, session_table)}
    assert all(kept.values())
    people.move(days=1_000)
    purge(people)
    assert {table: rows(people, table) for table in kept} == kept


def test_a_run_deletes_no_more_than_its_bound(people: People) -> None:
    for n in range(7):
        people.try_in(f"n{n}@onepay.example", "x" * 20, ip=f"198.18.{n}.1")
    people.move(days=2)
    before = rows(people, attempts)
    assert purge(people, limit=5) == 5
    assert rows(people, attempts) == before - 5


def test_a_lock_outlives_the_day_of_its_failures(people: People) -> None:
    now = people.ground.clock.now()
    values = {"scope": "identifier", "key": "k", "failures": 5, "first_at": now - timedelta(days=3)}
    with people.ground.db.begin() as session:
        session.execute(sa.insert(attempts).values(**values, locked_until=now + timedelta(minutes=20)))
    assert purge(people) == 0
    people.move(minutes=21)
    assert purge(people) == 1


def test_an_open_link_outlives_every_run(people: People) -> None:
    with people.ground.db.begin() as session:
        url = links.make(
            session, LinkPurpose.INVITATION, people.ctx(), parts=people.parts, seconds=24 * 3600, account_id="acc_1"
        )
    people.move(hours=23)
    purge(people)
    with people.ground.db.read() as session:
        assert links.look(session, url.rpartition("/")[2], people.ctx(), parts=people.parts).account_id == "acc_1"
    people.move(hours=2)
    with people.ground.db.read() as session, pytest.raises(LinkClosed):
        links.look(session, url.rpartition("/")[2], people.ctx(), parts=people.parts)


def test_one_address_gets_three_letters_while_the_link_of_the_first_works(people: People) -> None:
    people.sign_up(AMBER, "amber")
    for n in range(9):
        recover(people, AMBER, ip=f"198.18.{n}.1")
    assert people.letters_to(AMBER).count("Set a new password") == 3
    people.move(minutes=29, seconds=59)
    recover(people, AMBER)
    assert people.letters_to(AMBER).count("Set a new password") == 3
    with people.ground.db.read() as session:
        assert links.look(session, people.link_to(AMBER), people.ctx(), parts=people.parts).account_id is not None
    people.move(seconds=2)
    recover(people, AMBER)
    assert people.letters_to(AMBER).count("Set a new password") == 4


def test_letters_of_another_purpose_or_surface_use_up_nothing(people: People) -> None:
    people.sign_up(AMBER, "amber")
    for n in range(5):
        with people.ground.db.begin() as session:
            signup.ask(session, AMBER, people.ctx(ip=f"198.18.{n}.1"), parts=people.parts)
            recovery.ask(session, ActorKind.STAFF, AMBER, people.ctx(ip=f"198.18.{n}.2"), parts=people.parts)
    assert people.letters_to(AMBER).count("You have a OnePay account") == 2
    recover(people, AMBER)
    assert people.letters_to(AMBER)[-1] == "Set a new password"


def test_who_asks_for_letters_without_end_is_told_to_wait(people: People) -> None:
    for n in range(10):
        recover(people, f"n{n}@onepay.example")
    with pytest.raises(letters.AskedTooOften):
        recover(people, "n11@onepay.example")
    recover(people, "n11@onepay.example", ip="198.18.0.10")
    people.move(seconds=61)
    recover(people, "n11@onepay.example")


def test_recovery_does_the_same_work_for_known_and_unknown(people: People) -> None:
    people.sign_up(AMBER, "amber")
    heard: list[str] = []

    def listen(conn, cursor, statement, *_) -> None:
        heard.append(" ".join(statement.split()[:3]))

    sa.event.listen(people.ground.db.engine, "before_cursor_execute", listen)
    work = []
    for address in (AMBER, "nobody@onepay.example"):
        heard.clear()
        recover(people, address)
        # A savepoint is all that one has before the other.
        work.append([text for text in heard if "SAVEPOINT" not in text])
    before = rows(people, link)
    recover(people, "nobody@onepay.example")

    assert work[0] == work[1]
    assert rows(people, link) == before, "and leaves nothing for the unknown"
    assert people.letters_to("nobody@onepay.example") == []


def test_failures_within_the_day_are_kept(people: People) -> None:
    people.sign_up(AMBER, "amber")
    for _ in range(5):
        people.try_in(AMBER, "not this one at all")
        people.move(minutes=2)
        purge(people)
    with pytest.raises(Throttled):
        people.try_in(AMBER)
