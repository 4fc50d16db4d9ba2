"""Told to stop under load, the process answers what it has begun and begins nothing it would not answer."""

from __future__ import annotations

import random
from pathlib import Path

import sqlalchemy as sa

from payments.models import transfer
from tests.failure.load import began, people, resumed
from tests.failure.served import served, wait
from tests.support.installation import installed

STOPS = 3


def test_after_a_stop_what_was_done_is_what_was_answered(tmp_path: Path) -> None:
    dice, home = random.Random(4), tmp_path / "home"
    with served(home) as process:
        with installed(home, port=process.port) as house:
            payers = people(house, process.port, seed=4)
        for n in range(STOPS):
            process.start()
            process.until_ready()
            load = resumed(payers, once=True) if n else began(payers, once=True)
            load.until_more()
            wait(dice.uniform(0.0, 0.3))
            process.stop()
            load.settle()
        assert "Traceback" not in process.said()

    with installed(home, port=process.port) as house, house.system.db.read() as session:
        done = set(session.scalars(sa.select(transfer.c.id)))
    assert done == {id for payer in payers for id in payer.acknowledged.values()}
