"""Two workers that settle the same controls on PostgreSQL take their turn: one change is written once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.clock import StillClock
from compliance import models
from compliance.catalog.controls import PCI
from compliance.engine.settle import settle
from compliance.engine.standing import Standing
from compliance.states import State
from ingest.models import outbox
from tests.support import postgres
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
KEY = "8.4.1"


@pytest.fixture
def house(tmp_path: Path, server: postgres.Server) -> Iterator[Installation]:
    url = server.fresh_database()
    with installed(tmp_path / "home", clock=StillClock(START), database_url=url) as made:
        made.staff("ada", "administrator")
        made.browser().sign_in(made.people["ada"], surface="staff")
        made.arrive()
        yield made


def settled(session: Session, house: Installation) -> list[Standing]:
    ctx = house.system.context(service("compliance"))
    return settle(session, ctx, parts=house.system.controls.parts, only={(PCI, KEY)})


def written(house: Installation) -> tuple[list[str], int, int]:
    """Return the states of the control's intervals, how many are open, and how many events wait that it changed."""
    of = models.interval.c
    with house.system.db.read() as session:
        rows = session.execute(sa.select(of.state, of.to_at).where(of.key == KEY).order_by(of.from_at, of.id)).all()
        kinds = session.scalars(sa.select(outbox.c.kind)).all()
    changed = sum(kind == "compliance.control.changed" for kind in kinds)
    return [row.state for row in rows], sum(row.to_at is None for row in rows), changed


def race(house: Installation) -> None:
    """Let one settle, and another one while the first has not committed."""

    def second() -> None:
        with house.system.db.begin() as session:
            settled(session, house)

    postgres.while_open(house.system.db, lambda session: settled(session, house), second)


@pytest.mark.needs("postgres")
@pytest.mark.xdist_group("postgres")
def test_a_change_that_two_workers_see_is_written_once(house: Installation) -> None:
    controls, db = house.system.controls, house.system.db
    race(house)  # the first of all: there is no row yet that one could hold
    states, is_open, changed = written(house)
    assert (len(states), is_open, changed) == (1, 1, 0)

    probe = controls.parts.probes["identity.two_factors"]
    controls.observe(probe)
    with db.begin() as session:
        long_ago = {"observed_at": START - timedelta(days=2)}
        session.execute(sa.update(models.probe).where(models.probe.c.name == probe.name).values(long_ago))
    house.arrive()
    house.system.clock.move(timedelta(minutes=1))  # type: ignore[attr-defined]  # it is a still one
    before, _, _ = written(house)
    race(house)
    states, is_open, changed = written(house)
    assert states == [*before, State.STALE]
    assert (is_open, changed) == (1, 1)
