"""Forms of the page of tasks: each paper as it is signed, taken back, asked for or proposed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import (
    COMPLIANCE_ATTESTATION_PROPOSE,
    COMPLIANCE_BASELINE_PROPOSE,
    COMPLIANCE_EXCEPTION_PROPOSE,
    COMPLIANCE_RISK_PROPOSE,
)
from app.kernel.errors import NotFound
from compliance.attest import attestations, baselines, exceptions, files
from compliance.attest.files import File
from compliance.catalog.controls import Control
from dashboards import acts, controls
from dashboards.kit import Part, panel
from dashboards.page import View

KINDS: Final = {
    "statement": "Statement: we do it, and I answer for it",
    "file": "File: the evidence brought for it shows it",
    "acknowledgement": "Acknowledgement: people took notice",
    "not_applicable": "Not applicable: there is nothing it could be about",
}
WHY: Final = {
    "accepted_risk": "Accepted risk",
    "compensating": "Compensating control",
    "customised": "Customised approach",
}


def opened(view: View, session: Session) -> list[Part]:
    """Return the form that the address asks for, or nothing where it names none or the viewer may not."""
    do, of, viewer = view.words.get("do", ""), view.words.get("of", ""), view.sources.viewer()
    known = {
        "attest": (COMPLIANCE_ATTESTATION_PROPOSE, _attest_form),
        "inherit": (COMPLIANCE_ATTESTATION_PROPOSE, _inherit_form),
        "withdraw": (COMPLIANCE_ATTESTATION_PROPOSE, _withdraw_form),
        "except": (COMPLIANCE_EXCEPTION_PROPOSE, _except_form),
        "end": (COMPLIANCE_EXCEPTION_PROPOSE, _end_form),
        "analyse": (COMPLIANCE_RISK_PROPOSE, _analyse_form),
        "baseline": (COMPLIANCE_BASELINE_PROPOSE, _baseline_form),
    }
    if do not in known or not viewer.may(known[do][0]):
        return []
    title, parts = known[do][1](view, session, of)
    back = html.A("Cancel", href=view.here("tasks", do=None, of=None), className="more", **{"data-key": "Escape"})
    return [panel(title, html.Div(parts, className="body deed"), cls="opened", right=back)]


def _attest_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    control = _control(view, of)
    found = files.of_control(session, view.sources.viewer(), control.framework, control.key)
    two = "A second person agrees before it holds." if control.is_hybrid or control.scope == "cde" else ""
    return f"Sign for {control.name}", [
        html.P(f"{control.title}. {two}".strip()),
        acts.form(
            "Sign",
            dmc.Select(
                id=acts.field("kind", "attest", of),
                label="Kind",
                data=[{"value": value, "label": label} for value, label in KINDS.items()],
                value="statement",
                comboboxProps={"withinPortal": False},
            ),
            _text("statement", "attest", of, "What you answer for", "At least ten letters", first=True),
            _until("attest", of),
            _files(found, of),
            buttons=[acts.press("Sign it", "attest", of, main=True)],
            says=acts.place("attest", of),
        ),
    ]


def _inherit_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    control = _control(view, of)
    return f"{control.name} is a provider's", [
        html.P(f"{control.title}. A second person agrees before it holds."),
        acts.form(
            "Inherited",
            dmc.TextInput(id=acts.field("provider", "inherit", of), label="Provider", attributes=_first()),
            dmc.TextInput(
                id=acts.field("aoc_date", "inherit", of),
                label="Date of its AOC",
                placeholder="2026-03-31",
            ),
            _text("responsibility", "inherit", of, "What of it is theirs, and what ours", ""),
            _text("statement", "inherit", of, "What you answer for", "At least ten letters"),
            _until("inherit", of),
            buttons=[acts.press("Sign it", "inherit", of, main=True)],
            says=acts.place("inherit", of),
        ),
    ]


def _withdraw_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    found = attestations.by_id(session, of)
    return "Withdraw an attestation", [
        html.P(f"{found.statement}. It counts no more at once."),
        acts.form(
            "Withdraw",
            buttons=[acts.press("Withdraw it", "attest-withdraw", of, main=True)],
            says=acts.place("attest-withdraw", of),
        ),
    ]


def _except_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    control = _control(view, of)
    return f"Ask an exception for {control.name}", [
        html.P(f"{control.title}. What fails stays visible beneath, and the row never counts as in place."),
        acts.form(
            "Exception",
            dmc.Select(
                id=acts.field("kind", "except", of),
                label="Kind",
                data=[{"value": value, "label": label} for value, label in WHY.items()],
                value="accepted_risk",
                comboboxProps={"withinPortal": False},
            ),
            _text("why", "except", of, "Why it is borne", "At least ten letters", first=True),
            _text("worksheet", "except", of, "What is done instead", "Needed unless the risk is accepted"),
            dmc.TextInput(
                id=acts.field("component", "except", of), label="Component", description="Empty: all of the control"
            ),
            dmc.TextInput(
                id=acts.field("until", "except", of),
                label="Until",
                description="At most twelve months",
                placeholder=f"{view.now + timedelta(days=30):%Y-%m-%d}",
            ),
            buttons=[acts.press("Ask a second person", "except", of, main=True)],
            says=acts.place("except", of),
        ),
    ]


def _end_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    found = exceptions.by_id(session, of)
    return "End an exception", [
        html.P(f"{found.why} What fails shows again at once."),
        acts.form(
            "End it",
            _text("reason", "except-end", of, "Reason", "At least ten letters", first=True),
            buttons=[acts.press("End it", "except-end", of, main=True)],
            says=acts.place("except-end", of),
        ),
    ]


def _analyse_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    return f"How often PCI DSS {of} is done", [
        acts.form(
            "Risk analysis",
            dmc.TextInput(
                id=acts.field("frequency", "analyse", of),
                label="Every",
                description="Such as P7D or PT12H",
                attributes=_first(),
            ),
            _text("asset", "analyse", of, "What is protected", ""),
            _text("threats", "analyse", of, "Against which threats", ""),
            _text("factors", "analyse", of, "What makes them likely or grave", ""),
            _text("justification", "analyse", of, "Why so often is enough", ""),
            buttons=[acts.press("Ask a second person", "analyse", of, main=True)],
            says=acts.place("analyse", of),
        )
    ]


def _baseline_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    found = next(
        (one for one in baselines.documents(session, view.sources.viewer(), desk=view.sources.desk) if one.name == of),
        None,
    )
    if found is None:
        raise NotFound
    shown = found.differences[: baselines.LINES_SHOWN]
    return f"Approve the {of.replace('_', ' ')} as it runs", [
        html.P("What runs now is proposed; a second person sees the same lines."),
        html.Ul([html.Li(line, className="id") for line in shown], className="plain"),
        acts.form(
            "Baseline",
            _text("reason", "baseline", of, "Reason", "At least ten letters", first=True),
            buttons=[acts.press("Propose what runs", "baseline", of, main=True)],
            says=acts.place("baseline", of),
        ),
    ]


def _control(view: View, of: str) -> Control:
    found = view.sources.desk.catalogue.controls.get(controls.of_slug(of))
    if found is None:
        raise NotFound
    return found


def _text(name: str, act: str, of: str, label: str, description: str, *, first: bool = False) -> Part:
    more = {"attributes": _first()} if first else {}
    return dmc.Textarea(
        id=acts.field(name, act, of), label=label, description=description, autosize=True, minRows=2, **more
    )


def _until(act: str, of: str) -> Part:
    return dmc.TextInput(
        id=acts.field("until", act, of),
        label="Until",
        description="A day such as 2027-03-31; empty: as long as the control lets it",
    )


def _files(found: Sequence[File], of: str) -> Part:
    return html.Div(
        [
            dmc.MultiSelect(
                id=acts.field("files", "attest", of),
                label="Files behind it",
                data=[{"value": one.sha256, "label": f"{one.number or '…'} {one.name}"} for one in found],
                comboboxProps={"withinPortal": False},
            ),
            html.A("Bring a file", href=f"/staff/evidence?control={of}", className="more"),
        ]
    )


def _first() -> dict[str, Any]:
    return {"input": {"data-first": "true"}}
