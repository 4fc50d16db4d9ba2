"""An object's event is found by the instant of the object, and its body compared with what was sealed."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from ingest import models
from ingest.events.auth import LoginFailed
from ingest.log import receipts
from ingest.log.receipts import ObjectReceipt
from tests.support import sealing
from tests.support.ground import Ground


def found(ground: Ground, reason: str, *, milliseconds: int = 0, kind: str = LoginFailed.kind) -> ObjectReceipt | None:
    at = ground.clock.now() + timedelta(milliseconds=milliseconds)
    with ground.db.read() as session:
        return receipts.of_object(session, reason, path="event.reason", kinds=[kind], at=at)


def test_the_event_of_an_object_is_found_among_those_of_its_millisecond(ground: Ground) -> None:
    ids = sealing.record(ground, *[sealing.failed_login(f"reason_{n}") for n in range(3)])
    assert found(ground, "reason_1") is None, "it has no place yet"
    sealing.sequencer(ground).drain()
    one = found(ground, "reason_1")
    assert one is not None
    assert (one.place.event_id, one.place.holds, one.is_as_sealed) == (ids[1], True, True)
    assert found(ground, "reason_1", milliseconds=1) is None
    assert found(ground, "reason_1", milliseconds=-1) is None
    assert found(ground, "reason_9") is None
    assert found(ground, "reason_1", kind="auth.login.succeeded") is None


def test_a_body_that_was_altered_is_not_as_sealed(ground: Ground) -> None:
    sealing.record(ground, sealing.failed_login("reason_1"))
    sealing.sequencer(ground).drain()
    with ground.db.begin() as session:
        session.execute(sa.update(models.body).values(salt=bytes(16)))
    one = found(ground, "reason_1")
    assert one is not None
    assert not one.is_as_sealed
