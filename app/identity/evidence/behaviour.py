"""Probes that do what is forbidden, in a scratch: guess ten times, choose weak passwords, use a code twice."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa

from app.identity import kept_passwords, passwords, signin
from app.identity.evidence import scratch
from app.identity.evidence.scratch import Person
from app.identity.links import LinkClosed, LinkPurpose, consume, make
from app.identity.models import account, factor
from app.identity.parts import Identity
from app.identity.passwords import PasswordRefused
from app.identity.policy import SecurityPolicy
from app.identity.signin import Check, Conclusion, Step, Throttled
from app.kernel.access import ActorKind
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import OnePayError
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation

TRIES_MAX: Final = 10
LOCKED: Final = timedelta(minutes=29)
WRONG: Final = "not the password of this person"
WRONG_CODE: Final = "12345x"
# Each must be refused, for the reason beside it.
WEAK: Final = (
    ("Sh0rt-word", "shorter than 12 characters"),
    ("aaaaaaaaaaaaaaaaaa", "one character again and again"),
    ("abcdefghijklmnopqr", "a running pattern"),
    ("password123password123", "a repeated common word"),
    ("my onepay wallet is here", "holds our name"),
)
_LAX: Final = "lax"


def probes(parts: Identity) -> tuple[Probe, ...]:
    """Return the live probes of identity."""
    return (
        Probe(
            name="identity.lockout",
            kind=Kind.LIVE,
            asks="A person of each kind, guessed at ten times; wrong is one not locked, or open 29 minutes on.",
            read=partial(_lockout, parts=parts),
            plant=_plant_lax,
        ),
        Probe(
            name="identity.password_rules",
            kind=Kind.LIVE,
            asks="Weak and short passwords and a used link, offered, and what bars reuse; wrong is one not refused.",
            read=partial(_rules, parts=parts),
            plant=_plant_taken,
        ),
        Probe(
            name="identity.codes",
            kind=Kind.LIVE,
            asks="A code offered twice, a wrong password, a wrong code; wrong is a second use or a telling answer.",
            read=partial(_codes, parts=parts),
            plant=_plant_replay,
        ),
    )


def _protected(look: Look) -> dict[str, int]:
    """Return whom the rules protect: people who work here. What was tried on nobody's behalf proves nothing."""
    working = account.c.kind.in_((ActorKind.STAFF.value, ActorKind.MERCHANT.value))
    count = sa.select(sa.func.count()).select_from(account).where(working, account.c.state == "active")
    return {"people": look.session.execute(count).scalar_one()}


def _lockout(look: Look, *, parts: Identity) -> Reading:
    """Guess until the tenth wrong try, waiting out every delay; then ask again after 29 minutes (8.3.4)."""
    parts = _lax(look, parts)
    hashed = parts.hasher.hash(scratch.PASSWORD)
    wrong: list[Violation] = []
    with scratch.database() as db:
        for kind in (ActorKind.CUSTOMER, ActorKind.STAFF):
            scratch.person(db, kind, look.ctx, parts=parts, hashed=hashed)
            ctx = look.ctx
            for _ in range(TRIES_MAX):
                look.deadline.check()
                ctx = _guess(db, kind, ctx, parts)
            later = replace(ctx, at=ctx.at + LOCKED)
            if not _is_shut(db, kind, ctx, parts):
                says = f"is not locked after {TRIES_MAX} wrong tries"
                wrong.append(Violation(component=kind.value, object_id=f"probe-{kind.value}", says=says))
            elif not _is_shut(db, kind, later, parts):
                says = "is open 29 minutes after it was locked"
                wrong.append(Violation(component=kind.value, object_id=f"probe-{kind.value}", says=says))
    return Reading(population=_protected(look), violations=wrong, asked={"tries": TRIES_MAX, "minutes": 29})


def _guess(db: Database, kind: ActorKind, ctx: Context, parts: Identity) -> Context:
    """Try a wrong password once, as soon as one may; return the context of that moment. Stops at a lock."""
    try:
        with db.begin() as session:
            made = signin.attempt(session, kind, scratch.ADDRESS, None, ctx, parts=parts)
    except Throttled as closed:
        if closed.until - ctx.at >= LOCKED:
            return ctx
        return _guess(db, kind, replace(ctx, at=closed.until), parts)
    check = signin.check_password(made, WRONG, parts=parts)
    with db.begin() as session, suppress(Throttled):
        signin.conclude(session, made, [check], ctx, parts=parts)
    return ctx


def _is_shut(db: Database, kind: ActorKind, ctx: Context, parts: Identity) -> bool:
    with db.begin() as session:
        try:
            signin.attempt(session, kind, scratch.ADDRESS, None, ctx, parts=parts)
        except Throttled:
            return True
        return False


def _lax(look: Look, parts: Identity) -> Identity:
    policy = look.fence.get(_LAX)
    return parts if policy is None else replace(parts, policy=policy)


def _plant_lax(look: Look) -> str:
    """Plant a policy that its bounds refuse: staff are never locked."""
    policy = SecurityPolicy()
    assert any(field.name == "lock_after_staff" for field in fields(policy)), "the policy names its limit"
    object.__setattr__(policy, "lock_after_staff", 1_000)
    look.fence[_LAX] = policy
    return "probe-staff"


