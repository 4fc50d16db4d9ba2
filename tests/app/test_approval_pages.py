"""The pages of a second pair of eyes: asked for by one administrator, read and decided by another, on the real edge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from app.identity import accounts, letters, mfa, role_grants, roles, sessions, signup
from app.kernel.access import Actor, ActorKind
from app.kernel.clock import StillClock
from app.web import approvals
from tests.support.installation import PASSWORD, Browser, Installation, Person, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
WHY = "Covers the night shift"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        for name in ("ada", "basil"):
            made.staff(name, roles.ADMINISTRATOR)
        made.staff("maren", roles.ANALYST)
        yield made


@pytest.fixture
def ada(house: Installation) -> Browser:
    return signed_in(house, "ada")


@pytest.fixture
def basil(house: Installation) -> Browser:
    return signed_in(house, "basil")


def signed_in(house: Installation, name: str) -> Browser:
    browser = house.browser()
    browser.sign_in(house.people[name], surface="staff")
    return browser


def maren(house: Installation) -> Person:
    return house.people["maren"]


def ask(house: Installation, browser: Browser, role: str = roles.INCIDENT_COMMANDER, **more: str) -> TestResponse:
    person = f"/admin/users/{maren(house).account}"
    browser.get(person)
    return browser.post(f"{person}/roles", {"role": role, "role_reason": WHY, **more})


def asked(house: Installation, browser: Browser) -> str:
    answer = ask(house, browser)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def roles_of(house: Installation, account: str) -> frozenset[str]:
    with house.system.db.read() as session:
        return accounts.roles_of(session, account, house.system.clock.now())


def move(house: Installation, **span: float) -> None:
    house.system.clock.move(timedelta(**span))  # type: ignore[attr-defined]  # the clock of this house stands still


def told(answer: TestResponse) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def test_one_asks_another_agrees_and_the_role_is_there(house: Installation, ada: Browser, basil: Browser) -> None:
    there = asked(house, ada)
    own = ada.get(there)
    assert "Somebody else has to decide" in told(own)
    assert 'value="approved"' not in own.text
    assert roles_of(house, maren(house).account) == {roles.ANALYST}
    queue = basil.get("/approvals")
    assert there in queue.text
    assert "Asked for by Ada" in told(queue)
    page = basil.get(there)
    assert "becomes incident commander. They get every permission of that role." in told(page)
    assert WHY in told(page)
    assert 'name="code"' not in page.text  # the sign-in was a moment ago
    assert basil.post(there, {"verdict": "approved", "reason": ""}).status_code == 303
    assert roles_of(house, maren(house).account) == {roles.ANALYST, roles.INCIDENT_COMMANDER}
    assert "Approved by Basil" in told(basil.get(there))
    assert "Nothing waits for you." in told(basil.get("/approvals"))
    # The same click again changes nothing.
    assert basil.post(there, {"verdict": "approved", "reason": ""}).status_code == 303
    house.arrive()
    assert "Incident commander" in told(ada.get(f"/admin/users/{maren(house).account}"))


def test_a_second_click_at_once_is_none(house: Installation, ada: Browser, basil: Browser) -> None:
    there = asked(house, ada)
    move(house, seconds=90)
    basil.get(there)
    code = house.code(house.people["basil"].secret or "")
    first = basil.post(there, {"verdict": "approved", "reason": "", "code": code})
    assert first.status_code == 303
    basil.get(there)
    again = basil.post(there, {"verdict": "approved", "reason": "", "code": code})
    assert again.status_code == 303
    kinds = house.waiting_kinds()
    assert kinds.count("admin.approval.decided") == kinds.count("admin.approval.executed") == 1


def test_a_proof_that_is_not_fresh_is_asked_for_with_what_was_typed(
    house: Installation, ada: Browser, basil: Browser
) -> None:
    there = asked(house, ada)
    move(house, seconds=61)
    assert 'name="code"' in basil.get(there).text
    lacks = basil.post(there, {"verdict": "rejected", "reason": "Not in this quarter"})
    assert lacks.status_code == 422
    assert "Not in this quarter" in lacks.text
    assert "code of your authenticator" in told(lacks)
    wrong = basil.post(there, {"verdict": "rejected", "reason": "Not in this quarter", "code": "000000"})
    assert wrong.status_code == 422
    assert "not accepted" in told(wrong)
    code = house.code(house.people["basil"].secret or "")
    done = basil.post(there, {"verdict": "rejected", "reason": "Not in this quarter", "code": code})
    assert done.status_code == 303
    # The renewed session is the browser's.
    assert "Refused by Basil" in told(basil.get(there))
    assert roles_of(house, maren(house).account) == {roles.ANALYST}


def test_a_code_is_good_though_the_vote_was_refused(house: Installation, ada: Browser, basil: Browser) -> None:
    there = asked(house, ada)
    move(house, seconds=61)
    basil.get(there)
    code = house.code(house.people["basil"].secret or "")
    refused = basil.post(there, {"verdict": "rejected", "reason": "no", "code": code})
    assert refused.status_code == 422
    basil.token = re.search(r'name="csrf_token" value="([^"]+)"', refused.text).group(1)  # type: ignore[union-attr]
    assert 'name="code"' not in refused.text
    assert basil.post(there, {"verdict": "rejected", "reason": "Not in this quarter"}).status_code == 303


def test_own_requests_are_refused_also_by_hand(house: Installation, ada: Browser) -> None:
    there = asked(house, ada)
    ada.get(there)
    answer = ada.post(there, {"verdict": "approved", "reason": ""})
    assert answer.status_code == 403
    assert "somebody else has to decide" in told(answer)
    assert {"admin.approval.refused"} <= set(house.waiting_kinds())


def test_who_asked_takes_it_back(house: Installation, ada: Browser, basil: Browser) -> None:
    there = asked(house, ada)
    ada.get(there)
    assert ada.post(f"{there}/withdraw", {}).status_code == 303
    assert "Taken back" in told(ada.get(there))
    basil.get(there)
    late = basil.post(there, {"verdict": "approved", "reason": ""})
    assert late.status_code == 409
    assert "withdrawn" in told(late)


def test_what_lapsed_says_so(house: Installation, ada: Browser) -> None:
    there = asked(house, ada)
    move(house, hours=25)
    basil = signed_in(house, "basil")
    assert "Lapsed" in told(basil.get(there))
    assert basil.post(there, {"verdict": "approved", "reason": ""}).status_code == 409


def test_an_analyst_sees_nothing_of_it(house: Installation, ada: Browser) -> None:
    there = asked(house, ada)
    analyst = signed_in(house, "maren")
    assert analyst.get(there).status_code == 404
    assert "Nothing waits for you." in told(analyst.get("/approvals"))
    assert analyst.post(there, {"verdict": "approved", "reason": ""}).status_code in (403, 404)
    assert 'href="/approvals"' not in analyst.get("/staff/account").text
    assert 'href="/approvals"' in ada.get("/staff/account").text


@pytest.mark.parametrize("verdict", ["", "yes", "approved "])
def test_a_verdict_that_is_none_decides_nothing(
    house: Installation, ada: Browser, basil: Browser, verdict: str
) -> None:
    there = asked(house, ada)
    basil.get(there)
    assert basil.post(there, {"verdict": verdict, "reason": ""}).status_code == 422
    assert "admin.approval.decided" not in house.waiting_kinds()


def test_approvers_get_a_letter_that_holds_no_content(house: Installation, ada: Browser) -> None:
    there = asked(house, ada)
    with house.system.db.read() as session:
        found = [
            letter
            for letter in letters.due(session, house.system.clock.now(), parts=house.system.identity)
            if "waits for your approval" in letter.subject
        ]
    assert [letter.to for letter in found] == ["basil@onepay.example"]
    assert there in found[0].text
    assert maren(house).account not in found[0].text


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"role": roles.ADMINISTRATOR}, "may not hold these two roles"),
        ({"role": roles.ANALYST}, "hold this role already"),
        ({"role": "root"}, "no such role"),
        ({"role_reason": "no"}, "at least ten letters"),
        ({"until": "tomorrow"}, "year, month and day"),
        ({"until": "2026-11-01"}, "lies in the past"),
        ({"period_from": "2026-07-01"}, "Give both days"),
    ],
)
def test_a_role_that_cannot_be_asked_for_is_told_at_its_form(
    house: Installation, ada: Browser, more: dict[str, str], says: str
) -> None:
    answer = ask(house, ada, **more)
    assert answer.status_code in (409, 422)
    assert says in told(answer)
    assert "admin.approval.requested" not in house.waiting_kinds()


def test_an_auditor_is_asked_for_with_end_and_period(house: Installation, ada: Browser, basil: Browser) -> None:
    house.people["selma"] = house.staff("selma", roles.ANALYST)
    account = house.people["selma"].account
    with house.system.db.begin() as session:
        ctx = house.system.context(_administrator(house))
        role_grants.end(session, account, roles.ANALYST, "Will audit us", ctx, approvals=house.system.approvals)
    person = f"/admin/users/{account}"
    ada.get(person)
    form = {
        "role": roles.AUDITOR,
        "role_reason": "Assessment of this year",
        "until": "2027-01-29",
        "period_from": "2026-07-01",
        "period_until": "2026-09-30",
    }
    assert ada.post(f"{person}/roles", {**form, "until": "2027-02-01"}).status_code == 422
    there = ada.post(f"{person}/roles", form).location
    page = told(basil.get(str(there)))
    assert "It ends by itself on 30 January 2027, 00:00" in page
    assert "from 1 July 2026, 00:00 UTC until 1 October 2026, 00:00 UTC" in page
    assert basil.post(str(there), {"verdict": "approved", "reason": ""}).status_code == 303
    assert roles_of(house, account) == {roles.AUDITOR}


def test_a_role_that_ended_opens_nothing_any_more(house: Installation, ada: Browser) -> None:
    analyst = signed_in(house, "maren")
    assert analyst.get("/console/soc/overview").status_code == 200
    person = f"/admin/users/{maren(house).account}"
    ada.get(person)
    answer = ada.post(f"{person}/roles/{roles.ANALYST}/end", {"reason": "Has left the team"})
    assert answer.status_code == 303
    assert "The role ended" in told(ada.get(answer.location))
    assert analyst.get("/console/soc/overview").status_code == 303


def test_the_last_but_one_administrator_stays(house: Installation, ada: Browser) -> None:
    basil = house.people["basil"].account
    ada.get(f"/admin/users/{basil}")
    answer = ada.post(f"/admin/users/{basil}/roles/{roles.ADMINISTRATOR}/end", {"reason": "Has left the team"})
    assert answer.status_code == 409
    assert "Too few people would be left" in told(answer)
    assert roles_of(house, basil) == {roles.ADMINISTRATOR}


def test_nobody_ends_a_role_of_their_own(house: Installation, ada: Browser) -> None:
    own = house.people["ada"].account
    page = ada.get(f"/admin/users/{own}")
    assert "/roles" not in page.text
    assert ada.post(f"/admin/users/{own}/roles/{roles.ADMINISTRATOR}/end", {"reason": WHY}).status_code == 403
    assert ada.post(f"/admin/users/{own}/roles", {"role": roles.DPO, "role_reason": WHY}).status_code == 403


def test_who_is_invited_has_the_role_once_another_agrees(house: Installation, ada: Browser, basil: Browser) -> None:
    ada.get("/admin/users")
    form = {"email": "nia@onepay.example", "name": "Nia Reed", "role": roles.COMPLIANCE_OFFICER}
    answer = ada.post("/admin/users", form)
    account = str(answer.location).rpartition("/")[2]
    assert roles_of(house, account) == frozenset()
    page = ada.get(str(answer.location))
    assert "Asked for" in told(page)
    link = house.browser().get(f"/link/{house.link_to('nia@onepay.example')}")
    assert "Your role comes once a second administrator has agreed." in told(link)
    early = _activated(house, account, "nia@onepay.example")
    assert "You hold no role yet." in told(early.get("/staff/account"))
    there = re.search(r'href="(/approvals/apr_[^"]+)"', page.text).group(1)  # type: ignore[union-attr]
    basil.get(there)
    assert basil.post(there, {"verdict": "approved", "reason": ""}).status_code == 303
    assert roles_of(house, account) == {roles.COMPLIANCE_OFFICER}
    move(house, seconds=60)
    assert signed_in(house, "nia").get("/staff/account").status_code == 200


def test_an_auditor_comes_with_their_period(house: Installation) -> None:
    house.staff("selma", roles.ANALYST)
    auditor = house.staff("audit", roles.AUDITOR)
    with house.system.db.read() as session:
        due = accounts.auditor_period(session, auditor.account, house.system.clock.now())
    assert due is not None
    for name, period in (("audit", due), ("selma", None)):
        token = signed_in(house, name).client.get_cookie("onepay-local-staff", domain="localhost")
        assert token is not None
        with house.system.db.read() as session:
            live = sessions.resolve(session, token.value, house.system.clock.now())
        assert live is not None
        assert live.actor.period == period


def _activated(house: Installation, account: str, address: str) -> Browser:
    """Answer an invitation, and sign in."""
    system, token = house.system, house.link_to(address)
    ctx = system.context(Actor(id=account, kind=ActorKind.STAFF))
    with system.db.begin() as session:
        secret = mfa.offer(session, account, "lnk_test", address, parts=system.identity).secret
        mfa.take(session, account, "lnk_test", house.code(secret, -1), ctx, parts=system.identity)
        signup.accept(session, token, system.identity.hasher.hash(PASSWORD), ctx, parts=system.identity)
    house.people["nia"] = Person(account=account, address=address, secret=secret)
    browser = house.browser()
    browser.sign_in(house.people["nia"], surface="staff")
    return browser


def _administrator(house: Installation) -> Actor:
    return Actor(id=house.people["ada"].account, kind=ActorKind.STAFF, permissions=roles.ROLES[roles.ADMINISTRATOR])


def test_a_page_says_what_a_yes_sets_going(house: Installation) -> None:
    follows = {kind.title: kind.what_follows for kind in house.system.approvals.kinds}
    wait = house.system.compliance.privacy.settings.erase_delay
    assert f"begins a wait of {wait.days} days" in follows["Erase a person"]
    assert "at once" not in follows["Erase a person"]
    assert follows["Remove what is due"].startswith("2 people have to approve")
    assert "at once" not in follows["Remove what is due"], "a job does it within a minute"
    assert follows["Refuse a request about personal data"] == "Approving does it at once."
    ada, basil = signed_in(house, "ada"), signed_in(house, "basil")
    assert "Approving does it at once." in told(basil.get(asked(house, ada)))


def test_what_is_over_is_listed_by_its_newest_and_all_when_asked(
    house: Installation, ada: Browser, basil: Browser
) -> None:
    for _ in range(approvals.OVER_SHOWN + 2):
        assert ada.post(f"{asked(house, ada)}/withdraw", {}).status_code == 303
    for browser in (ada, basil):
        page = browser.get("/approvals")
        assert page.text.count('class="row"') == approvals.OVER_SHOWN
        assert "2 more that are over are not listed." in told(page)
        assert browser.get("/approvals?over=all").text.count('class="row"') == approvals.OVER_SHOWN + 2
    open_ = asked(house, ada)
    page = ada.get("/approvals")
    assert page.text.index(open_) < page.text.index("Taken back")
    assert page.text.count('class="row"') == approvals.OVER_SHOWN + 1
