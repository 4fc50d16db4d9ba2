"""The second pair of eyes in Chromium: asked, read, approved by a double click, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser as Chromium

from app.identity import accounts, roles
from tests.support.browser import NARROW, WIDE, Looked, Served, chromium, looking, served
from tests.support.installation import PASSWORD

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("chromium")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home")) as made:
        yield made


def sign_in(looked: Looked, house: Served, name: str) -> None:
    person = house.installation.people[name]
    looked.go("/sign-in?next=/staff/account")
    looked.page.fill("#address", person.address)
    looked.page.fill("#password", PASSWORD)
    looked.page.fill("#code", house.installation.code(person.secret or ""))
    looked.page.click("button.main")
    looked.page.wait_for_load_state("load")


def judge(looked: Looked) -> None:
    assert looked.axe() == []
    assert looked.overflow() <= 0


@pytest.mark.parametrize(
    ("scheme", "size", "scripts"),
    [("light", WIDE, True), ("dark", NARROW, True), ("dark", WIDE, True), ("light", NARROW, False)],
    ids=["light wide", "dark narrow", "dark wide", "without scripts"],
)
def test_asked_by_one_and_approved_by_another(
    browser: Chromium, house: Served, scheme: str, size: dict[str, int], scripts: bool
) -> None:
    made, key = house.installation, f"{scheme}.{size['width']}.{scripts}".lower()
    for name in (f"ada.{key}", f"basil.{key}"):
        made.staff(name, roles.ADMINISTRATOR)
    analyst = made.staff(f"maren.{key}", roles.ANALYST)
    with looking(browser, house.url, size=size, scheme=scheme, scripts=scripts) as asking:
        sign_in(asking, house, f"ada.{key}")
        asking.go(f"/admin/users/{analyst.account}")
        if scripts:
            judge(asking)
        asking.page.select_option("#role", roles.INCIDENT_COMMANDER)
        asking.page.fill("#role_reason", "Covers the night shift")
        asking.page.click("button:text-is('Ask')")
        asking.page.wait_for_load_state("load")
        there = asking.page.url.removeprefix(house.url)
        assert "Somebody else has to decide" in asking.page.inner_text("main")
        if scripts:
            judge(asking)
        assert asking.wrong == []
    with looking(browser, house.url, size=size, scheme=scheme, scripts=scripts) as deciding:
        sign_in(deciding, house, f"basil.{key}")
        deciding.go("/approvals")
        if scripts:
            judge(deciding)
        deciding.page.click(f"a[href='{there}']")
        deciding.page.wait_for_load_state("load")
        if scripts:
            judge(deciding)
        sent: list[str] = []
        deciding.page.on("request", lambda it: sent.append(it.url) if it.method == "POST" else None)
        deciding.page.dblclick("button:text-is('Approve')")
        deciding.page.wait_for_selector("text=This was done")
        if scripts:
            assert len(sent) == 1
        assert deciding.wrong == []
    with made.system.db.read() as session:
        held = accounts.roles_of(session, analyst.account, made.system.clock.now())
    assert held == {roles.ANALYST, roles.INCIDENT_COMMANDER}
    assert made.waiting_kinds().count("admin.approval.executed") >= 1
