"""Deny by default: every route and callback names a permission, and is crawled as every role."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from app.gateway.policy import Policy
from app.identity import roles, sessions
from app.kernel.access import Actor, ActorKind, Permission
from app.oauth import guard
from tests.support.installation import Browser, Installation

EXAMPLES = {
    "account_id": "acc_01M00000000000000000000000",
    "factor_id": "fac_01M00000000000000000000000",
    "session_id": "ses_01M00000000000000000000000",
    "transfer_id": "trf_01M00000000000000000000000",
    "wallet_id": "wal_01M00000000000000000000000",
    "token": "no-such-token",
    "name": "no-such-file.css",
}
# Dash answers its own addresses; what they may is asked in each callback.
DASH = ("/console/_", "/console/assets", "/console/<path:path>", "/console/")


@pytest.fixture(scope="module")
def browsers(installation: Installation) -> dict[str, Browser]:
    found = {"nobody": installation.browser()}
    for role in roles.ROLES:
        browser = installation.browser()
        if role == roles.CUSTOMER:
            browser.sign_in(installation.customer("crawl_customer"))
        else:
            browser.sign_in(installation.staff(f"crawl.{role}".replace("_", "."), role), surface="staff")
        found[role] = browser
    return found


def test_every_role_gets_exactly_what_the_policies_say(
    installation: Installation, browsers: dict[str, Browser]
) -> None:
    policies = installation.app.extensions["onepay_policies"]
    wrong = []
    for rule in installation.app.url_map.iter_rules():
        policy: Policy = policies[rule.endpoint]
        if rule.rule.startswith(DASH) or not isinstance(policy.permission, Permission):
            continue
        path = rule.rule
        for name, value in EXAMPLES.items():
            path = path.replace(f"<{name}>", value)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            for role, browser in browsers.items():
                if (
                    path.startswith("/api/v1/sessions/current")
                    or "sign-out" in path
                    or "not-me" in path
                    or "sessions/end" in path
                ):
                    continue
                answer = _answer(browser, method, path)
                status = answer.status_code
                allowed = (
                    role != "nobody" and policy.permission in roles.ROLES[role] and _surface_of(role) == policy.surface
                )
                refused = _is_refusal(answer, path)
                if allowed and (status == 403 or _leads_to(answer, "/sign-in")):
                    wrong.append((method, path, role, status, "refused though allowed"))
                if not allowed and not refused:
                    wrong.append((method, path, role, status, "served though not allowed"))
                if status >= 500:
                    wrong.append((method, path, role, status, "5xx"))
    assert wrong == []


def test_every_callback_of_the_console_names_a_permission(installation: Installation) -> None:
    dash = installation.app.extensions["onepay_console"]
    server = {name for name, wire in dash.callback_map.items() if "callback" in wire}
    assert server - set(dash.demands) == set()


def test_public_routes_carry_their_reason(installation: Installation) -> None:
    policies = installation.app.extensions["onepay_policies"]
    public = [policy for policy in policies.values() if policy.is_public]
    assert public
    assert all(len(policy.permission.reason) > 10 for policy in public)


def test_denials_leave_an_event(installation: Installation, browsers: dict[str, Browser]) -> None:
    installation.arrive()
    browsers[roles.ANALYST].get("/admin/users")
    assert "access.request.denied" in installation.waiting_kinds()


def _surface_of(role: str) -> str:
    return guard.CUSTOMER if role == roles.CUSTOMER else guard.STAFF


def _is_refusal(answer: TestResponse, path: str) -> bool:
    """Tell whether an answer refuses: 401 or 403 to programs, 403 or the way to sign-in or step-up to people."""
    if path.startswith(("/api/", "/console/api")):
        return answer.status_code in (401, 403)
    return answer.status_code == 403 or _leads_to(answer, "/sign-in", "/step-up", "/staff/step-up")


def _leads_to(answer: TestResponse, *pages: str) -> bool:
    return answer.status_code == 303 and urlsplit(answer.location).path in pages


def _answer(browser: Browser, method: str, path: str) -> TestResponse:
    if path.startswith("/api/"):
        return browser.api(method, path.removeprefix("/api/v1"), {} if method == "POST" else None)
    if method == "GET":
        accept = "application/json" if path.startswith("/console/api") else "text/html"
        return browser.get(path, Accept=accept)
    return browser.post(path, {})


@pytest.mark.parametrize("token", ["theirs", ""])
def test_a_call_of_the_console_after_its_session_is_told_to_sign_in(installation: Installation, token: str) -> None:
    """The token ends with the session: whoever is signed out is not told that their page was not ours."""
    name = f"ended.{len(token)}"
    browser, person = installation.browser(), installation.staff(name, roles.ANALYST)
    browser.sign_in(person, surface="staff")
    with installation.system.db.begin() as session:
        ctx = installation.system.context(Actor(id=person.account, kind=ActorKind.STAFF))
        assert sessions.end_all(session, person.account, "revoked", ctx) == 1
    answer = browser.client.post(
        "/console/_dash-update-component",
        json={},
        headers={"Host": "localhost", "Accept": "application/json", "X-CSRFToken": token and browser.token},
        environ_base={"REMOTE_ADDR": browser.ip},
    )
    assert (answer.status_code, answer.json["code"]) == (401, "sign_in_required")
