"""A receipt says where its event stands in the log, and asks no search store for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.test_money_api import order
from tests.support.installation import Browser, Installation, installed


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home") as made:
        yield made


def paid(house: Installation, euros: str) -> tuple[Browser, str]:
    house.customer("payee_r")
    browser = house.browser()
    browser.sign_in(house.customer("payer_r", euros=20))
    answer = browser.api("POST", "/transfers", order("@payee_r", euros), **{"Idempotency-Key": euros})
    return browser, answer.json["id"] if answer.status_code == 201 else answer.json["object"]


@pytest.mark.parametrize(("euros", "word"), [("1.00", "Arrived"), ("90.00", "Refused")], ids=["settled", "refused"])
def test_the_place_in_the_log_needs_no_search_store(house: Installation, euros: str, word: str) -> None:
    browser, transfer = paid(house, euros)
    before = browser.get(f"/transfers/{transfer}").text
    assert word in before
    assert "not numbered yet" in before
    assert "hx-get" in before
    assert "htmx" in before

    house.system.sequencer.drain()  # and nothing is shipped
    store, house.system.store = house.system.store, None
    after = browser.get(f"/transfers/{transfer}").text
    house.system.store = store
    assert "Proof holds" in after
    assert "hx-get" not in after
    assert "htmx" not in after.partition("</head>")[0].partition('<meta name="htmx-config"')[2].partition(">")[2]


def test_orders_of_one_instant_are_told_apart(house: Installation) -> None:
    browser, _ = paid(house, "1.00")
    others = [
        browser.api("POST", "/transfers", order("@payee_r", "1.00"), **{"Idempotency-Key": f"k{n}"}).json["id"]
        for n in range(5)
    ]
    house.system.sequencer.drain()
    places = {browser.get(f"/transfers/{one}").text.partition("Log entry</dt><dd>")[2][:12] for one in others}
    assert len(places) == 5
