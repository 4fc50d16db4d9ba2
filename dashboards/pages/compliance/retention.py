"""Retention. *Is old data really gone?* Classes with their periods, runs with what they removed, holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from dash import html

from app.kernel.access import (
    PRIVACY_HOLD_PLACE,
    PRIVACY_HOLD_RELEASE,
    PRIVACY_POLICY_PROPOSE,
    PRIVACY_REQUEST_READ,
    PRIVACY_RUN_PROPOSE,
)
from compliance.catalog.unended import UNENDED
from compliance.retention import approving, binding, holds, policies, runs, shown
from compliance.retention.holds import Hold
from compliance.retention.policies import Policy
from compliance.retention.runs import Run
from compliance.retention.shown import Totals
from dashboards import acts
from dashboards.kit import (
    Part,
    act,
    answer,
    as_of_page,
    dated,
    day_text,
    empty,
    ident,
    mark,
    ok,
    page,
    panel,
    scrolling,
    short,
    table,
)
from dashboards.page import COMPLIANCE, Page, View
from dashboards.pages.compliance import retention_acts, retention_run

RUNS_SHOWN: Final = 12


def layout(view: View) -> Any:  # a Dash component
    """Return classes, runs and holds; a run that is chosen stands beside them, a form that is asked for above."""
    present, view = view.now, view.as_told()
    sources, viewer = view.sources, view.sources.viewer()
    with sources.read() as session:
        found = policies.seen(session, viewer)
        known = shown.listed(session, viewer)
        totals = shown.totals(session, viewer)
        held = holds.listed(session, viewer)
        is_now = viewer.period is None
        stops = (holds.troubles(session), binding.troubles(session)) if is_now else ({}, {})
        chosen = next((run for run in known if run.id == view.words.get("sel")), None)
        beside = retention_run.dock_of(view, session, chosen) if chosen is not None else None
    body = [
        _answer(totals, known, held),
        *_stopped("Nothing is removed at all", stops[0]),
        *_stopped("Nothing is removed by these", stops[1]),
        *retention_acts.opened(view, found, held),
        _classes(view, found, known, totals),
        html.Div([_runs(view, known), _holds(view, held)], className="cols"),
        _unended(),
    ]
    right: list[Part] = [as_of_page(present, view.now)]
    if viewer.may(PRIVACY_HOLD_PLACE):
        right.append(act("Place a hold", view.here("retention", do="hold", sel=None)))
    return page("Retention", "Is old data really gone?", *body, right=right, dock=beside, live=True)


def _answer(totals: Totals, known: Sequence[Run], held: Sequence[Hold]) -> Part:
    due, gone = totals.due, sum(totals.gone.values())
    active = [hold for hold in held if hold.state == holds.ACTIVE]
    if due:
        open_ = [run for run in known if run.state in (runs.PLANNED, runs.WAITING)]
        said = [mark("Not all.", "clock", "medium"), f" {approving.things(due, approving.stores_of(open_))} due."]
    elif totals.going:
        said = [mark("Nearly.", "run", "accent"), " A run is under way."]
    else:
        said = [ok("As far as was counted, yes.")]
    cells = [
        (f"{due:,}", "due, by open plans"),
        (f"{gone:,}", "gone, with certificate"),
        (str(len(active)), "holds in force"),
    ]
    small = "Classes are counted every night; a month of the log and a period's first run always ask two people."
    return answer(said, small, cells)


def _stopped(title: str, stops: Mapping[str, str]) -> list[Part]:
    """Say what is not as people agreed to it or placed it, so that nothing goes until somebody has looked why."""
    if not stops:
        return []
    rows = [
        html.Li([mark(name, "cross", "bad"), html.Span(says, className="grow")]) for name, says in sorted(stops.items())
    ]
    sub = "somebody may have written into the database: have Verifier and Art. 5(2) looked at first"
    return [panel(title, html.Ol(rows, className="rows r30"), sub=sub)]


def _classes(view: View, found: Mapping[str, Policy], known: Sequence[Run], totals: Totals) -> Part:
    viewer = view.sources.viewer()
    rows = []
    newest: dict[str, Run] = {}
    for run in known:
        newest.setdefault(run.class_, run)
    # What is due or was run lately is what somebody comes for; the rest stands behind it by name.
    for name, policy in sorted(found.items(), key=lambda one: (*_rank(newest.get(one[0])), one[0])):
        last = newest.get(name)
        gone = totals.gone.get(name, 0)
        acts_: list[Part] = []
        if viewer.may(PRIVACY_RUN_PROPOSE) and not (last is not None and last.is_open):
            acts_.append(acts.press("Dry run", "retention-plan", name, quiet=True))
        if viewer.may(PRIVACY_POLICY_PROPOSE):
            if policy.proposal is not None:
                acts_.append(html.Span("a change waits", className="dim"))
            else:
                acts_.append(
                    html.A("change", href=view.here("retention", do="policy", of=name, sel=None), className="more")
                )
        rows.append(
            [
                html.Div([html.Span(policy.of.says, className="strong"), html.Small(name, className="dim block")]),
                html.Div([f"{policy.keep.in_words()}", html.Small(policy.of.begins, className="dim block")]),
                html.Span(policy.ground, className="dim"),
                f"v{policy.version}",
                f"{gone:,}" if gone else "–",
                html.A(retention_run.state(last), href=view.here("retention", sel=last.id))
                if last is not None
                else "–",
                html.Div([html.Div(acts_, className="chips nowrap"), acts.place("retention-plan", name)]),
            ]
        )
    heads = [
        ("Class", ""),
        ("Kept", ""),
        ("Ground", "roomy"),
        ("Version", "roomy"),
        ("Gone", "num"),
        ("Newest run", ""),
        ("Act", ""),
    ]
    listed = scrolling("Classes", table(heads, rows, caption="Classes", cls="r36"))
    return panel("Classes", listed, sub="shipped periods are proposals: who runs this confirms them")


def _rank(last: Run | None) -> tuple[int, float]:
    """Return where a class stands: what waits or goes on, what was run, the newest first, and what was not."""
    if last is None:
        return 2, 0.0
    return (0 if last.is_open else 1), -last.planned_at.timestamp()


def _unended() -> Part:
    """Say what no run ends, and by what it ends instead."""
    rows = [[ident(name), one.by, html.Span(one.why, className="dim")] for name, one in sorted(UNENDED.items())]
    listed = scrolling(
        "Not carried out by runs",
        table([("Store", ""), ("Ends by", ""), ("Why", "")], rows, caption="Not carried out by runs", stacks=True),
    )
    return panel("Not carried out by runs", listed, sub="all other stores with a period end by runs")


def _runs(view: View, known: Sequence[Run]) -> Part:
    if not known:
        return panel("Runs", empty("No run yet.", "A run is planned each night for what is due, or by a dry run."))
    rows = [
        [
            html.A(short(run.id), href=view.here("retention", sel=run.id)),
            run.policy,
            dated(run.planned_at),
            f"{run.total:,}",
            f"{run.done:,}",
            f"{run.skipped:,}" if run.skipped else "–",
            retention_run.state(run),
        ]
        for run in known[:RUNS_SHOWN]
    ]
    heads = [
        ("Run", ""),
        ("Policy", ""),
        ("Planned", "roomy"),
        ("Due", "num"),
        ("Gone", "num"),
        ("Held", "num roomy"),
        ("State", ""),
    ]
    listed = scrolling("Runs", table(heads, rows, caption="Runs"))
    return panel("Runs", listed, sub=f"newest {len(rows)}")


def _holds(view: View, held: Sequence[Hold]) -> Part:
    if not held:
        return panel("Holds", empty("Nothing is held.", "A legal hold keeps what a case needs, whatever its period."))
    may_release = view.sources.viewer().may(PRIVACY_HOLD_RELEASE)
    items = []
    for hold in held:
        is_active = hold.state == holds.ACTIVE
        more: list[Part] = []
        if is_active and may_release:
            more = [
                html.A("release", href=view.here("retention", do="release", of=hold.id, sel=None), className="more")
            ]
        items.append(
            html.Li(
                [
                    ident(hold.case),
                    html.Span(
                        [part for item in hold.items for part in (f"{item.kind} ", short(item.value), " ")],
                        className="grow",
                    ),
                    html.Span(
                        f"review {day_text(date.fromisoformat(hold.review_on))}" if is_active else "released",
                        className="dim nowrap",
                    ),
                    *more,
                ]
            )
        )
    return panel("Holds", html.Ol(items, className="rows r30 fold"), sub=str(len(held)))


PAGE: Final = Page(
    slug="retention",
    title="Retention",
    question="Is old data really gone?",
    permission=PRIVACY_REQUEST_READ,
    layout=layout,
    area=COMPLIANCE,
)
