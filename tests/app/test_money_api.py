"""Money through the API and the pages: what is answered, what moves, what a repeat does."""

from __future__ import annotations

import html
import re
import threading
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import session as session_table
from app.identity.policy import SecurityPolicy
from app.kernel.access import Actor, ActorKind
from payments import wallets
from payments.models import idempotency
from tests.support.installation import Browser, Installation


def order(payee: str, amount: str = "12.50", **more: object) -> dict:
    return {"payee": payee, "amount": {"amount": amount, "currency": "EUR"}, **more}


@pytest.fixture(scope="module", autouse=True)
def payee_one(installation: Installation) -> None:
    installation.customer("payee_one")


@pytest.fixture(scope="module")
def payer(installation: Installation) -> Browser:
    browser = installation.browser()
    browser.sign_in(installation.customer("payer_one", euros=500))
    return browser


def balance(installation: Installation, handle: str) -> int:
    actor = Actor(
        id=installation.people[handle].account, kind=ActorKind.CUSTOMER, permissions=roles.ROLES[roles.CUSTOMER]
    )
    with installation.system.db.read() as session:
        return wallets.of(session, actor)[0].available.minor


def test_a_transfer_moves_once_and_is_answered_the_same_again(installation: Installation, payer: Browser) -> None:
    before = balance(installation, "payee_one")

    first = payer.api("POST", "/transfers", order("@payee_one", note="Lunch"), **{"Idempotency-Key": "k-1"})
    again = payer.api("POST", "/transfers", order("@payee_one", note="Lunch"), **{"Idempotency-Key": "k-1"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json["amount"] == {"amount": "12.50", "currency": "EUR"}
    assert balance(installation, "payee_one") == before + 1250


def test_a_repeat_is_counted_as_no_new_order(installation: Installation, payer: Browser) -> None:
    def counted(outcome: str) -> float:
        return installation.system.metrics.registry.get_sample_value("onepay_transfer_total", {"outcome": outcome}) or 0

    before = counted("settled"), counted("refused")
    for _ in range(3):
        payer.api("POST", "/transfers", order("@payee_one", "0.01"), **{"Idempotency-Key": "k-counted"})
        payer.api("POST", "/transfers", order("@payee_one", "90000.00"), **{"Idempotency-Key": "k-too-much"})
    assert (counted("settled"), counted("refused")) == (before[0] + 1, before[1] + 1)


def test_a_kept_answer_holds_no_words_of_the_payer(installation: Installation, payer: Browser) -> None:
    asked = order("@payee_one", "1.00", note="Für Ännchens Geburtstag")
    first = payer.api("POST", "/transfers", asked, **{"Idempotency-Key": "k-note"})
    with installation.system.db.read() as session:
        kept = session.execute(sa.select(idempotency.c.body).where(idempotency.c.key == "k-note")).scalar_one()
    again = payer.api("POST", "/transfers", asked, **{"Idempotency-Key": "k-note"})

    assert "Geburtstag" not in zlib.decompress(kept).decode()
    assert first.json["note"] == "Für Ännchens Geburtstag"
    assert first.data == again.data


def test_a_key_with_other_content_is_a_mismatch(payer: Browser) -> None:
    payer.api("POST", "/transfers", order("@payee_one", "1.00"), **{"Idempotency-Key": "k-2"})
    other = payer.api("POST", "/transfers", order("@payee_one", "2.00"), **{"Idempotency-Key": "k-2"})
    assert (other.status_code, other.json["code"]) == (422, "idempotency_mismatch")


def test_ten_times_at_once_is_one_transfer(installation: Installation, payer: Browser) -> None:
    before, answers = balance(installation, "payee_one"), []

    def send() -> None:
        answers.append(
            payer.api("POST", "/transfers", order("@payee_one", "3.00"), **{"Idempotency-Key": "k-ten"}).status_code
        )

    threads = [threading.Thread(target=send) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(answers) <= {201, 409}
    assert 201 in answers
    assert balance(installation, "payee_one") == before + 300


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (order("@nobody_here"), 404, "payee_unknown"),
        (order("@payer_one"), 422, "same_wallet"),
        (order("@payee_one", "0.00"), 422, "amount_invalid"),
        (order("@payee_one", "1"), 422, "amount_invalid"),
        (order("@payee_one", "1e3"), 422, "amount_invalid"),
        (order("@payee_one", "-1.00"), 422, "amount_invalid"),
        (order("@payee_one", "1.005"), 422, "amount_invalid"),
        (order("@payee_one", "9999999.00"), 402, "insufficient_funds"),
        ({"payee": "@payee_one", "amount": {"amount": "1.00", "currency": "XXX"}}, 422, "currency_unknown"),
        ({"payee": "@payee_one", "amount": {"amount": 1.0, "currency": "EUR"}}, 422, "invalid"),
        ({"payee": "@payee_one", "amount": {"amount": "1.00", "currency": "EUR"}, "extra": 1}, 422, "invalid"),
        (order("@payee_one", note="4111 1111 1111 1111"), 422, "card_number_refused"),
        (order("@payee_one", note="a\u202eb"), 422, "note_invalid"),
        ([], 422, "invalid"),
    ],
)
def test_a_wrong_order_gets_a_stable_code_and_moves_nothing(
    installation: Installation, payer: Browser, body: object, status: int, code: str
) -> None:
    before = balance(installation, "payer_one")
    answer = payer.api("POST", "/transfers", body, **{"Idempotency-Key": f"bad-{code}-{status}-{hash(str(body))}"})
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.json["request_id"].startswith("req_")
    assert balance(installation, "payer_one") == before


def test_a_missing_key_is_asked_for(payer: Browser) -> None:
    answer = payer.api("POST", "/transfers", order("@payee_one"))
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_required")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b'{"payee": "@payee_one", "payee": "@other"}', 400, "malformed"),
        (b'{"payee": NaN}', 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b'{"a":' * 20 + b"1" + b"}" * 20, 400, "malformed"),
        (b"x" * 70_000, 413, "too_large"),
    ],
)
def test_broken_bodies_are_named_and_never_a_5xx(payer: Browser, raw: bytes, status: int, code: str) -> None:
    answer = payer.client.post(
        "/api/v1/transfers",
        data=raw,
        headers={
            "Host": "localhost",
            "Content-Type": "application/json",
            "X-CSRFToken": payer.token,
            "Idempotency-Key": "broken",
        },
        environ_base={"REMOTE_ADDR": "127.0.0.1"},
    )
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_write_without_the_sessions_token_is_refused(payer: Browser) -> None:
    answer = payer.client.post(
        "/api/v1/transfers",
        json=order("@payee_one"),
        headers={"Host": "localhost", "Idempotency-Key": "forged", "Accept": "application/json"},
        environ_base={"REMOTE_ADDR": "127.0.0.1"},
    )
    assert (answer.status_code, answer.json["code"]) == (403, "csrf_refused")


