"""Identity on a ground of its own: real hashing with little memory, a still clock, letters in a list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa

from app.identity import letters, mfa, password_filter, roles, signin, signup
from app.identity.parts import Identity
from app.identity.passwords import Hasher
from app.identity.policy import SecurityPolicy
from app.kernel import canonical
from app.kernel.access import ANONYMOUS, Acr, Actor, ActorKind
from app.kernel.context import Context, Source
from app.kernel.crypto import Secret
from ingest.models import outbox
from payments import wallets
from tests.support import postgres
from tests.support.ground import Ground, make_ground

PASSWORD = "quiet river under seven stones"


@dataclass(kw_only=True)
class People:
    """What a test of identity does: people who sign up, guess, and prove themselves."""

    ground: Ground
    parts: Identity

    def ctx(self, actor: Actor = ANONYMOUS, ip: str = "198.18.0.9") -> Context:
        return self.ground.ctx(actor, source=Source(ip=ip, user_agent_name="Firefox", os_name="Linux"))

    def link_to(self, address: str) -> str:
        with self.ground.db.read() as session:
            found = [x for x in letters.due(session, self.ground.clock.now(), parts=self.parts) if x.to == address]
        return re.search(r"/link/(\S+)", found[-1].text).group(1)

    def letters_to(self, address: str) -> list[str]:
        with self.ground.db.read() as session:
            return [
                x.subject for x in letters.due(session, self.ground.clock.now(), parts=self.parts) if x.to == address
            ]

    def sign_up(self, address: str, handle: str) -> str:
        with self.ground.db.begin() as session:
            signup.ask(session, address, self.ctx(), parts=self.parts)
        new = signup.NewCustomer(name="Amber Finch", handle=handle, hashed=self.parts.hasher.hash(PASSWORD))
        with self.ground.db.begin() as session:
            account, _, _ = signup.complete(
                session, self.link_to(address), new, self.ctx(), parts=self.parts, open_wallet=wallets.open
            )
        return account

    def enrol(self, account: str) -> str:
        """Add an authenticator and return its secret; its first code is used up."""
        with self.ground.db.begin() as session:
            secret = mfa.offer(session, account, "ses_1", "a", parts=self.parts).secret
            mfa.take(session, account, "ses_1", self.code(secret), self.ctx(self.actor(account)), parts=self.parts)
        return secret

    def code(self, secret: str, steps: int = 0) -> str:
        return pyotp.TOTP(secret).at(int(self.ground.clock.now().timestamp()) + 30 * steps)

    def actor(
        self, account: str, role: str = roles.CUSTOMER, acr: Acr = Acr.PWD, session_id: str | None = None
    ) -> Actor:
        return Actor(
            id=account,
            kind=ActorKind.CUSTOMER if role == roles.CUSTOMER else ActorKind.STAFF,
            roles=frozenset({role}),
            permissions=roles.ROLES[role],
            acr=acr,
            authenticated_at=self.ground.clock.now(),
            session_id=session_id,
        )

    def try_in(
        self,
        address: str,
        password: str = PASSWORD,
        *,
        code: str | None = None,
        device: str | None = None,
        surface: ActorKind = ActorKind.CUSTOMER,
        ip: str = "198.18.0.9",
    ) -> signin.Conclusion:
        ctx = self.ctx(ip=ip)
        with self.ground.db.read() as session:
            made = signin.attempt(session, surface, address, device, ctx, parts=self.parts)
        checks = [signin.check_password(made, password, parts=self.parts)]
        if code is not None:
            with self.ground.db.read() as session:
                checks.append(signin.check_code(session, made, code, ctx, parts=self.parts))
        with self.ground.db.begin() as session:
            return signin.conclude(session, made, checks, ctx, parts=self.parts)

    def events(self, kind: str) -> list[dict]:
        with self.ground.db.read() as session:
            rows = session.execute(sa.select(outbox.c.body).where(outbox.c.kind == kind).order_by(outbox.c.n))
            return [canonical.decode(body) for body in rows.scalars()]

    def move(self, **span: float) -> None:
        self.ground.clock.move(timedelta(**span))


@pytest.fixture
def people(tmp_path) -> Iterator[People]:
    yield from over(make_ground(tmp_path))


@pytest.fixture
def people_on_postgres(tmp_path, server: postgres.Server) -> Iterator[People]:
    yield from over(make_ground(tmp_path, server.fresh_database()))


def over(ground: Ground) -> Iterator[People]:
    policy = SecurityPolicy()
    parts = Identity(
        policy=policy,
        hasher=Hasher(Secret(b"p" * 32), policy, memory_kib=64),
        common=password_filter.load(),
        subject_keys=ground.subject_keys,
        lookup=Secret(b"l" * 32),
        credentials=Secret(b"c" * 32),
        messages=Secret(b"m" * 32),
        public_url="http://localhost:8080",
    )
    yield People(ground=ground, parts=parts)
    ground.close()
