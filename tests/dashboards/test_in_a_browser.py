"""The console in Chromium: overview, incidents, one incident and its forms; axe, other origins, width, keys, races."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route, TimeoutError, expect
from sqlalchemy.orm import Session

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.context import Context
from compliance.audit import requests
from dashboards.kit import short_text
from dashboards.pages import compliance
from playbooks import casework, incidents
from playbooks.action_rows import ActionState
from tests.dashboards.desk import Room
from tests.support.browser import NARROW, WIDE, Looked, Served, chromium, looking, served
from tests.support.installation import PASSWORD, Person

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("chromium")]
_COLLEAGUE = Actor(
    id="acc_colleague", kind=ActorKind.STAFF, permissions=roles.permissions_of(frozenset({roles.ANALYST}))
)
# A grid makes the row of its headers first, and what stands in it a frame later.
GRIDS_ARE_DRAWN = """() => Array.from(document.querySelectorAll('.ag-header-row'))
    .every(row => row.offsetParent === null || row.children.length > 0)"""
TRIES = 5
# A live page looks every five seconds whether it may be drawn again.
LOOKS_TWICE = 11_000
REFRESH = 5_000
FORMS = ("advance", "close", "contain", "hand-over", "severity", "start", "stop", "reopen", "undo-all")


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def at_work(house: Served) -> Room:
    """An incident of an entered account, its playbook under way."""
    made = Room(installation=house.installation)
    account = house.installation.customer("heron_one", euros=50).account
    made.incident(severity="critical", account=account, playbook="account_takeover")
    made.incident(severity="medium")
    for _ in range(3):
        house.installation.turn_whole()
    return made


@pytest.mark.parametrize(
    ("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide and light", "narrow and dark"]
)
def test_every_page_and_form_is_accessible_and_asks_nobody_else(
    browser: Chromium, house: Served, at_work: Room, size: dict[str, int], scheme: str
) -> None:
    person = house.installation.staff(f"look.{scheme}.{size['width']}", roles.INCIDENT_COMMANDER)
    pages = [
        "/console/",
        "/console/soc/incidents",
        "/console/soc/incidents?status=ended",
        "/console/soc/incidents/INC-1",
    ]
    pages += [f"/console/soc/incidents/INC-1?do={form}" for form in FORMS]
    wrong: dict[str, object] = {}
    with looking(browser, house.url, size=size, scheme=scheme) as looked:
        _sign_in(looked, person, house)
        for path in pages:
            _open(looked, path)
            found = [*looked.axe(), *looked.wrong]
            if found or looked.overflow() > 0:
                wrong[path] = (found, looked.overflow())
            looked.wrong.clear()
    assert wrong == {}


@pytest.mark.parametrize(
    ("size", "scheme"), [(WIDE, "dark"), (NARROW, "light")], ids=["wide and dark", "narrow and light"]
)
def test_every_compliance_page_is_accessible_and_asks_nobody_else(
    browser: Chromium, house: Served, at_work: Room, size: dict[str, int], scheme: str
) -> None:
    person = house.installation.staff(f"officer.{scheme}.{size['width']}", roles.COMPLIANCE_OFFICER)
    pages = [f"/console/compliance/{page.slug}" for page in compliance.PAGES if not page.takes_id]
    pages += ["/console/", "/console/compliance/controls?sel=pci:8.4.1", "/console/compliance/controls?at=2026-11-01"]
    wrong: dict[str, object] = {}
    with looking(browser, house.url, size=size, scheme=scheme) as looked:
        _sign_in(looked, person, house)
        for path in pages:
            _open(looked, path)
            found = [*looked.axe(), *looked.wrong]
            if found or looked.overflow() > 0:
                wrong[path] = (found, looked.overflow())
            looked.wrong.clear()
    assert wrong == {}


def test_an_incident_is_worked_by_keyboard(browser: Chromium, house: Served, at_work: Room) -> None:
    person = house.installation.staff("keys", roles.ANALYST)
    case = at_work.incident(severity="critical")
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, "/console/soc/incidents?owner=nobody&sev=critical")
        page = looked.page
        expect(page.locator(f'.ag-row[row-id="{case}"]')).to_be_visible()
        page.locator(".ag-row .ag-cell").first.focus()
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.locator(f'.ag-row[row-id="{case}"] .ag-cell').first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/incidents/{case}")
        expect(page.locator("#page-title")).to_be_focused()
        assert page.title().startswith("Burst of refused sign-ins")
        page.keyboard.press("a")
        expect(page.locator(".title")).to_contain_text("owner you")
        assert looked.wrong == []
    assert at_work.page(case).incident.owner == person.account


def test_a_page_drawn_again_stays_where_it_was_read(browser: Chromium, house: Served, at_work: Room) -> None:
    person = house.installation.staff("reader", roles.ANALYST)
    case = _case_at_work(house)
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, f"/console/soc/incidents/{case}")
        page = looked.page
        page.evaluate("document.querySelector('.main').scrollTop = 240")
        _as_colleague(house, lambda session, ctx: casework.note(session, case, "Seen while it was read.", ctx))
        page.evaluate("onepay.draw()")
        expect(page.locator(".line")).to_contain_text("Seen while it was read.")
        assert page.evaluate("document.querySelector('.main').scrollTop") == 240
        assert looked.wrong == []


def test_asking_a_control_again_moves_no_list_and_its_toast_lies_on_no_button(
    browser: Chromium, house: Served, at_work: Room
) -> None:
    person = house.installation.staff("again", roles.COMPLIANCE_OFFICER)
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, "/console/compliance/controls?sel=gdpr:5(1)(e)&group=all")
        page = looked.page
        page.evaluate("document.querySelector('.page .scroll').scrollTop = 300")
        page.get_by_role("button", name="Run again").click()
        toast = page.locator(".mantine-Notification-root")
        expect(toast).to_contain_text("looked at")
        told = toast.bounding_box()  # now: it goes by itself
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(400)
        assert page.evaluate("document.querySelector('.page .scroll').scrollTop") == 300
        acts = page.locator(".dock footer").bounding_box()
        assert told is not None
        assert acts is not None
        assert told["x"] + told["width"] <= acts["x"], "the pointer rests on the button, and would hold the toast"


def test_a_list_keeps_all_its_columns_beside_what_is_open(browser: Chromium, house: Served, at_work: Room) -> None:
    system = house.installation.system
    auditor = house.installation.staff("audrey.columns", roles.AUDITOR)
    asker = Actor(
        id=auditor.account,
        kind=ActorKind.STAFF,
        permissions=roles.permissions_of(frozenset({roles.AUDITOR})),
        period=(system.clock.now() - timedelta(days=9), system.clock.now()),
    )
    with system.db.begin() as session:
        id_ = requests.ask(session, "Who may start a payout, and who did?", system.context(asker))
    person = house.installation.staff("columns", roles.COMPLIANCE_OFFICER)
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, f"/console/compliance/audit-requests?sel={id_}")
        cut = "() => { const box = document.querySelector('.page .scroll'); return box.scrollWidth - box.clientWidth; }"
        assert looked.page.evaluate(cut) <= 0
        assert looked.wrong == []


def test_an_answer_that_was_chosen_stays_until_it_is_given(browser: Chromium, house: Served, at_work: Room) -> None:
    person = house.installation.staff("chooser", roles.INCIDENT_COMMANDER)
    case = _case_at_work(house)
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, f"/console/soc/incidents/{case}")
        page = looked.page
        _choose(page, "Answer", "Silent")
        expect(page.get_by_label("Answer").first).to_have_value("Silent")
        page.locator(".lead").first.click()  # somebody reads on before they press
        page.wait_for_timeout(LOOKS_TWICE)
        expect(page.get_by_label("Answer").first).to_have_value("Silent")
        page.get_by_role("button", name="Done").first.click()
        expect(page.locator(".line")).to_contain_text("answer: silent")
        assert looked.wrong == []


def test_what_takes_long_to_draw_is_drawn_by_itself_less_often(browser: Chromium, house: Served, at_work: Room) -> None:
    person = house.installation.staff("patient", roles.ANALYST)
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, "/console/soc/incidents")
        page = looked.page
        draws: list[str] = []

        def slowly(route: Route) -> None:
            if "route.data" in (route.request.post_data or ""):
                draws.append(route.request.url)
                page.wait_for_timeout(700)
            route.continue_()

        page.route("**/_dash-update-component?*", slowly)
        for _ in range(650):
            if not draws:
                page.wait_for_timeout(100)
        page.wait_for_timeout(10_500)
        assert len(draws) == 1, "after a quick one the next would have come twice"


def test_a_click_on_an_event_opens_it_with_its_proof(browser: Chromium, house: Served, at_work: Room) -> None:
    person = house.installation.staff("opens", roles.ANALYST)
    house.installation.turn_whole()
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, "/console/soc/events")
        page = looked.page
        page.locator(".ag-row .ag-cell").first.click()
        page.wait_for_url("**sel=evt_*")
        expect(page.locator(".dock")).to_contain_text("hashes to the root")
        assert looked.wrong == []


@pytest.mark.parametrize("path", ["/console/compliance/posture", "/console/compliance/controls?sel=pci:8.4.1"])
def test_a_page_whose_process_is_gone_says_of_when_it_is(
    browser: Chromium, house: Served, at_work: Room, path: str
) -> None:
    person = house.installation.staff(f"left.{len(path)}", roles.COMPLIANCE_OFFICER)
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, path)
        page = looked.page
        expect(page.locator(".lost-bar")).to_have_count(0)
        page.context.set_offline(True)
        bar = page.locator(".lost-bar")
        expect(bar).to_be_visible(timeout=2 * REFRESH)
        assert re.fullmatch(r"Connection lost at \d\d:\d\d:\d\d UTC; what you see is of then\.", bar.inner_text())
        assert page.evaluate("getComputedStyle(document.querySelector('.main')).filter") == "grayscale(1)"
        page.context.set_offline(False)
        expect(bar).to_have_count(0, timeout=2 * REFRESH)
        assert page.evaluate("getComputedStyle(document.querySelector('.main')).filter") == "none"
        assert [one for one in looked.wrong if "ERR_INTERNET_DISCONNECTED" not in one] == []


def test_the_second_key_of_a_way_takes_nothing(browser: Chromium, house: Served, at_work: Room) -> None:
    person, case = house.installation.staff("goes", roles.ANALYST), at_work.incident(severity="critical")
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, f"/console/soc/incidents/{case}")
        looked.page.keyboard.press("g")
        looked.page.keyboard.press("a")
        looked.page.wait_for_url("**/soc/alerts")
    assert at_work.page(case).incident.owner is None


def test_a_double_click_locks_once_and_the_form_closes(browser: Chromium, house: Served, at_work: Room) -> None:
    person = house.installation.staff("twice", roles.INCIDENT_COMMANDER)
    account = house.installation.customer("heron_two").account
    case = at_work.incident(account=account)
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, f"/console/soc/incidents/{case}?do=contain")
        page = looked.page
        page.locator(".choices div", has_text="Lock the account").locator("a").click()
        expect(page.locator(".opened")).to_contain_text("Nobody can sign in to it")
        page.locator("button", has_text="Do it now").dblclick()
        expect(page.locator(".mini")).to_contain_text(["Lock the account"])
        expect(page.locator(".opened")).to_have_count(0)
        assert "do=" not in page.url
        assert looked.wrong == []
    assert [one.state for one in at_work.page(case).actions] == [ActionState.DONE]
    assert at_work.codes(case).count("action.executed") == 1


def test_a_stale_page_says_so_where_the_button_is(browser: Chromium, house: Served, at_work: Room) -> None:
    person = house.installation.staff("stale", roles.INCIDENT_COMMANDER)
    case = at_work.incident(severity="medium")
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, f"/console/soc/incidents/{case}?do=reopen")
        _open(looked, f"/console/soc/incidents/{case}?do=severity")
        page = looked.page
        _choose(page, "New severity", "High")
        page.get_by_label("Reason").fill("Seen at other houses as well.")
        _as_colleague(house, lambda session, ctx: casework.take(session, case, ctx))
        page.locator(".opened button", has_text="Change the severity").click()
        expect(page.locator(".opened .said")).to_contain_text("changed in the meantime")
        page.locator("text=Show how it stands now").click()
        expect(page.locator(".title")).to_contain_text("acc_colleague")  # it is drawn anew
        _choose(page, "New severity", "High")
        page.get_by_label("Reason").fill("Seen at other houses as well.")
        page.locator(".opened button", has_text="Change the severity").click()
        expect(page.locator(".title")).to_contain_text("High")
        assert looked.wrong == []
    assert at_work.page(case).incident.severity == 2


def _case_at_work(house: Served) -> str:
    """Return the incident of the entered account."""
    with house.installation.system.db.read() as session:
        return incidents.id_of_number(session, _COLLEAGUE, 1)


def test_new_events_come_in_by_themselves_and_keep_no_session_alive(browser: Chromium, house: Served) -> None:
    person = house.installation.staff("watcher", roles.ANALYST)
    house.installation.customer("seen_before")
    house.installation.arrive()
    with looking(browser, house.url) as looked:
        _sign_in(looked, person, house)
        _open(looked, "/console/soc/events?q=action:auth.account.registered")
        page = looked.page
        expect(page.locator(".ag-row").first).to_be_visible()
        page.route("**/_dash-update-component*", lambda route: None)  # the page is not drawn again
        asked: list[str | None] = []
        page.on(
            "request",
            lambda one: asked.append(one.headers.get("x-onepay-passive")) if "/api/events" in one.url else None,
        )
        account = house.installation.customer("seen_at_once").account
        house.installation.arrive()
        expect(page.locator(".ag-row").first).to_contain_text(short_text(account), timeout=10_000)
        assert set(asked) == {"1"}
        assert looked.wrong == []


def _as_colleague(house: Served, does: Callable[[Session, Context], object]) -> None:
    system = house.installation.system
    with system.db.begin() as session:
        does(session, system.context(_COLLEAGUE))


def _sign_in(looked: Looked, person: Person, house: Served) -> None:
    looked.go("/sign-in?next=/staff/account")
    looked.page.fill("#address", person.address)
    looked.page.fill("#password", PASSWORD)
    looked.page.fill("#code", house.installation.code(person.secret or ""))
    looked.page.click("button.main")
    looked.page.wait_for_load_state("load")


def _open(looked: Looked, path: str) -> None:
    looked.go(path)
    looked.page.wait_for_selector("#page-title")
    looked.page.wait_for_load_state("networkidle")
    looked.page.wait_for_function(GRIDS_ARE_DRAWN)


def _choose(page: Page, label: str, word: str) -> None:
    option = page.locator("[role=option]", has_text=word)

    def opened() -> None:
        # A page that is drawn again meanwhile closes the list, as it would under a person's hand.
        if not option.is_visible():
            page.get_by_label(label).first.click()
        expect(option).to_be_visible(timeout=1_000)
        option.click(timeout=1_000)

    for _ in range(TRIES):
        with suppress(AssertionError, TimeoutError):
            opened()
            return
    opened()
