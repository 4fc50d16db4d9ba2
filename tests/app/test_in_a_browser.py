"""The customer's pages in Chromium: by keyboard and without scripts, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Route

from app.identity.models import attempts
from tests.support.browser import NARROW, WIDE, Looked, Served, chromium, looking, served
from tests.support.installation import PASSWORD

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("chromium")]
PAGES = ("/wallet", "/send", "/top-up", "/activity", "/security", "/security/factors/new", "/security/not-me", "/help")
OUTSIDE = ("/sign-in", "/sign-up", "/recover", "/help")


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home")) as made:
        made.installation.customer("amber_finch", euros=300)
        made.installation.customer("tern_slate")
        yield made


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_money_is_sent_by_hand(browser: Chromium, house: Served, scripts: bool) -> None:
    person = house.installation.people["amber_finch"]
    handle = f"own_{'s' if scripts else 'n'}"
    person = house.installation.customer(handle, euros=300)
    with looking(browser, house.url, scripts=scripts) as looked:
        looked.sign_in(person, house.installation)
        page = looked.page
        page.click("text=Send")
        page.fill("[name=payee]", "@tern_slate")
        page.fill("[name=amount]", "12.50")
        page.fill("[name=note]", "Lunch")
        page.click("button.main")
        page.wait_for_load_state("load")
        assert "12.50" in page.inner_text("main")
        if page.locator("#code").count():
            page.fill("#code", house.installation.code(person.secret, 1))
        page.click("button.main")
        page.wait_for_load_state("load")
        looked.go("/wallet")
        assert "@tern_slate" in page.inner_text("main")
        assert "287.50" in page.inner_text("main")
        assert looked.wrong == []


def test_somebody_signs_up(browser: Chromium, house: Served) -> None:
    address = "newcomer@onepay.example"
    with looking(browser, house.url, scripts=False) as looked:
        looked.go("/sign-up")
        page = looked.page
        page.fill("[name=email]", address)
        page.click("button.main")
        looked.go(f"/link/{house.installation.link_to(address)}")
        if not page.locator("[name=handle]").count():
            page.click("button.main")
        page.fill("[name=name]", "Nia Reed")
        page.fill("[name=handle]", "nia_reed")
        page.fill("[name=password]", PASSWORD)
        page.click("button.main")
        page.wait_for_load_state("load")
        looked.go("/wallet")
        if not page.url.endswith("/wallet"):
            page.fill("#address", address)
            page.fill("#password", PASSWORD)
            page.click("button.main")
            looked.go("/wallet")
        assert "@nia_reed" in page.inner_text("main")
        assert looked.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_is_clean(browser: Chromium, house: Served, scheme: str, size: dict[str, int]) -> None:
    person = house.installation.customer(f"look_{scheme}_{size['width']}", euros=20)
    found = {}
    with looking(browser, house.url, scheme=scheme, size=size) as looked:
        for path in OUTSIDE:
            looked.go(path)
            found[path] = [*looked.axe(), *([] if looked.overflow() <= 0 else [f"{looked.overflow()} px too wide"])]
        looked.sign_in(person, house.installation)
        for path in PAGES:
            looked.go(path)
            found[path] = [*looked.axe(), *([] if looked.overflow() <= 0 else [f"{looked.overflow()} px too wide"])]
        assert {path: wrong for path, wrong in found.items() if wrong} == {}
        assert looked.wrong == []


def test_a_page_can_be_used_by_keyboard_alone(browser: Chromium, house: Served) -> None:
    with looking(browser, house.url) as looked:
        looked.go("/sign-in")
        page, reached = looked.page, []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        assert reached.index("address") < reached.index("password") < reached.index("Sign in")
        width = page.evaluate(
            "getComputedStyle(document.querySelector(':focus-visible') || document.body).outlineWidth"
        )
        assert width != "0px"


def test_a_receipt_waits_for_its_number_and_then_asks_no_more(browser: Chromium, house: Served) -> None:
    installation = house.installation
    person = installation.customer("waits", euros=20)
    with looking(browser, house.url) as looked:
        looked.sign_in(person, installation)
        page, asked = looked.page, []
        pay(looked)
        page.on("request", lambda request: asked.append(request.url) if "/transfers/trf_" in request.url else None)
        assert "not numbered yet" in page.inner_text("#in-the-log")
        page.wait_for_timeout(2_500)
        assert len(asked) >= 2, "it asks again while there is no number"
        installation.system.sequencer.drain()
        page.wait_for_selector("#in-the-log :text('Proof holds')", timeout=5_000)
        numbered = len(asked)
        page.wait_for_timeout(2_500)
        assert len(asked) == numbered, "it asks no more"
        assert page.locator("#in-the-log").count() == 1
        assert looked.wrong == []


@pytest.mark.parametrize("status", [429, 503, None], ids=["too many", "away", "no answer"])
def test_a_receipt_asks_again_after_an_answer_that_failed(browser: Chromium, house: Served, status: int | None) -> None:
    installation = house.installation
    person = installation.customer(f"asks_{status}".lower(), euros=20)
    with looking(browser, house.url) as looked:
        looked.sign_in(person, installation)
        page, failed = looked.page, []

        def fail_once(route: Route) -> None:
            if route.request.headers.get("hx-request") is None or failed:
                route.continue_()
                return
            failed.append(route.request.url)
            route.abort() if status is None else route.fulfill(status=status, body="")

        page.route("**/transfers/trf_*", fail_once)
        pay(looked)
        page.wait_for_timeout(1_500)
        assert len(failed) == 1
        installation.system.sequencer.drain()
        page.wait_for_selector("#in-the-log :text('Proof holds')", timeout=8_000)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_codes_commands_and_secrets_are_shown_whole(browser: Chromium, house: Served, size: dict[str, int]) -> None:
    person = house.installation.customer(f"looks_{size['width']}", euros=1)
    lines = "selector => [...document.querySelectorAll(selector)].map(element => element.getClientRects().length)"
    with looking(browser, house.url, size=size) as looked:
        looked.go("/help/errors")
        assert set(looked.page.evaluate(lines, ".codes .id")) == {1}, "each code on one line"
        assert looked.overflow() <= 0
        looked.sign_in(person, house.installation)
        looked.go("/security/factors/new")
        assert set(looked.page.evaluate(lines, ".secret > span")) == {1}, "no group is broken"
        assert "You need it before" not in looked.page.inner_text("main")
        heading = looked.page.locator("h1").bounding_box()
        card = looked.page.locator(".card").bounding_box()
        assert size == NARROW or abs(heading["y"] - card["y"]) < 30, "the heading stands at the top of its card"


def test_of_two_clicks_on_one_order_one_is_sent(browser: Chromium, house: Served) -> None:
    installation = house.installation
    person = installation.customer("twice", euros=20)
    with looking(browser, house.url) as looked:
        looked.sign_in(person, installation)
        page, sent = looked.page, []
        page.on("request", lambda made: sent.append(made.url) if made.method == "POST" else None)
        looked.go("/send")
        page.fill("[name=payee]", "@tern_slate")
        page.fill("[name=amount]", "1.00")
        page.click("button.main")
        page.wait_for_load_state("load")
        sent.clear()
        page.dblclick("button.main")
        page.wait_for_url("**/transfers/trf_*")
        assert [url.removeprefix(house.url) for url in sent] == ["/transfers"]


def test_back_after_paying_leads_to_an_empty_form(browser: Chromium, house: Served) -> None:
    person = house.installation.customer("goes_back", euros=20)
    with looking(browser, house.url) as looked:
        looked.sign_in(person, house.installation)
        page = looked.page
        pay(looked)
        receipt = page.url
        page.go_back()
        page.wait_for_load_state("load")
        assert (page.url, page.inner_text("h1")) == (f"{house.url}/send", "Send")
        assert page.input_value("[name=amount]") == ""
        page.go_forward()
        page.wait_for_load_state("load")
        assert page.url == receipt
        looked.go("/wallet")
        assert "19.00" in page.inner_text("main"), "one payment was made"
        assert looked.wrong == []


def test_a_double_click_signs_in_once(browser: Chromium, house: Served) -> None:
    installation = house.installation
    person = installation.customer("double", euros=20)
    with looking(browser, house.url) as looked:
        looked.go("/sign-in")
        page = looked.page
        page.fill("#address", person.address)
        page.fill("#password", PASSWORD)
        page.click("button.main")
        page.fill("#code", installation.code(person.secret))
        page.dblclick("button.main")
        page.wait_for_url(lambda url: "/sign-in/code" not in url)
        if "/sign-in" in page.url:
            assert "used a moment ago" in page.inner_text("main")
        else:
            assert page.url.endswith("/wallet")
        with installation.system.db.read() as session:
            failures = session.execute(sa.select(attempts.c.failures).where(attempts.c.key == person.account)).all()
        assert failures == [], "no wrong code is counted"


def pay(looked: Looked) -> None:
    looked.go("/send")
    page = looked.page
    page.fill("[name=payee]", "@tern_slate")
    page.fill("[name=amount]", "1.00")
    page.click("button.main")
    page.wait_for_load_state("load")
    page.click("button.main")
    page.wait_for_url("**/transfers/trf_*")
