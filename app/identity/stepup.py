"""Proving a factor anew within a session, for what should not rest on a sign-in of this morning."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.identity import lockout, mfa, sessions
from app.identity.mfa import CodeRefused
from app.identity.parts import Identity
from app.identity.sessions import NewSession
from app.kernel.access import SECURITY_OWN_READ, Acr
from app.kernel.context import Context
from app.kernel.errors import TooManyAttempts
from ingest.events.auth import StepUpCompleted, StepUpFailed
from ingest.log import outbox


class ProofRefused(CodeRefused):
    """The code was not accepted. Wait for the next one and try again."""

    def __init__(self, account_id: str, reason: str, parts: Identity) -> None:
        super().__init__(param="code")
        self.account_id, self.reason, self._parts = account_id, reason, parts

    def trace(self, session: Session, ctx: Context) -> None:
        """Count the wrong code and record it, after the refused unit of work was rolled back."""
        lockout.count_code_failure(session, self.account_id, ctx.at, policy=self._parts.policy)
        event = StepUpFailed(account=self.account_id, factor=mfa.TOTP, reason=self.reason, about=(self.account_id,))
        outbox.record(session, event, ctx)


def prove(session: Session, code: str, ctx: Context, *, parts: Identity) -> NewSession:
    """Accept a code once and renew the session with it: level, proof time, token and CSRF secret (STU-1, SES-2).

    Raises `ProofRefused` (traced), or `TooManyAttempts` while the account's code counters are full.
    """
    ctx.actor.require(SECURITY_OWN_READ)
    account_id, session_id = ctx.actor.own_id, ctx.actor.session_id
    assert session_id is not None, "a step-up happens in a session"
    until = lockout.code_exhausted(session, account_id, ctx.at)
    if until is not None:
        raise TooManyAttempts(retry_after=max(1, int((until - ctx.at).total_seconds())))
    found, reason = mfa.match(session, account_id, code, ctx.at, parts=parts)
    if found is None or not mfa.use_up(session, found):
        raise ProofRefused(account_id, "replayed" if found else ("expired" if reason == "clock" else reason), parts)
    renewed = sessions.renew(session, session_id, Acr.MFA, mfa.TOTP, ctx)
    outbox.record(session, StepUpCompleted(account=account_id, factor=mfa.TOTP, about=(account_id,)), ctx)
    return renewed
