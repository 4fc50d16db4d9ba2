"""Ordinary bad input is refused by name, never a failure of ours; what went well before a refusal stays."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.gateway import shape
from app.gateway.shape import WrongHost
from app.identity import roles
from app.identity.models import session as session_table
from app.kernel import numbers
from app.kernel.errors import Invalid
from dashboards import windows
from dashboards.pages.soc.alerts import verdict_of
from dashboards.windows import BadRange
from detectors.alerts import Verdict
from ingest.models import outbox as waiting
from tests.support.installation import PASSWORD, Browser, Installation

HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@pytest.fixture(scope="module")
def payee(installation: Installation) -> str:
    installation.customer("bad_payee")
    return "@bad_payee"


@pytest.fixture(scope="module")
def payer(installation: Installation, payee: str) -> Browser:
    browser = installation.browser()
    browser.sign_in(installation.customer("bad_payer", euros=100))
    return browser


def environ(host: str) -> dict[str, str]:
    return {"HTTP_HOST": host, "REQUEST_METHOD": "GET", "PATH_INFO": "/"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]", "[::1]:8080"])
def test_a_host_of_ours_is_served(host: str) -> None:
    shape.check(environ(host), HOSTS, 100)


@pytest.mark.parametrize(
    "host", ["", "[::1", "[foo]", "a@127.0.0.1", "127.0.0.1/evil", "localhost:", "localhost\n", "localhost:1:2", "x"]
)
def test_anything_else_is_no_host_of_ours(host: str) -> None:
    with pytest.raises(WrongHost):
        shape.check(environ(host), HOSTS, 100)


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("9" * 17, 10**17 - 1), ("9" * 18, None), ("²", None), ("", None)]
)
def test_whole_numbers_are_few_plain_digits(text: str, number: int | None) -> None:
    assert numbers.whole(text) == number


@pytest.mark.parametrize("after", ["%C2%B2", "9" * 40])
def test_a_version_that_is_none_is_no_failure(payer: Browser, after: str) -> None:
    wallet = payer.api("GET", "/wallets").json["data"][0]["id"]
    answer = payer.api("GET", f"/wallets/{wallet}/activity?after={after}")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert payer.get(f"/activity?after={after}").status_code == 200


def test_a_time_beyond_the_calendar_is_refused(payer: Browser) -> None:
    answer = payer.api("GET", "/transfers?created_from=9999-12-31T23:59:59-23:00")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    with pytest.raises(BadRange):
        windows.read("0001-01-01T00:00:00+05:00", None, datetime(2026, 1, 1, tzinfo=UTC))


def test_only_an_offered_verdict_is_taken() -> None:
    assert verdict_of([Verdict.BENIGN.value]) is Verdict.BENIGN
    for sent in ([], [None], ["maybe"], [{"a": 1}]):
        with pytest.raises(Invalid):
            verdict_of(sent)


@pytest.mark.parametrize("raw", [b"[" * 8_000, b'{"csp-report":[1]}', b"[1]", b"no"])
def test_a_broken_report_is_refused(payer: Browser, raw: bytes) -> None:
    answer = payer.client.post(
        "/csp-report", data=raw, headers={"Host": "localhost"}, environ_base={"REMOTE_ADDR": "127.0.0.1"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("http://localhost:8080/link/secret-token/x?q=1", "/link/[token]"),
        ("https://elsewhere.example/private", None),
        ("http://[", None),
    ],
)
def test_a_report_tells_the_page_where_it_is_ours(
    installation: Installation, payer: Browser, document: str, path: str | None
) -> None:
    report = {"csp-report": {"effective-directive": "script-src", "document-uri": document}}
    answer = payer.client.post(
        "/csp-report", data=json.dumps(report), headers={"Host": "localhost"}, environ_base={"REMOTE_ADDR": "127.0.0.1"}
    )
    assert answer.status_code == 204
    assert "csp-report" not in str(newest(installation, "access.csp.violated"))
    assert (path or "/link/") in str(newest(installation, "access.csp.violated")) or path is None
    assert "private" not in str(newest(installation, "access.csp.violated"))


def newest(installation: Installation, kind: str) -> object:
    with installation.system.db.read() as session:
        return session.execute(sa.select(waiting).where(waiting.c.kind == kind).order_by(waiting.c.n.desc())).first()


def age(installation: Installation, account: str) -> None:
    """Let the proof of somebody's sessions be six minutes old, and their codes be new ones."""
    with installation.system.db.begin() as session:
        session.execute(
            sa.update(session_table)
            .where(session_table.c.account_id == account)
            .values(proved_at=installation.system.clock.now() - timedelta(minutes=6))
        )


