"""Audit log. *Who did what?* The trail by filter, masked; a sample by seed; exports; one event beside the list."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel import canonical, numbers
from app.kernel.access import AUDIT_SAMPLE_DRAW, AUDIT_TRAIL_EXPORT, AUDIT_TRAIL_READ, COMPLIANCE_REPORT_READ
from app.kernel.clock import parse_rfc3339
from app.kernel.context import Context
from app.kernel.errors import NotFound, OnePayError
from compliance.audit import export, filters, sample, trail
from compliance.audit.filters import Filter, FilterInvalid
from compliance.audit.sample import Sample
from compliance.audit.trail import Trail
from compliance.engine.rerun import number_of
from compliance.reports import runs
from compliance.reports.runs import Report
from dashboards import acts, proving
from dashboards.acts import Deed
from dashboards.colleagues import named
from dashboards.kit import (
    Part,
    act,
    counted_words,
    dated,
    dated_text,
    dock,
    empty,
    facts,
    ident,
    mark,
    page,
    panel,
    scrolling,
    short_text,
    table,
)
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.pages.compliance import work
from ingest.events import catalog
from ingest.events.envelope import at_path
from ingest.log import checkpoint, read
from ingest.store.query import Document

SHOWN: Final = 50
SAMPLED: Final = 25
EXPORT: Final = "audit-export"
CANCEL: Final = "export-cancel"
EXPORTS_SHOWN: Final = 5
SUBJECTS_SHOWN: Final = 2
_FIELDS: Final = (
    ("actor", "Actor", "acc_… or svc_…"),
    ("subject", "Subject", "acc_…"),
    ("object", "Object", "trf_…, inc_…, evt_…"),
    ("action", "Action", "auth.* or a kind"),
    ("outcome", "Outcome", "success, failure"),
    ("address", "Address", "198.19.0.0/16"),
    ("request", "Request", "req_…"),
    ("since", "From", "2026-11-01"),
    ("until", "Until", "2026-11-30"),
    ("first", "First sequence", "1"),
    ("last", "Last sequence", ""),
)


def layout(view: View) -> Any:  # a Dash component
    """Return the filter, what fits or what was drawn, and what was taken away."""
    sources, viewer = view.sources, view.sources.viewer()
    words = {name: value for name, _, _ in _FIELDS if (value := view.words.get(name))}
    wanted, mistake = _read(words, view)
    seed = view.words.get("seed", "")
    context = sources.context()

    sel = proving.event_of(view, view.words["sel"]) if view.words.get("sel") else None

    def asked(session: Session) -> tuple[Trail | None, Sample | None, Document | None, str]:
        found, drawn = None, None
        if seed and viewer.may(AUDIT_SAMPLE_DRAW):
            count = numbers.whole(view.words.get("n")) or SAMPLED
            try:
                drawn = sample.draw(session, seed, wanted, count, context, parts=sources.reports)
            except OnePayError as refused:
                return None, None, None, f"{refused} Code {refused.code}."
        else:
            found = trail.query(
                session, wanted, context, parts=sources.reports, limit=SHOWN, after=view.words.get("after") or None
            )
        try:
            one = trail.event(session, sel, context, parts=sources.reports) if sel else None
        except NotFound:
            return found, drawn, None, _not_found(view)
        return found, drawn, one, ""

    found, drawn, chosen, refused = sources.acted(asked)
    with sources.read() as session:
        size, signed = read.head(session).size, checkpoint.newest(session)
        taken = runs.listed(session, viewer, kinds=(export.KIND,), limit=EXPORTS_SHOWN)
    said = f"{size:,} events in the log" + (f", signed up to {signed.size:,}" if signed else "")
    mistakes = [one for one in (mistake, refused) if one]
    body = [
        _form(view, viewer.may(AUDIT_SAMPLE_DRAW)),
        *(html.P(mark(one, "cross", "bad"), className="qmistake") for one in mistakes),
        *([_trail(view, found)] if found is not None else []),
        *([_sample(view, drawn)] if drawn is not None else []),
        *([_away(view, wanted, taken, found, drawn)] if viewer.may(AUDIT_TRAIL_EXPORT) else []),
    ]
    beside = _dock(view, chosen) if chosen is not None else None
    return page("Audit log", "Who did what?", *body, right=html.Span(said, className="dim"), dock=beside)


def _read(words: Mapping[str, str], view: View) -> tuple[Filter, str]:
    try:
        return filters.read(words, view.now), ""
    except OnePayError as wrong:
        return Filter(), f"{wrong} Nothing of the filter is applied."


def _not_found(view: View) -> str:
    """Return why an event is not shown; what lies outside a period looks as what is not there."""
    period = view.sources.viewer().period
    if period is None:
        return "There is no such event, or its time to be kept is over."
    return f"There is no such event in {_locked(period)}."


def _locked(period: tuple[datetime, datetime]) -> str:
    """Return the period that is locked to an auditor, which bounds all that they read: its end is not in it."""
    begin, end = period
    return f"the period that is locked to you, {_instant(begin)} to {_instant(end)} UTC"


def _instant(at: datetime) -> str:
    return dated_text(at)


def _form(view: View, may_sample: bool) -> Part:
    inputs = [
        dmc.TextInput(name=name, label=label, placeholder=hint, value=view.words.get(name, ""), size="xs")
        for name, label, hint in _FIELDS
    ]
    if may_sample:
        inputs += [
            dmc.TextInput(name="seed", label="Sample by seed", value=view.words.get("seed", ""), size="xs"),
            dmc.TextInput(
                name="n", label="Sample size", placeholder=str(SAMPLED), value=view.words.get("n", ""), size="xs"
            ),
        ]
    buttons = [
        html.Button("Search", className="btn main-act", type="submit"),
        act("Clear", view.href("audit")),
    ]
    inner = html.Form(
        [html.Div(inputs, className="fields"), html.Div(buttons, className="chips mt8")],
        action=view.href("audit"),
        method="get",
        className="body",
    )
    return panel("Filter", inner, sub="all words must fit; each search is an event")


def _trail(view: View, found: Trail) -> Part:
    verb, period = "is" if found.missing == 1 else "are", view.sources.viewer().period
    behind = f", {counted_words(found.missing, 'sequence')} {verb} not in the store yet" if found.missing else ""
    if not found.events:
        why = f"Nothing in {_locked(period)}." if period else "Widen the filter."
        return panel("Events", empty("No event fits.", why))
    more = (
        [html.A("older", href=view.here("audit", after=found.after, sel=None), className="more")] if found.after else []
    )
    within = f"within {_locked(period)}; " if period else ""
    if view.words.get("after"):
        more.insert(0, html.A("newest", href=view.here("audit", after=None, sel=None), className="more"))
    return panel(
        f"{counted_words(found.matches, 'event')} that fit",
        scrolling("Events", _events(view, found.events)),
        sub=f"{within}{len(found.events)} shown, newest by their time; the log numbers what is committed{behind}",
        right=more or None,
    )


def _sample(view: View, drawn: Sample) -> Part:
    return panel(
        f"{len(drawn.sequences)} drawn of {drawn.population:,} that fit",
        html.Div(_drawn_from(view, drawn), className="body"),
        scrolling("Sample", _events(view, drawn.events, last=str(drawn.size))),
        sub=f"by the seed {drawn.seed}, up to sequence {drawn.size:,}: the same seed draws the same again",
        right=html.A("all that fit", href=view.here("audit", seed=None, n=None), className="more"),
    )


def _drawn_from(view: View, drawn: Sample) -> Part:
    """Return what somebody else needs to draw the same again: both bounds, the filter's hash, and the command."""
    wanted, period = drawn.filter, view.sources.viewer().period
    words = wanted.plain()
    command = f"onepay audit sample --seed {shlex.quote(drawn.seed)} -n {len(drawn.sequences)}" + "".join(
        f" --{name} {shlex.quote(str(words[name]))}" for name, _, _ in _FIELDS if name in words
    )
    locked = html.Small("the period that is locked to you bounds it", className="dim block") if period else None
    return facts(
        ("Drawn from", [html.Span(_bounds(wanted)), locked]),
        ("Filter, SHA-256", html.Span(wanted.hash, className="id wrap")),
        ("Repeat it", html.Code(command, className="id wrap")),
    )


