"""Request. *Is the answer complete?* Stores with what was found or goes, the clock, the steps, what is to be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from dash import html

from app.kernel.access import PRIVACY_REQUEST_READ
from app.kernel.errors import NotFound
from compliance.catalog.retention import RetentionClass
from compliance.certificates import decided_by
from compliance.privacy.erasure import certificates, staying
from compliance.privacy.kinds import THEIRS
from compliance.privacy.request import Fate, Item, Kind, Request, State, Step, Story
from compliance.privacy.trouble import Trouble
from dashboards import proving, rights
from dashboards.kit import (
    Part,
    age,
    answer,
    as_of_page,
    chain,
    copy,
    counted_words,
    dated,
    day_text,
    empty,
    facts,
    mark,
    ok,
    page,
    panel,
    readable,
    scrolling,
    short,
    span,
    table,
)
from dashboards.page import COMPLIANCE, Page, View
from dashboards.pages.compliance import recipients, request_acts, request_stages
from dashboards.pages.compliance.request_acts import Standing

_FATES: Final[Mapping[Fate, tuple[str, str, str]]] = {
    Fate.WAITING: ("waits to be delivered", "clock", "medium"),
    Fate.EXPIRED: ("expired: it could not be delivered in time", "cross", "bad"),
    Fate.LOST: ("lost: it was set aside", "cross", "bad"),
    Fate.UNREACHABLE: ("there was no address", "cross", "bad"),
    Fate.UNKNOWN: ("not known any more", "empty", "ink-2"),
}
_SEARCHED: Final = frozenset((Kind.ACCESS, Kind.PORTABILITY, Kind.ERASURE))
"""What is answered with, or by, what the stores hold."""


def layout(view: View) -> Any:  # a Dash component
    """Return all that is known of one request, and the form that is asked for."""
    present, view = view.now, view.as_told()
    sources, context = view.sources, view.sources.context()
    now = sources.acted(lambda session: _standing(view, session, context))
    found = now.story.request
    words, article = rights.KINDS[found.kind]
    crumb = [html.A("Requests", href=view.href("requests")), " / ", short(found.id), copy(found.id, "id")]
    left: list[Part] = [_stores(found, now, is_past=view.now != present), *recipients.of_request(view, now.notices)]
    if now.story.left_out:
        left.append(_left_out(now.story))
    if now.certificate is not None:
        left.insert(0, _certificate(view, now.certificate, now.classes))
    right = [_clock(view, now.story), _facts(view, now), _letters(now.story), _steps(view, now.story.steps)]
    return page(
        f"{words}, {article}",
        "Is the answer complete?",
        _answer(view, now),
        *request_acts.opened(view, now),
        *recipients.opened(view, now.notices),
        request_stages.stages(view, now.story),
        html.Div([html.Div(left, className="stack"), html.Div(right, className="stack")], className="cols"),
        crumb=crumb,
        right=[as_of_page(present, view.now), *request_acts.offered(view, now)],
    )


def _standing(view: View, session: Any, context: Any) -> Standing:
    standing = request_acts.standing(view.sources, session, str(view.id), context)
    if standing.story.request.is_open:
        return standing  # as an auditor sees it, whatever was certified after their period
    try:
        certificate = certificates.by_request(session, standing.story.request.id)
    except NotFound:
        return standing
    return request_acts.certified(standing, certificate)


def _answer(view: View, now: Standing) -> Part:
    found, items = now.story.request, now.story.items
    skipped = sorted({one.store for one in items if not one.searched})
    total, held = sum(one.found for one in items), sum(one.held for one in items)
    left_out = sum(one.count for one in now.story.left_out)
    said, small = _sentence(view, now, skipped)
    last = (f"{left_out:,}", "left out, by rule")
    if found.kind is Kind.ERASURE:
        last = (f"{held:,}", "stay by law")
    left: Part = _left(view, found)
    if _is_behind(view, found):
        left = mark(left, "clock", "medium")
        if found.answered_at is None and not found.is_overdue(view.now):
            small += f" Our own day was {day_text(found.internal_due)}; the law's is still to come."
    cells = [(f"{total:,}" if items else "–", "entries found"), last, (left, _left_words(view, found))]
    return answer(said, small.strip(), cells)


def _sentence(view: View, now: Standing, skipped: Sequence[str]) -> tuple[list[Part], str]:
    found = now.story.request
    if now.trouble is not None and now.trouble.is_stuck:
        return _stuck(view, found, now.trouble)
    if found.is_overdue(view.now):
        late = mark("No, and late.", "cross", "bad")
        return [
            late,
            " The law's day has ended.",
        ], f"It was due by {day_text(found.due)}; say why when you answer."
    if skipped and found.is_open:
        stores = counted_words(len(skipped), "store")
        return [mark("Not yet.", "clock", "medium"), f" {stores} could not be searched."], (
            f"{', '.join(skipped)}: somebody has to answer for a copy without it."
        )
    if now.waits:
        return [mark("Not yet.", "clock", "medium"), " A second person decides."], (
            "It stands on Approvals, for the data protection officer who did not prepare it."
        )
    match found.state:
        case State.IDENTITY:
            return [mark("Not yet.", "clock", "medium"), " Who asks is not shown."], "Nothing is given out before that."
        case State.SCOPED:
            return [
                mark("Not yet.", "run", "accent"),
                " Every store is being searched.",
            ], "A job does it within a minute."
        case State.IN_REVIEW | State.EXECUTING if found.kind is not Kind.ERASURE:
            return [
                mark("Not yet.", "clock", "medium"),
                " It needs a person.",
            ], "Do what is asked, then answer in words."
        case State.IN_REVIEW:
            return [mark("Not yet.", "clock", "medium"), " The plan waits for an officer."], (
                "Look at what goes and what stays, then put it before the data protection officer."
            )
        case State.WAITING:
            begins = found.not_before or view.now
            return [
                mark("Not yet.", "clock", "medium"),
                f" It begins in {span(max(begins - view.now, timedelta()))}.",
            ], ("The person is restricted meanwhile, and can call it off until then.")
        case State.EXECUTING | State.EXECUTED | State.VERIFIED if found.kind is Kind.ERASURE:
            return [
                mark("Under way.", "run", "accent"),
                " Batch by batch, then another reader looks.",
            ], "A kill loses nothing."
        case State.REFUSED:
            return [mark("Refused.", "cross", "ink-2")], found.outcome or ""
        case State.WITHDRAWN | State.STOPPED:
            return [mark("It ended.", "empty", "ink-2"), f" {rights.stage_words(found.state.value).capitalize()}."], ""
        case _:
            return [ok("Yes, it is answered.")], found.outcome or _answered(view, found)


def _stuck(view: View, found: Request, trouble: Trouble) -> tuple[list[Part], str]:
    """Return which step fails since when, how it is called, and what is to be done."""
    said = [mark("It does not go on.", "cross", "bad"), f" {trouble.what.capitalize()} has failed"]
    said.append(f" for {age(view.now - trouble.first_at)}.")
    late = "The law's day has ended. " if found.is_overdue(view.now) else ""
    last = "now" if view.now <= trouble.last_at else f"{age(view.now - trouble.last_at)} ago"
    return said, f"{late}Tried {trouble.tries} times, the last {last}: {trouble.code}. {trouble.advice}"


def _answered(view: View, found: Request) -> str:
    if found.answered_at is None:
        return ""
    days = (found.answered_at.date() - found.received_on).days
    return f"Answered {day_text(found.answered_at.date())}, {counted_words(days, 'day')} after receipt."


def _is_behind(view: View, found: Request) -> bool:
    return found.internal_due < (found.answered_at or view.now).date()


def _left(view: View, found: Request) -> str:
    return rights.internal_words(found, view.now)


def _left_words(view: View, found: Request) -> str:
    if _is_behind(view, found):
        return "by our own day"
    return "were left, internal" if found.answered_at else "left, internal"


def _stores(found: Request, now: Standing, *, is_past: bool) -> Part:
    items = now.story.items
    if not items:
        why = "Nothing was searched for this."
        if found.is_open and found.kind in _SEARCHED:
            why = f"They are searched {'once it is shown who asks' if not found.is_verified else 'within minutes'}."
        if is_past and found.state is not State.IDENTITY:
            return panel("Stores", empty("Nothing stands from then.", "What is found is written over by a later look."))
        return panel("Stores", empty("No store was searched.", why))
    erases = found.kind is Kind.ERASURE
    heads: list[tuple[str, str]] = [("What", ""), ("Category", "roomy"), ("Entries", "num"), ("State", "")]
    heads += [("Stays", "num roomy"), ("How long, by", "")] if erases else []
    ordered = sorted(items, key=lambda one: (one.searched, one.held == 0, one.store, one.category))
    certified = _laws(now.certificate) if now.certificate is not None else {}
    # Most hold nothing of a person: hundreds of rows that say so hide the others, and take a browser long to draw.
    told = [one for one in ordered if one.found or not one.searched]
    rows = [_line(one, now.classes, erases, certified.get((one.store, one.category))) for one in told]
    parts: list[Part] = [scrolling("Stores", table(heads, rows, caption="Stores"))] if rows else []
    empties = sorted({f"{one.store} ({one.category})" for one in items if one not in told})
    if empties:
        count = f"{counted_words(len(empties), 'place')} searched where nothing was found"
        names = html.P(", ".join(empties), className="dim")
        parts.append(html.Details([html.Summary(count), names], className="body mt8"))
    searched = len({one.store for one in items if one.searched})
    return panel("Stores", *parts, sub=f"{searched} of {len({one.store for one in items})} searched")


def _laws(body: Mapping[str, Any]) -> Mapping[tuple[str, str], str]:
    """Return by which law each of what stays was certified to stay: no later period changes what was done."""
    return {(one["store"], one["category"]): one["law"] for one in body["stays"]}


def _line(one: Item, classes: Mapping[str, RetentionClass], erases: bool, certified: str | None) -> list[Part]:
    known = classes.get(one.retention or "")
    if not one.searched:
        state: Part = mark(f"not searched: {one.skipped}", "cross", "bad")
    elif not erases:
        state = ok("answered")
    elif one.held == one.found:
        state = mark("stays", "clock", "ink-2")
    elif one.held:
        state = mark("a part stays", "clock", "ink-2")
    else:
        state = ok({"shred": "goes with its key"}.get(one.action or "", "goes"))
    category = html.Span(THEIRS.get(one.category, one.category), className="dim", title=one.category)
    cells: list[Part] = [_what(one.store, known), category, f"{one.found:,}", state]
    if erases:
        law = certified or one.law or (known.ground if known else "–")
        until = f"until {rights.until(str(one.stays_until))}, {law}" if one.held else "–"
        return [*cells, f"{one.held:,}" if one.held else "–", html.Span(until, className="dim")]
    return cells


def _what(store: str, known: RetentionClass | None) -> Part:
    """Return what a store holds in the words of its class, and its name."""
    return html.Span([known.says, html.Small(store, className="dim block")]) if known else store


def _left_out(story: Story) -> Part:
    rows = [
        [one.rule.replace("_", " "), html.Span(one.reason, className="dim"), f"{one.count:,}"] for one in story.left_out
    ]
    return panel("Left out, by rule", table([("Rule", ""), ("Why", ""), ("Times", "num")], rows, caption="Left out"))


def _certificate(view: View, body: Mapping[str, Any], classes: Mapping[str, RetentionClass]) -> Part:
    gone = sum(one["entries"] for one in body["erased"])
    stays = [
        [
            html.Span(
                [
                    staying.says(one["class"], classes),
                    html.Small(
                        f"{one['store']}, {THEIRS.get(one['category'], one['category'])}", className="dim block"
                    ),
                ]
            ),
            html.Span(_why_it_stays(one)),
            f"{one['entries']:,}",
        ]
        for one in body["stays"]
    ]
    inner = html.Div(
        [
            html.P(
                f"{gone:,} {'entry' if gone == 1 else 'entries'} erased, and another reader found nothing of "
                f"them. {body['why_not_before']}",
            ),
            facts(
                ("Erased at", dated(datetime.fromisoformat(body["erased_at"]))),
                ("Irrecoverable not before", dated(_not_before(body))),
                ("Keys destroyed", ", ".join(body["keys_destroyed"]) or "none"),
                (
                    "Decided by",
                    decided_by(body) or "nobody anew: the log says that it was erased before",
                ),
                ("To be told to erase it", _to_tell(body) or "nobody"),
                ("Plan", short(body["plan_root"])),
                *([("Plan approved", _approved_plan(body))] if certificates.why_plans_differ(body) else []),
                *([("Was to stay, and went", _gone(body))] if "approved_to_stay_and_gone" in body else []),
                ("What stays is", f"{body['word']}. {body['in_clear']}"),
                ("Disputed", body["disputed"]),
            ),
            *([html.P("What stays", className="strong mt8"), chain(stays, cls="words-of")] if stays else []),
            # The first certificates did not say it.
            *[html.P(one["why"], className="dim") for one in body.get("beside", [])],
        ],
        className="body",
    )
    link = proving.link(view, body["event"])
    return panel("Certificate of erasure", inner, sub=body["law"], right=link)


def _to_tell(body: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{one['name']} by {day_text(date.fromisoformat(one['told_by']))}" for one in body.get("recipients", [])
    )


def _approved_plan(body: Mapping[str, Any]) -> Part:
    return html.Span([short(body["approved_root"]), f" {certificates.why_plans_differ(body)}"])


def _gone(body: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{one['category'].replace('_', ' ')} in {one['store']}" for one in body["approved_to_stay_and_gone"]
    )


def _not_before(body: Mapping[str, Any]) -> datetime:
    """Return the day of a certificate; the first ones called it that from which nothing can be recovered."""
    return datetime.fromisoformat(body.get("irrecoverable_not_before") or body["irrecoverable_from"])


def _why_it_stays(one: Mapping[str, Any]) -> str:
    """Return law and day, or once that it is not settled."""
    until = str(one["until"])
    return f"{one['law']}, until {rights.until(until)}" if not str(one["law"]).endswith(until) else str(one["law"])


def _clock(view: View, story: Story) -> Part:
    found = story.request
    left = [
        html.Div(
            [
                html.B(_left(view, found), className="big c-medium" if _is_behind(view, found) else "big"),
                html.Small(f"internal, {day_text(found.internal_due)}", className="dim"),
            ]
        ),
        html.Div(
            [
                html.Span(rights.clock(found, view.now)),
                html.Small("by law, three months" if found.is_extended else "by law, one month", className="dim block"),
            ]
        ),
    ]
    rows: list[list[Part]] = [["received", html.Span(day_text(found.received_on)), ""]]
    if found.asked_at is not None or found.paused_days:
        rows.append(["clock", html.Span(rights.pause(found)), ""])
    rows.append(["due", html.Span(day_text(found.due)), "extended" if found.is_extended else "not extended"])
    if found.answered_at is not None:
        rows.append(["answered", html.Span(day_text(found.answered_at.date())), ""])
    inner = [html.Div(left, className="pair"), html.Div(chain(rows), className="mt8")]
    return panel("Clock", html.Div(inner, className="body"), sub=f"rules, version {found.rules}")


def _facts(view: View, now: Standing) -> Part:
    found, name = now.story.request, view.sources.name_of_colleague
    pairs: list[tuple[str, Part]] = [
        ("Person", [short(found.subject), copy(found.subject, "id")]),
        ("Identity", rights.identity(found)),
        ("Stage", rights.stage(found, waits=now.waits)),
    ]
    if found.detail:
        pairs.append(("In their words", found.detail))
    if found.purpose:
        pairs.append(("Which use", found.purpose))
    if found.linked_to:
        pairs.append(("Stands beside", html.A(short(found.linked_to), href=view.href(f"requests/{found.linked_to}"))))
    pairs.append(("Prepared by", name(found.handled_by) or "–" if found.handled_by else "–"))
    pairs.append(("Approved by", name(found.approved_by) or "–" if found.approved_by else "–"))
    if found.not_before is not None:
        pairs.append(("Not before", dated(found.not_before)))
    if found.outcome:
        pairs.append(("Answer", found.outcome))
    return panel("Facts", html.Div(facts(*pairs), className="body"))


def _letters(story: Story) -> Part:
    if not story.letters:
        return panel("Letters", empty("None yet.", "The person is written to on every verified channel."))
    items = [
        html.Li(
            [
                html.Span(
                    [each.title, html.Small(_fate(each.fate), className="block") if each.fate else None],
                    className="grow",
                ),
                html.Span(dated(each.at), className="dim"),
            ]
        )
        for each in story.letters
    ]
    return panel("Letters", html.Ol(items, className="rows r30"), sub=str(len(items)))


def _fate(fate: Fate) -> Part:
    return ok("delivered") if fate is Fate.DELIVERED else mark(*_FATES[fate])


def _steps(view: View, steps: Sequence[Step]) -> Part:
    items = []
    for place, step in reversed(list(enumerate(steps))):
        said = readable(step.note) if step.note else rights.stage_words(step.state) if place else "received"
        if step.event_id:
            said = html.A(said, href=proving.address(view, step.event_id), title="event and proof")
        role = step.role.replace("_", " ") if step.role != "you" else "the person"
        items.append(
            html.Li(
                [
                    html.Span([said, html.Small(role, className="dim block")], className="grow"),
                    html.Span(dated(step.at), className="dim"),
                ]
            )
        )
    return panel("Steps", html.Ol(items, className="rows"), sub=f"{len(steps)}, newest first")


PAGE: Final = Page(
    slug="requests",
    title="Request",
    question="Is the answer complete?",
    permission=PRIVACY_REQUEST_READ,
    layout=layout,
    takes_id=True,
    area=COMPLIANCE,
)