def test_anothers_wallet_and_transfer_look_like_none(installation: Installation, payer: Browser) -> None:
    stranger = installation.browser()
    stranger.sign_in(installation.customer("stranger"))
    mine = payer.api("GET", "/wallets").json["data"][0]["id"]
    sent = payer.api("POST", "/transfers", order("@payee_one", "0.10"), **{"Idempotency-Key": "k-mine"}).json["id"]
    for path in (f"/wallets/{mine}", f"/wallets/{mine}/activity", f"/transfers/{sent}"):
        answer = stranger.api("GET", path)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found"), path


def test_without_a_fresh_factor_money_asks_for_one(installation: Installation) -> None:
    browser = installation.browser()
    browser.sign_in(installation.customer("no_factor", euros=20, factor=False))
    answer = browser.api("POST", "/transfers", order("@payee_one", "1.00"), **{"Idempotency-Key": "n"})
    assert (answer.status_code, answer.json["code"]) == (401, "step_up_required")
    assert (answer.json["acr_values"], answer.json["max_age"]) == ("mfa", 300)


def test_how_fresh_a_proof_must_be_is_the_installations_policy(installation: Installation) -> None:
    person = installation.customer("stricter", euros=20)
    browser = installation.browser()
    browser.sign_in(person)
    system = installation.system
    was, system.identity = system.identity, replace(system.identity, policy=SecurityPolicy(step_up_seconds=60))
    try:
        with system.db.begin() as session:
            session.execute(
                sa.update(session_table)
                .where(session_table.c.account_id == person.account)
                .values(proved_at=system.clock.now() - timedelta(seconds=90))
            )
        answer = browser.api("POST", "/transfers", order("@payee_one", "1.00"), **{"Idempotency-Key": "s"})
    finally:
        system.identity = was
    assert (answer.status_code, answer.json["code"], answer.json["max_age"]) == (401, "step_up_required", 60)


