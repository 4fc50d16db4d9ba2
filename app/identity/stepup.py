"""Proving a factor anew within a session, for what should not rest on a sign-in of this morning."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.identity import accounts, lockout, mfa, sessions
from app.identity.mfa import CodeRefused
from app.identity.parts import Identity
from app.identity.passwords import PasswordRefused
from app.identity.sessions import NewSession
from app.kernel.access import SECURITY_OWN_READ, Acr
from app.kernel.context import Context
from app.kernel.errors import TooManyAttempts
from ingest.events.auth import StepUpCompleted, StepUpFailed
from ingest.log import outbox


class ProofRefused(CodeRefused):
    """The code was not accepted. Wait for the next one and try again."""


class CodeRepeated(ProofRefused):
    """The code was used a moment ago. Wait for the next one and try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of a code. A refusal is counted and recorded in the transaction that compared it, which commits.

    Were it raised there, its count would come in a transaction of its own, and of many codes at once each would be
    compared before any was counted.
    """

    session: NewSession | None = None
    refusal: ProofRefused | PasswordRefused | None = None

    def demand(self) -> None:
        """Raise the refusal, after the transaction."""
        if self.refusal is not None:
            raise self.refusal

    def renewed(self) -> NewSession:
        """Return the renewed session, or raise the refusal, after the transaction."""
        self.demand()
        assert self.session is not None, "a proof that is not refused renews the session"
        return self.session


def prove(session: Session, code: str, ctx: Context, *, parts: Identity) -> Proof:
    """Accept a code once and renew the session with it: level, proof time, token and CSRF secret (STU-1, SES-2).

    Raises `TooManyAttempts` while the account's code counters are full.
    """
    ctx.actor.require(SECURITY_OWN_READ)
    account_id, session_id = ctx.actor.own_id, ctx.actor.session_id
    assert session_id is not None, "a step-up happens in a session"
    refusal = check(session, account_id, code, ctx, parts=parts)
    if refusal is not None:
        return Proof(refusal=refusal)
    # Only now, as a sign-in too holds its counters before its account.
    sessions.demand_live(session, session_id)
    renewed = sessions.renew(session, session_id, Acr.MFA, mfa.TOTP, ctx)
    outbox.record(session, StepUpCompleted(account=account_id, factor=mfa.TOTP, about=(account_id,)), ctx)
    return Proof(session=renewed)


def check(session: Session, account_id: str, code: str, ctx: Context, *, parts: Identity) -> ProofRefused | None:
    """Compare a code and use it up, or count it, record it, and return the refusal. Codes of an account come in turn.

    Raises `TooManyAttempts` while the account's code counters are full.
    """
    lockout.hold(session, lockout.codes_of(account_id))
    accounts.held(session, account_id)  # before its factors, as whoever removes one
    until = lockout.code_exhausted(session, account_id, ctx.at)
    if until is not None:
        raise TooManyAttempts(retry_after=max(1, int((until - ctx.at).total_seconds())))
    found, reason = mfa.match(session, account_id, code, ctx.at, parts=parts)
    if found is not None and mfa.use_up(session, found):
        return None
    if found is None:
        # A code sent twice was guessed by nobody.
        lockout.count_code_failure(session, account_id, ctx.at, policy=parts.policy)
    why = "replayed" if found else ("expired" if reason == "clock" else reason)
    event = StepUpFailed(account=account_id, factor=mfa.TOTP, reason=why, about=(account_id,))
    outbox.record(session, event, ctx)
    return CodeRepeated(param="code") if found else ProofRefused(param="code")
