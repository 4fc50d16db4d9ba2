"""Live: real requests to the running application, each with the address its sender has.

The WSGI caller sets the client's address, as a server in front of us would; so an attack from many networks does not
come from the visitor's own loopback address.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, assert_never

import pyotp
from flask import Flask
from werkzeug.test import Client, TestResponse

from app.kernel.clock import Clock
from app.simulator.intents import Enrol, Look, Nothing, Outcome, Pay, SignIn, SignOut, SignUp, TopUp, Wish
from payments.money import EUR, Money, digits_text

_TOKEN: Final = re.compile(r'name="csrf_token" value="([^"]+)"')
_SECRET: Final = re.compile(r'data-secret="([A-Z2-7]+)"')


@dataclass(slots=True)
class _Browser:
    """One sender: its cookies, address and program."""

    client: Client
    ip: str = ""
    agent: str = ""
    token: str = ""
    pages: dict[str, str] = field(default_factory=dict)


class Live:
    """Keeps `Driver` against an application, on the running system's own clock. `wait` returns at an instant."""

    def __init__(self, app: Flask, origin: str, clock: Clock, wait: Callable[[datetime], None]) -> None:
        self._app, self._origin, self._clock, self._wait = app, origin, clock, wait
        self._browsers: dict[str, _Browser] = {}

    def advance(self, to: datetime) -> None:
        """Wait until then."""
        self._wait(to)

    def carry_out(self, intent: Wish) -> Outcome:
        """Send the requests a person would; what they are answered is the outcome."""
        browser = self._browsers.setdefault(intent.actor, _Browser(Client(self._app)))
        match intent:
            case SignIn():
                return self._sign_in(browser, intent)
            case Enrol():
                return self._enrol(browser)
            case Pay():
                return self._pay(browser, intent)
            case Look():
                return self._look(browser, intent.path)
            case SignOut():
                return _outcome(self._post(browser, "/sign-out", {}), 303)
            case SignUp() | TopUp() | Nothing():
                return Outcome(ok=True)
            case _:
                assert_never(intent)

    def _sign_in(self, browser: _Browser, intent: SignIn) -> Outcome:
        if (browser.ip, browser.agent) != (intent.ip, intent.agent):
            browser.client = Client(self._app)
            browser.ip, browser.agent = intent.ip, intent.agent
        if not self._look(browser, "/sign-in").ok:
            return Outcome(ok=False, code="network_refused")
        form = {"address": intent.address, "password": intent.password}
        answer = self._post(browser, "/sign-in", form)
        if answer.status_code == 303 and "/sign-in/code" in (answer.location or ""):
            self._look(browser, "/sign-in/code")
            code = pyotp.TOTP(intent.secret or "A" * 32).at(int(self._clock.now().timestamp()))
            answer = self._post(browser, "/sign-in/code", {"code": code})
        return _outcome(answer, 303)

    def _enrol(self, browser: _Browser) -> Outcome:
        page = self._get(browser, "/security/factors/new")
        found = _SECRET.search(page.text)
        if page.status_code != 200 or found is None:
            return Outcome(ok=False, code=str(page.status_code))
        code = pyotp.TOTP(found.group(1)).at(int(self._clock.now().timestamp()))
        answer = self._post(browser, "/security/factors/new", {"code": code})
        return Outcome(ok=answer.status_code == 303, code=str(answer.status_code), made={"secret": found.group(1)})

    def _pay(self, browser: _Browser, intent: Pay) -> Outcome:
        self._look(browser, "/wallet")
        amount = {"amount": digits_text(Money(intent.minor, EUR)), "currency": EUR}
        answer = browser.client.post(
            "/api/v1/transfers",
            json={"payee": intent.payee, "amount": amount, "note": intent.note},
            headers={
                **self._headers(browser),
                "Accept": "application/json",
                "X-CSRFToken": browser.token,
                "Idempotency-Key": f"{intent.actor}-{intent.key}-{int(intent.at.timestamp())}",
            },
            environ_base=self._environ(browser),
        )
        return _outcome(answer, 201)

    def _look(self, browser: _Browser, path: str) -> Outcome:
        return _outcome(self._get(browser, path), 200)

    def _get(self, browser: _Browser, path: str) -> TestResponse:
        answer = browser.client.get(path, headers=self._headers(browser), environ_base=self._environ(browser))
        found = _TOKEN.search(answer.text) if answer.mimetype == "text/html" else None
        browser.token = found.group(1) if found else browser.token
        return answer

    def _post(self, browser: _Browser, path: str, form: dict[str, str]) -> TestResponse:
        return browser.client.post(
            path,
            data={**form, "csrf_token": browser.token},
            headers={**self._headers(browser), "Origin": self._origin},
            environ_base=self._environ(browser),
        )

    def _headers(self, browser: _Browser) -> dict[str, str]:
        return {"Host": self._origin.partition("://")[2], "Accept": "text/html", "User-Agent": browser.agent}

    def _environ(self, browser: _Browser) -> dict[str, str]:
        return {"REMOTE_ADDR": browser.ip}


def _outcome(answer: TestResponse, good: int) -> Outcome:
    if answer.status_code == good:
        return Outcome(ok=True)
    code = str(answer.status_code)
    if answer.mimetype == "application/problem+json" and answer.json:
        code = str(answer.json["code"])
    return Outcome(ok=False, code=code)