def _bounds(wanted: Filter) -> str:
    since = f"{_instant(wanted.since)} UTC" if wanted.since else "the beginning"
    until = f"before {_instant(wanted.until)} UTC" if wanted.until else "this draw"
    return f"sequences {wanted.first or 1:,} to {wanted.last or 0:,}, from {since} until {until}"


def _events(view: View, events: Sequence[Document], **kept: str) -> Part:
    """Return events, each an address; `kept` are words that it needs so that the same list stands beside the event."""
    rows = [
        [
            dated(parse_rfc3339(one["@timestamp"])),
            html.A(str(at_path(one, "event.action")), href=view.here("audit", sel=at_path(one, "event.id"), **kept)),
            str(at_path(one, "event.outcome") or "–"),
            named(view, str(at_path(one, "user.id") or "–")),
            ident(_subjects(at_path(one, "onepay.subject.id") or ())),
            ident(str(at_path(one, "source.ip") or "–")),
            f"{at_path(one, 'event.sequence'):,}",
        ]
        for one in events
    ]
    heads = [
        ("Time, UTC", "nowrap"),
        ("Action", ""),
        ("Outcome", ""),
        ("Actor", ""),
        ("Subject", "roomy"),
        ("Network", "roomy"),
        ("Sequence", "num"),
    ]
    return table(heads, rows, caption="Events", stacks=True)


