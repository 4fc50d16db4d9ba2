"""Mailed links: fetching one changes nothing, its button works once, and nobody else's link does anything for one."""

from __future__ import annotations

import re
import threading

import pytest
import sqlalchemy as sa

from app.gateway import told
from app.identity import accounts, links, mfa, models, roles, signup
from app.identity.accounts import State
from app.kernel import crypto
from app.kernel.access import IAM_ACCOUNT_INVITE, service
from ingest.models import outbox
from tests.support.installation import PASSWORD, Installation

NEW = "four lamps beside the harbour wall"


def invited(house: Installation, name: str) -> tuple[str, str]:
    ctx = house.system.context(service("test", IAM_ACCOUNT_INVITE))
    with house.system.db.begin() as session:
        address = f"{name}@onepay.example"
        account = signup.invite(session, address, "Ada Reed", roles.ANALYST, ctx, parts=house.system.identity)
    return account, house.link_to(address)


def rows(house: Installation) -> dict[str, int]:
    with house.system.db.read() as session:
        return {
            table.name: session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in models.metadata.sorted_tables
        }


def secret_in(page: str) -> str:
    return re.search(r'data-secret="([A-Z2-7]+)"', page).group(1)


def test_a_scanner_that_fetches_an_invitation_changes_nothing(installation: Installation) -> None:
    account, token = invited(installation, "scanned")
    before = rows(installation)
    for _ in range(2):
        assert installation.browser().get(f"/link/{token}").status_code == 200
    assert rows(installation) == before

    person = installation.browser()
    secret = secret_in(person.get(f"/link/{token}").text)
    again = person.post(f"/link/{token}", {"password": PASSWORD, "code": "000000"})
    assert (again.status_code, secret_in(again.text)) == (422, secret), "the picture that was scanned stays"
    done = person.post(f"/link/{token}", {"password": PASSWORD, "code": installation.code(secret)})
    assert done.status_code == 200
    with installation.system.db.read() as session:
        assert accounts.get(session, account).state is State.ACTIVE
        assert len(mfa.factors_of(session, account)) == 1
    assert person.get(f"/link/{token}").status_code == 410


def test_looking_at_the_page_of_a_new_factor_changes_nothing(installation: Installation) -> None:
    browser = installation.browser()
    browser.sign_in(installation.customer("only_looks", factor=False))
    before = rows(installation)
    there = "/security/factors/new?next=/wallet"
    first, second = (secret_in(browser.get(there).text) for _ in range(2))
    assert first == second
    assert rows(installation) == before
    assert browser.post(there, {"code": installation.code(first, -1)}).location == "/wallet"
    third = secret_in(browser.get(there).text)
    assert third != first, "each factor has a secret of its own"
    assert browser.post(there, {"code": installation.code(first)}).status_code == 422


def test_what_an_intruder_was_shown_never_becomes_the_owners_factor(installation: Installation) -> None:
    person = installation.customer("was_visited", factor=False)
    intruder, owner = installation.browser(), installation.browser("127.0.0.2")
    for browser in (intruder, owner):
        browser.sign_in(person)
    seen = secret_in(intruder.get("/security/factors/new").text)
    own = secret_in(owner.get("/security/factors/new").text)
    assert seen != own
    assert owner.post("/security/factors/new", {"code": installation.code(seen)}).status_code == 422
    assert owner.post("/security/factors/new", {"code": installation.code(own)}).status_code == 303
    with installation.system.db.read() as session:
        now = installation.system.clock.now()
        code = installation.code(seen, 1)
        assert mfa.match(session, person.account, code, now, parts=installation.system.identity)[0] is None


def test_a_link_of_one_purpose_does_nothing_of_another(installation: Installation) -> None:
    account, token = invited(installation, "crossed")
    ctx = installation.system.context(service("test"))
    with installation.system.db.begin() as session, pytest.raises(links.LinkClosed):
        links.consume(session, token, links.LinkPurpose.RECOVERY, ctx, parts=installation.system.identity)
    browser = installation.browser()
    browser.get(f"/link/{token}")
    browser.post(f"/link/{token}", {"name": "Mallory", "handle": "mallory_x", "password": PASSWORD})
    with installation.system.db.read() as session:
        assert accounts.get(session, account).state is State.INVITED


def together(count: int, act) -> list[int]:
    """Do something so many times at once and return the statuses."""
    statuses, gate = [], threading.Barrier(count)

    def run() -> None:
        gate.wait()
        statuses.append(act())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_a_recovery_link_pressed_eight_times_at_once_sets_one_password(installation: Installation) -> None:
    person = installation.customer("pressed", factor=False)
    browsers = [installation.browser() for _ in range(8)]
    browsers[0].get("/recover")
    assert browsers[0].post("/recover", {"email": person.address}).status_code == 200
    token = installation.link_to(person.address)
    for browser in browsers:
        browser.get(f"/link/{token}")
    waiting = iter(browsers)
    statuses = together(8, lambda: next(waiting).post(f"/link/{token}", {"password": NEW}).status_code)
    assert sorted(statuses) == [200, *[410] * 7]


def test_factors_added_and_removed_at_once_leave_one_and_no_failure_of_ours(installation: Installation) -> None:
    person = installation.customer("parallel", factor=False)
    browser = installation.browser()
    browser.sign_in(person)
    browser.get("/security")
    page = browser.get("/security/factors/new").text
    code = installation.code(secret_in(page), -1)
    statuses = together(6, lambda: browser.post("/security/factors/new", {"code": code}).status_code)
    assert max(statuses) < 500
    with installation.system.db.read() as session:
        assert len(mfa.factors_of(session, person.account)) == 1