def test_a_frozen_wallet_answers_402_and_says_so_to_its_owner(installation: Installation) -> None:
    person = installation.customer("frozen_one", euros=50)
    browser = installation.browser()
    browser.sign_in(person)
    system = installation.system
    with system.db.begin() as session:
        system.response.containments["wallet.hold_outgoing"].run(
            session, {"account": person.account}, "hold-1", system.job_context("test", system.clock.now())
        )

    answer = browser.api("POST", "/transfers", order("@payee_one", "1.00"), **{"Idempotency-Key": "f"})

    assert (answer.status_code, answer.json["code"]) == (402, "wallet_restricted")
    assert "Sending is stopped" in browser.get("/wallet").text
    assert "transaction.transfer.refused" in installation.waiting_kinds()


def test_lists_page_by_key_without_holes(payer: Browser) -> None:
    for n in range(5):
        sent = payer.api("POST", "/transfers", order("@payee_one", "0.10"), **{"Idempotency-Key": f"list-{n}"})
        assert sent.status_code == 201
    seen, after = [], None
    while True:
        page = payer.api("GET", f"/transfers?limit=2{f'&after={after}' if after else ''}").json
        seen += [item["id"] for item in page["data"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) >= 5
    assert seen == sorted(seen, reverse=True)


def test_the_pages_send_money_with_a_review_and_a_receipt(installation: Installation) -> None:
    browser = installation.browser()
    browser.sign_in(installation.customer("page_payer", euros=100))
    browser.get("/send")
    review = browser.post("/send/review", {"payee": "@payee_one", "amount": "12,50", "note": "Tea"})
    assert review.status_code == 200
    fields = dict(_hidden(review.text))
    before = balance(installation, "payee_one")

    sent = browser.post("/transfers", fields)
    again = browser.post("/transfers", fields)

    assert sent.status_code == again.status_code == 303
    assert sent.location == again.location
    assert balance(installation, "payee_one") == before + 1250
    installation.arrive()
    receipt = browser.get(sent.location).text
    assert "€12.50" in receipt
    assert "Proof holds" in receipt
    assert "As in the log" in receipt
    (shown,), (kept,) = (
        re.findall(r'text <code class="id">([0-9a-f ]+)</code>', page) for page in (review.text, receipt)
    )
    assert shown == kept


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", "90.00"), ("note", "Coffee"), ("payee", "@other"), ("salt", "A" * 43), ("salt", ""), ("salt", "é")],
    ids=["amount", "note", "payee", "salt", "no_salt", "not_a_salt"],
)
def test_an_order_changed_after_the_review_is_shown_again_and_moves_nothing(
    installation: Installation, request: pytest.FixtureRequest, field: str, value: str
) -> None:
    handle = f"payer_{request.node.callspec.id}"
    if field == "payee":
        installation.customer("other")
    browser = installation.browser()
    browser.sign_in(installation.customer(handle, euros=100))
    browser.get("/send")
    review = browser.post("/send/review", {"payee": "@payee_one", "amount": "10.00", "note": "Tea"})
    fields = dict(_hidden(review.text)) | {field: value}
    before = balance(installation, handle)

    answer = browser.post("/transfers", fields)

    assert answer.status_code == 409
    assert "changed after it was shown" in answer.text
    assert balance(installation, handle) == before


