"""Scans. *Is the quarter's scan in?* Closed and open quarters, what was entered, findings by age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import COMPLIANCE_CONTROL_READ, COMPLIANCE_SCAN_WRITE
from app.kernel.context import Context
from app.kernel.errors import Unavailable
from compliance.attest import files
from compliance.catalog.controls import PCI
from compliance.scans import deployments, register, standing
from compliance.scans.deployments import Deployment
from compliance.scans.quarters import Quarter
from compliance.scans.register import CONTROL, Draft, Finding, Found, Kind, Scan, ScanInvalid, Severity
from compliance.scans.standing import QUARTERLY, Standing
from dashboards import acts
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    act,
    answer,
    counted_words,
    day_text,
    days_text,
    empty,
    mark,
    ok,
    page,
    panel,
    scrolling,
    severity,
    short,
    table,
    updated,
)
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View

WORDS: Final = {
    Kind.INTERNAL: "Internal",
    Kind.ASV: "External, approved vendor",
    Kind.PENETRATION_INTERNAL: "Penetration, internal",
    Kind.PENETRATION_EXTERNAL: "Penetration, external",
    Kind.SEGMENTATION: "Segmentation",
}
QUARTERS_SHOWN: Final = 5


def layout(view: View) -> Any:  # a Dash component
    """Return quarters, scans and findings, and above them the form that is asked for."""
    viewer = view.sources.viewer()
    end = None if viewer.period is None else viewer.period[1]
    today = (view.now if end is None else min(view.now, end)).date()
    anchor = view.sources.controls.parts.settings.assessment_anchor
    with view.sources.read() as session:
        found = [standing.of_kind(session, kind, today, anchor=anchor, until=end) for kind in QUARTERLY]
        scans = register.listed(session, viewer)
        open_ = register.findings(session, viewer)
        form = _form(view, session, scans) if viewer.may(COMPLIANCE_SCAN_WRITE) else []
    right: list[Part] = [updated(view.now)]
    if viewer.may(COMPLIANCE_SCAN_WRITE):
        right.append(act("Enter a scan", view.here("scans", do="enter", kind=None)))
    return page(
        "Scans",
        "Is the quarter's scan in?",
        _answer(found, open_),
        *form,
        *[_quarters(one) for one in found],
        *_releases(view, scans, end),
        html.Div([_scans(scans), _findings(view, open_)], className="cols"),
        right=right,
    )


def _answer(found: Sequence[Standing], open_: Sequence[Finding]) -> Part:
    missed = sum(1 for one in found for quarter in one.closed if not quarter.is_passed)
    empty_ = [one for one in found if not one.closed]
    running = [one.quarters[-1] for one in found if one.quarters]
    if missed:
        said = [mark("No.", "cross", "bad"), f" A pass is lacking for {counted_words(missed, 'closed quarter')}."]
    elif empty_:
        names = " and ".join(WORDS[one.kind].lower() for one in empty_)
        said = [mark("Not known.", "empty", "medium"), f" No closed quarter is in the register: {names}."]
    elif all(one.is_passed for one in running):
        said = [ok("Yes.")]
    else:
        said = [mark("Not yet.", "clock", "medium"), f" The open quarter ends on {day_text(running[0].end)}."]
    cells = [
        (str(missed), "closed quarters missed"),
        (str(sum(len(one.gaps) for one in found)), "gaps above 92 days"),
        (str(len(open_)), "open findings"),
    ]
    small = "Quarters count from the assessment anchor; the weakest component decides; the open quarter is not counted."
    return answer(said, small, cells)


def _quarters(found: Standing) -> Part:
    title = WORDS[found.kind]
    if not found.quarters or not any(one.passes for one in found.quarters):
        return panel(title, empty("No scan yet.", "The register begins with the first one that is entered."))
    rows = [
        [
            html.Span(days_text(one.begin, one.end), className="nowrap"),
            "closed" if one.is_closed else html.Span("open, not counted", className="dim nowrap"),
            _passed(one),
            html.Span(", ".join(one.lacking) or "–", className="dim"),
        ]
        for one in reversed(found.quarters[-QUARTERS_SHOWN:])
    ]
    heads = [("Quarter", "quarter"), ("State", "quarter"), ("Passed", "quarter"), ("Lacking", "roomy")]
    gaps = [
        html.P(mark(f"{name}: nothing passed in {days_text(begin, end)}", "clock", "medium"))
        for name, begin, end in found.gaps
    ]
    listed = scrolling(title, table(heads, rows, caption=title))
    below = [html.Div(gaps, className="body")] if gaps else []
    return panel(title, listed, *below, sub=f"PCI DSS {CONTROL[found.kind]}")


def _releases(view: View, scans: Sequence[Scan], end: datetime | None) -> list[Part]:
    """Return the releases of a year that a scan has to follow; none where there was none, or nobody can tell."""
    try:
        began = deployments.significant(view.sources.store)
    except Unavailable:
        return [panel("Releases", empty("Not known.", "The event store does not answer; the log holds their starts."))]
    internal = [one for one in reversed(scans) if one.kind is Kind.INTERNAL]
    rows = [
        [
            html.Span(one.version, className="strong"),
            html.Span(day_text(one.at), className="nowrap"),
            _followed(view, one, lacking),
            html.Span(", ".join(lacking) or "–", className="dim"),
        ]
        for one in reversed(began)
        if (end is None or one.at < end) and one.at > view.now - deployments.COUNTED
        for lacking in [deployments.lacking(one, internal)]
    ]
    if not rows:
        return []
    heads = [("Release", ""), ("Began", ""), ("Scanned after", ""), ("Lacking", "roomy")]
    listed = scrolling("Releases", table(heads, rows, caption="Releases"))
    return [panel("Releases", listed, sub="PCI DSS 11.3.1.3, within 30 days")]


def _followed(view: View, one: Deployment, lacking: Sequence[str]) -> Part:
    if not lacking:
        return ok("yes")
    if one.scanned_until < view.now.date():
        return mark("no", "cross", "bad")
    return mark(f"not yet, by {day_text(one.scanned_until)}", "clock", "medium")


def _outcome(one: Scan) -> Part:
    if one.is_passed:
        return ok("passed")
    lost = len(one.components) - len(one.passed)
    return mark(f"{lost} failed" if lost else "does not count: not authenticated", "cross", "bad")


def _passed(quarter: Quarter) -> Part:
    if quarter.is_passed:
        return ok(day_text(max(day for day in quarter.passes.values() if day)))
    return mark("no", "cross", "bad") if quarter.is_closed else mark("not yet", "clock", "medium")


def _scans(found: Sequence[Scan]) -> Part:
    if not found:
        return panel("Scans", empty("None entered.", "Enter one with its day, scanner and components."), cls="last")
    by_id = {one.id: one for one in found}
    rows = [
        [
            html.Span(day_text(one.performed_on), className="nowrap"),
            html.Span([WORDS[one.kind], *_rescans(one, by_id)]),
            one.scanner,
            counted_words(len(one.components), "component"),
            _outcome(one),
            html.A(short(one.sha256), href=f"/staff/evidence/{one.sha256}") if one.sha256 else "–",
        ]
        for one in found
    ]
    heads = [("Day", ""), ("Kind", ""), ("Scanner", "roomy"), ("Looked at", "roomy"), ("Result", ""), ("File", "roomy")]
    listed = scrolling("Scans", table(heads, rows, caption="Scans"))
    return panel("Scans", listed, sub=str(len(found)), cls="last")


def _findings(view: View, found: Sequence[Finding]) -> Part:
    if not found:
        return panel("Open findings", empty("None.", "What scans found stands here until it was mended."), cls="last")
    may_fix = view.sources.viewer().may(COMPLIANCE_SCAN_WRITE)
    items = [
        html.Li(
            [
                severity(one.severity.value),
                html.Span(
                    [
                        html.B(f"{one.component}: "),
                        one.says,
                        html.Small(f"open for {_days((view.now.date() - one.opened_on).days)}", className="dim block"),
                    ],
                    className="grow wraps",
                ),
                *([acts.press("Mended", "finding-fix", one.id)] if may_fix else []),
                acts.place("finding-fix", one.id),
            ]
        )
        for one in found
    ]
    return panel("Open findings", html.Ol(items, className="rows r30 findings"), sub=str(len(found)), cls="last")


def _days(count: int) -> str:
    return counted_words(count, "day")


def _rescans(one: Scan, by_id: Mapping[str, Scan]) -> list[Part]:
    """Return of which scan one is the rescan, where it is."""
    if one.rescan_of is None:
        return []
    before = by_id.get(one.rescan_of)
    return [html.Span(f", rescan of {day_text(before.performed_on)}" if before else ", a rescan", className="dim")]


def _form(view: View, session: Session, scans: Sequence[Scan]) -> list[Part]:
    if view.words.get("do") != "enter":
        return []
    reports = {
        one.sha256: one
        for key in sorted(set(CONTROL.values()))
        for one in files.of_control(session, view.sources.viewer(), PCI, key)
    }
    back = html.A("Cancel", href=view.here("scans", do=None), className="more", **{"data-key": "Escape"})

    def id_(name: str) -> dict[str, Any]:
        return acts.field(name, "scan-enter", "new")

    form = acts.form(
        "Enter a scan",
        dmc.Select(
            id=id_("kind"),
            label="Kind",
            data=[{"value": kind.value, "label": words} for kind, words in WORDS.items()],
            value=Kind.INTERNAL.value,
            comboboxProps={"withinPortal": False},
        ),
        dmc.TextInput(
            id=id_("performed_on"),
            label="Done on",
            placeholder=f"{view.now:%Y-%m-%d}",
            attributes={"input": {"data-first": "true"}},
        ),
        dmc.TextInput(id=id_("scanner"), label="Scanner", description="Product and version, or who tested"),
        dmc.Select(
            id=id_("authenticated"),
            label="Signed in while scanning",
            data=[{"value": "yes", "label": "Yes"}, {"value": "no", "label": "No"}],
            value="yes",
            comboboxProps={"withinPortal": False},
        ),
        dmc.Textarea(id=id_("components"), label="Looked at", description="One a line", autosize=True, minRows=2),
        dmc.Textarea(id=id_("failed"), label="Did not pass", description="One a line", autosize=True, minRows=1),
        dmc.Textarea(
            id=id_("findings"),
            label="Findings",
            description="One a line: how bad (critical, high, medium or low), where, and what it is, with semicolons",
            placeholder="high; worker; a library with a known hole",
            autosize=True,
            minRows=2,
        ),
        dmc.Select(
            id=id_("rescan_of"),
            label="Rescan of",
            description="The earlier scan of the same kind whose failures it looked at again",
            data=[
                {"value": one.id, "label": f"{day_text(one.performed_on)}, {WORDS[one.kind]}: {one.scanner}"}
                for one in scans
            ],
            clearable=True,
            comboboxProps={"withinPortal": False},
        ),
        dmc.Select(
            id=id_("sha256"),
            label="Report",
            description="A pass by an approved vendor needs it; bring it to its control first",
            data=[{"value": sha256, "label": f"{one.number or '…'} {one.name}"} for sha256, one in reports.items()],
            clearable=True,
            comboboxProps={"withinPortal": False},
        ),
        html.Div(
            [
                html.A(f"Bring a file for {key}", href=f"/staff/evidence?control=pci:{key}", className="more")
                for key in sorted(set(CONTROL.values()))
            ],
            className="chips",
        ),
        buttons=[acts.press("Enter it", "scan-enter", "new", main=True)],
        says=acts.place("scan-enter", "new"),
    )
    return [panel("Enter a scan", html.Div([form], className="body deed"), cls="opened", right=back)]


def wire(console: Console) -> None:
    """Register the acts of the page."""

    def enter(session: Session, deed: Deed, ctx: Context) -> str:
        try:
            kind, day = Kind(deed.text("kind")), date.fromisoformat(deed.text("performed_on").strip())
        except ValueError as error:
            raise ScanInvalid("Choose a kind, and write the day such as 2026-10-31.", param="performed_on") from error
        made = register.enter(
            session,
            Draft(
                kind=kind,
                performed_on=day,
                scanner=deed.text("scanner"),
                authenticated=deed.text("authenticated") == "yes",
                components=_listed(deed.text("components")),
                failed=_listed(deed.text("failed")),
                findings=_findings_of(deed.text("findings")),
                rescan_of=deed.text("rescan_of") or None,
                sha256=deed.text("sha256") or None,
            ),
            ctx,
        )
        return f"Entered: {'passed' if made.is_passed else 'not passed'}"

    def fix(session: Session, deed: Deed, ctx: Context) -> str:
        register.fix(session, deed.of, ctx.at.date(), ctx)
        return "Mended"

    names = (
        "kind",
        "performed_on",
        "scanner",
        "authenticated",
        "components",
        "failed",
        "findings",
        "rescan_of",
        "sha256",
    )
    acts.wire(console, "scan-enter", COMPLIANCE_SCAN_WRITE, enter, fields=[(name, "value") for name in names])
    acts.wire(console, "finding-fix", COMPLIANCE_SCAN_WRITE, fix)


def _findings_of(text: str) -> tuple[Found, ...]:
    """Return the findings of a form, one a line; raises `ScanInvalid`, which names the line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        bad, *rest = (part.strip() for part in line.split(";", 2))
        if bad.lower() not in set(Severity) or len(rest) != 2 or not all(rest):
            says = f"Line {number} of the findings is not such as: high; worker; a library with a known hole."
            raise ScanInvalid(says, param="findings")
        component, what = rest
        found.append(Found(severity=Severity(bad.lower()), component=component, says=what))
    return tuple(found)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


PAGE: Final = Page(
    slug="scans",
    title="Scans",
    question="Is the quarter's scan in?",
    permission=COMPLIANCE_CONTROL_READ,
    layout=layout,
    area=COMPLIANCE,
)