def test_of_two_factors_one_stays_whoever_removes_both_at_once(installation: Installation) -> None:
    person = installation.customer("keeps_one")
    browser = installation.browser()
    browser.sign_in(person)
    code = installation.code(secret_in(browser.get("/security/factors/new").text))
    assert browser.post("/security/factors/new", {"code": code}).status_code == 303
    removals = re.findall(r'action="(/security/factors/fac_[^"]+/remove)"', browser.get("/security").text)
    assert len(removals) == 2
    waiting = iter(removals)
    statuses = together(2, lambda: browser.post(next(waiting), {}).status_code)
    assert sorted(statuses) == [303, 409]
    with installation.system.db.read() as session:
        assert len(mfa.factors_of(session, person.account)) == 1


def test_staff_get_a_link_for_a_new_password(installation: Installation) -> None:
    person = installation.staff("forgot.staff", roles.ANALYST)
    browser = installation.browser()
    page = browser.get("/recover?surface=staff").text
    assert 'name="surface" value="staff"' in page
    installation.turn()
    assert browser.post("/recover", {"email": person.address, "surface": "staff"}).status_code == 200
    assert browser.get(f"/link/{installation.link_to(person.address)}").status_code == 200


def test_only_the_id_of_an_event_is_told_of_what_was_not_me(installation: Installation) -> None:
    browser = installation.browser()
    browser.sign_in(installation.customer("not_mine"))
    assert 'name="of_event" value=""' in browser.get("/security/not-me?event=my+password+is+x").text
    event = "evt_01M00000000000000000000000"
    assert f'value="{event}"' in browser.get(f"/security/not-me?event={event}").text
    assert browser.post("/security/not-me", {"of_event": "my password is x"}).status_code == 200
    with installation.system.db.read() as session:
        told = (
            session.execute(sa.select(outbox.c.body).where(outbox.c.kind == "auth.activity.disowned")).scalars().all()
        )
    assert told
    assert all(b"my password" not in body for body in told)


def test_two_links_to_one_address_open_one_wallet(installation: Installation) -> None:
    browsers, tokens = [installation.browser() for _ in range(2)], []
    for browser in browsers:
        browser.get("/sign-up")
        browser.post("/sign-up", {"email": "both@onepay.example"})
        tokens.append(installation.link_to("both@onepay.example"))
        browser.get(f"/link/{tokens[-1]}")
    waiting = iter(enumerate(browsers))

    def press() -> int:
        n, browser = next(waiting)
        form = {"name": "Nia Reed", "handle": f"both_{n}", "password": PASSWORD}
        return browser.post(f"/link/{tokens[n]}", form).status_code

    assert sorted(together(2, press)) == [303, 422]


def test_a_token_of_a_link_is_told_to_nobody_in_whatever_form_it_comes(installation: Installation) -> None:
    """Each route with a token is known to what tells of addresses, also ones that are added."""
    token = crypto.token()
    with_token = [
        str(rule)
        for rule in installation.app.url_map.iter_rules()
        if "<token>" in str(rule)  # of Flask
    ]
    assert len(with_token) >= 4
    for rule in with_token:
        for made in ("{}", "/{}", "/./{}", "{}\x00", "{}/../x", "{};x", "\\{}", "x{}", "%00/{}", "{}%2Ffile"):
            path = rule.replace("<token>", made.format(token))
            assert token not in told.path(path), path
            assert "short-secret" not in told.path(rule.replace("<token>", made.format("short-secret"))), path
    for made in (
        "/x/%2Flink%2F{}",
        "/%2Fprivacy%2Fcertificate%2F{}",
        "/%252Flink%252F{}",
        "/" + "%25" * 20 + "2Flink%2F{}",
    ):
        assert token not in told.path(made.format(token)), made
    assert token not in told.path(f"/elsewhere/{token}/x")
    for kept in ("/console/compliance/requests/req_01M6DQS9M0STV0NDQRF95BJDC4", "/links", "/static/link.css", "/a%20b"):
        assert told.path(kept) == kept


@pytest.mark.parametrize("has_factor", [True, False])
def test_a_recovery_link_is_no_oracle_of_the_password(installation: Installation, has_factor: bool) -> None:
    """The password of staff guards the other mailed link: who shows no code is not told which it is."""
    person = installation.staff(f"oracle-{has_factor}".lower(), roles.ANALYST)
    if not has_factor:
        with installation.system.db.begin() as session:
            session.execute(
                sa.update(models.factor)
                .where(models.factor.c.account_id == person.account)
                .values(removed_at=installation.system.clock.now())
            )
    browser = installation.browser()
    browser.get("/recover?surface=staff")
    browser.post("/recover", {"email": person.address, "surface": "staff"})
    path = f"/link/{installation.link_to(person.address)}"
    browser.get(path)
    said = "one of your last four passwords"
    if not has_factor:
        assert said in browser.post(path, {"password": PASSWORD, "code": ""}).text
        assert browser.get(path).status_code == 410, "a letter is worth one guess"
        return
    assert said not in browser.post(path, {"password": PASSWORD, "code": "000000"}).text
    assert person.secret is not None
    refused = browser.post(path, {"password": PASSWORD, "code": installation.code(person.secret)})
    assert (refused.status_code, said in refused.text) == (422, True)
    assert browser.get(path).status_code == 200, "whoever showed a code tries another one"
