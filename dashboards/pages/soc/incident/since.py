"""What happened at an account since the incident began, read from the event store by its id: tries, and acts.

Detection names what it found; what comes after need not be a finding. Names of customers never pass through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from dash import html

from app.kernel.access import EVENT_RECORD_READ, SOC_ACTION_PROPOSE, ActorKind
from app.kernel.clock import parse_rfc3339
from app.kernel.errors import Unavailable
from dashboards import windows
from dashboards.kit import Part, copy, mark, money, panel, short_text, when
from dashboards.pages.soc.incident.look import Look
from ingest.events import catalog
from ingest.events.envelope import at_path
from ingest.store.query import And, Document, Eq, Not, Or, Order, Prefix, Search, Window

ACCOUNTS_MAX: Final = 2
EVENTS_READ: Final = 200
STEPS_SHOWN: Final = 12
# What is known of an event at an account, in place of what its kind says of any.
SAID: Final = {"auth.login.failed": "Somebody gave a wrong password or code"}
# What response and detection record about somebody is not what they did.
# Who may have entered an account; where anybody else sat is no address of the story.
STRANGERS: Final = (None, ActorKind.CUSTOMER.value, ActorKind.UNKNOWN.value)
# What staff or a playbook changes of somebody's ways in belongs to the story all the same.
WAYS_IN: Final = (
    "auth.factor.removed",
    "auth.password.changed",
    "auth.account.locked",
    "auth.account.unlocked",
    "admin.account.",
)
OURS: Final = ("incident.", "detection.", "access.", "admin.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was done once, or several times in a row: when last, what, from where, how it ended."""

    at: datetime
    event_id: str
    action: str
    source: str | None
    is_refused: bool
    detail: str
    count: int


def panels(seen: Look) -> list[Part]:
    """Return a list for each account the incident is about, as far as the viewer may read events."""
    if not seen.viewer.may(EVENT_RECORD_READ):
        return []
    named = [one for one in seen.found.entities if one.kind == "account"]
    keys = [one for one in named if one.is_key] or (named if len(named) <= ACCOUNTS_MAX else [])
    return [_panel(one.value, seen) for one in keys[:ACCOUNTS_MAX]]


def steps_of(documents: Sequence[Document], account: str) -> list[Step]:
    """Return events of an account, oldest first, as steps: the same thing from the same place in a row is one."""
    steps: list[Step] = []
    for document in documents:
        found = _step(document, account)
        last = steps[-1] if steps else None
        same = last is not None and (last.action, last.source, last.is_refused, last.detail) == (
            found.action,
            found.source,
            found.is_refused,
            found.detail,
        )
        if last is not None and same:
            steps[-1] = replace(found, count=last.count + 1)
        else:
            steps.append(found)
    return steps


def _panel(account: str, seen: Look) -> Part:
    href = seen.events_href("subject", account)
    title = f"What happened at {short_text(account)} since"
    try:
        documents = seen.view.sources.store.search(_search(account, seen.case.first_event_at)).documents
    except Unavailable as away:
        return panel(title, html.P([mark(str(away), "cross", "bad"), f" ({away.code})"], className="body"))
    steps = steps_of([*reversed(documents)], account)
    known = {one.value for one in seen.found.entities if one.kind == "address"}
    rows = [html.Li(_row(step, known, seen)) for step in reversed(steps[-STEPS_SHOWN:])]
    earlier = len(steps) - len(rows)
    words = f"the newest {len(rows)} of {len(steps)} steps" if earlier > 0 else "newest first"
    if len(documents) == EVENTS_READ:
        words = f"from the newest {EVENTS_READ} events"
    nothing = html.P("No event of this account since the first one of the incident.", className="dim body")
    return panel(
        title,
        html.Ol(rows, className="since") if rows else nothing,
        sub=words if rows else None,
        right=[copy(account, "account id"), html.A("all its events", href=href, className="more")],
    )


def _row(step: Step, known: set[str], seen: Look) -> list[Part]:
    what = html.A(
        step.action, href=seen.view.href("events", sel=step.event_id, **{"from": _since(seen)}), className="more"
    )
    times = f" × {step.count}" if step.count > 1 else ""
    ended = [" ", mark("refused", "cross", "bad")] if step.is_refused else []
    where: list[Part] = []
    if step.source is not None:
        where = [html.Span(step.source, className="id")]
        if step.source not in known:
            where.append(html.Span(" other address", className="dim"))
            if seen.case.is_open and seen.viewer.may(SOC_ACTION_PROPOSE):
                look = seen.href(do="network.block", entity=step.source)
                where += [" ", html.A("Block", href=look, className="more", title=f"Look at a block of {step.source}")]
    return [
        html.Span(when(step.at, seen.now), className="at"),
        html.Span([what, times, *ended, *([html.Small(step.detail)] if step.detail else [])]),
        html.Span(where, className="nowrap"),
    ]


def _since(seen: Look) -> str:
    return seen.case.first_event_at.isoformat()


def _search(account: str, since: datetime) -> Search:
    # Tries to enter it and acts in its name: of money that others send, the account is a subject alone.
    theirs = And((Eq("user.id", account), *[Not(Prefix("event.action", prefix)) for prefix in OURS]))
    done_to = And((Eq("onepay.subject.id", account), Or(tuple(Prefix("event.action", one) for one in WAYS_IN))))
    return Search(
        where=Or((theirs, done_to)), window=Window(since=windows.whole(since)), order=Order.NEWEST, limit=EVENTS_READ
    )


def _step(document: Document, account: str) -> Step:
    action = str(at_path(document, "event.action"))
    who = at_path(document, "onepay.auth.by") or at_path(document, "user.id")
    is_by_us = who != account and at_path(document, "onepay.actor.kind") not in STRANGERS
    amount, currency = at_path(document, "transaction.amount"), at_path(document, "transaction.currency")
    said = [
        money(amount, currency) if isinstance(amount, int) and isinstance(currency, str) else "",
        f"to {short_text(str(payee))}" if (payee := at_path(document, "onepay.payee.id")) else "",
        str(at_path(document, "event.reason") or "").replace("_", " "),
    ]
    return Step(
        at=parse_rfc3339(document["@timestamp"]),
        event_id=str(at_path(document, "event.id")),
        action=SAID.get(action, catalog.headline(action)),
        source=None if is_by_us else at_path(document, "source.ip"),
        is_refused=at_path(document, "event.outcome") == "failure",
        detail=", ".join(part for part in (*said, "by OnePay" if is_by_us else "") if part),
        count=1,
    )
