"""Killed at any moment under load, the whole process loses nothing it acknowledged and does nothing twice."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingest import models
from ingest.events.envelope import at_path
from ingest.events.transaction import TransferSettled
from ingest.log import read
from ingest.store.query import EVERYTHING, Eq, Window
from payments import postings, wallets
from payments.models import transaction, transfer
from tests.failure.load import EUROS, Payer, began, people
from tests.failure.served import served, wait
from tests.support.installation import Installation, installed

ORDERS_MIN = 100
"""Fewer orders than this, and the kills met too few of them to show anything."""


@pytest.mark.parametrize(("database", "kills_at_work", "kills_at_start"), [("sqlite", 20, 4), ("postgresql", 5, 1)])
def test_kills_under_load_lose_nothing_acknowledged_and_double_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, kills_at_work: int, kills_at_start: int
) -> None:
    dice, home = random.Random(20), tmp_path / "home"
    settings = {}
    if database == "postgresql":
        settings = {"database_url": request.getfixturevalue("server").empty_database()}
    with served(home, **settings) as process:
        with installed(home, port=process.port, **settings) as house:
            payers = people(house, process.port, seed=20)
        process.start()
        process.until_ready()
        load = began(payers)
        moments = ["at work"] * kills_at_work + ["at start"] * kills_at_start
        dice.shuffle(moments)
        for moment in moments:
            if moment == "at work":
                process.until_ready()
                load.until_more()
                wait(dice.uniform(0.0, 0.5))
            else:
                wait(dice.uniform(0.2, 2.0))
            process.kill()
            process.start()
        process.until_ready()
        load.until(ORDERS_MIN)
        load.settle()
        process.until_caught_up()
        process.stop()

        said = process.said()
        assert "request failed" not in said
        assert "Traceback" not in said
        for words, answer in ((("ledger", "verify"), "ledger sound"), (("log", "verify"), "log sound")):
            done = process.command(*words)
            assert done.returncode == 0, done.stdout + done.stderr
            assert answer in done.stdout

    # Whoever broke off asked again and was told what had become of the order.
    assert sum(payer.broken for payer in payers) >= kills_at_work
    with installed(home, port=process.port, **settings) as house:
        assert_each_order_once(house, payers)


def assert_each_order_once(house: Installation, payers: list[Payer]) -> None:
    """Assert that orders, answers, transfers, postings, events and balances are the same payments, each once."""
    house.arrive()
    system = house.system
    orders = {key: order for payer in payers for key, order in payer.orders.items()}
    answered = {key: id for payer in payers for key, id in payer.acknowledged.items()}
    each_once = Counter(answered.values())
    assert set(answered) == set(orders)
    assert len(each_once) == len(orders) >= ORDERS_MIN
    with system.db.read() as session:
        kept = {row.id: row for row in session.execute(sa.select(transfer))}
        posted = session.scalars(sa.select(transaction.c.object_id).where(transaction.c.kind == postings.TRANSFER))
        told = session.scalars(
            sa.select(models.body.c.body)
            .join(models.entry, models.entry.c.sequence == models.body.c.sequence)
            .where(models.entry.c.kind == TransferSettled.kind)
        )
        assert Counter(posted) == each_once
        assert Counter(at_path(json.loads(body), "onepay.transfer.id") for body in told) == each_once
        assert kept.keys() == each_once.keys()
        for key, order in orders.items():
            row = kept[answered[key]]
            assert (row.amount, row.state, row.payee) == (order.cents, "settled", order.payee), key
        for payer in payers:
            received = sum(order.cents for order in orders.values() if order.payee == payer.person.handle)
            sent = sum(order.cents for order in payer.orders.values())
            stands = wallets.total_available(session, payer.person.account)
            assert [money.minor for money in stands] == [EUROS * 100 + received - sent]
        head = read.head(session).size
    assert system.store.count(EVERYTHING, Window()) == head
    assert system.store.coverage(0, head) == head
    assert system.store.count(Eq("event.action", TransferSettled.kind), Window()) == len(orders)