def test_staff_prove_their_factor_on_their_own_page(installation: Installation) -> None:
    admin = installation.staff("ada.bad", roles.ADMINISTRATOR)
    browser = installation.browser()
    browser.sign_in(admin, surface="staff")
    person = installation.customer("lost_factor")
    age(installation, admin.account)
    there = f"/admin/users/{person.account}"
    page = browser.get(there).text
    action = re.search(r'action="([^"]+/factors/[^"]+/remove)"', page)
    assert action is not None
    led = browser.post(action[1], {"reason": "The phone was lost on a train."}, Referer=f"http://localhost:8080{there}")
    assert (led.status_code, led.location) == (303, f"/staff/step-up?next={there}")

    browser.get(led.location)
    proven = browser.post(led.location, {"code": installation.code(admin.secret or "", 1)})
    assert (proven.status_code, proven.location) == (303, there)
    browser.get(there)
    done = browser.post(action[1], {"reason": "The phone was lost on a train."})
    assert (done.status_code, done.location) == (303, f"{there}?done=factor")


def test_a_session_of_a_password_alone_says_so(installation: Installation) -> None:
    person = installation.customer("pwd_only", factor=False)
    body = {"email": person.address, "password": PASSWORD, "code": "123456"}
    answer = installation.browser().api("POST", "/sessions", body)
    assert (answer.status_code, answer.json["acr"]) == (201, "pwd")


def hidden(page: str) -> dict[str, str]:
    form = page.partition('id="sign"')[2].partition("</form>")[0]
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in found}


def review(browser: Browser, payee: str, amount: str) -> dict[str, str]:
    browser.get("/send")
    return hidden(browser.post("/send/review", {"payee": payee, "amount": amount, "note": ""}).text)


def test_a_double_click_with_one_code_gets_the_first_answer(installation: Installation, payee: str) -> None:
    person = installation.customer("twice", euros=20)
    browser = installation.browser()
    browser.sign_in(person)
    age(installation, person.account)
    fields = review(browser, payee, "1.00") | {"code": installation.code(person.secret or "", 1)}
    first = browser.post("/transfers", fields)
    browser.get("/security")
    age(installation, person.account)
    again = browser.post("/transfers", fields | {"csrf_token": browser.token})
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.location == again.location


def test_a_refused_order_keeps_the_payer_signed_in_and_leaves_its_trace(installation: Installation, payee: str) -> None:
    person = installation.customer("stays", euros=20)
    browser = installation.browser()
    browser.sign_in(person)
    used = review(browser, payee, "1.00")
    assert browser.post("/transfers", used).status_code == 303
    other = review(browser, payee, "2.00") | {"idempotency_key": used["idempotency_key"]}
    assert browser.post("/transfers", other).status_code == 422
    assert newest(installation, "transaction.request.conflicted") is not None

    age(installation, person.account)
    broken = review(browser, payee, "3.00") | {"code": installation.code(person.secret or "", 1)}
    with installation.system.db.begin() as session:
        installation.system.response.containments["wallet.hold_outgoing"].run(
            session,
            {"account": person.account},
            "hold-stays",
            installation.system.job_context("test", installation.system.clock.now()),
        )
    answer = browser.post("/transfers", broken)
    assert answer.status_code in (303, 402, 409, 422)
    assert browser.get("/wallet").status_code == 200


def test_what_would_be_refused_is_not_offered(payer: Browser, payee: str) -> None:
    payer.get("/send")
    page = payer.post("/send/review", {"payee": payee, "amount": "9000.00", "note": ""})
    assert page.status_code == 200
    assert 'id="sign"' not in page.text
    assert "Send a smaller amount" in page.text


def test_too_many_tries_are_no_error_of_a_field(installation: Installation) -> None:
    person = installation.customer("hurried", factor=False)
    browser = installation.browser("127.0.0.9")
    for _ in range(30):
        browser.get("/sign-in")
        answer = browser.post("/sign-in", {"address": person.address, "password": "wrong wrong wrong"})
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert "Too many wrong tries. We turn away further ones for" in answer.text
    assert "to correct" not in answer.text
    assert "aria-invalid" not in answer.text
