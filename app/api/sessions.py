"""Sessions for programs that act for a person: the browser's cookie, and its CSRF token in the answer."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, g, request

from app import browser, edge, entrance
from app.api.models import SessionIn, SessionOut, StepUpIn
from app.gateway import csrf
from app.gateway.policy import Policy, Public, route
from app.identity import sessions, stepup
from app.identity.sessions import NewSession
from app.identity.signin import Throttled
from app.kernel.access import SECURITY_OWN_READ, Acr, ActorKind
from app.oauth import guard

blueprint = Blueprint("api_sessions", __name__, url_prefix="/api/v1")
# Without a session there is nothing to forge; the body must be JSON, which no foreign form can send.
_OPEN = Policy(
    permission=Public(reason="signing in needs no session"),
    csrf=False,
    is_api=True,
    body=SessionIn,
    answer=SessionOut,
    status=HTTPStatus.CREATED,
)


@route(blueprint, "POST", "/sessions", _OPEN)
def create() -> Response:
    """Sign in. Wrong address, password and code look alike."""
    body = edge.json_body(SessionIn)
    try:
        done = entrance.enter_at_once(guard.CUSTOMER, body.email, body.password, body.code or "")
    except Throttled as refusal:
        gate = edge.system().gateway
        gate.folding.tell_limited(gate.db, refusal.event, request.path, edge.context())
        raise
    assert done.session is not None
    assert done.account_id is not None
    with edge.system().db.read() as session:
        live = sessions.resolve(session, done.session.token, edge.context().at)
    assert live is not None
    return _answer(done.account_id, live.actor.acr, done.session, done.device_token, HTTPStatus.CREATED)


@route(
    blueprint,
    "POST",
    "/sessions/current/step-up",
    Policy(permission=SECURITY_OWN_READ, is_api=True, body=StepUpIn, answer=SessionOut),
)
def prove() -> Response:
    """Prove the second factor anew; the session gets a new cookie and token."""
    body = edge.json_body(StepUpIn)
    with edge.system().db.begin() as session:
        proof = stepup.prove(session, body.code, edge.context(), parts=edge.system().identity)
    return _answer(g.actor.own_id, Acr.MFA, proof.renewed(), None, HTTPStatus.OK)


@route(blueprint, "DELETE", "/sessions/current", Policy(permission=SECURITY_OWN_READ, is_api=True, status=204))
def end() -> Response:
    """Sign out."""
    with edge.system().db.begin() as session:
        sessions.end(session, g.live.session_id, "logout", edge.context())
    return browser.signed_out(Response(status=HTTPStatus.NO_CONTENT), guard.CUSTOMER)


def _answer(account: str, acr: Acr, begun: NewSession, device_token: str | None, status: HTTPStatus) -> Response:
    body = SessionOut(account=account, acr=acr.value, csrf_token=csrf.token_of(begun.csrf))
    response = edge.json_answer(body.model_dump(), status)
    return browser.signed_in(response, begun, ActorKind.CUSTOMER, device_token)
