"""Signing in: limits first, then one hash run, then everything else in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, devices, kept_passwords, lockout, mfa, notices, sessions
from app.identity.accounts import Account, State
from app.identity.models import account as account_table
from app.identity.models import device, login, password
from app.identity.parts import Identity
from app.identity.sessions import NewSession
from app.kernel import crypto
from app.kernel.access import Acr, ActorKind
from app.kernel.context import Context
from app.kernel.db import change_one
from app.kernel.errors import Conflict, SignInRequired, TooManyAttempts
from ingest.events.auth import (
    AccountLocked,
    LoginChallenged,
    LoginFailed,
    LoginSucceeded,
    LoginThrottled,
    MfaFailed,
    MfaVerified,
)
from ingest.log import outbox

PASSWORD = "password"
# A form sent twice arrives within seconds; what comes later is a replay like any other.
REPEATED_WITHIN = timedelta(seconds=10)


class SignInFailed(SignInRequired):
    """The address, password or code is not right."""

    code = "sign_in_failed"


class SignInOver(SignInRequired):
    """This sign-in took too long. Please start again."""

    code = "sign_in_over"


class SignInRepeated(Conflict):
    """This sign-in was completed a moment ago. If you are not signed in, sign in again with the next code."""

    code = "sign_in_repeated"

    def __init__(self, account_id: str | None = None) -> None:
        """`account_id` where a code was compared, and found used."""
        super().__init__()
        self.account_id = account_id

    def trace(self, session: Session, ctx: Context) -> None:
        """Record the second use of the code; it is counted nowhere, since nobody guessed."""
        if self.account_id is not None:
            about = (self.account_id,)
            event = MfaFailed(account=self.account_id, factor=mfa.TOTP, reason="replayed", about=about)
            outbox.record(session, event, ctx)


class Throttled(TooManyAttempts):
    """Too many tries. Please wait."""

    def __init__(self, attempt: Attempt, until: datetime, at: datetime) -> None:
        seconds = max(1, int((until - at).total_seconds() + 0.999))
        super().__init__(retry_after=seconds)
        self.attempt, self.until = attempt, until

    @property
    def event(self) -> LoginThrottled:
        """Return what the log is told of the try; the edge tells it, and folds what comes without end."""
        found = self.attempt.account
        return LoginThrottled(
            account=found.id if found else None,
            identifier=self.attempt.identifier.hex(),
            until=self.until,
            reason=self.code,
            about=(found.id,) if found else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A try to sign in, before anything is checked. `has_factor` tells whether a code will be asked for."""

    surface: ActorKind
    identifier: bytes
    account: Account | None
    password_hash: str | None
    has_factor: bool
    device_id: str | None
    login_id: str | None = None
    password_ok: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The outcome of one check, never its secret: `password`, or `totp` with the step that matched.

    `renewed` is the hash that shall replace one made with other parameters.
    """

    factor: str
    passed: bool
    reason: str = ""
    match: mfa.Match | None = None
    renewed: str | None = None


class Step(StrEnum):
    """Where a sign-in stands after its checks."""

    DONE = "done"
    CHALLENGED = "challenged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What `conclude` decided: a session when done, a login token when a code is still owed.

    `locked_by_owner` tells a customer who knows the password why a right one opens nothing: they locked the account.
    """

    step: Step
    account_id: str | None = None
    session: NewSession | None = None
    login_token: str | None = None
    device_token: str | None = None
    locked_by_owner: bool = False


def attempt(
    session: Session, surface: ActorKind, typed: str, device_token: str | None, ctx: Context, *, parts: Identity
) -> Attempt:
    """Look at limits and account of what was typed; raises `Throttled` before anything is checked (LCK-5)."""
    identifier = accounts.identifier_of(typed, parts=parts)
    found = accounts.find(session, surface, identifier)
    made = Attempt(
        surface=surface,
        identifier=identifier,
        account=found,
        password_hash=kept_passwords.present(session, found.id) if found else None,
        has_factor=bool(found and mfa.factors_of(session, found.id)),
        device_id=_device_of(session, found.id, device_token, ctx.at, parts) if found and device_token else None,
    )
    _demand_open(session, made, ctx)
    return made


