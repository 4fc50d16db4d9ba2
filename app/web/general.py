"""The pages that stand for everybody: home, staff home, help, policy reports of browsers."""

from __future__ import annotations

import json

from flask import Blueprint, Response, g, request

from app import problems
from app.edge import context, system
from app.gateway.policy import Policy, Public, route
from app.kernel.access import IAM_ACCOUNT_READ, SECURITY_OWN_READ, SOC_OVERVIEW_READ, ActorKind
from app.oauth import guard
from app.web import pages
from ingest.events.access import CspViolated
from ingest.log import outbox

blueprint = Blueprint("general", __name__)
REPORT_BYTES_MAX = 8_192


@route(blueprint, "GET", "/", Policy(permission=Public(reason="the front door")))
def home() -> Response:
    """Lead to the wallet of who is signed in, else say what this is."""
    if g.actor.kind is ActorKind.CUSTOMER:
        return pages.go("/wallet")
    return pages.render("home.html")


@route(blueprint, "GET", "/staff", Policy(permission=SECURITY_OWN_READ, surface=guard.STAFF))
def staff_home() -> Response:
    """Lead to where this member of staff works."""
    if g.actor.may(SOC_OVERVIEW_READ):
        return pages.go("/console/soc/overview")
    return pages.go("/admin/users" if g.actor.may(IAM_ACCOUNT_READ) else "/staff/account")


@route(blueprint, "GET", "/help", Policy(permission=Public(reason="help is for everybody")))
def help_page() -> Response:
    """Contact, fees, notices, data protection, accessibility, what a proof shows."""
    return pages.render("help.html")


@route(blueprint, "GET", "/help/errors", Policy(permission=Public(reason="what the codes of the API mean")))
def errors() -> Response:
    """List every code the API answers with."""
    return pages.render("errors.html", codes=problems.codes())


@route(
    blueprint, "POST", "/csp-report", Policy(permission=Public(reason="browsers report without a session"), csrf=False)
)
def csp_report() -> Response:
    """Keep what a browser says of a breach of the content policy: directive and own path, nothing else."""
    raw = request.get_data(cache=False)[:REPORT_BYTES_MAX]
    try:
        value = json.loads(raw)
    except ValueError:
        return Response(status=400)
    report = value[0].get("body", {}) if isinstance(value, list) and value else value
    report = report.get("csp-report", report) if isinstance(report, dict) else {}
    directive = str(report.get("effectiveDirective") or report.get("effective-directive") or "")[:64]
    with system().db.begin() as session:
        outbox.record(session, CspViolated(directive=directive or None, path=request.path), context())
    return Response(status=204)
