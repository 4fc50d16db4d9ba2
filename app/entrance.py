"""Signing in, for every edge alike: limits first, then one hash run, then everything else in one transaction."""

from __future__ import annotations

from app import browser
from app.edge import context, system
from app.identity import signin
from app.identity.signin import Conclusion, SignInFailed, Step
from app.kernel.access import ActorKind
from app.oauth import guard


def enter(surface: str, address: str, password: str, code: str) -> Conclusion:
    """Run the sign-in of 4.1 in its order; raises `Throttled`, and `SignInFailed` never: that is a conclusion."""
    parts, ctx = system(), context()
    kind = ActorKind.STAFF if surface == guard.STAFF else ActorKind.CUSTOMER
    with parts.db.read() as session:
        made = signin.attempt(session, kind, address, browser.device_token(), ctx, parts=parts.identity)
    checks = [signin.check_password(made, password, parts=parts.identity)]
    if kind is ActorKind.STAFF:
        with parts.db.read() as session:
            checks.append(signin.check_code(session, made, code, ctx, parts=parts.identity))
    with parts.db.begin() as session:
        done = signin.conclude(session, made, checks, ctx, parts=parts.identity)
    parts.metrics.sign_in_total.labels(outcome=done.step.value).inc()
    return done


def check_code(login_token: str, code: str) -> Conclusion:
    """Check the code that an open sign-in waits for."""
    parts, ctx = system(), context()
    with parts.db.read() as session:
        made = signin.resumed(session, login_token, ctx, parts=parts.identity, device_token=browser.device_token())
        check = signin.check_code(session, made, code, ctx, parts=parts.identity)
    with parts.db.begin() as session:
        done = signin.conclude(session, made, [check], ctx, parts=parts.identity)
    parts.metrics.sign_in_total.labels(outcome=done.step.value).inc()
    return done


def enter_at_once(surface: str, address: str, password: str, code: str) -> Conclusion:
    """As `enter`, with the code in the same call; a refusal raises `SignInFailed`."""
    done = enter(surface, address, password, code)
    if done.step is Step.CHALLENGED:
        assert done.login_token is not None
        done = check_code(done.login_token, code)
    if done.step is not Step.DONE:
        raise SignInFailed
    return done
