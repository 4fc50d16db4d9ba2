"""The machine's clock jumps back an hour: payments, numbers and times of arrival go on, and the log tells it once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from app.commands import registry
from app.kernel.clock import StillClock
from ingest.models import entry
from payments.models import transfer
from tests.support.installation import Browser, Installation, Person, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def pay(browser: Browser, payee: Person, key: str) -> str:
    body = {"payee": f"@{payee.handle}", "amount": {"amount": "1.00", "currency": "EUR"}}
    answer = browser.api("POST", "/transfers", body, **{"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def move(house: Installation, by: timedelta) -> None:
    clock = house.system.clock
    assert isinstance(clock, StillClock)
    clock.move(by)


def test_an_hour_back_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with installed(tmp_path / "home", clock=StillClock(START)) as house:
        payee, payer = house.customer("payee_one"), house.customer("payer_one", euros=50)
        move(house, timedelta(hours=3))  # people who were here before the hour that comes twice
        browser = house.browser()
        browser.sign_in(payer)
        first = pay(browser, payee, "before")
        house.turn()

        move(house, -timedelta(hours=1))
        # The same order again is the same payment, and the session stands.
        assert pay(browser, payee, "before") == first
        for n in range(5):
            pay(browser, payee, f"after-{n}")
            house.turn()
            move(house, timedelta(seconds=2))

        move(house, timedelta(hours=1))
        house.turn()
        house.turn()
        system = house.system
        with system.db.read() as session:
            rows = session.execute(sa.select(entry.c.kind, entry.c.ingested).order_by(entry.c.sequence)).all()
            assert session.scalar(sa.select(sa.func.count()).select_from(transfer)) == 6
        assert [row.ingested for row in rows] == sorted(row.ingested for row in rows)
        kinds = Counter(row.kind for row in rows)
        assert kinds["health.clock.drifted"] == 1
        assert (kinds["health.job.failed"], kinds["health.control.failed"]) == (0, 0)
        for command in ("log verify", "ledger verify"):
            lines = list(registry.COMMANDS[command](system, {}))
            assert lines[-1] == {"exit": 0}, lines
