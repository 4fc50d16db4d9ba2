"""Events say what was sealed: what somebody wrote over a body, or behind the end of the log, is said by none."""

from __future__ import annotations

import sqlalchemy as sa

from ingest import models
from ingest.log import read
from tests.support import sealing
from tests.support.ground import Ground

KIND = "auth.login.failed"


def test_a_body_that_somebody_wrote_over_says_nothing(ground: Ground) -> None:
    first, second = sealing.record(ground, *[sealing.failed_login(f"reason_{n}") for n in range(2)])
    sealing.sequencer(ground).drain()
    with ground.db.begin() as session:
        assert [one["event"]["id"] for one in read.documents_of(session, KIND)] == [first, second]
        theirs = sa.select(models.body.c.body).where(models.body.c.sequence == 2).scalar_subquery()
        session.execute(sa.update(models.body).where(models.body.c.sequence == 1).values(body=theirs))
    with ground.db.read() as session:
        assert set(read.documents(session, [first, second])) == {second}
        assert [one["event"]["id"] for one in read.documents_of(session, KIND)] == [second]


def test_what_lies_behind_the_head_says_nothing_and_what_waits_for_its_number_does(ground: Ground) -> None:
    (first,) = sealing.record(ground, sealing.failed_login())
    sealing.sequencer(ground).drain()
    (waits,) = sealing.record(ground, sealing.failed_login())
    with ground.db.begin() as session:
        session.execute(sa.update(models.head).values(size=0))
    with ground.db.read() as session:
        assert set(read.documents(session, [first, waits])) == {waits}
        assert [one["event"]["id"] for one in read.documents_of(session, KIND)] == [waits]


def test_events_are_found_by_what_stands_in_them_also_those_that_wait(either_ground: Ground) -> None:
    first, _ = sealing.record(either_ground, *[sealing.failed_login(f"reason_{n}") for n in range(2)])
    sealing.sequencer(either_ground).drain()
    waits, _ = sealing.record(either_ground, sealing.failed_login("reason_0"), sealing.failed_login("reason_1"))
    with either_ground.db.begin() as session:
        found = read.documents_of(session, KIND, containing="reason_0")
        assert [one["event"]["id"] for one in found] == [first, waits]
        assert read.documents_of(session, "auth.login.succeeded", KIND, containing="reason_2") == []
        theirs = sa.select(models.body.c.body).where(models.body.c.sequence == 1).scalar_subquery()
        session.execute(sa.update(models.body).where(models.body.c.sequence == 2).values(body=theirs))
    with either_ground.db.read() as session:
        assert len(read.documents_of(session, KIND, containing="reason_0")) == 2, "what was sealed is asked"