def resumed(session: Session, login_token: str, ctx: Context, *, parts: Identity, device_token: str | None) -> Attempt:
    """Return the sign-in that waits for its code; raises `SignInOver`, `SignInRepeated` or `Throttled`."""
    row = session.execute(
        sa.select(login).where(login.c.token_hash == crypto.sha256(login_token.encode()))
    ).one_or_none()
    if row is not None and row.state == "done" and row.expires_at > ctx.at:
        raise SignInRepeated
    if row is None or row.state != "password_ok" or row.expires_at <= ctx.at:
        raise SignInOver
    made = Attempt(
        surface=ActorKind(row.surface),
        identifier=row.identifier,
        account=accounts.get(session, row.account_id),
        password_hash=None,
        has_factor=True,
        device_id=_device_of(session, row.account_id, device_token, ctx.at, parts) if device_token else None,
        login_id=row.id,
        password_ok=True,
    )
    _demand_open(session, made, ctx)
    return made


def check_password(made: Attempt, typed: str, *, parts: Identity) -> Check:
    """Run the hash once, for unknown accounts too; called outside any transaction."""
    passed = parts.hasher.verify(made.password_hash, typed)
    renewed = parts.hasher.renewed(made.password_hash, typed) if passed else None
    return Check(factor=PASSWORD, passed=passed, reason="" if passed else "password", renewed=renewed)


def check_code(session: Session, made: Attempt, typed: str, ctx: Context, *, parts: Identity) -> Check:
    """Compare a code without using it up; where there is none to compare with, the same work is done in vain."""
    if made.account is None or not made.has_factor:
        mfa.match_nothing(typed, ctx.at)
        return Check(factor=mfa.TOTP, passed=False, reason="wrong")
    if lockout.code_exhausted(session, made.account.id, ctx.at):
        mfa.match_nothing(typed, ctx.at)
        return Check(factor=mfa.TOTP, passed=False, reason="exhausted")
    found, why = mfa.match(session, made.account.id, typed, ctx.at, parts=parts)
    return Check(factor=mfa.TOTP, passed=found is not None, reason=why, match=found)


def conclude(session: Session, made: Attempt, checks: Sequence[Check], ctx: Context, *, parts: Identity) -> Conclusion:
    """Do all that follows the checking, in one transaction: counters, device, event, next step or session.

    Parallel guesses are counted one by one: the buckets are read again here, so that the try that comes after the lock
    is turned away with `Throttled` whatever its password was. A code counts for something only beside the right
    password: whoever does not know it neither uses a code up nor fills the counters of somebody else's codes. The same
    form sent twice is a `SignInRepeated`, and no failure of its owner.
    """
    lockout.hold(session, _buckets(made, ctx))
    _demand_open(session, made, ctx)
    if made.account is not None and not accounts.is_of_epoch(session, made.account):
        # The password was replaced, or everything ended, while this one was compared.
        raise SignInOver
    knows_password = made.password_ok or any(check.factor == PASSWORD and check.passed for check in checks)
    if knows_password:
        checks = [_used_up(session, made, check, ctx) for check in checks]
    wrong = [check for check in checks if not check.passed]
    if knows_password and _is_repeated(session, made, wrong, ctx):
        raise SignInRepeated(made.account.id if made.account else None)
    if knows_password:
        _record_codes(session, made, checks, ctx)
    if wrong or made.account is None or made.account.state is not State.ACTIVE:
        return _refuse(session, made, wrong, ctx, parts)
    _renew_hash(session, made, checks)
    proven = {check.factor for check in checks} | ({PASSWORD} if made.password_ok else set())
    if PASSWORD in proven and made.has_factor and mfa.TOTP not in proven:
        return _challenge(session, made, made.account, ctx, parts)
    if PASSWORD not in proven or (made.surface is not ActorKind.CUSTOMER and mfa.TOTP not in proven):
        return _refuse(session, made, [Check(factor=mfa.TOTP, passed=False, reason="wrong")], ctx, parts)
    return _finish(session, made, made.account, proven, ctx, parts)


def count_password(session: Session, made: Attempt, check: Check, ctx: Context, *, parts: Identity) -> bool:
    """Tell whether a password that was typed beside a sign-in is right and still the present one.

    A wrong one counts as at sign-in: raises `Throttled` for what comes after the lock.
    """
    lockout.hold(session, _buckets(made, ctx))
    _demand_open(session, made, ctx)
    if check.passed and made.account and kept_passwords.present(session, made.account.id) == made.password_hash:
        return True
    _refuse(session, made, [Check(factor=PASSWORD, passed=False, reason="password")], ctx, parts)
    return False


