"""The rights of the person who is signed in, as JSON: requests, their copies, consents, and who looked."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response
from pydantic import Field

from app import edge
from app.api.models import Strict
from app.gateway.policy import Policy, route
from app.kernel.access import (
    PRIVACY_SELF_CONSENT,
    PRIVACY_SELF_DOWNLOAD,
    PRIVACY_SELF_HISTORY,
    PRIVACY_SELF_REQUEST,
    Acr,
)
from app.kernel.clock import rfc3339
from compliance.privacy import consent, delivery, history, recipients, requests, rights
from compliance.privacy.request import Asked, Request

blueprint = Blueprint("api_privacy", __name__, url_prefix="/api/v1/privacy")
LOOKS_MAX = 1_000


class RequestIn(Strict):
    """What somebody asks for: a kind, and what it is about where the kind needs that."""

    kind: str = Field(max_length=20, examples=["access"])
    detail: str | None = Field(default=None, max_length=2_000)
    purpose: str | None = Field(default=None, max_length=40)


@route(blueprint, "GET", "/requests", Policy(permission=PRIVACY_SELF_REQUEST, is_api=True))
def list_requests() -> Response:
    """List one's own requests, newest first."""
    with edge.system().db.read() as session:
        found = requests.own_requests(session, edge.context())
    return edge.json_answer({"data": [_request(each) for each in found], "next": None})


@route(
    blueprint,
    "POST",
    "/requests",
    Policy(permission=PRIVACY_SELF_REQUEST, is_api=True, body=RequestIn, acr=Acr.MFA, status=201),
)
def create_request() -> Response:
    """Ask for something of one's own data, with a fresh proof."""
    body, parts = edge.json_body(RequestIn), edge.system().compliance.privacy
    wanted = Asked(kind=body.kind, detail=body.detail, purpose=body.purpose, channel="api")
    request_id = edge.acted(lambda session: rights.ask(session, wanted, edge.context(), parts=parts))
    with edge.system().db.read() as session:
        made = requests.own(session, request_id, edge.context())
    answer = edge.json_answer(_request(made))
    answer.status_code = 201
    answer.headers["Location"] = f"/api/v1/privacy/requests/{request_id}"
    return answer


@route(blueprint, "GET", "/requests/<request_id>", Policy(permission=PRIVACY_SELF_REQUEST, is_api=True))
def get_request(request_id: str) -> Response:
    """Return one of one's own requests with its steps."""
    with edge.system().db.read() as session:
        story = requests.own_story(session, request_id, edge.context())
        told = recipients.own(session, request_id, edge.context())
    steps = [{"state": each.state, "at": rfc3339(each.at), "by": each.role, "note": each.note} for each in story.steps]
    named = [
        {
            "name": each.name,
            "due": each.due.isoformat(),
            "answer": each.answer,
            "answered_on": each.answered_on.isoformat() if each.answered_on else None,
            "says": each.says,
        }
        for each in told
    ]
    return edge.json_answer({**_request(story.request), "steps": steps, "recipients": named})


@route(
    blueprint,
    "POST",
    "/requests/<request_id>/package",
    Policy(permission=PRIVACY_SELF_DOWNLOAD, is_api=True, acr=Acr.MFA),
)
def get_package(request_id: str) -> Response:
    """Return the copy as a zip file; each time needs a proof of its own, and counts."""
    parts = edge.system().compliance.privacy
    data = edge.acted(lambda session: delivery.fetch(session, request_id, edge.context(), parts=parts))
    return Response(data, mimetype="application/zip", headers={"Cache-Control": "no-store"})


@route(blueprint, "GET", "/consents", Policy(permission=PRIVACY_SELF_CONSENT, is_api=True))
def list_consents() -> Response:
    """List one's own receipts, oldest first."""
    with edge.system().db.read() as session:
        found = consent.own_receipts(session, edge.context())
    data = [
        {
            "purpose": each.purpose,
            "action": each.action,
            "at": rfc3339(each.at),
            "version": each.version,
            "text_sha256": each.sha256,
            "event": each.event_id,
        }
        for each in found
    ]
    return edge.json_answer({"data": data, "next": None})


@route(blueprint, "GET", "/access-history", Policy(permission=PRIVACY_SELF_HISTORY, is_api=True))
def access_history() -> Response:
    """List who looked at one's own data: purpose, role and system, newest first."""
    found = history.looks(edge.system().store, edge.context().actor.own_id, since=None, limit=LOOKS_MAX)
    data = [
        {
            "at": rfc3339(each.at),
            "purpose": each.purpose,
            "role": each.role,
            "system": each.system,
            "event": each.event_id,
            "sequence": each.sequence,
        }
        for each in found
    ]
    return edge.json_answer({"data": data, "next": None})


def _request(found: Request) -> dict[str, Any]:
    return {
        "id": found.id,
        "kind": found.kind.value,
        "state": found.state.value,
        "received_on": found.received_on.isoformat(),
        "due": found.due.isoformat(),
        "is_extended": found.is_extended,
        "linked_to": found.linked_to,
        "outcome": found.outcome,
    }
