"""A small owner of something that needs two people, and the administrators who decide about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.identity import accounts, roles
from app.identity.accounts import State as AccountState
from app.identity.approvals import ApprovalBook, Outcome
from app.kernel.access import IAM_ROLE_ASK, IAM_ROLE_DECIDE, Acr, Actor, ActorKind
from app.kernel.approvals import ApprovalKind, State, Verdict
from app.kernel.context import Context
from app.kernel.errors import OnePayError, Traced, WrongState
from tests.app.identity.conftest import People

KIND = "desk.paint"
DOOR = {"door": "north", "colour": "green", "coats": 2}


@dataclass(kw_only=True)
class Desk:
    """Doors are painted once two agree; who may ask and decide are administrators."""

    people: People
    painted: list[tuple[Mapping[str, Any], str | None]] = field(default_factory=list)
    closed: list[tuple[str, State]] = field(default_factory=list)
    is_empty: bool = False
    takes: Mapping[str, Any] | None = None
    """What the service says it is about to do, where that is not what was approved."""

    def __post_init__(self) -> None:
        self.book = ApprovalBook(self.people.parts)

    def declare(self, **changes: Any) -> ApprovalKind:
        kind = ApprovalKind(
            name=KIND,
            title="Paint a door",
            asks=IAM_ROLE_ASK,
            decides=IAM_ROLE_DECIDE,
            render=lambda payload: [f"Paints the {payload['door']} door {payload['colour']}."],
            run=self._paint,
            closed=lambda session, id, state, ctx: self.closed.append((id, state)),
            excluded=lambda payload: frozenset(payload.get("owners", ())),
        )
        self.book.declare(replace(kind, **changes))
        return kind

    def _paint(self, session: Session, payload: Mapping[str, Any], id: str, ctx: Context) -> str:
        """Is the ordinary service: it demands, takes the approval for what it is about to do, and does it."""
        ctx.actor.require(IAM_ROLE_ASK)
        self.book.take(session, id, KIND, self.takes or payload, ctx)
        if self.is_empty:
            raise WrongState("There is no paint.")
        self.painted.append((payload, ctx.actor.id))
        return "painted"

    def administrator(self, name: str, *held: str) -> str:
        people = self.people
        with people.ground.db.begin() as session:
            ctx = people.ctx()
            account = accounts.create(
                session,
                ActorKind.STAFF,
                f"{name}@onepay.example",
                name.title(),
                AccountState.ACTIVE,
                ctx,
                parts=people.parts,
                verified=True,
            )
            for role in held or (roles.ADMINISTRATOR,):
                accounts.grant(session, account, role, "a test", ctx)
        return account

    def as_(self, account: str, *, at: datetime | None = None, proved: datetime | None = None) -> Context:
        """Return the context of somebody signed in as what they are now, their factor proven a moment ago."""
        now = at or self.people.ground.clock.now()
        with self.people.ground.db.read() as session:
            held = accounts.roles_of(session, account, now)
        actor = Actor(
            id=account,
            kind=ActorKind.STAFF,
            roles=held,
            permissions=roles.permissions_of(held),
            acr=Acr.MFA,
            authenticated_at=proved or now,
            session_id="ses_test",
        )
        return self.people.ctx(actor)

    def ask(self, account: str, payload: Mapping[str, Any] | None = None, **more: Any) -> str:
        with self.people.ground.db.begin() as session:
            reason = "The old colour peels off"
            return self.book.ask(session, KIND, payload or DOOR, self.as_(account), reason=reason, **more)

    def decide(self, account: str, id: str, verdict: Verdict = Verdict.APPROVED, **when: Any) -> Outcome:
        """Decide as the edge does: a refusal is rolled back, then leaves its trace."""
        ctx = self.as_(account, **when)
        reason = "not this colour" if verdict is Verdict.REJECTED else ""
        try:
            with self.people.ground.db.begin() as session:
                return self.book.decide(session, id, verdict, reason, ctx)
        except OnePayError as error:
            self._trace(error, ctx)
            raise

    def take(self, account: str, id: str | None, payload: Mapping[str, Any] | None = None) -> None:
        ctx = self.as_(account)
        try:
            with self.people.ground.db.begin() as session:
                self.book.take(session, id, KIND, payload or DOOR, ctx)
        except OnePayError as error:
            self._trace(error, ctx)
            raise

    def withdraw(self, account: str, id: str) -> None:
        ctx = self.as_(account)
        try:
            with self.people.ground.db.begin() as session:
                self.book.withdraw(session, id, ctx)
        except OnePayError as error:
            self._trace(error, ctx)
            raise

    def expire(self) -> int:
        with self.people.ground.db.begin() as session:
            return self.book.expire(session, self.people.ctx())

    def state(self, id: str) -> State:
        with self.people.ground.db.read() as session:
            return self.book.state_of(session, id).state

    def refusals(self) -> list[str]:
        return [body["event"]["reason"] for body in self.people.events("admin.approval.refused")]

    def _trace(self, error: OnePayError, ctx: Context) -> None:
        if isinstance(error, Traced):
            with self.people.ground.db.begin() as session:
                error.trace(session, ctx)
