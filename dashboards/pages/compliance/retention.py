"""Retention. *Is old data really gone?* Classes with their periods, runs with what they removed, holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import (
    PRIVACY_HOLD_PLACE,
    PRIVACY_HOLD_RELEASE,
    PRIVACY_POLICY_PROPOSE,
    PRIVACY_REQUEST_READ,
    PRIVACY_RUN_PROPOSE,
)
from app.kernel.context import Context
from compliance.catalog.unended import UNENDED
from compliance.retention import execute, holds, policies, runs
from compliance.retention.holds import Hold, HoldInvalid, Item, Order
from compliance.retention.policies import Policy
from compliance.retention.runs import Run, Totals
from dashboards import acts, proving
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    act,
    age,
    answer,
    chain,
    dock,
    empty,
    facts,
    ident,
    mark,
    ok,
    page,
    panel,
    scrolling,
    short,
    table,
    updated,
    when,
)
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.ports import Sources

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
RUNS_SHOWN: Final = 12


def layout(view: View) -> Any:  # a Dash component
    """Return classes, runs and holds; a run that is chosen stands beside them, a form that is asked for above."""
    sources, viewer = view.sources, view.sources.viewer()
    with sources.read() as session:
        found = policies.seen(session, viewer)
        known = runs.listed(session, viewer)
        totals = runs.totals(session, viewer)
        held = holds.listed(session, viewer)
        chosen = next((run for run in known if run.id == view.words.get("sel")), None)
        certificate = execute.certificate_of(session, chosen.id) if chosen is not None else None
    body = [
        _answer(totals, held),
        *_form(view, found, held),
        _classes(view, found, known, totals),
        html.Div([_runs(view, known), _holds(view, held)], className="cols"),
        _unended(),
    ]
    right: list[Part] = [updated(view.now)]
    if viewer.may(PRIVACY_HOLD_PLACE):
        right.append(act("Place a hold", view.here("retention", do="hold", sel=None)))
    beside = _dock(view, chosen, certificate) if chosen is not None else None
    return page("Retention", "Is old data really gone?", *body, right=right, dock=beside)


def _answer(totals: Totals, held: Sequence[Hold]) -> Part:
    due, gone = totals.due, sum(totals.gone.values())
    active = [hold for hold in held if hold.state == holds.ACTIVE]
    if due:
        said = [mark("Not all.", "clock", "medium"), f" {_things(due)} due."]
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
            acts_.append(acts.press("Dry run", "retention-plan", name, quiet=last is None))
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
                html.A(_state(last), href=view.here("retention", sel=last.id)) if last is not None else "–",
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
    return panel("Classes", listed, sub="periods are the operator's to confirm")


def _rank(last: Run | None) -> tuple[int, float]:
    """Return where a class stands: what waits or goes on, what was run, the newest first, and what was not."""
    if last is None:
        return 2, 0.0
    return (0 if last.is_open else 1), -last.planned_at.timestamp()


def _things(count: int) -> str:
    return "1 row or event" if count == 1 else f"{count:,} rows and events"


def _unended() -> Part:
    """Say what no run ends, and by what it ends instead."""
    rows = [[ident(name), one.by, html.Span(one.why, className="dim")] for name, one in sorted(UNENDED.items())]
    listed = scrolling(
        "Not carried out by runs",
        table([("Store", ""), ("Ends by", ""), ("Why", "")], rows, caption="Not carried out by runs"),
    )
    return panel("Not carried out by runs", listed, sub="all other stores with a period end by runs")


def _runs(view: View, known: Sequence[Run]) -> Part:
    if not known:
        return panel("Runs", empty("No run yet.", "A run is planned each night for what is due, or by a dry run."))
    rows = [
        [
            html.A(short(run.id), href=view.here("retention", sel=run.id)),
            run.policy,
            when(run.planned_at, view.now),
            f"{run.total:,}",
            f"{run.done:,}",
            f"{run.skipped:,}" if run.skipped else "–",
            _state(run),
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
                    html.Span(", ".join(f"{item.kind} {item.value}" for item in hold.items), className="grow cut"),
                    html.Span(f"review {hold.review_on}" if is_active else "released", className="dim nowrap"),
                    *more,
                ]
            )
        )
    return panel("Holds", html.Ol(items, className="rows r30"), sub=str(len(held)))


def _state(run: Run) -> Part:
    if run.state == runs.CERTIFIED:
        return ok("certified")
    words, shape, token = STATES[run.state]
    if run.state == runs.EXECUTING and run.total:
        words = f"{words}, {run.done * 100 // run.total} %"
    return mark(words, shape, token)


def _dock(view: View, run: Run, certificate: Mapping[str, Any] | None) -> Part:
    inner: list[Part] = [
        html.P(
            f"All of {run.class_} that ended before {run.before:%d %b %Y}: "
            f"{_things(run.total)} by version {run.version} of its period, {run.facts['keep']}.",
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
                    html.Span(one["store"], className="cut"),
                    html.Span(_span(one), className="dim cut"),
                    f"{one['count']:,}",
                ]
                for one in run.facts["places"]
            ]
        ),
        html.H3("Samples"),
        chain(
            [
                [html.Span(one["store"], className="cut"), html.Span(" ".join(one["samples"]), className="id cut"), ""]
                for one in run.facts["places"]
                if one["samples"]
            ]
        ),
        html.H3("What is approved"),
        facts(
            ("Root", short(run.root)),
            ("Policy", [f"{run.policy}  ", short(run.policy_hash)]),
            ("Ground", run.facts["ground"]),
            ("Cases", ", ".join(run.facts["conflicts"]) or "none"),
            ("Asks people", "; ".join(run.facts["asks"]) or "no: within the standing limit"),
            ("Planned", when(run.planned_at, view.now)),
            ("State", [_state(run), html.Span(f"  {run.why}" if run.why else "", className="dim")]),
        ),
    ]
    if certificate is not None:
        body = certificate["body"]
        inner += [
            html.H3([html.Span("Certificate"), proving.link(view, str(certificate["event_id"]))]),
            facts(
                ("Certificate", ident(certificate["id"])),
                ("Removed", f"{body['removed']:,}, kept for cases {body['kept_for_cases']:,}"),
                ("Approved by", f"{body['approvers']} people" if body["approvers"] else "rule, within its limit"),
                ("Irrecoverable from", when(certificate["irrecoverable_from"], view.now)),
                ("SHA-256", short(certificate["sha256"])),
                ("What remains", body["remains"]),
                ("Backups", body.get("backups") or "–"),
            ),
        ]
    footer: list[Part] = []
    if run.state == runs.PLANNED and view.sources.viewer().may(PRIVACY_RUN_PROPOSE):
        inner.append(
            acts.form(
                "Ask two people",
                acts.reason(
                    "retention-propose",
                    run.id,
                    description="At least ten characters; the approval binds exactly this plan",
                ),
                buttons=[acts.press(f"Ask approval for {run.total:,}", "retention-propose", run.id, main=True)],
                says=acts.place("retention-propose", run.id),
            )
        )
    if run.state == runs.WAITING and run.approval_id is not None:
        footer = [html.A("Approvals", href="/approvals", className="btn")]
    bar = [_state(run), html.B(short(run.id))]
    title = f"{run.policy}, {age(view.now - run.planned_at)} ago"
    close = view.here("retention", sel=None)
    return dock(f"Run {run.id}", bar=bar, title=title, inner=inner, close=close, footer=footer)


def _span(one: Mapping[str, Any]) -> str:
    if not one["oldest"]:
        return f"{one['held']:,} held" if one["held"] else ""
    size = f", {one['bytes'] / 1_000_000:.1f} MB" if one["bytes"] else ""
    return f"{one['oldest'][:10]} to {one['newest'][:10]}{size}" + (f", {one['held']:,} held" if one["held"] else "")


def _figure(name: str, value: str) -> Part:
    return html.Div([html.Span(name, className="dim"), html.Span(value, className="big")])


def _form(view: View, found: Mapping[str, Policy], held: Sequence[Hold]) -> list[Part]:
    viewer, do, of = view.sources.viewer(), view.words.get("do"), view.words.get("of", "")
    back = html.A("Cancel", href=view.here("retention", do=None, of=None), className="more", **{"data-key": "Escape"})
    if do == "hold" and viewer.may(PRIVACY_HOLD_PLACE):
        return [panel("Place a hold", html.Div(_hold_form(), className="body deed"), cls="opened", right=back)]
    if do == "policy" and of in found and viewer.may(PRIVACY_POLICY_PROPOSE):
        policy = found[of]
        title = f"Change how long {of} is kept"
        return [panel(title, html.Div(_policy_form(policy), className="body deed"), cls="opened", right=back)]
    hold = next((one for one in held if one.id == of and one.state == holds.ACTIVE), None)
    if do == "release" and hold is not None and viewer.may(PRIVACY_HOLD_RELEASE):
        title = f"Release {hold.case}"
        return [panel(title, html.Div(_release_form(hold), className="body deed"), cls="opened", right=back)]
    return []


def _hold_form() -> list[Part]:
    def id_(name: str) -> dict[str, Any]:
        return acts.field(name, "hold-place", "new")

    return [
        acts.form(
            "Place a hold",
            dmc.TextInput(id=id_("case"), label="Case", placeholder="claim-17", attributes=_first()),
            dmc.TextInput(id=id_("authority"), label="By whose authority", placeholder="Regional court, 12 O 34/26"),
            dmc.TextInput(id=id_("review_on"), label="Reviewed on", placeholder="2027-01-31"),
            dmc.Textarea(
                id=id_("items"),
                label="What is held",
                description="One a line: subject acc_…, object trf_…, sequences 100:250, or class session",
                autosize=True,
                minRows=2,
            ),
            dmc.Textarea(
                id=id_("reason"), label="Reason", description="At least ten characters", autosize=True, minRows=2
            ),
            buttons=[acts.press("Place it", "hold-place", "new", main=True)],
            says=acts.place("hold-place", "new"),
        )
    ]


def _policy_form(policy: Policy) -> list[Part]:
    name = policy.class_
    floor = f", at least {policy.of.floor.in_words()}" if policy.of.floor else ""
    return [
        html.P(f"Now {policy.keep.in_words()} ({policy.keep.text}) {policy.of.begins}{floor}: {policy.ground}."),
        acts.form(
            "Change the period",
            dmc.TextInput(
                id=acts.field("keep", "policy-propose", name),
                label="Keep for",
                description="Such as P13M, P90D or P5Y",
                value=policy.keep.text,
                attributes=_first(),
            ),
            dmc.TextInput(id=acts.field("ground", "policy-propose", name), label="Legal ground", value=policy.ground),
            acts.reason(
                "policy-propose", name, description="At least ten characters; a second person decides", is_first=False
            ),
            buttons=[acts.press("Propose it", "policy-propose", name, main=True)],
            says=acts.place("policy-propose", name),
        ),
    ]


def _release_form(hold: Hold) -> list[Part]:
    return [
        html.P(f"Held for {hold.case} by authority of {hold.authority}. Two people who did not place it decide."),
        acts.form(
            "Release the hold",
            acts.reason("hold-release", hold.id),
            buttons=[acts.press("Ask two people", "hold-release", hold.id, main=True)],
            says=acts.place("hold-release", hold.id),
        ),
    ]


def _first() -> dict[str, Any]:
    return {"input": {"data-first": "true", "maxLength": 300}}


def wire(console: Console) -> None:
    """Register every act of the page with the permission that it demands."""
    on, sources, value = partial(acts.wire, console), console.sources, "value"
    on("retention-plan", PRIVACY_RUN_PROPOSE, partial(_plan, sources))
    on("retention-propose", PRIVACY_RUN_PROPOSE, partial(_propose, sources), fields=[("reason", value)])
    on(
        "hold-place",
        PRIVACY_HOLD_PLACE,
        _place,
        fields=[(name, value) for name in ("case", "authority", "review_on", "items", "reason")],
    )
    on("hold-release", PRIVACY_HOLD_RELEASE, partial(_release, sources), fields=[("reason", value)])
    on(
        "policy-propose",
        PRIVACY_POLICY_PROPOSE,
        partial(_propose_policy, sources),
        fields=[(name, value) for name in ("keep", "ground", "reason")],
    )


def _plan(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    try:
        run = runs.plan(session, deed.of, ctx, parts=sources.retention)
    except runs.NothingDue:
        return "Counted: nothing of this class is due"  # a good answer, and no refusal
    return f"Counted: {run.total:,} would go"


def _propose(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    runs.propose(session, deed.of, deed.text("reason"), ctx, parts=sources.retention)
    return "Two people are asked"


def _place(session: Session, deed: Deed, ctx: Context) -> str:
    try:
        review = date.fromisoformat(deed.text("review_on").strip())
    except ValueError as error:
        raise HoldInvalid("Write the day of the review as 2027-01-31.", param="review_on") from error
    items = []
    for line in deed.text("items").splitlines():
        kind, _, value = line.strip().partition(" ")
        if kind:
            items.append(Item(kind=kind, value=value))
    order = Order(
        case=deed.text("case").strip(),
        reason=deed.text("reason"),
        authority=deed.text("authority"),
        review_on=review,
        items=tuple(items),
    )
    holds.place(session, order, ctx)
    return f"{order.case} is held"


def _release(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    holds.ask_release(session, deed.of, deed.text("reason"), ctx, approvals=sources.retention.approvals)
    return "Two people are asked"


def _propose_policy(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    policies.propose(
        session,
        deed.of,
        deed.text("keep"),
        deed.text("ground"),
        deed.text("reason"),
        ctx,
        approvals=sources.retention.approvals,
    )
    return "A second person is asked"


PAGE: Final = Page(
    slug="retention",
    title="Retention",
    question="Is old data really gone?",
    permission=PRIVACY_REQUEST_READ,
    layout=layout,
    area=COMPLIANCE,
)
