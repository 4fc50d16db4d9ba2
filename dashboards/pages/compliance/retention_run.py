"""One run of retention, beside its page: what goes or went where, what is approved, and its certificate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_RUN_PROPOSE
from app.kernel.clock import parse_rfc3339
from compliance.certificates import CertificateDiffers, decided_by
from compliance.retention import approving, execute, runs
from compliance.retention.runs import Run
from dashboards import acts, proving
from dashboards.kit import Part, age, chain, dated, day_text, days_text, dock, facts, ident, mark, ok, short
from dashboards.page import View

STATES: Final[Mapping[str, tuple[str, str, str]]] = {
    runs.PLANNED: ("planned", "clock", "medium"),
    runs.WAITING: ("waits for two people", "clock", "medium"),
    runs.APPROVED: ("approved", "run", "accent"),
    runs.EXECUTING: ("under way", "run", "accent"),
    runs.VERIFYING: ("being looked for", "search", "accent"),
    runs.ABORTED: ("aborted", "cross", "bad"),
    runs.FAILED: ("not verified", "cross", "bad"),
    runs.EXPIRED: ("lapsed", "empty", "ink-2"),
}


def dock_of(view: View, session: Session, run: Run) -> Part:
    """Return all that is known of one run, with what may be done about it."""
    inner: list[Part] = [
        html.P(
            f"All of {run.class_} that ended before {day_text(run.before)}: "
            f"{approving.things(run.total, approving.stores_of([run]))} "
            f"by version {run.version} of its period, {run.facts['keep']}.",
            className="lead",
        ),
        html.Div(
            [
                _figure("would go" if run.done == 0 else "gone", f"{run.done or run.total:,}"),
                _figure("held back", f"{run.skipped or sum(one['held'] for one in run.facts['places']):,}"),
                _figure("cases", str(len(run.facts["conflicts"]))),
            ],
            className="pair three mt8",
        ),
        *(
            [html.Progress(value=str(run.done), max=str(run.total), title="done")]
            if run.state == runs.EXECUTING
            else []
        ),
        html.H3("Where"),
        chain(
            [
                [
                    html.Span(one["store"]),
                    html.Span(_span(one), className="dim wraps"),
                    f"{one['count']:,}",
                ]
                for one in run.facts["places"]
            ],
            "words-of",
        ),
        html.H3("Samples"),
        chain(
            [
                [html.Span(one["store"]), html.Span(" ".join(one["samples"]), className="id wraps"), ""]
                for one in run.facts["places"]
                if one["samples"]
            ],
            "words-of",
        ),
        html.H3("What is approved"),
        facts(
            ("Root", short(run.root)),
            ("Policy", [f"{run.policy}  ", short(run.policy_hash)]),
            ("Ground", run.facts["ground"]),
            ("Cases", ", ".join(run.facts["conflicts"]) or "none"),
            ("Asks people", "; ".join(run.facts["asks"]) or "no: within the standing limit"),
            ("Planned", dated(run.planned_at)),
            ("State", [state(run), html.Span(f"  {run.why}" if run.why else "", className="dim")]),
        ),
    ]
    inner += _certificate(view, session, run)
    footer: list[Part] = []
    if run.state == runs.PLANNED and view.sources.viewer().may(PRIVACY_RUN_PROPOSE):
        inner.append(
            acts.form(
                "Ask two people",
                acts.reason(
                    "retention-propose",
                    run.id,
                    description="At least ten letters; the approval binds exactly this plan",
                ),
                buttons=[acts.press(f"Ask approval for {run.total:,}", "retention-propose", run.id, main=True)],
                says=acts.place("retention-propose", run.id),
            )
        )
    if run.state == runs.WAITING and run.approval_id is not None:
        footer = [html.A("Approvals", href="/approvals", className="btn")]
    bar = [state(run), html.B(short(run.id))]
    title = f"{run.policy}, {age(view.now - run.planned_at)} ago"
    close = view.here("retention", sel=None)
    return dock(f"Run {run.id}", bar=bar, title=title, inner=inner, close=close, footer=footer)


def _certificate(view: View, session: Session, run: Run) -> list[Part]:
    """Return the certificate of a run as the log vouches for it; one that somebody wrote again is not shown."""
    if run.state != runs.CERTIFIED:
        return []  # as an auditor sees it, whatever was certified after their period
    try:
        found = execute.certificate_of(session, run.id)
    except CertificateDiffers:
        differs = mark("It is not what the log says.", "cross", "bad")
        what = " Its words or its hash were changed after it was given; the event of the run holds the hash it had."
        return [html.H3("Certificate"), html.P([differs, what])]
    if found is None:
        return []
    body = found["body"]
    return [
        html.H3([html.Span("Certificate"), proving.link(view, str(found["event_id"]))]),
        facts(
            ("Certificate", ident(found["id"])),
            ("Removed", f"{body['removed']:,}, kept for cases {body['kept_for_cases']:,}"),
            ("Approved by", _deciders(body)),
            ("Irrecoverable not before", dated(found["irrecoverable_from"])),
            *([("Why not before", body["why_not_before"])] if "why_not_before" in body else []),
            ("SHA-256", short(found["sha256"])),
            ("What remains", body["remains"]),
            ("Backups", body.get("backups") or "–"),
        ),
    ]


def _deciders(body: Mapping[str, Any]) -> str:
    """Return in which roles a run was approved; older certificates say only by how many."""
    if not body["approvers"]:
        return "the standing rule, within its limit"
    return decided_by(body) or f"{body['approvers']} people"


def _span(one: Mapping[str, Any]) -> str:
    if not one["oldest"]:
        return f"{one['held']:,} held" if one["held"] else ""
    days = days_text(parse_rfc3339(one["oldest"]), parse_rfc3339(one["newest"]))
    size = f", {one['bytes'] / 1_000_000:.1f} MB" if one["bytes"] else ""
    return f"{days}{size}" + (f", {one['held']:,} held" if one["held"] else "")


def _figure(name: str, value: str) -> Part:
    return html.Div([html.Span(name, className="dim"), html.Span(value, className="big")])


def state(run: Run) -> Part:
    """Return how a run stands."""
    if run.state == runs.CERTIFIED:
        return ok("certified")
    words, shape, token = STATES[run.state]
    if run.state == runs.EXECUTING and run.total:
        words = f"{words}, {run.done * 100 // run.total} %"
    return mark(words, shape, token)
