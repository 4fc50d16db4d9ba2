"""Many at once on one embedded process: nobody is told that a database is locked, and each payment is one."""

from __future__ import annotations

import random
from pathlib import Path

import sqlalchemy as sa

from payments.models import transfer
from tests.failure.load import EUROS, Payer, began
from tests.failure.served import served, wait
from tests.support.installation import installed

CLIENTS = 16
SECONDS = 12


def test_sixteen_at_once_see_no_lock_and_no_5xx(tmp_path: Path) -> None:
    home = tmp_path / "home"
    handles = [f"payer_{n:02}" for n in range(CLIENTS)]
    with served(home) as process:
        with installed(home, port=process.port) as house:
            payers = [
                Payer(
                    port=process.port,
                    person=house.customer(handle, euros=EUROS),
                    payees=[other for other in handles if other != handle],
                    dice=random.Random(handle),
                )
                for handle in handles
            ]
        process.start()
        process.until_ready()
        load = began(payers)
        for _ in range(SECONDS):
            # Somebody reads all the while: their own activity, and whether the ledger holds.
            assert payers[0].reads("/wallets") == 200
            assert payers[0].reads("/transfers?limit=100") == 200
            wait(1)
        load.until(10 * CLIENTS)
        ledger = process.command("ledger", "verify")
        load.settle()
        process.until_caught_up()
        process.stop()
        said = process.said()

    assert (ledger.returncode, "ledger sound" in ledger.stdout) == (0, True), ledger.stdout + ledger.stderr
    assert "database is locked" not in said
    assert "request failed" not in said
    assert "Traceback" not in said
    acknowledged = [id for payer in payers for id in payer.acknowledged.values()]
    with installed(home, port=process.port) as house, house.system.db.read() as session:
        assert sorted(session.scalars(sa.select(transfer.c.id))) == sorted(acknowledged)
    assert sum(payer.broken for payer in payers) == 0
    assert len(acknowledged) >= 10 * CLIENTS
