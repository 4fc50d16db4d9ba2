"""Deny by default: every route and callback names a permission, and is crawled as every role."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from app.gateway.policy import Policy
from app.identity import roles, sessions
from app.kernel.access import Actor, ActorKind, Permission
from app.oauth import guard
from tests.support.installation import Browser, Installation

EXAMPLES = {
    "approval_id": "apr_01M00000000000000000000000",
    "role": "analyst",
    "account_id": "acc_01M00000000000000000000000",
    "factor_id": "fac_01M00000000000000000000000",
    "session_id": "ses_01M00000000000000000000000",
    "transfer_id": "trf_01M00000000000000000000000",
    "purpose": "news",
    "request_id": "req_01M00000000000000000000000",
    "wallet_id": "wal_01M00000000000000000000000",
    "token": "no-such-token",
    "name": "no-such-file.css",
}
# What would end the session with which the crawl goes on.
ENDING = (("DELETE", "/api/v1/sessions/current"), ("POST", "/security/not-me"))
LEADS_TO = {"/sign-in": "sign_in_required", "/step-up": "step_up_required", "/staff/step-up": "step_up_required"}
CODE = re.compile(r'<dt>Code</dt><dd><code class="id">([^<]+)</code>')
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
                allowed = (
                    role != "nobody" and policy.permission in roles.ROLES[role] and _surface_of(role) == policy.surface
                )
                if allowed and (method, path) in ENDING:
                    continue
                answer = _answer(browser, method, path)
                status, refusal = answer.status_code, _refusal(answer)
                due = "forbidden" if role != "nobody" and _surface_of(role) == policy.surface else "sign_in_required"
                if allowed and refusal is not None:
                    wrong.append((method, path, role, status, f"{refusal} though allowed"))
                if not allowed and refusal != due:
                    wrong.append((method, path, role, status, f"{refusal or 'served'} where {due} is due"))
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


def _refusal(answer: TestResponse) -> str | None:
    """Return with which code an answer refuses: to people a page, or the way to the sign-in; None where it does not."""
    if answer.status_code == 303:
        return LEADS_TO.get(urlsplit(answer.location).path)
    if answer.status_code not in (401, 403):
        return None
    if answer.mimetype == "text/html":
        shown = CODE.search(answer.text)
        return shown.group(1) if shown else "without a code"
    return str((answer.json or {}).get("code"))


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
