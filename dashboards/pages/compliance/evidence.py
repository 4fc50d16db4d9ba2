"""Beside the list of controls: *how do you know?* What is checked, what was seen, by which code, with which proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from dash import html

from app.kernel.access import COMPLIANCE_CONTROL_RUN, COMPLIANCE_EVIDENCE_READ
from compliance import posture
from compliance.catalog.controls import Control
from compliance.engine import history, rerun, standing
from compliance.engine.history import Interval
from compliance.engine.rerun import Observation
from compliance.engine.standing import Leg, ProbeRow, Standing
from compliance.states import Reason, State
from dashboards import acts, controls, proving
from dashboards.colleagues import named
from dashboards.kit import (
    Part,
    age,
    chain,
    counted_words,
    dated,
    day_text,
    dock,
    facts,
    ident,
    mark,
    ok,
    readable,
    short,
)
from dashboards.page import View
from dashboards.pages.compliance import papers

EARLIER_SHOWN: Final = 8
VIOLATIONS_SHOWN: Final = 10
KINDS_SHOWN: Final = 2
STRIP_WIDTH: Final = 450
_WORST: Final = list(State)
_CHANGED: Final = "This reading does not lie as it was sealed, so it is no evidence. Its event still says what it was."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One control at an instant: where it stood, since when, and what there was in the ninety days before."""

    stood: Standing
    since: datetime | None
    found: Sequence[Interval]
    first: datetime | None
    """When it was first judged, if ever."""
    at: datetime
    is_past: bool


def dock_of(view: View, shown: Shown, close: str, ways: Sequence[Part] = ()) -> Any:
    """Return what is known of one control, or was at an instant of the past; `ways` lead to the rows beside it."""
    now, since, at = shown.stood, shown.since, shown.at
    control = now.control
    bar = [controls.state(now.state), html.B(controls.key(control))]
    bar += ways
    inner: list[Any] = [html.P(_sentence(now), className="lead")]
    if since is not None:
        inner.append(html.P(f"So since {controls.day(since)} UTC, for {age(at - since)}.", className="dim"))
    viewer = view.sources.viewer()
    may_read = viewer.may(COMPLIANCE_EVIDENCE_READ)
    for leg in sorted(now.legs, key=lambda each: _WORST.index(each.state)):
        inner += _leg(view, leg, shown) if may_read else []
    signed = papers.of(view, control) if may_read else []
    if signed and shown.is_past:
        inner.append(html.P("What is signed, borne and brought stands here as it is now.", className="dim mt8"))
    inner += [*signed, *_days(shown)]
    inner += _outages(view, shown)
    inner += [
        html.H3("What it is"),
        facts(
            ("Ids", " ".join(control.ids)),
            _known(control),
            *_unseen(control),
            ("Proposed finding", f"{now.state.finding}; an assessor decides"),
            ("Test methods", f"{', '.join(control.legs)}; interviews stay with people"),
            ("Answers for it", control.owner_role.replace("_", " ")),
            ("Reading is fresh for", age(control.fresh) if control.fresh else "–"),
        ),
    ]
    footer: list[Part] = []
    if shown.is_past:  # what is done is done now, and is seen now
        return dock(f"Evidence for {controls.key(control)}", bar=bar, title=control.title, inner=inner, close=close)
    if control.probes and viewer.may(COMPLIANCE_CONTROL_RUN):
        slug = controls.slug(control)
        footer = [acts.press("Run again", "control-run", slug, main=True), acts.place("control-run", slug)]
    footer += papers.acts_of(view, control)
    return dock(
        f"Evidence for {controls.key(control)}", bar=bar, title=control.title, inner=inner, close=close, footer=footer
    )


def _known(control: Control) -> tuple[str, Part]:
    """Return why its probes speak for it, or what somebody or something would have to show."""
    if control.edges:
        return "Known because", html.Div([html.Span(edge.reason, className="block") for edge in control.edges])
    return ("To be shown" if control.mode == "A" else "A probe would ask"), control.holds_when


def _unseen(control: Control) -> list[tuple[str, Part]]:
    """Return what people sign for, as no probe looks at it."""
    if not control.unseen:
        return []
    return [
        ("Signed for, as no probe sees it", html.Div([html.Span(one, className="block") for one in control.unseen]))
    ]


def _sentence(now: Standing) -> str:
    if now.reason is not None and not now.legs:
        return f"{controls.why(now.reason)}.".capitalize()
    reasons = {leg.reason: controls.why(leg.reason) for leg in now.legs if leg.state is now.state and leg.reason}
    if now.state is State.FAIL:
        return "A probe sees what must not be; each object is named below."
    if now.state is State.STALE:
        return "What was seen last is too old to count. Does the worker run?"
    if now.state is State.EXPIRED:
        return "What somebody signed for it has ended. It counts again once it is signed anew."
    if now.state is State.EXCEPTED:
        return "It fails, and two people bear that until a day. It does not count as in place."
    if reasons:
        return "; ".join(reasons.values()).capitalize() + "."
    if now.state in (State.ATTESTED, State.INHERITED):
        return "Somebody answers for it with their name, until a day."
    return "Every probe was tested by a planted violation, had something to look at, and found nothing wrong."