def _rules(look: Look, *, parts: Identity) -> Reading:
    """Offer what must be refused: weak passwords, one of the last four, a link a second time (8.3.5 to 8.3.7)."""
    wrong: list[Violation] = []
    for text, why in (*WEAK, *look.fence.get("weak", ())):
        try:
            passwords.check(text, policy=parts.policy, common=parts.common, has_factor=True, own_words=())
        except PasswordRefused:
            continue
        wrong.append(Violation(component="passwords", object_id=why, says="was taken, and must be refused"))
    with scratch.database() as db:
        wrong += _reused(db, look, parts)
        wrong += _link_twice(db, look, parts)
    return Reading(
        population=_protected(look), violations=wrong, asked={"passwords": len(WEAK), "reuse": 1, "links": 1}
    )


def _reused(db: Database, look: Look, parts: Identity) -> list[Violation]:
    hashed = parts.hasher.hash(scratch.PASSWORD)
    made = scratch.person(db, ActorKind.STAFF, look.ctx, parts=parts, hashed=hashed)
    another = parts.hasher.hash(f"not {scratch.PASSWORD}")
    with db.begin() as session:
        for _ in range(1, kept_passwords.KEPT):
            kept_passwords.store(session, made.account_id, another, look.ctx)
        barred = kept_passwords.barred(session, made.account_id, is_staff=True)
    if kept_passwords.refusal(scratch.PASSWORD, barred, is_staff=True, hasher=parts.hasher) is not None:
        return []
    return [Violation(component="reuse", object_id="last four", says="the fourth password back may be used again")]


def _link_twice(db: Database, look: Look, parts: Identity) -> list[Violation]:
    with db.begin() as session:
        address = make(session, LinkPurpose.RECOVERY, look.ctx, parts=parts, seconds=600, account_id="acc_probe")
        token = address.rsplit("/", 1)[1]
        consume(session, token, LinkPurpose.RECOVERY, look.ctx, parts=parts)
        try:
            consume(session, token, LinkPurpose.RECOVERY, look.ctx, parts=parts)
        except LinkClosed:
            return []
    return [Violation(component="links", object_id="recovery link", says="opened a second time")]


def _plant_taken(look: Look) -> str:
    look.fence["weak"] = (("correct horse battery staple", "planted"),)
    return "planted"


def _codes(look: Look, *, parts: Identity) -> Reading:
    """Sign in with a code, offer the same code again, and compare the answers to two kinds of error (8.5.1)."""
    wrong: list[Violation] = []
    hashed = parts.hasher.hash(scratch.PASSWORD)
    with scratch.database() as db:
        made = scratch.person(db, ActorKind.STAFF, look.ctx, parts=parts, hashed=hashed)
        first = _signed_in(db, made, scratch.PASSWORD, made.code(look.ctx), look.ctx, parts)
        if first != Step.DONE.value:
            wrong.append(Violation(component="codes", object_id="first use", says=f"a right code was answered {first}"))
        # Later than a form that is sent twice, within the life of the code.
        again = replace(look.ctx, at=look.ctx.at + signin.REPEATED_WITHIN + timedelta(seconds=1))
        if look.fence.get("replay"):
            _forget_use(db, made)
        if _signed_in(db, made, scratch.PASSWORD, made.code(look.ctx), again, parts) == Step.DONE.value:
            wrong.append(Violation(component="codes", object_id="second use", says="a code was taken twice"))
        much_later = replace(look.ctx, at=look.ctx.at + timedelta(hours=2))
        later_still = replace(look.ctx, at=look.ctx.at + timedelta(hours=3))
        answers = {
            _signed_in(db, made, WRONG, made.code(much_later), much_later, parts),
            _signed_in(db, made, scratch.PASSWORD, WRONG_CODE, later_still, parts),
        }
        if len(answers) > 1:
            says = f"a wrong password and a wrong code are told apart: {', '.join(sorted(answers))}"
            wrong.append(Violation(component="answers", object_id="answers", says=says))
    return Reading(population=_protected(look), violations=wrong, asked={"codes": 2, "answers": 2})


def _signed_in(db: Database, made: Person, password: str, code: str, ctx: Context, parts: Identity) -> str:
    """Return how a sign-in by password and code at once is answered: a step, or the code of a refusal."""
    try:
        with db.begin() as session:
            attempt = signin.attempt(session, made.kind, scratch.ADDRESS, None, ctx, parts=parts)
        first = signin.check_password(attempt, password, parts=parts)
        with db.begin() as session:
            second: Check = signin.check_code(session, attempt, code, ctx, parts=parts)
            done: Conclusion = signin.conclude(session, attempt, [first, second], ctx, parts=parts)
        return done.step.value
    except OnePayError as refused:
        return refused.code


def _forget_use(db: Database, made: Person) -> None:
    """Plant a system that forgets which codes were used."""
    with db.begin() as session:
        session.execute(sa.update(factor).where(factor.c.account_id == made.account_id).values(last_step=0))


def _plant_replay(look: Look) -> str:
    look.fence["replay"] = True
    return "second use"