def test_an_order_is_looked_up_once_to_be_shown(installation: Installation) -> None:
    browser = installation.browser()
    browser.sign_in(installation.customer("once_payer", euros=100))
    browser.get("/send")
    heard: list[str] = []

    def listen(*args: Any) -> None:
        heard.append(args[2])

    def looked_up() -> int:
        count = len([statement for statement in heard if "FROM payments_handle JOIN payments_book" in statement])
        heard.clear()
        return count

    sa.event.listen(installation.system.db.engine, "before_cursor_execute", listen)
    review = browser.post("/send/review", {"payee": "@payee_one", "amount": "10.00", "note": ""})
    assert looked_up() == 1
    changed = browser.post("/transfers", dict(_hidden(review.text)) | {"note": "other"})
    assert (changed.status_code, looked_up()) == (409, 1)
    sent = browser.post("/transfers", dict(_hidden(review.text)))
    assert (sent.status_code, looked_up()) == (303, 2), "once to compare, once to carry it out"
    sa.event.remove(installation.system.db.engine, "before_cursor_execute", listen)


def test_an_order_of_a_page_is_counted_once(installation: Installation) -> None:
    browser = installation.browser()
    browser.sign_in(installation.customer("counted_payer", euros=10))
    browser.get("/send")
    counter = installation.system.metrics.registry.get_sample_value
    forms = []
    for _ in range(2):  # the second one can no longer be paid once the first one is
        review = browser.post("/send/review", {"payee": "@payee_one", "amount": "6.00", "note": ""})
        forms.append(dict(_hidden(review.text)))
    for form, outcome, word in zip(forms, ("settled", "refused"), ("Receipt", "Refused transfer"), strict=True):
        before = counter("onepay_transfer_total", {"outcome": outcome}) or 0
        (place,) = {browser.post("/transfers", form).location for _ in range(2)}
        assert word in browser.get(place).text
        assert counter("onepay_transfer_total", {"outcome": outcome}) == before + 1


def _hidden(page: str) -> list[tuple[str, str]]:
    form = page.partition('id="sign"')[2].partition("</form>")[0]
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return [(name, html.unescape(value)) for name, value in found]


def test_a_key_that_looks_like_a_card_works_as_any_other(installation: Installation, payer: Browser) -> None:
    before = balance(installation, "payee_one")
    first, again = (
        payer.api("POST", "/transfers", order("@payee_one", "1.00"), **{"Idempotency-Key": "4027183055214006"})
        for _ in range(2)
    )
    assert (first.status_code, again.status_code, first.json) == (201, 201, again.json)
    assert balance(installation, "payee_one") == before + 100


def test_the_reference_is_the_payers_alone(installation: Installation) -> None:
    payer, payee = installation.browser(), installation.browser()
    payer.sign_in(installation.customer("ref_payer", euros=5))
    payee.sign_in(installation.customer("ref_payee"))
    sent = payer.api(
        "POST", "/transfers", order("@ref_payee", "1.00", reference="INV-7"), **{"Idempotency-Key": "ref-1"}
    )
    there = f"/transfers/{sent.json['id']}"
    assert payer.api("GET", there).json["reference"] == "INV-7"
    assert payee.api("GET", there).json.get("reference") is None


@pytest.mark.parametrize(
    "query",
    ["after=²", "after=" + "9" * 40, "limit=²", "created_from=9999-12-31T23:59:59-23:00"],
)
def test_odd_numbers_and_times_are_bad_input(payer: Browser, query: str) -> None:
    wallet = payer.api("GET", "/wallets").json["data"][0]["id"]
    for path in (f"/wallets/{wallet}/activity", "/transfers"):
        assert payer.api("GET", f"{path}?{query}").status_code < 500
    assert payer.get(f"/activity?{query}").status_code < 500


@pytest.mark.parametrize("host", ["[::1", "[foo]", "a@localhost", "localhost/evil", "", "evil.example"])
def test_a_host_that_is_none_is_refused(payer: Browser, host: str) -> None:
    assert payer.api("GET", "/wallets", Host=host).status_code == 421


@pytest.mark.parametrize("report", ["[" * 50_000, '{"csp-report":[1]}', "[1]", "3", '{"body": null}'])
def test_a_report_that_is_none_does_no_harm(payer: Browser, report: str) -> None:
    answer = payer.client.post("/csp-report", data=report[:8_000], headers={"Host": "localhost"})
    assert answer.status_code in (204, 400)