def _finish(
    session: Session, made: Attempt, found: Account, proven: set[str], ctx: Context, parts: Identity
) -> Conclusion:
    if made.login_id is not None:
        change_one(
            session,
            sa.update(login).where(login.c.id == made.login_id, login.c.state == "password_ok").values(state="done"),
            otherwise=SignInOver,
        )
    lockout.reset(session, _buckets(made, ctx)[0])
    is_new_device = made.device_id is None
    had_device = found.last_login_at is not None
    device_id, device_token = devices.know(session, made.device_id, found.id, ctx)
    idle_days = (ctx.at - found.last_login_at).days if found.last_login_at else None
    session.execute(sa.update(account_table).where(account_table.c.id == found.id).values(last_login_at=ctx.at))
    acr = Acr.MFA if mfa.TOTP in proven else Acr.PWD
    begun = sessions.begin(
        session,
        found.id,
        found.kind,
        acr,
        mfa.TOTP if mfa.TOTP in proven else PASSWORD,
        device_id,
        ctx,
        policy=parts.policy,
    )
    event = LoginSucceeded(
        account=found.id,
        identifier=made.identifier.hex(),
        factors=tuple(sorted(proven)),
        new_device=is_new_device,
        idle_days=idle_days,
        account_days=(ctx.at - found.created_at).days,
        about=(found.id,),
    )
    outbox.record(session, event, ctx)
    if is_new_device and had_device:
        _tell_new_device(session, found, ctx, parts)
    return Conclusion(step=Step.DONE, account_id=found.id, session=begun, device_token=device_token)


def _challenge(session: Session, made: Attempt, found: Account, ctx: Context, parts: Identity) -> Conclusion:
    token = crypto.token()
    session.execute(
        sa.insert(login).values(
            id=ctx.new_id("lgn"),
            token_hash=crypto.sha256(token.encode()),
            account_id=found.id,
            identifier=made.identifier,
            surface=made.surface.value,
            state="password_ok",
            expires_at=ctx.at + timedelta(seconds=parts.policy.login_seconds),
        )
    )
    outbox.record(session, LoginChallenged(account=found.id, factor=mfa.TOTP, about=(found.id,)), ctx)
    return Conclusion(step=Step.CHALLENGED, account_id=found.id, login_token=token)


def _refuse(session: Session, made: Attempt, wrong: Sequence[Check], ctx: Context, parts: Identity) -> Conclusion:
    found = made.account
    lock = lockout.count_failure(session, _buckets(made, ctx), made.surface, ctx.at, policy=parts.policy)
    _count_codes(session, made, wrong, ctx, parts)
    reason = "unknown" if found is None else (wrong[0].factor if wrong else found.state.value)
    event = LoginFailed(
        account=found.id if found else None,
        identifier=made.identifier.hex(),
        step="code" if made.login_id else "password",
        reason="code" if reason == mfa.TOTP else reason,
        new_device=made.device_id is None,
        about=(found.id,) if found else (),
    )
    outbox.record(session, event, ctx)
    if lock is not None and lock.bucket.scope == lockout.IDENTIFIER and found is not None:
        locked = AccountLocked(account=found.id, reason="failures", until=lock.until, about=(found.id,))
        outbox.record(session, locked, ctx)
        _tell_lock(session, found, lock.until, ctx, parts)
    is_owners = not wrong and found is not None and found.kind is ActorKind.CUSTOMER
    is_locked = found is not None and (found.state, found.reason) == (State.LOCKED, accounts.OWNERS_LOCK)
    return Conclusion(step=Step.REFUSED, locked_by_owner=is_owners and is_locked)


def _count_codes(session: Session, made: Attempt, wrong: Sequence[Check], ctx: Context, parts: Identity) -> None:
    """Count a wrong code against the account, if the password was right; else against nobody, at the same cost.

    So strangers cannot close somebody's codes, and the time of an answer does not tell whether a password was right.
    """
    if not any(check.factor == mfa.TOTP and check.reason != "exhausted" for check in wrong):
        return
    knows_password = made.account is not None and not any(check.factor == PASSWORD for check in wrong)
    whose = made.account.id if made.account and knows_password else f"nobody|{made.identifier.hex()}"
    reached = lockout.count_code_failure(session, whose, ctx.at, policy=parts.policy)
    if reached and made.login_id is not None:
        session.execute(sa.update(login).where(login.c.id == made.login_id).values(state="refused"))


