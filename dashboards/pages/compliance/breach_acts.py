"""What the forms of the page of breaches do: start the clock, assess, decide, note a notice, close."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from app.kernel import numbers
from app.kernel.access import PRIVACY_BREACH_DECIDE, PRIVACY_BREACH_WRITE, Permission
from app.kernel.context import Context
from compliance.registers import breach_decision, breach_handling
from compliance.registers.breach_handling import AwarenessInvalid
from compliance.registers.breaches import Assessment, Found
from dashboards import acts
from dashboards.acts import Deed
from dashboards.mount import Console
from dashboards.ports import Sources

_ASSESSED: Final = ("nature", "categories", "people", "records", "consequences", "measures", "risk")


def wire(console: Console) -> None:
    """Register every act with the permission that it demands."""
    wanted: Sequence[tuple[str, Permission, Callable[..., str], Sequence[str]]] = (
        ("breach-enter", PRIVACY_BREACH_WRITE, _enter, ("title", "aware_at", "incident", "controller")),
        ("breach-assess", PRIVACY_BREACH_WRITE, _keep, _ASSESSED),
        ("breach-aware", PRIVACY_BREACH_WRITE, _set_aware, ("aware_at", "reason")),
        ("breach-propose", PRIVACY_BREACH_WRITE, _propose, ("decision", "reason")),
        ("breach-notify", PRIVACY_BREACH_WRITE, _notify, ("recipient", "text", "reference", "late_reason")),
        ("breach-except", PRIVACY_BREACH_DECIDE, _except, ("reason",)),
        ("breach-complete", PRIVACY_BREACH_WRITE, _complete, ()),
    )
    for name, permission, does, fields in wanted:
        work = partial(does, console.sources)
        acts.wire(console, name, permission, work, fields=[(field, "value") for field in fields])


def _instant(text: str) -> datetime:
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError as error:
        raise AwarenessInvalid("Write the instant as 2027-01-31 14:05, in UTC.", param="aware_at") from error


def _enter(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    found = Found(
        title=deed.text("title"),
        aware_at=_instant(deed.text("aware_at")),
        incident=deed.text("incident").strip() or None,
        controller=deed.text("controller").strip() or None,
    )
    breach_handling.open_breach(session, found, ctx, parts=sources.registers)
    return "Its clock runs"


def _keep(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    made = Assessment(
        nature=deed.text("nature"),
        categories=tuple(deed.text("categories").split(",")),
        people=numbers.whole(deed.text("people").strip() or None),
        records=numbers.whole(deed.text("records").strip() or None),
        consequences=deed.text("consequences"),
        measures=deed.text("measures"),
        high_risk=deed.text("risk") == "high",
    )
    breach_handling.assess(session, deed.of, made, ctx)
    return "It is kept"


def _set_aware(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    breach_handling.correct_awareness(session, deed.of, _instant(deed.text("aware_at")), deed.text("reason"), ctx)
    return "Its clock was set anew"


def _propose(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    approvals, decision = sources.registers.approvals, deed.text("decision")
    breach_decision.propose(session, deed.of, decision, deed.text("reason"), ctx, approvals=approvals)
    return "A second person is asked"


def _notify(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    breach_handling.notify(
        session,
        deed.of,
        deed.text("recipient"),
        deed.text("text"),
        ctx,
        reference=deed.text("reference").strip() or None,
        late_reason=deed.text("late_reason").strip() or None,
    )
    return "The notice is kept"


def _except(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    breach_handling.except_letters(session, deed.of, deed.text("reason"), ctx)
    return "It is written down"


def _complete(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    breach_handling.complete(session, deed.of, ctx)
    return "It is complete"
