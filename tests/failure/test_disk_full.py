"""No room left on the disk: a payment is refused whole, in words, and goes through once there is room again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.kernel.db import Database
from payments.verification import verify as ledger
from tests.support.installation import Browser, installed

# More payments than the free space inside a young database takes.
TRIES_MAX = 400


@contextmanager
def without_room(db: Database) -> Iterator[None]:
    """Let the database file not grow, as on a full disk."""

    def narrow(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # the least allowed is what there is

    def widen(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1073741823")

    sa.event.listen(db.engine, "checkout", narrow)
    yield
    sa.event.remove(db.engine, "checkout", narrow)
    sa.event.listen(db.engine, "checkout", widen)


def pay(browser: Browser, key: str) -> Any:
    body = {"payee": "@roomy", "amount": {"amount": "0.01", "currency": "EUR"}}
    return browser.api("POST", "/transfers", body, **{"Idempotency-Key": key})


def test_a_payment_on_a_full_disk_moves_nothing_and_goes_through_later(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as house:
        house.customer("roomy")
        browser = house.browser()
        browser.sign_in(house.customer("tight", euros=20))
        assert pay(browser, "first-payment-of-all").status_code == 201

        with without_room(house.system.db):
            answers = []
            for number in range(TRIES_MAX):
                answers.append(pay(browser, f"payment-number-{number:06}"))
                if answers[-1].status_code != 201:
                    break
            refused = answers[-1]
        assert (refused.status_code, refused.json["code"]) == (503, "storage_full")
        assert int(refused.headers["Retry-After"]) == 60

        with house.system.db.read() as session:
            assert ledger.verify(session).is_sound
        again = pay(browser, f"payment-number-{len(answers) - 1:06}")
        assert again.status_code == 201
        with house.system.db.read() as session:
            checked = ledger.verify(session)
        assert checked.is_sound
        wallet = browser.api("GET", "/wallets").json["data"][0]
        assert wallet["available"]["amount"] == f"{20 - 0.01 * (len(answers) + 1):.2f}"
