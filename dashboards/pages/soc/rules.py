"""Rules. *What do we look for, does it work?* Coverage as contiguous sequences, lag, alerts; a page for each rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from dash import html

from app.kernel.access import SOC_RULE_READ
from app.kernel.errors import NotFound
from dashboards import figures
from dashboards.kit import (
    age,
    answer,
    facts,
    ident,
    mark,
    ok,
    page,
    panel,
    scrolling,
    severity,
    span,
    table,
    updated,
    when,
)
from dashboards.page import Page, View
from detectors import runner
from detectors.runner import FAILING, RUNNING, WAITING, RuleStanding
from detectors.sigma.ast import Correlation

LATE: Final = timedelta(seconds=120)
SLOW_EVENTS: Final = 1_000


def layout(view: View) -> Any:  # a Dash component
    """Return all rules, the ones in trouble first."""
    with view.sources.read() as session:
        found = runner.standings(session, view.sources.rules, view.sources.viewer(), view.now)
    whole = sum(_is_whole(one) for one in found)
    worst = max((one.lag for one in found), default=0)
    troubled = [one for one in found if not _is_whole(one) or is_troubled(one, view.now)]
    if troubled:
        say = [mark(f"{len(troubled)} of {len(found)} rules", "cross", "bad"), " do not read the log whole."]
        why = "; ".join(f"{one.rule.slug}: {trouble_of(one)}" for one in troubled[:3])
    else:
        say = [ok(f"All {len(found)} rules"), " have read every event up to their cursor."]
        why = "A rule moves its cursor only when the store held exactly the events it was about to read."
    cells = [
        (f"{whole} of {len(found)}", "read without a gap"),
        (f"{worst:,}", "events the slowest is behind"),
        (f"{sum(one.open_alerts for one in found):,}", "alerts open"),
        (f"{sum(one.alerts_30d for one in found):,}", "alerts in 30 days"),
    ]
    heads = [
        ("Looks for", ""),
        ("Rule", "roomy"),
        ("Coverage", "roomy"),
        ("Range", ""),
        ("Behind", "num roomy"),
        ("Last run", "num roomy"),
        ("Open", "num"),
        ("30 d", "num roomy"),
        ("Level", ""),
        ("ATT&CK", "roomy"),
    ]
    rows = [_row(one, view) for one in found]
    listed = scrolling("Rules", table(heads, rows, caption="Rules", cls="r36"))
    return page(
        "Rules",
        "What do we look for, does it work?",
        answer(say, why, cells),
        html.Section(listed, className="panel grow last", **{"aria-label": "Rules"}),
        fill=True,
        right=updated(view.now),
    )


def one_rule(view: View) -> Any:
    """Return one rule: what it says, how it does, its tests, its text."""
    with view.sources.read() as session:
        found = runner.standings(session, view.sources.rules, view.sources.viewer(), view.now)
    standing = next((one for one in found if one.rule.slug == view.id), None)
    if standing is None:
        raise NotFound
    rule, outer = standing.rule, standing.rule.outermost
    window = span(outer.timespan) if isinstance(outer, Correlation) else "each event"
    left = html.Div(
        [
            panel(
                "How it does",
                html.Div(
                    facts(
                        ("State", _state(standing, view.now)),
                        ("Read to", f"#{standing.sequence:,} of #{standing.head:,}"),
                        ("Last run", when(standing.ran_at, view.now) if standing.ran_at else "–"),
                        (
                            "Coverage",
                            ", ".join(f"{lo:,} … {hi:,}" for lo, hi in standing.covered) or "nothing read yet",
                        ),
                        (
                            "Open alerts",
                            html.A(f"{standing.open_alerts:,}", href=view.href("alerts", rule=rule.slug, state="open")),
                        ),
                        (
                            "Alerts, 30 d",
                            html.A(f"{standing.alerts_30d:,}", href=view.href("alerts", rule=rule.slug, state="all")),
                        ),
                    ),
                    className="body",
                ),
            ),
            panel(
                "What it is",
                html.Div(
                    facts(
                        ("Level", severity(rule.level.value)),
                        ("Window", window),
                        ("Playbook", ident(rule.playbook)),
                        ("Version", [f"v{standing.number} ", ident(rule.content_hash[:12])]),
                        ("Tags", html.Div([ident(tag) for tag in rule.tags], className="chips")),
                        ("Owner", rule.owner),
                    ),
                    className="body",
                ),
            ),
            panel(
                "Tests",
                html.Ol(
                    [
                        html.Li(
                            [html.Span(test.name, className="grow"), html.Span(_expects(test.fires), className="dim")]
                        )
                        for test in rule.tests
                    ],
                    className="rows r30",
                ),
                sub="run through outbox, log, store and runner before a release",
            ),
        ],
        className="stack",
    )
    right = panel(
        "Text",
        html.Pre(rule.source, className="json", tabIndex="0", **{"aria-label": "Text of the rule"}),
        sub="Sigma, as it is run",
    )
    return page(
        rule.title,
        None,
        html.P(rule.description, className="lead"),
        html.Div([left, right], className="rule-page"),
        crumb=[html.A("Rules", href=view.href("rules")), " / ", ident(rule.slug)],
        right=[severity(rule.level.value), updated(view.now)],
    )


def _row(one: RuleStanding, view: View) -> Sequence[Any]:
    ranges = _ranges(one)
    words = "read without a gap" if _is_whole(one) else ", ".join(f"{kind} {a:.0%} to {b:.0%}" for a, b, kind in ranges)
    late = one.lag > SLOW_EVENTS
    return [
        html.A(one.rule.title, href=view.href(f"rules/{one.rule.slug}"), className="strong"),
        ident(one.rule.slug),
        html.Img(src=figures.coverage_strip(ranges), alt=f"Coverage: {words}", width=168, height=12, className="cov"),
        _state(one, view.now),
        mark(f"{one.lag:,}", "clock", "medium") if late else f"{one.lag:,}",
        age(view.now - one.ran_at) if one.ran_at else "–",
        html.A(f"{one.open_alerts:,}", href=view.href("alerts", rule=one.rule.slug, state="open")),
        f"{one.alerts_30d:,}",
        severity(one.rule.level.value),
        html.Span(" ".join(one.rule.techniques), className="id"),
    ]


def _ranges(one: RuleStanding) -> list[tuple[float, float, str]]:
    if not one.head:
        return []
    parts: list[tuple[float, float, str]] = []
    at = 0
    for lo, hi in one.covered:
        if lo > at:
            parts.append((at / one.head, lo / one.head, "gap"))
        parts.append((lo / one.head, hi / one.head, "read"))
        at = hi
    return parts


def _is_whole(one: RuleStanding) -> bool:
    """Tell whether the covered ranges of all versions join from the first event to the cursor."""
    at = 0
    for lo, hi in one.covered:
        if lo != at:
            return False
        at = hi
    return at == one.sequence


def is_troubled(one: RuleStanding, now: datetime) -> bool:
    """Whether a rule needs somebody: it fails, what it waits for should have come long ago, or it does not run."""
    is_waiting = one.state == WAITING and one.error is None
    is_late = one.lag > 0 and now - (one.ran_at or one.since) > LATE
    return is_late or (one.state != RUNNING and not is_waiting)


def _state(one: RuleStanding, now: datetime) -> Any:
    if not is_troubled(one, now):
        return ok("whole") if _is_whole(one) else mark("gap", "cross", "bad")
    is_late = one.state == WAITING
    return mark(trouble_of(one), "clock" if is_late else "cross", "medium" if is_late else "bad")


def trouble_of(one: RuleStanding) -> str:
    """Return in words what keeps a rule."""
    if one.state == WAITING:
        return f"waits for the store since {one.since:%H:%M:%S}"
    if one.state == FAILING:
        return f"fails since {one.since:%H:%M:%S}, {one.tries} tries ({one.error})"
    if not _is_whole(one):
        return "has a gap in what it read"
    return f"has not run for {age(LATE)}"


def _expects(fires: int) -> str:
    return "must stay silent" if not fires else f"must fire {fires}×"


PAGE: Final = Page(
    slug="rules",
    title="Rules",
    question="What do we look for, does it work?",
    permission=SOC_RULE_READ,
    layout=layout,
)
ONE: Final = Page(
    slug="rules",
    title="Rule",
    question="What does it look for, does it work?",
    permission=SOC_RULE_READ,
    layout=one_rule,
    takes_id=True,
)
