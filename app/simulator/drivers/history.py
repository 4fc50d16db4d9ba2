"""History: the same services as always, one transaction a wish, on a clock that starts in the past and only moves on.

Past sign-ins begin behind the password hash, which would cost minutes; one in a hundred goes the whole way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

import pyotp

from app.compose import System
from app.gateway import agents
from app.identity import letters, mfa, sessions, signin, signup
from app.identity.signin import Check, Step
from app.kernel.access import ANONYMOUS, OPS_RECONCILE_IMPORT, Actor, ActorKind, service
from app.kernel.clock import SteppedClock
from app.kernel.context import Context, Source
from app.kernel.errors import OnePayError, Traced
from app.simulator.intents import Enrol, Look, Nothing, Outcome, Pay, SignIn, SignOut, SignUp, TopUp, Wish
from payments import topups, transfers, wallets
from payments.money import EUR, Money
from payments.topups import BankLine
from payments.transfers import TransferOrder

JOBS_EVERY: Final = timedelta(hours=1)
SPARSELY_EVERY: Final = timedelta(days=7)
WHOLE_WAY_EVERY: Final = 100


@dataclass(slots=True)
class _Standing:
    """Where an actor stands: account, session, and the browser that holds it."""

    account: str | None = None
    actor: Actor = ANONYMOUS
    session_id: str | None = None
    source: Source | None = None
    devices: dict[str, str] | None = None


class History:
    """Keeps `Driver` on a stepped clock. `run_jobs` does what the alarm clock would, at each simulated hour.

    Before `dense`, where little happens, that is once in a week only.
    """

    def __init__(
        self,
        system: System,
        clock: SteppedClock,
        run_jobs: Callable[[datetime], None],
        *,
        dense: datetime | None = None,
    ) -> None:
        self._system, self._clock, self._run_jobs = system, clock, run_jobs
        self._dense = dense or clock.now()
        self._appointments: list[tuple[datetime, Callable[[], None]]] = []
        self._standing: dict[str, _Standing] = {}
        self._jobs_at = clock.now() + JOBS_EVERY
        self._sign_ins = 0

    def advance(self, to: datetime) -> None:
        """Step the clock, running the jobs and keeping the appointments in between."""
        while True:
            meets = bool(self._appointments) and self._appointments[0][0] <= min(to, self._jobs_at)
            if meets:
                at, keep = self._appointments.pop(0)
                self._clock.step_to(at)
                keep()
            elif self._jobs_at <= to:
                self._clock.step_to(self._jobs_at)
                self._run_jobs(self._jobs_at)
                self._jobs_at = self._next_jobs(self._jobs_at)
            else:
                break
        self._clock.step_to(to)

    def meet(self, at: datetime, keep: Callable[[], None]) -> None:
        """Make an appointment: something that is done once the clock has come there."""
        self._appointments.append((at, keep))
        self._appointments.sort(key=lambda one: one[0])

    def _next_jobs(self, at: datetime) -> datetime:
        return at + JOBS_EVERY if at >= self._dense else min(at + SPARSELY_EVERY, self._dense)

    def carry_out(self, intent: Wish) -> Outcome:
        """Do it; a refusal is an outcome, anything unexpected stops the run."""
        who = self._standing.setdefault(intent.actor, _Standing(devices={}))
        try:
            match intent:
                case SignUp():
                    return self._sign_up(who, intent)
                case SignIn():
                    return self._sign_in(who, intent)
                case Enrol():
                    return self._enrol(who)
                case SignOut():
                    return self._sign_out(who)
                case Pay():
                    return self._pay(who, intent)
                case TopUp():
                    return self._top_up(who, intent)
                case Look() | Nothing():
                    return Outcome(ok=True)
                case _:
                    assert_never(intent)
        except OnePayError as refusal:
            if isinstance(refusal, Traced):
                with self._system.db.begin() as session:
                    refusal.trace(session, self._ctx(who))
            return Outcome(ok=False, code=refusal.code)

    def account_of(self, actor: str) -> str:
        """Return the account an actor opened."""
        found = self._standing[actor].account
        assert found is not None, f"{actor} has no account"
        return found

    def accounts(self) -> list[str]:
        """Return the accounts opened so far, oldest first."""
        return [standing.account for standing in self._standing.values() if standing.account is not None]

    def _sign_up(self, who: _Standing, intent: SignUp) -> Outcome:
        system, parts = self._system, self._system.identity
        who.source = Source(ip="198.18.0.1")
        with system.db.begin() as session:
            signup.ask(session, intent.address, self._ctx(who), parts=parts)
        new = signup.NewCustomer(name=intent.name, handle=intent.handle, hashed=parts.hasher.hash(intent.password))
        with system.db.begin() as session:
            token = self._link_to(intent.address)
            who.account, begun, _ = signup.complete(
                session, token, new, self._ctx(who), parts=parts, open_wallet=wallets.open
            )
        self._enter(who, begun.token)
        return Outcome(ok=True, made={"account": who.account})

    def _sign_in(self, who: _Standing, intent: SignIn) -> Outcome:
        system, parts = self._system, self._system.identity
        who.actor, who.session_id = ANONYMOUS, None
        who.source = source_of(intent.ip, intent.agent)
        assert who.devices is not None
        ctx = self._ctx(who)
        with system.db.read() as session:
            made = signin.attempt(
                session, ActorKind.CUSTOMER, intent.address, who.devices.get(intent.agent), ctx, parts=parts
            )
        checks = [self._password(made, intent)]
        if intent.secret is not None and made.has_factor:
            code = pyotp.TOTP(intent.secret).at(int(ctx.at.timestamp()))
            with system.db.read() as session:
                checks.append(signin.check_code(session, made, code, ctx, parts=parts))
        with system.db.begin() as session:
            done = signin.conclude(session, made, checks, ctx, parts=parts)
        if done.step is not Step.DONE or done.session is None:
            return Outcome(ok=False, code=done.step.value)
        if done.device_token is not None:
            who.devices[intent.agent] = done.device_token
        self._enter(who, done.session.token)
        return Outcome(ok=True, made={"session": done.session.id})

    def _password(self, made: signin.Attempt, intent: SignIn) -> Check:
        self._sign_ins += 1
        if self._sign_ins % WHOLE_WAY_EVERY == 0:
            return signin.check_password(made, intent.password, parts=self._system.identity)
        passed = made.account is not None and self._knows(intent)
        return Check(factor=signin.PASSWORD, passed=passed, reason="" if passed else "password")

    def _knows(self, intent: SignIn) -> bool:
        # A wrong password of this world is the right one without its last letter (customers.py).
        return not intent.key.endswith("-typo")

    def _enrol(self, who: _Standing) -> Outcome:
        system, parts, ctx = self._system, self._system.identity, self._ctx(who)
        assert who.session_id is not None, "only somebody signed in adds a factor"
        with system.db.begin() as session:
            account, holder = ctx.actor.own_id, who.session_id
            made = mfa.offer(session, account, holder, "simulated", parts=parts)
            code = pyotp.TOTP(made.secret).at(int(ctx.at.timestamp()))
            mfa.take(session, account, holder, code, ctx, parts=parts)
        return Outcome(ok=True, made={"secret": made.secret})

    def _sign_out(self, who: _Standing) -> Outcome:
        if who.session_id is not None:
            with self._system.db.begin() as session:
                sessions.end(session, who.session_id, "logout", self._ctx(who))
        who.actor, who.session_id = ANONYMOUS, None
        return Outcome(ok=True)

    def _pay(self, who: _Standing, intent: Pay) -> Outcome:
        system, ctx = self._system, self._ctx(who)
        with system.db.begin(posting=True) as session:
            (main, *_) = wallets.of(session, ctx.actor)
            order = TransferOrder(
                source=main.id,
                payee=intent.payee,
                amount=Money(intent.minor, EUR),
                note=intent.note,
                reference=f"{intent.actor}-{intent.key}",
            )
            done = transfers.execute(session, order, ctx, keys=system.subject_keys)
        return Outcome(ok=True, made={"transfer": done.id})

    def _top_up(self, who: _Standing, intent: TopUp) -> Outcome:
        reference = topups.reference_of(self.account_of(intent.owner))
        line = BankLine(identity=f"{intent.actor}-{intent.key}", amount=Money(intent.minor, EUR), text=reference)
        bank = self._system.context(service("bank", OPS_RECONCILE_IMPORT))
        with self._system.db.begin(posting=True) as session:
            done = topups.bank_line(session, line, bank)
        return Outcome(ok=True, made={"topup": done.id})

    def _enter(self, who: _Standing, token: str) -> None:
        """Become the actor that the guard would build of this session."""
        with self._system.db.read() as session:
            live = sessions.resolve(session, token, self._clock.now())
        assert live is not None, "a session that has only now begun"
        who.actor, who.session_id = live.actor, live.session_id

    def _link_to(self, address: str) -> str:
        with self._system.db.read() as session:
            found = [
                letter
                for letter in letters.due(session, self._clock.now(), parts=self._system.identity)
                if letter.to == address
            ]
        return found[-1].text.partition("/link/")[2].split()[0]

    def _ctx(self, who: _Standing) -> Context:
        at = self._clock.now()
        return Context(
            actor=who.actor,
            at=at,
            request_id=self._system.ids.new("req", at),
            source=who.source or Source(),
            ids=self._system.ids,
        )


def source_of(ip: str, agent: str) -> Source:
    """Return what the gateway would make of an address and a user agent."""
    read = agents.parse(agent)
    return Source(ip=ip, user_agent_name=read.name, user_agent_version=read.version, os_name=read.system)
