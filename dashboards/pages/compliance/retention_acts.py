"""Acts of the page of retention: a dry run, asking for a run, holds and periods; each form where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import (
    PRIVACY_HOLD_PLACE,
    PRIVACY_HOLD_RELEASE,
    PRIVACY_POLICY_PROPOSE,
    PRIVACY_RUN_PROPOSE,
)
from app.kernel.context import Context
from compliance.retention import approving, holds, policies, runs
from compliance.retention.holds import Hold, HoldInvalid, Item, Order
from compliance.retention.plan import Plan
from compliance.retention.policies import Policy
from dashboards import acts
from dashboards.acts import Deed
from dashboards.kit import Part, panel
from dashboards.mount import Console
from dashboards.page import View
from dashboards.ports import Sources


def opened(view: View, found: Mapping[str, Policy], held: Sequence[Hold]) -> list[Part]:
    """Return the form that the address asks for, or nothing where it names none or the viewer may not."""
    viewer, do, of = view.sources.viewer(), view.words.get("do"), view.words.get("of", "")
    back = html.A("Cancel", href=view.here("retention", do=None, of=None), className="more", **{"data-key": "Escape"})
    if do == "hold" and viewer.may(PRIVACY_HOLD_PLACE):
        return [panel("Place a hold", html.Div(_hold_form(), className="body deed"), cls="opened", right=back)]
    if do == "policy" and of in found and viewer.may(PRIVACY_POLICY_PROPOSE):
        policy = found[of]
        title = f"Change a period: {policy.of.says}"
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
                id=id_("reason"), label="Reason", description="At least ten letters", autosize=True, minRows=2
            ),
            buttons=[acts.press("Place it", "hold-place", "new", main=True)],
            says=acts.place("hold-place", "new"),
        )
    ]


def _policy_form(policy: Policy) -> list[Part]:
    name = policy.class_
    bounds = f", at least {policy.of.floor.in_words()}" if policy.of.floor else ""
    bounds += f", at most {policy.of.ceiling.in_words()}" if policy.of.ceiling else ""
    return [
        html.P([f"Now {_kept(policy)}{bounds}: {policy.ground}. ", html.Small(name, className="id dim")]),
        *_zero(policy),
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
                "policy-propose", name, description="At least ten letters; a second person decides", is_first=False
            ),
            buttons=[acts.press("Propose it", "policy-propose", name, main=True)],
            says=acts.place("policy-propose", name),
        ),
    ]


def _kept(policy: Policy) -> str:
    if policy.keep.is_nothing:
        return f"only as long as it is used ({policy.keep.text})"
    return f"{policy.keep.in_words()} ({policy.keep.text}) {policy.of.begins}"


def _zero(policy: Policy) -> list[Part]:
    """Say what a period of no length does, where it may be written."""
    if not policy.of.keep.is_nothing:
        return []
    says = (
        "A period of no length, such as P0D, keeps nothing longer than it is used: the next run removes what has ended."
    )
    return [html.P(says, className="dim")]


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
    on("retention-plan", PRIVACY_RUN_PROPOSE, partial(_plan, sources), reads=partial(_count, sources))
    on("retention-propose", PRIVACY_RUN_PROPOSE, partial(_propose, sources), fields=[("reason", value)])
    on(
        "hold-place",
        PRIVACY_HOLD_PLACE,
        partial(_place, sources),
        fields=[(name, value) for name in ("case", "authority", "review_on", "items", "reason")],
    )
    on("hold-release", PRIVACY_HOLD_RELEASE, partial(_release, sources), fields=[("reason", value)])
    on(
        "policy-propose",
        PRIVACY_POLICY_PROPOSE,
        partial(_propose_policy, sources),
        fields=[(name, value) for name in ("keep", "ground", "reason")],
    )


def _count(sources: Sources, session: Session, deed: Deed, ctx: Context) -> Plan | None:
    try:
        return runs.count(session, deed.of, ctx, parts=sources.retention)
    except runs.NothingDue:
        return None


def _plan(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    if deed.found is None:
        return "Counted: nothing of this class is due"  # a good answer, and no refusal
    run = runs.keep(session, deed.found, ctx, parts=sources.retention)
    return f"Counted: {run.total:,} would go"


def _propose(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    approving.propose(session, deed.of, deed.text("reason"), ctx, parts=sources.retention)
    return "Two people are asked"


def _place(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
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
    holds.place(session, order, ctx, parts=sources.retention)
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