def _leg(view: View, leg: Leg, shown: Shown) -> list[Any]:
    probe = view.sources.controls.parts.probes.get(leg.name)
    if probe is None:
        return []
    with view.sources.read() as session:
        seen = rerun.of_probe(session, leg.name, view.sources.viewer(), limit=EARLIER_SHOWN, until=shown.at)
        tried = None if shown.is_past else standing.rows(session).get(leg.name)
    parts: list[Any] = [html.H3([html.Span(leg.name), controls.state(leg.state)]), html.P(probe.asks, className="dim")]
    if not seen:
        return [*parts, html.P("It was not asked yet.", className="dim")]
    newest = seen[0]
    if not newest.is_as_sealed:
        parts.append(html.P([mark("Changed.", "cross", "bad"), f" {_CHANGED}"]))
    parts += [
        html.Div(
            [
                _figure("population", f"{newest.counted:,}", _components(newest)),
                _figure(
                    "violations", f"{newest.total:,}", "named below" if newest.total else "none", bad=newest.total > 0
                ),
                _canary(newest, tried, shown.at),
            ],
            className="pair three mt8",
        )
    ]
    if newest.violations:
        parts += [
            html.H3("Violations"),
            chain([_violation(view, one) for one in newest.violations[:VIOLATIONS_SHOWN]]),
        ]
        if newest.total > VIOLATIONS_SHOWN:
            parts.append(html.P(f"and {newest.total - VIOLATIONS_SHOWN:,} more", className="dim"))
    parts += [
        html.H3([html.Span("How we know"), proving.link(view, newest.event_id)]),
        facts(
            ("Evidence", [ident(newest.number), html.Span("  "), dated(newest.started_at)]),
            ("Last looked", _last_look(leg, newest)),
            ("Window", f"#{newest.lo + 1:,} to #{newest.hi:,}" if newest.hi > newest.lo else "–"),
            ("Asked", html.Code(readable(_asked(newest)), className="id wrap")),
            ("Code", [ident(leg.name), html.Span("  "), short(newest.code_hash)]),
            ("Build, host", f"{newest.build}, {newest.host}"),
            ("Row", short(newest.sha256)),
        ),
        html.H3("Earlier results"),
        chain(
            [
                [
                    ident(one.number),
                    html.Span(
                        f"{controls.day(one.started_at)}, {one.total:,} of {one.counted:,}",
                        className="wraps",
                    ),
                    controls.state(State(one.state if one.is_as_sealed else State.NOT_EVALUABLE)),
                ]
                for one in seen
            ]
        ),
    ]
    return parts


def _violation(view: View, one: Mapping[str, str]) -> list[Part]:
    return [named(view, one["object_id"]), html.Span(readable(one["says"]), className="wraps"), one["component"]]


def _figure(name: str, value: str, small: str, *, bad: bool = False) -> Part:
    shown = html.Span(value, className="big c-bad" if bad else "big")
    if name == "canary":
        shown = html.Span(ok(value) if value == "caught" else mark(value, "cross", "bad"), className="big b16")
    return html.Div([html.Span(name, className="dim"), shown, html.Span(small, className="dim")])


def _components(seen: Observation) -> str:
    """Return what was looked at: the first two kinds, and how many others."""
    kinds = list(seen.population.items())
    said = ", ".join(f"{count:,} {name}" for name, count in kinds[:KINDS_SHOWN]) or "nothing"
    others = sum(count for _, count in kinds[KINDS_SHOWN:])
    return f"{said} and {counted_words(others, 'other')}" if others else said


def _canary(seen: Observation, tried: ProbeRow | None, at: datetime) -> Part:
    """Return how the canary ended when it was tried last: a reading that says the same is not written down again."""
    said, tried_at = (tried.canary, tried.canary_at) if tried is not None else (seen.canary, seen.canary_at)
    return _figure("canary", said or "never", f"{age(at - tried_at)} ago" if tried_at else "–")


def _last_look(leg: Leg, newest: Observation) -> Part:
    """Return when its probe was asked last, and that it said the same as the evidence where none came of it."""
    if leg.at is None:
        return "–"
    is_later = leg.at > newest.started_at and (leg.beneath or leg.state).value == newest.state
    return [dated(leg.at), html.Span(f"  {newest.state}, unchanged", className="dim") if is_later else ""]


def _asked(seen: Observation) -> str:
    said = {name: " ".join(value) if isinstance(value, list) else value for name, value in seen.asked.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in said.items()) or "–"


def _days(shown: Shown) -> list[Any]:
    days = posture.strip(shown.found, shown.at, shown.first)
    begin = shown.at - timedelta(days=posture.STRIP_DAYS - 1)
    says = f"{controls.days_words(days)}.".capitalize()
    if shown.first is not None and shown.first >= begin:
        says += f" First judged {controls.day(shown.first)} UTC."
    return [
        html.H3("90 days"),
        controls.days(days, width=STRIP_WIDTH, height=24),
        html.Div([html.Span(day_text(begin)), html.Span(day_text(shown.at))], className="ends dim"),
        html.P(f"{says} A cell shows the worst state of its day.", className="dim"),
    ]


def _end(one: Interval, shown: Shown) -> str:
    """Return the day on which an interval ended, as far as it had ended by then."""
    if one.to_at is not None and one.to_at <= shown.at:
        return controls.day(one.to_at)
    return "then and longer" if shown.is_past else "now"


def _outages(view: View, shown: Shown) -> list[Any]:
    control = shown.stood.control
    with view.sources.read() as session:
        first = history.first_in_place(session).get((control.framework, control.key))
    lost = history.outages(shown.found, first)
    if not lost:
        return []
    rows = [
        [
            controls.state(one.state),
            html.Span(controls.why(Reason(one.reason)) if one.reason else "", className="wraps"),
            f"{controls.day(one.from_at)} to {_end(one, shown)}",
        ]
        for one in reversed(lost[-EARLIER_SHOWN:])
    ]
    return [html.H3("Outages"), chain(rows)]
