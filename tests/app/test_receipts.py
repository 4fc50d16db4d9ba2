"""A receipt says where its event stands in the log, and asks no search store for it."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingest import models
from ingest.events.envelope import at_path
from ingest.events.transaction import TransferSettled
from ingest.models import entry
from payments.models import transfer as order_table
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


def signed_text_in(page: str) -> str | None:
    found = re.search(r'letter by letter</summary>\s*<p><code class="id letters">(.*?)</code>', page, re.DOTALL)
    return html.unescape(found.group(1)) if found else None


def test_the_payer_can_hash_the_signed_text_themselves(house: Installation) -> None:
    browser, transfer = paid(house, "1.00")
    house.system.sequencer.drain()
    page = browser.get(f"/transfers/{transfer}").text
    text = signed_text_in(page)
    assert text is not None
    digest = hashlib.sha256(text.encode()).hexdigest()
    with house.system.db.read() as session:
        (row,) = session.execute(sa.select(entry.c.event_id).where(entry.c.kind == TransferSettled.kind))
        (body,) = session.scalars(
            sa.select(models.body.c.body)
            .join(entry, entry.c.sequence == models.body.c.sequence)
            .where(entry.c.event_id == row.event_id)
        )
    assert at_path(json.loads(body), "onepay.transfer.signed_hash") == digest
    assert " ".join(digest[place : place + 8] for place in range(0, 32, 8)) in page
    assert "As in the log" in page


@pytest.mark.parametrize(
    "altered",
    [{"payee": "somebody"}, {"amount": 1}, {"signed_hash": bytes(32)}, {"signed_ct": bytes(80)}],
    ids=["payee", "amount", "hash", "text"],
)
def test_a_receipt_says_where_the_order_is_not_what_was_signed(house: Installation, altered: dict[str, object]) -> None:
    browser, transfer = paid(house, "1.00")
    house.system.sequencer.drain()
    with house.system.db.begin() as session:
        session.execute(sa.update(order_table).values(altered))
    page = browser.get(f"/transfers/{transfer}")
    assert (page.status_code, "Not as in the log" in page.text) == (200, True)
    assert browser.get("/activity").status_code == 200


def test_the_payee_reads_the_note_and_not_the_salt(house: Installation) -> None:
    payee = house.customer("payee_n")
    payer, reader = house.browser(), house.browser()
    payer.sign_in(house.customer("payer_n", euros=20))
    reader.sign_in(payee)
    body = order("@payee_n", "1.00") | {"note": "for the plums"}
    transfer = payer.api("POST", "/transfers", body, **{"Idempotency-Key": "plums"}).json["id"]
    house.system.sequencer.drain()
    page = reader.get(f"/transfers/{transfer}").text
    assert "for the plums" in page
    assert "As in the log" in page
    assert signed_text_in(page) is None
    assert "salt" not in page


def test_orders_of_one_instant_are_told_apart(house: Installation) -> None:
    browser, _ = paid(house, "1.00")
    others = [
        browser.api("POST", "/transfers", order("@payee_r", "1.00"), **{"Idempotency-Key": f"k{n}"}).json["id"]
        for n in range(5)
    ]
    house.system.sequencer.drain()
    places = {browser.get(f"/transfers/{one}").text.partition("Log entry</dt><dd>")[2][:12] for one in others}
    assert len(places) == 5
