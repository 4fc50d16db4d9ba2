"""The pages that stand for everybody: home, staff home, help, policy reports of browsers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, request

from app import problems
from app.edge import context, system
from app.gateway import told
from app.gateway.policy import Policy, Public, route
from app.kernel.access import COMPLIANCE_CONTROL_READ, IAM_ACCOUNT_READ, SECURITY_OWN_READ, SOC_OVERVIEW_READ, ActorKind
from app.oauth import guard
from app.web import pages
from ingest.events.access import CspViolated

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
    if g.actor.may(SOC_OVERVIEW_READ) or g.actor.may(COMPLIANCE_CONTROL_READ):
        return pages.go("/console/")
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
    except (ValueError, RecursionError):
        return Response(status=400)
    first = value[0] if isinstance(value, list) and value else value
    report = _within(_within(first, "body"), "csp-report")
    if not report:
        return Response(status=400)
    directive = str(report.get("effectiveDirective") or report.get("effective-directive") or "")[:64]
    page = _page_of(str(report.get("documentURL") or report.get("document-uri") or ""))
    event = CspViolated(directive=directive or None, path=page, reason="reported")
    system().gateway.folding.tell_limited(system().db, event, request.path, context())
    return Response(status=204)


def _within(report: Any, name: str) -> dict[str, Any]:  # what a browser, or anybody, sent
    """Return a part of a report, the report where it has no such part, or nothing where it is no report at all."""
    if not isinstance(report, dict):
        return {}
    inner = report.get(name, report)
    return inner if isinstance(inner, dict) else {}


def _page_of(address: str) -> str | None:
    """Return the path of a page of ours, without what may not stand in the log; None for others."""
    try:
        page = urlsplit(address[:REPORT_BYTES_MAX])
    except ValueError:
        return None
    return told.path(page.path)[:512] if f"{page.scheme}://{page.netloc}" in system().gateway.origins else None
