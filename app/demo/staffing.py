"""The staff of the demonstration: everybody comes in by their own door, and roles are given by two people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import pyotp
from sqlalchemy.orm import Session

from app.compose import System
from app.demo.accounts import Account, Made, new_password
from app.identity import letters, links, mfa, role_grants, roles, signup
from app.identity.accounts import AUDITOR_GRANT_MAX, Terms
from app.kernel.access import IAM_ACCOUNT_INVITE, Acr, Actor, ActorKind, service
from app.kernel.approvals import Verdict

# Nothing is delivered while a world is made, so an invitation lies behind all letters of the last days.
LETTERS_MAX: Final = 100_000
ASSESSED_BEFORE: Final = timedelta(days=120)
STAFF: Final = (
    ("administrator", roles.ADMINISTRATOR, "Ada Reed"),
    ("administrator2", roles.ADMINISTRATOR, "Basil Stone"),
    ("analyst", roles.ANALYST, "Maren Voss"),
    ("analyst2", roles.ANALYST, "Ilse Brandt"),
    ("commander", roles.INCIDENT_COMMANDER, "Tomas Aker"),
    ("commander2", roles.INCIDENT_COMMANDER, "Nora Field"),
    ("compliance", roles.COMPLIANCE_OFFICER, "Liv Osterman"),
    ("compliance2", roles.COMPLIANCE_OFFICER, "Piet Okafor"),
    ("dpo", roles.DPO, "Hanna Weiss"),
    ("dpo2", roles.DPO, "Rui Moreno"),
)
OFFICE: Final = (roles.ADMINISTRATOR, roles.COMPLIANCE_OFFICER, roles.DPO)
AUDITOR: Final = ("auditor", roles.AUDITOR, "Selma Dorn")


def people(system: System, made: Made, people: Sequence[tuple[str, str, str]]) -> None:
    """Make staff by their own doors: the first two from the command line, the rest by invitation."""
    for n, (name, role, full_name) in enumerate(people):
        address, password = f"{name}@onepay.example", new_password()
        with system.db.begin() as session:
            if role == roles.ADMINISTRATOR:
                ctx = system.context(service("operator", IAM_ACCOUNT_INVITE))
                account = signup.bootstrap(session, address, full_name, ctx, parts=system.identity)
                made.administrators.append(account)
            else:
                ctx = system.context(_administrator(system, made.administrators[n % 2]))
                account = signup.invite(session, address, full_name, role, ctx, parts=system.identity)
                _give(
                    session,
                    system,
                    account,
                    role,
                    Terms(),
                    made.administrators if n % 2 == 0 else made.administrators[::-1],
                )
        secret = _accept(system, account, address, password)
        made.staff[name] = account
        made.accounts.append(Account(role=role, address=address, password=password, secret=secret))


def builder(system: System) -> None:
    """Make who built the first version and has not signed in since: an account that sleeps, without any role."""
    address = "builder@onepay.example"
    with system.db.begin() as session:
        ctx = system.context(service("operator", IAM_ACCOUNT_INVITE))
        account = signup.invite(session, address, "Jule Hartmann", roles.ANALYST, ctx, parts=system.identity)
    _accept(system, account, address, new_password())


def auditor(system: System, made: Made) -> str:
    """Invite the auditor once the world has been lived; what is locked to them reaches over what is shown after it."""
    name, role, full_name = AUDITOR
    address, password = f"{name}@onepay.example", new_password()
    ctx = system.context(_administrator(system, made.administrators[0]))
    until = ctx.at + AUDITOR_GRANT_MAX
    terms = Terms(until=until, period=(ctx.at - ASSESSED_BEFORE, until))
    with system.db.begin() as session:
        account = signup.invite(session, address, full_name, role, ctx, parts=system.identity)
        _give(session, system, account, role, terms, made.administrators)
    secret = _accept(system, account, address, password)
    made.accounts.append(Account(role=role, address=address, password=password, secret=secret))
    return account


def _give(session: Session, system: System, account: str, role: str, terms: Terms, two: Sequence[str]) -> None:
    """Let the first of two administrators ask for a role, and the second agree."""
    first, second = (system.context(_administrator(system, one)) for one in two[:2])
    id = role_grants.ask(session, account, role, terms, "Needed for the work", first, approvals=system.approvals)
    outcome = system.approvals.decide(session, id, Verdict.APPROVED, "", second)
    if outcome.error is not None:
        raise outcome.error


def _accept(system: System, account: str, address: str, password: str) -> str:
    """Accept an invitation as its page does: password, authenticator, first code."""
    ctx = system.context(Actor(id=account, kind=ActorKind.STAFF))
    with system.db.read() as session:
        waiting = list(letters.due(session, ctx.at, parts=system.identity, limit=LETTERS_MAX))
    token = [letter for letter in waiting if letter.to == address][-1].text.partition("/link/")[2].split()[0]
    hashed = system.identity.hasher.hash(password)
    with system.db.begin() as session:
        holder = links.look(session, token, ctx, parts=system.identity).id
        offer = mfa.offer(session, account, holder, address, parts=system.identity)
        code = pyotp.TOTP(offer.secret).at(int(ctx.at.timestamp()))
        mfa.take(session, account, holder, code, ctx, parts=system.identity)
        signup.accept(session, token, hashed, ctx, parts=system.identity)
    return offer.secret


def _administrator(system: System, account: str) -> Actor:
    """Return an administrator as if signed in with a factor a moment ago."""
    return Actor(
        id=account,
        kind=ActorKind.STAFF,
        roles=frozenset({roles.ADMINISTRATOR}),
        permissions=roles.ROLES[roles.ADMINISTRATOR],
        acr=Acr.MFA,
        authenticated_at=system.clock.now(),
    )
