"""What the event store says of whom an event is about decides nothing alone: the body that was sealed does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.clock import StillClock
from compliance.privacy.events import EventSource
from compliance.retention import held_events, holds
from compliance.retention.holds import Item
from ingest import models as log
from ingest.log import read
from ingest.store.port import EventStore
from tests.compliance.office import ctx, hold_on
from tests.support.installation import Installation, installed

START: Final = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
CLASS: Final = "security"


class _Pointing:
    """A store that says that some events are about whoever is asked for, and no other one is."""

    def __init__(self, *sequences: int) -> None:
        self._sequences = sequences

    def leaves(self, where: Any, window: Any) -> Iterator[tuple[int, bytes]]:
        return iter([(one, b"") for one in self._sequences])


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    url = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}
    with installed(tmp_path / "home", clock=StillClock(START), **url) as made:
        made.staff("olga", roles.COMPLIANCE_OFFICER)
        for name in ("amber_one", "basil_two"):
            made.customer(name)
        made.arrive()
        yield made


def naming(house: Installation, name: str) -> list[int]:
    """Return the sequences of a class whose body names somebody."""
    with house.system.db.read() as session:
        every = read.sequences_in(session, CLASS, 0, read.head(session).size)
        account = house.people[name].account.encode()
        return [one for one, body in read.sealed_at(session, every).items() if account in body]


def held(house: Installation, store: _Pointing) -> list[int]:
    with house.system.db.read() as session:
        size, standing = read.head(session).size, holds.active(session)
        kept = held_events.sequences(session, standing, cast(EventStore, store), CLASS, 0, size)
        return kept.get("court-77", [])


def test_an_event_that_the_store_hides_is_held_as_it_was_sealed(house: Installation) -> None:
    amber, basil = naming(house, "amber_one"), naming(house, "basil_two")
    order = hold_on("court-77", Item(kind="subject", value=house.people["amber_one"].account))
    with house.system.db.begin() as session:
        holds.place(session, order, ctx(house, "olga"), parts=house.system.retention)
    assert amber
    assert held(house, _Pointing()) == amber
    assert held(house, _Pointing(basil[0])) == sorted({basil[0], *amber}), "what the store holds stays, too"
    other = log.body.c.sequence == basil[-1]
    with house.system.db.begin() as session:
        session.execute(sa.update(log.body).where(other).values(body=b"{}"))
    assert held(house, _Pointing()) == sorted({basil[-1], *amber}), "nobody knows whom this one named"
    with house.system.db.begin() as session:
        session.execute(sa.delete(log.body).where(log.body.c.sequence == amber[0]))
    assert held(house, _Pointing()) == sorted({basil[-1], *amber}), "nor whom one named that is gone"


def test_a_copy_has_no_event_of_another_whatever_the_store_says(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = next(one for one in house.system.compliance.privacy.sources if isinstance(one, EventSource))
    account = house.people["amber_one"].account
    with house.system.db.read() as session:
        own = list(source.documents(session, [account]))
        size = read.head(session).size
        monkeypatch.setattr(EventSource, "_indexed", lambda *_: iter(range(1, size + 1)))
        assert list(source.documents(session, [account])) == own
    assert all(account in json.dumps(one) for one in own)
    last = own[-1]["sequence"]
    with house.system.db.begin() as session:
        body = json.dumps({**own[-1], "event": {"action": "auth.session.started"}}).encode()
        session.execute(sa.update(log.body).where(log.body.c.sequence == last).values(body=body))
    with house.system.db.read() as session:
        assert list(source.documents(session, [account])) == own[:-1]