def _is_repeated(session: Session, made: Attempt, wrong: Sequence[Check], ctx: Context) -> bool:
    """Tell whether this is a form sent twice: all is right but that the code has been used, by this very sign-in.

    That is the same open sign-in, or, since programs send password and code at once, one of these seconds from the
    same address with the same program.
    """
    if made.account is None or [check.reason for check in wrong] != ["replayed"]:
        return False
    if made.login_id is not None:
        state = session.execute(sa.select(login.c.state).where(login.c.id == made.login_id)).scalar_one()
        if state == "done":
            return True
    since = ctx.at - REPEATED_WITHIN
    return sessions.began_since(session, made.account.id, since, ctx)


def _demand_open(session: Session, made: Attempt, ctx: Context) -> None:
    shut = lockout.closed(session, _buckets(made, ctx), ctx.at)
    if shut is not None:
        raise Throttled(made, shut.until, ctx.at)


def _buckets(made: Attempt, ctx: Context) -> tuple[lockout.Bucket, ...]:
    return lockout.buckets_of(made.identifier, made.surface, made.device_id, ctx.source.ip)


def _used_up(session: Session, made: Attempt, check: Check, ctx: Context) -> Check:
    """Return the check with its code used up; a code that was used, or came when none is checked any more, fails."""
    if check.match is None:
        return check
    if made.account is None or lockout.code_exhausted(session, made.account.id, ctx.at):
        return Check(factor=check.factor, passed=False, reason="exhausted")
    if mfa.use_up(session, check.match):
        return check
    return Check(factor=check.factor, passed=False, reason="replayed")


def _record_codes(session: Session, made: Attempt, checks: Sequence[Check], ctx: Context) -> None:
    if made.account is None:
        return
    for check in checks:
        if check.factor != mfa.TOTP:
            continue
        about = (made.account.id,)
        if check.passed:
            outbox.record(session, MfaVerified(account=made.account.id, factor=mfa.TOTP, about=about), ctx)
        else:
            reason = "expired" if check.reason == "clock" else check.reason
            outbox.record(session, MfaFailed(account=made.account.id, factor=mfa.TOTP, reason=reason, about=about), ctx)


def _renew_hash(session: Session, made: Attempt, checks: Sequence[Check]) -> None:
    for check in checks:
        if check.renewed is not None and made.account is not None:
            # Only over the hash that was verified: a password set meanwhile stands.
            session.execute(
                sa.update(password)
                .where(
                    password.c.account_id == made.account.id, password.c.n == 0, password.c.hash == made.password_hash
                )
                .values(hash=check.renewed)
            )


def _device_of(session: Session, account_id: str, token: str, at: datetime, parts: Identity) -> str | None:
    oldest = at - timedelta(days=parts.policy.device_known_days)
    query = sa.select(device.c.id).where(
        device.c.account_id == account_id,
        device.c.token_hash == crypto.sha256(token.encode()),
        device.c.last_seen_at > oldest,
    )
    return session.execute(query).scalar_one_or_none()


def _tell_new_device(session: Session, found: Account, ctx: Context, parts: Identity) -> None:
    text = (
        f"Somebody signed in to your OnePay account with {sessions.agent_of(ctx)}, a device we had not seen before.\n"
        f"If that was you, there is nothing to do. {notices.remedy(found, parts=parts)}"
    )
    notices.tell(session, found.id, "A new device signed in", text, "new_device", ctx, parts=parts)


def _tell_lock(session: Session, found: Account, until: datetime, ctx: Context, parts: Identity) -> None:
    begin = "There were several wrong tries to sign in to your OnePay account, so"
    if found.kind is ActorKind.CUSTOMER:
        text = (
            f"{begin} we turn away further tries from devices\n"
            f"we do not know until {notices.time_of(until)}. Your account is not locked:\n"
            "a device you used before still works. You need not do anything.\n"
        )
    else:
        text = (
            f"{begin} we turn away all further tries\n"
            f"until {notices.time_of(until)}. Your account is not locked, but nobody can sign in to it until then.\n"
            "Whoever is signed in already stays so. An administrator can let you try again earlier.\n"
        )
    notices.tell(session, found.id, "Wrong tries to sign in", text, "lock", ctx, parts=parts)