def _subjects(ids: Sequence[Any]) -> str:
    """Return whom an event is about: the first ones, and how many more (one search can name fifty)."""
    more = f" and {len(ids) - SUBJECTS_SHOWN:,} more" if len(ids) > SUBJECTS_SHOWN else ""
    return ", ".join(short_text(str(each)) for each in ids[:SUBJECTS_SHOWN]) + more or "–"


def _away(view: View, wanted: Filter, taken: Sequence[Report], found: Trail | None, drawn: Sample | None) -> Part:
    is_auditor = view.sources.viewer().period is not None
    says = "An officer or the data protection officer agrees first." if is_auditor else "Made within seconds."
    fields: list[Part] = [
        html.P([html.B("What is taken away: "), _in_words(wanted), *([_not_the_draw(drawn)] if drawn else [])]),
        html.P(f"As JSON lines, CSV, and packs with proofs. {says}", className="dim"),
        # What the act is about; a person reads it above.
        dmc.TextInput(
            id=acts.field("filter", EXPORT, "trail"), value=canonical.encode(wanted.plain()).decode(), display="none"
        ),
    ]
    if is_auditor:
        fields.append(dmc.TextInput(id=acts.field("reason", EXPORT, "trail"), label="Reason", value=""))
    else:
        fields.append(dmc.TextInput(id=acts.field("reason", EXPORT, "trail"), value="", display="none"))
    count = f" {found.matches:,}" if found is not None else f" {drawn.population:,}" if drawn is not None else ""
    inner: list[Part] = [
        acts.form(
            "Take away",
            *fields,
            buttons=[acts.press(f"Export{count}", EXPORT, "trail")],
            says=acts.place(EXPORT, "trail"),
        )
    ]
    if taken:
        rows = [
            [
                dated(one.asked_at),
                html.Div([work.state(one), work.ending(one, CANCEL)]),
                work.files(one),
            ]
            for one in taken
        ]
        heads = [("Asked", "nowrap"), ("State", ""), ("Files, SHA-256", "")]
        inner.append(scrolling("Exports", table(heads, rows, caption="Your exports", cls="tall")))
    return panel("Take away", html.Div(inner, className="body"))


def _not_the_draw(drawn: Sample) -> str:
    """Return that the filter is taken away, and how the draw itself is had."""
    command = "the command beside “Repeat it” above"
    return f". That is all that fits the filter, not only the {len(drawn.sequences):,} drawn: {command} draws these."


def _in_words(wanted: Filter) -> str:
    """Return a filter as a person says it."""
    said = wanted.plain()
    words = [f"{label.lower()} {said[name]}" for name, label, _ in _FIELDS if name in said]
    return ", ".join(words) if words else "every event that you may read"


def _dock(view: View, one: Document) -> Part:
    sequence = int(at_path(one, "event.sequence"))
    return dock(
        f"Event {sequence}",
        bar=[ident(number_of(sequence)), dated(parse_rfc3339(one["@timestamp"]))],
        title=catalog.headline(str(at_path(one, "event.action"))),
        inner=[
            *proving.path(view, str(at_path(one, "event.id"))),
            html.H3("As it stands in the log" if not view.sources.viewer().period else "As you may read it"),
            html.Pre(json.dumps(one, indent=2, ensure_ascii=False), className="json"),
        ],
        close=view.here("audit", sel=None),
    )


def wire(console: Console) -> None:
    """Register exporting and its end."""

    def away(session: Session, deed: Deed, context: Context) -> str:
        try:
            said = json.loads(deed.text("filter") or "{}")
        except ValueError as error:
            raise FilterInvalid(param="filter") from error
        if not isinstance(said, dict):
            raise FilterInvalid(param="filter")
        wanted = filters.read(said, context.at)
        _, waits = export.ask(session, wanted, deed.text("reason"), context, parts=console.sources.reports)
        return "Asked: an officer or the data protection officer decides" if waits else "The export is being made"

    def cancel(session: Session, deed: Deed, context: Context) -> str:
        runs.cancel(session, deed.of, context, parts=console.sources.reports)
        return "Cancelled"

    acts.wire(console, EXPORT, AUDIT_TRAIL_EXPORT, away, fields=[("filter", "value"), ("reason", "value")])
    acts.wire(console, CANCEL, COMPLIANCE_REPORT_READ, cancel)


PAGE: Final = Page(
    slug="audit",
    title="Audit log",
    question="Who did what?",
    permission=AUDIT_TRAIL_READ,
    layout=layout,
    area=COMPLIANCE,
)
