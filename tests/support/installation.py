"""A whole installation in a folder: composed as it is served, turned by hand, on the machine's clock or a still one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyotp
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import Client, TestResponse

from app import config, jobs, process
from app.compose import System, make_keys, make_system
from app.identity import accounts, letters, mfa, roles, signup
from app.identity.accounts import AUDITOR_GRANT_MAX, Terms
from app.kernel.access import IAM_ACCOUNT_INVITE, OPS_RECONCILE_IMPORT, Actor, ActorKind, service
from app.kernel.clock import Clock
from app.main import make_app
from app.worker import run_guarded
from ingest.models import outbox as waiting
from ingest.store.port import EventStore
from payments import topups, wallets
from payments.money import EUR, Money
from payments.topups import BankLine
from tests.support.migrated import migrate

PASSWORD = "quiet river under seven stones"
OBSERVE = "compliance.observe"
ORIGIN = "http://localhost:8080"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass(kw_only=True)
class Person:
    """Somebody with an account: what they know and carry."""

    account: str
    address: str
    secret: str | None
    handle: str | None = None


@dataclass(kw_only=True)
class Installation:
    """What a test of a whole system does: people, browsers, time, and what the log says afterwards."""

    system: System
    people: dict[str, Person] = field(default_factory=dict)

    @cached_property
    def app(self) -> Flask:
        """The web application, composed when somebody comes to it."""
        return make_app(self.system)

    @cached_property
    def hashed(self) -> str:
        """The password that everybody here has, hashed once: a hash is made to be slow."""
        return self.system.identity.hasher.hash(PASSWORD)

    def turn(self, *, besides: Collection[str] = (OBSERVE,)) -> None:
        """Let everything happen that the worker would do now, but for looking at controls, which takes seconds."""
        self.arrive()
        for job in jobs.all_jobs(self.system):
            if job.name not in besides:
                run_guarded(self.system, job)
        self.arrive()

    def turn_whole(self) -> None:
        """Let everything happen that the worker would do now, as it looks at the doors of the application, too."""
        self.app  # noqa: B018 - composed here, where nobody came to it before
        self.turn(besides=())

    def arrive(self) -> None:
        """Number what was recorded, bring it into the store, and wait until it can be seen there."""
        self.system.sequencer.drain()
        while self.system.shipper.step().value == "busy":
            pass
        self.system.store.settle()

    def customer(self, handle: str, *, euros: int = 0, factor: bool = True) -> Person:
        """Open an account with a wallet, put money in, and add an authenticator."""
        system, address = self.system, f"{handle}@onepay.example"
        new = signup.NewCustomer(name="Amber Finch", handle=handle, hashed=self.hashed)
        ctx = system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
        with system.db.begin() as session:
            signup.ask(session, address, ctx, parts=system.identity)
        with system.db.begin() as session:
            account, _, _ = signup.complete(
                session, self.link_to(address), new, ctx, parts=system.identity, open_wallet=wallets.open
            )
        if euros:
            self.top_up(account, euros)
        own = system.context(Actor(id=account, kind=ActorKind.CUSTOMER, permissions=roles.ROLES[roles.CUSTOMER]))
        secret = None
        if factor:
            with system.db.begin() as session:
                secret = mfa.offer(session, account, "ses_test", handle, parts=system.identity).secret
                mfa.take(session, account, "ses_test", self.code(secret, -1), own, parts=system.identity)
        person = Person(account=account, address=address, secret=secret, handle=handle)
        self.people[handle] = person
        return person

    def staff(self, name: str, role: str) -> Person:
        """Invite somebody and accept the invitation."""
        system, address = self.system, f"{name}@onepay.example"
        ctx = system.context(service("test", IAM_ACCOUNT_INVITE))
        terms = None
        if role == roles.AUDITOR:
            terms = Terms(until=ctx.at + AUDITOR_GRANT_MAX, period=(ctx.at - timedelta(days=90), ctx.at))
        with system.db.begin() as session:
            account = signup.invite(session, address, name.title(), role, ctx, parts=system.identity)
            accounts.grant(session, account, role, "a test", ctx, terms=terms)
        own = system.context(Actor(id=account, kind=ActorKind.STAFF))
        token = self.link_to(address)
        with system.db.begin() as session:
            secret = mfa.offer(session, account, "lnk_test", address, parts=system.identity).secret
            mfa.take(session, account, "lnk_test", self.code(secret, -1), own, parts=system.identity)
            signup.accept(session, token, self.hashed, own, parts=system.identity)
        person = Person(account=account, address=address, secret=secret)
        self.people[name] = person
        return person

    def top_up(self, account: str, euros: int) -> None:
        """Play the bank."""
        ctx = self.system.context(service("bank", OPS_RECONCILE_IMPORT))
        line = BankLine(
            identity=self.system.ids.new("bnk", ctx.at),
            amount=Money(euros * 100, EUR),
            text=topups.reference_of(account),
        )
        with self.system.db.begin(posting=True) as session:
            topups.bank_line(session, line, ctx)

    def link_to(self, address: str) -> str:
        """Return the token of the newest link sent to an address."""
        with self.system.db.read() as session:
            found = [
                letter
                for letter in letters.due(session, self.system.clock.now(), parts=self.system.identity, limit=1_000)
                if letter.to == address and "/link/" in letter.text
            ]
        return found[-1].text.partition("/link/")[2].split()[0]

    def code(self, secret: str, steps: int = 0) -> str:
        """Return the code of an authenticator, some steps from now."""
        return pyotp.TOTP(secret).at(int(self.system.clock.now().timestamp()) + 30 * steps)

    def browser(self, ip: str = "127.0.0.1") -> Browser:
        return Browser(installation=self, client=Client(self.app), ip=ip)

    def waiting_kinds(self) -> list[str]:
        """Return the kinds recorded and not yet numbered."""
        with self.system.db.read() as session:
            return list(session.execute(sa.select(waiting.c.kind).order_by(waiting.c.n)).scalars())


@dataclass(kw_only=True)
class Browser:
    """A person's browser: cookies, an address, forms with their token."""

    installation: Installation
    client: Client
    ip: str = "127.0.0.1"
    token: str = ""

    def get(self, path: str, **headers: str) -> TestResponse:
        answer = self.client.get(
            path, headers={"Host": "localhost", "Accept": "text/html", **headers}, environ_base={"REMOTE_ADDR": self.ip}
        )
        found = _TOKEN.search(answer.text) if answer.mimetype == "text/html" else None
        self.token = found.group(1) if found else self.token
        return answer

    def post(self, path: str, data: dict[str, Any], **headers: str) -> TestResponse:
        return self.client.post(
            path,
            data={"csrf_token": self.token, **data},
            headers={"Host": "localhost", "Accept": "text/html", "Origin": ORIGIN, **headers},
            environ_base={"REMOTE_ADDR": self.ip},
        )

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.client.open(
            f"/api/v1{path}",
            method=method,
            json=body,
            headers={"Host": "localhost", "Accept": "application/json", "X-CSRFToken": self.token, **headers},
            environ_base={"REMOTE_ADDR": self.ip},
        )

    def sign_in(self, person: Person, *, surface: str = "customer") -> TestResponse:
        """Sign in with everything the person has."""
        there = "/sign-in" if surface == "customer" else "/sign-in?next=/staff/account"
        self.get(there)
        code = self.installation.code(person.secret) if person.secret else ""
        form = {"address": person.address, "password": PASSWORD}
        answer = self.post(there, {**form, "code": code} if surface == "staff" else form)
        if answer.status_code == 303 and "/sign-in/code" in answer.location:
            self.get("/sign-in/code")
            answer = self.post("/sign-in/code", {"code": code})
        assert answer.status_code == 303, answer.text
        self.get("/security" if surface == "customer" else "/staff/account")
        return answer


@contextmanager
def installed(
    folder: Path, *, clock: Clock | None = None, event_store: EventStore | None = None, **settings: Any
) -> Iterator[Installation]:
    """Make an installation in a folder and close it afterwards; a store that is given goes with it."""
    made = config.load({}, home=folder, **settings)
    if not made.home.exists():
        made.home.mkdir(mode=0o700, parents=True)
        make_keys(made)  # first, as a database without the keys it was made with is refused
        migrate(made.main_database, "main")
        migrate(made.keys_database, "keys")
    process.prepare(made)
    system = make_system(made, clock=clock, store=event_store)
    try:
        yield Installation(system=system)
    finally:
        system.close()


__all__ = ["ORIGIN", "PASSWORD", "Browser", "Installation", "Person", "installed"]
