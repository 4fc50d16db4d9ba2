"""An object's event is found by the instant of the object, and its body compared with what was sealed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ingest import models
from ingest.events.auth import LoginFailed
from ingest.log import receipts
from ingest.log.receipts import Lack, ObjectReceipt
from tests.support import sealing
from tests.support.ground import Ground


def found(ground: Ground, reason: str, *, milliseconds: int = 0, kind: str = LoginFailed.kind) -> ObjectReceipt | Lack:
    at = ground.clock.now() + timedelta(milliseconds=milliseconds)
    with ground.db.read() as session:
        return receipts.of_object(session, reason, path="event.reason", kinds=[kind], at=at)


def of_event(event_id: str) -> Callable[[sa.Table], sa.ColumnElement[bool]]:
    """Return what picks the rows of one event, from entries or from bodies."""
    sequences = sa.select(models.entry.c.sequence).where(models.entry.c.event_id == event_id)
    return lambda table: table.c.sequence.in_(sequences.scalar_subquery())


def remove(ground: Ground, table: sa.Table, rows: Callable[[sa.Table], sa.ColumnElement[bool]]) -> None:
    with ground.db.begin() as session:
        session.execute(sa.text("DROP TRIGGER IF EXISTS ingest_entry_no_delete"))
        session.execute(sa.delete(table).where(rows(table)))


def test_the_event_of_an_object_is_found_among_those_of_its_millisecond(ground: Ground) -> None:
    ids = sealing.record(ground, *[sealing.failed_login(f"reason_{n}") for n in range(3)])
    assert found(ground, "reason_1") is Lack.WAITS, "it has no place yet"
    assert found(ground, "reason_9") is Lack.MISSING, "another's waits"
    sealing.sequencer(ground).drain()
    one = found(ground, "reason_1")
    assert isinstance(one, ObjectReceipt)
    assert (one.place.event_id, one.place.holds, one.is_as_sealed) == (ids[1], True, True)
    assert found(ground, "reason_1", milliseconds=1) is Lack.MISSING
    assert found(ground, "reason_1", milliseconds=-1) is Lack.MISSING
    assert found(ground, "reason_9") is Lack.MISSING
    assert found(ground, "reason_1", kind="auth.login.succeeded") is Lack.MISSING


def test_a_body_that_was_altered_is_not_as_sealed(ground: Ground) -> None:
    sealing.record(ground, sealing.failed_login("reason_1"))
    sealing.sequencer(ground).drain()
    with ground.db.begin() as session:
        session.execute(sa.update(models.body).values(salt=bytes(16)))
    one = found(ground, "reason_1")
    assert isinstance(one, ObjectReceipt)
    assert not one.is_as_sealed


def test_a_body_that_is_gone_is_no_missing_entry(ground: Ground) -> None:
    ids = sealing.record(ground, *[sealing.failed_login(f"reason_{n}") for n in range(2)])
    sealing.sequencer(ground).drain()
    remove(ground, models.body, of_event(ids[0]))
    assert found(ground, "reason_0") is Lack.GONE
    assert isinstance(found(ground, "reason_1"), ObjectReceipt)
    remove(ground, models.entry, of_event(ids[0]))
    assert found(ground, "reason_0") is Lack.MISSING


@pytest.mark.parametrize("text", [b"", b"\xff", b"{", b"[]", b"{}", b'{"event":{"reason":"reason_9"}}'])
def test_a_body_that_names_the_object_no_more_is_altered(ground: Ground, text: bytes) -> None:
    (made,) = sealing.record(ground, sealing.failed_login("reason_1"))
    sealing.sequencer(ground).drain()
    with ground.db.begin() as session:
        session.execute(sa.update(models.body).where(of_event(made)(models.body)).values(body=text))
    assert found(ground, "reason_1") is Lack.ALTERED


def test_what_is_as_sealed_comes_before_a_body_that_was_made_to_name_the_object(ground: Ground) -> None:
    first, second = sealing.record(ground, *[sealing.failed_login(f"reason_{n}") for n in range(2)])
    sealing.sequencer(ground).drain()
    with ground.db.begin() as session:
        theirs = session.scalar(sa.select(models.body.c.body).where(of_event(second)(models.body)))
        session.execute(sa.update(models.body).where(of_event(first)(models.body)).values(body=theirs))
    one = found(ground, "reason_1")
    assert isinstance(one, ObjectReceipt)
    assert (one.place.event_id, one.is_as_sealed) == (second, True)
    assert found(ground, "reason_0") is Lack.ALTERED
