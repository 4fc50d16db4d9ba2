"""In the drawer of a control: what people signed for it, the files behind it, and the ways to add to either."""

from __future__ import annotations

from typing import Any

from dash import html

from app.kernel.access import (
    COMPLIANCE_ATTESTATION_PROPOSE,
    COMPLIANCE_EVIDENCE_UPLOAD,
    COMPLIANCE_EXCEPTION_PROPOSE,
)
from compliance.attest import attestations, exceptions, files
from compliance.attest.attestations import Attestation
from compliance.attest.exceptions import Exemption
from compliance.attest.parts import IN_FORCE, PROPOSED
from compliance.catalog.controls import Control
from dashboards import controls
from dashboards.kit import Part, chain, day_text, ident, mark, ok, readable
from dashboards.page import View

SHOWN = 6


def of(view: View, control: Control) -> list[Any]:
    """Return what was signed and what lies behind it, the newest first; nothing where there is neither."""
    viewer, key = view.sources.viewer(), (control.framework, control.key)
    with view.sources.read() as session:
        signed = attestations.listed(session, viewer, of=key)[:SHOWN]
        borne = exceptions.listed(session, viewer, of=key)[-SHOWN:]
        found = files.of_control(session, viewer, *key)[:SHOWN]
    parts: list[Any] = []
    if signed:
        parts += [html.H3("Signed"), chain([_signed(view, one) for one in signed])]
    if borne:
        parts += [html.H3("Exceptions"), chain([_borne(view, one) for one in reversed(borne)])]
    if found:
        rows = [
            [
                ident(one.number or "EV-…"),
                html.A(one.name, href=f"/staff/evidence/{one.sha256}", className="cut"),
                html.Span(f"{one.size / 1024:,.0f} KiB", className="dim"),
            ]
            for one in found
        ]
        parts += [html.H3("Files"), chain(rows)]
    return parts


def acts_of(view: View, control: Control) -> list[Part]:
    """Return the ways to add: sign, ask an exception, bring a file."""
    viewer, slug, ways = view.sources.viewer(), controls.slug(control), []
    if viewer.may(COMPLIANCE_ATTESTATION_PROPOSE) and control.takes_paper:
        ways.append(html.A("Sign", href=view.href("tasks", do="attest", of=slug), className="btn"))
    if viewer.may(COMPLIANCE_EXCEPTION_PROPOSE) and control.probes:
        ways.append(html.A("Ask an exception", href=view.href("tasks", do="except", of=slug), className="btn"))
    if viewer.may(COMPLIANCE_EVIDENCE_UPLOAD):
        ways.append(html.A("Bring a file", href=f"/staff/evidence?control={slug}", className="btn"))
    return ways


def _signed(view: View, one: Attestation) -> list[Part]:
    who = view.sources.name_of_colleague(one.owner) or "–"
    said = html.Span(readable(one.statement), className="wraps", title=f"{one.statement} ({who})")
    return [
        html.Span(f"v{one.version} {one.kind.value.replace('_', ' ')}"),
        said,
        _state(one.state, one.expires_at, view),
    ]


def _borne(view: View, one: Exemption) -> list[Part]:
    said = html.Span(readable(one.why), className="wraps", title=one.why)
    return [html.Span(one.component or "all of it"), said, _state(one.state, one.until_at, view)]


def _state(state: str, end: Any, view: View) -> Part:
    if state == PROPOSED:
        return mark("waits", "ring", "accent")
    if state == IN_FORCE and end > view.now:
        return ok(f"until {day_text(end)}")
    if state == IN_FORCE:
        return mark(f"ended {day_text(end)}", "cross", "bad")
    return html.Span(state.replace("_", " "), className="dim")
