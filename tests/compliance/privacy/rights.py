"""What a test of rights does: somebody asks, time goes on, jobs run, the copy is opened."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from app.identity import roles
from app.kernel.access import Acr, Actor, ActorKind
from app.kernel.approvals import Verdict
from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.kernel.db import Database
from compliance.privacy import delivery, jobs, requests, rights
from compliance.privacy.erasure import deciding
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Asked, Request, Step
from ingest.log import checkpoint
from ingest.models import body, outbox
from tests.support.installation import Installation, Person


@dataclass(kw_only=True)
class Rights:
    """An installation with the services of privacy, on a clock that stands."""

    house: Installation
    clock: StillClock

    @property
    def parts(self) -> Privacy:
        return self.house.system.compliance.privacy

    @property
    def db(self) -> Database:
        return self.house.system.db

    def me(self, person: Person, *, fresh: bool = True, acr: Acr = Acr.MFA) -> Context:
        """Return the context of somebody who proved a factor now, or an hour ago."""
        now = self.clock.now()
        actor = Actor(
            id=person.account,
            kind=ActorKind.CUSTOMER,
            roles=frozenset({roles.CUSTOMER}),
            permissions=roles.ROLES[roles.CUSTOMER],
            acr=acr,
            authenticated_at=now if fresh else now - timedelta(hours=1),
        )
        return self.house.system.context(actor)

    def staff(self, role: str, id: str = "acc_staff") -> Context:
        """Return the context of a colleague."""
        actor = Actor(
            id=id,
            kind=ActorKind.STAFF,
            roles=frozenset({role}),
            permissions=roles.ROLES[role],
            acr=Acr.MFA,
            authenticated_at=self.clock.now(),
        )
        return self.house.system.context(actor)

    def colleague(self, person: Person, role: str) -> Context:
        """Return the context of somebody who really works here, with a proof of now."""
        return self.staff(role, person.account)

    def vote(self, approval_id: str, ctx: Context, verdict: Verdict = Verdict.APPROVED, reason: str = "") -> None:
        with self.db.begin() as session:
            self.house.system.approvals.decide(session, approval_id, verdict, reason, ctx)

    def approved_erasure(self, person: Person, officer: Person, dpo: Person) -> str:
        """Ask to be erased and let two people prepare and approve it; returns the request."""
        request_id = self.ask(person, "erasure")
        self.work()
        ctx = self.colleague(officer, roles.COMPLIANCE_OFFICER)
        with self.db.begin() as session:
            approval = deciding.propose(
                session, request_id, "as they asked", ctx, parts=self.parts, approvals=self.house.system.approvals
            )
        self.vote(approval, self.colleague(dpo, roles.DPO))
        return request_id

    def due_erasure(self, person: Person, officer: Person, dpo: Person) -> str:
        """Have an erasure approved long after a sign-up, and let its wait pass; returns the request."""
        self.calm()
        request_id = self.approved_erasure(person, officer, dpo)
        self.clock.move(timedelta(hours=72))
        return request_id

    def job(self) -> Context:
        """Return the context of the jobs of privacy, now."""
        return self.house.system.job_context("privacy", self.clock.now())

    def calm(self) -> None:
        """Let the days after a sign-up pass."""
        self.clock.move(timedelta(days=4))

    def ask(self, person: Person, kind: str = "access", **more: Any) -> str:
        with self.db.begin() as session:
            return rights.ask(session, Asked(kind=kind, **more), self.me(person), parts=self.parts)

    def work(self) -> None:
        """Do what the jobs of privacy would do now, with the log signed and shipped before."""
        self.house.arrive()
        checkpoint.sign(self.db, self.house.system.log_key, self.clock.now())
        for job in jobs.jobs(self.db, self.house.system.ids, self.parts, lambda: self.house.system.shredding):
            job.run(self.clock.now())
        self.house.arrive()

    def get(self, request_id: str) -> Request:
        with self.db.read() as session:
            return requests.get(session, request_id, parts=self.parts)

    def steps(self, request_id: str) -> list[Step]:
        """Return the steps of a request, oldest first."""
        with self.db.read() as session:
            return list(requests.steps(session, request_id))

    def fetch(self, person: Person, request_id: str, *, fresh: bool = True) -> bytes:
        self.clock.move(timedelta(seconds=1))
        ctx = self.me(person, fresh=fresh)
        with self.db.begin() as session:
            return delivery.fetch(session, request_id, ctx, parts=self.parts)

    def copy_of(self, person: Person, kind: str = "access") -> Copy:
        """Ask for a copy and open it."""
        request_id = self.ask(person, kind)
        self.work()
        return Copy(self.fetch(person, request_id))

    def kinds(self) -> list[str]:
        """Return the kinds of all events, oldest first."""
        self.house.arrive()
        with self.db.read() as session:
            assert not session.execute(sa.select(outbox.c.n)).all()
            texts = session.execute(sa.select(body.c.body).order_by(body.c.sequence)).scalars()
            return [json.loads(text)["event"]["action"] for text in texts]

    def letters_to(self, person: Person) -> list[str]:
        """Return the letters that wait for somebody, oldest first."""
        from app.identity import letters

        with self.db.read() as session:
            due = letters.due(session, self.clock.now(), parts=self.house.system.identity)
            return [f"{letter.subject}\n{letter.text}" for letter in due if letter.to == person.address]


class Copy:
    """An opened copy."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.zip = zipfile.ZipFile(io.BytesIO(data))

    def text(self, name: str) -> str:
        return self.zip.read(name).decode()

    def json(self, name: str) -> Any:
        return json.loads(self.text(name))

    def table(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.text(name))))

    def everything(self) -> str:
        """Return all that the files say."""
        names = [name for name in self.zip.namelist() if not name.endswith((".zip", ".py"))]
        packed = ""
        if "proofs/log.zip" in self.zip.namelist():
            inner = zipfile.ZipFile(io.BytesIO(self.zip.read("proofs/log.zip")))
            packed = "".join(inner.read(name).decode() for name in inner.namelist())
        return "".join(self.text(name) for name in names) + packed
