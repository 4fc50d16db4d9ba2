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

from app.web import wallet as wallet_pages
from ingest import models
from ingest.events.envelope import at_path
from ingest.events.transaction import TransferSettled
from ingest.models import entry
from payments.models import transfer as order_table
from tests.app.test_money_api import order
from tests.support.ground import START
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
    payee = house.browser()
    payee.sign_in(house.people["payee_r"])
    for reader in (browser, payee):
        page = reader.get(f"/transfers/{transfer}")
        assert (page.status_code, "Not as in the log" in page.text) == (200, True)
        assert '<span class="state done">As in the log' not in page.text
        assert reader.get("/activity").status_code == 200


def test_a_receipt_says_that_the_text_of_an_erased_payer_is_gone(house: Installation) -> None:
    _, transfer = paid(house, "1.00")
    house.system.sequencer.drain()
    with house.system.keys_db.begin() as session:
        session.execute(sa.update(models.subject_key).values(wrapped=None, destroyed_at=START))
    payee = house.browser()
    payee.sign_in(house.people["payee_r"])
    page = payee.get(f"/transfers/{transfer}").text
    assert "The text was erased; its hash is as in the log" in page
    assert "As in the log" not in page


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (sa.delete(models.body), "what its event said is no longer there"),
        (sa.update(models.body).values(body=b"{}"), "its event is not there, or not what was sealed"),
        (sa.delete(entry), "its event is not in the log"),
    ],
    ids=["body", "altered", "entry"],
)
def test_a_receipt_does_not_wait_for_an_event_that_will_not_come(
    house: Installation, damage: sa.Executable, says: str
) -> None:
    browser, transfer = paid(house, "1.00")
    house.system.sequencer.drain()
    with house.system.db.begin() as session:
        session.execute(sa.text("DROP TRIGGER ingest_entry_no_delete"))
        session.execute(damage)
    page = browser.get(f"/transfers/{transfer}").text
    assert says in page
    assert not [word for word in ("not numbered yet", "hx-get", "Proof holds") if word in page]


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


def test_what_was_refused_says_what_would_have_been(house: Installation) -> None:
    browser, refused = paid(house, "90.00")
    page = browser.get(f"/transfers/{refused}").text
    assert ("Would arrive" in page, "<dt>Arrives" in page) == (True, False)
    asked = {"payee": "@payee_r", "amount": "90.00", "note": ""}
    review = browser.post("/send/review", asked).text
    assert ("Would arrive" in review, "Would leave your wallet" in review) == (True, True)
    assert not [word for word in ("Available afterwards", "at once", "<dt>Arrives") if word in review]
    review = browser.post("/send/review", asked | {"amount": "9.00"}).text
    assert not [word for word in ("Available afterwards", "at once", "<dt>Arrives") if word not in review]


def test_a_receipt_shows_its_payer_the_reference_that_was_signed(house: Installation) -> None:
    browser, _ = paid(house, "1.00")
    body = order("@payee_r", "1.00", reference="INV-7")
    transfer = browser.api("POST", "/transfers", body, **{"Idempotency-Key": "inv"}).json["id"]
    page = browser.get(f"/transfers/{transfer}").text
    assert re.search(r"Your reference</dt><dd>INV-7</dd>", page)
    assert '"reference":"INV-7"' in (signed_text_in(page) or "")


def refusals(page: str) -> list[str]:
    return re.findall(r'href="/transfers/(trf_\w+)">\s*<span class="who">[^<]*</span><span class="amount open">', page)


def test_what_was_refused_stands_among_the_activity_of_its_payer_by_its_time(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet_pages, "PAGE", 2)
    browser, first = paid(house, "90.00")
    made = [first]
    for n, euros in enumerate(("1.00", "2.00", "91.00", "3.00", "92.00")):
        answer = browser.api("POST", "/transfers", order("@payee_r", euros), **{"Idempotency-Key": f"n{n}"})
        if answer.status_code == 402:
            made.append(answer.json["object"])
    newest = browser.get("/activity").text
    assert refusals(newest) == [made[2], made[1]]
    assert newest.index(made[2]) < newest.index("€3.00") < newest.index(made[1]) < newest.index("€2.00")
    (after,) = re.findall(r'href="/activity\?after=(\d+)"', newest)
    earlier = browser.get(f"/activity?after={after}").text
    assert refusals(earlier) == [first]
    reader = house.browser()
    reader.sign_in(house.people["payee_r"])
    assert refusals(reader.get("/activity").text) == []


def test_more_refusals_than_a_page_shows_are_mentioned(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallet_pages, "PAGE", 2)
    browser, _ = paid(house, "90.00")
    for n in range(2):
        browser.api("POST", "/transfers", order("@payee_r", "90.00"), **{"Idempotency-Key": f"n{n}"})
    page = browser.get("/activity").text
    assert len(refusals(page)) == 2
    assert "More transfers were refused" in page


def test_orders_of_one_instant_are_told_apart(house: Installation) -> None:
    browser, _ = paid(house, "1.00")
    others = [
        browser.api("POST", "/transfers", order("@payee_r", "1.00"), **{"Idempotency-Key": f"k{n}"}).json["id"]
        for n in range(5)
    ]
    house.system.sequencer.drain()
    places = {browser.get(f"/transfers/{one}").text.partition("Log entry</dt><dd>")[2][:12] for one in others}
    assert len(places) == 5
