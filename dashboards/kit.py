"""The parts every page is built from: words with shapes, ids, panels, short tables, docks, the page frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from babel.numbers import get_currency_precision
from dash import html

from app.kernel.clock import rfc3339

Part: TypeAlias = Any  # a Dash component, or text

SOON = timedelta(minutes=20)
_TYPED_ID = re.compile(r"[a-z]{3}_[0-9A-Z]{20,}")
_HASH = re.compile(r"[0-9a-f]{32,128}")
_IDS = re.compile(rf"\b(?:{_TYPED_ID.pattern}|{_HASH.pattern})\b")


def severity(word: str) -> Part:
    """Return a severity: shape, word and colour."""
    return html.Span(word.capitalize(), className=f"sev sev-{word.lower()}")


def mark(text: str, shape: str, token: str) -> Part:
    """Return words with a shape, both coloured: for what is late, failed or stale."""
    return html.Span(text, className=f"mark i-{shape} c-{token}")


def ok(text: str) -> Part:
    """Return words with a quiet check: good states colour the shape alone."""
    return html.Span(text, className="mark quiet i-check c-good")


def icon(name: str) -> Part:
    """Return a shape without words, hidden from readers."""
    return html.Span(className=f"icon i-{name}", **{"aria-hidden": "true"})


def ident(text: str) -> Part:
    """Return an id in full, in its face."""
    return html.Span(text, className="id")


def short(text: str) -> Part:
    """Return an id with its middle left out; the whole stands in its title."""
    return html.Span(short_text(text), className="id", title=text)


def short_text(text: str) -> str:
    """Return the short name of an id, the same on every page: its kind and its last six, which are its random part.

    Names of customers never pass through the console; this stands for them. Of a hash it is the first eight characters,
    of anything else that is long both ends.
    """
    if _TYPED_ID.fullmatch(text):
        return f"{text[:3]}…{text[-6:]}"
    if _HASH.fullmatch(text):
        return f"{text[:8]}…"
    return text if len(text) <= 18 else f"{text[:8]}…{text[-4:]}"


def readable(sentence: str) -> str:
    """Return a sentence with the ids in it as their short names."""
    return _IDS.sub(lambda found: short_text(found.group()), sentence)


def copy(value: str, what: str) -> Part:
    """Return the button that copies a whole value where its short name is shown."""
    label = f"Copy the whole {what}"
    more: dict[str, str] = {"aria-label": label, "data-do": "copy", "data-copy": value}
    return html.Button(icon("copy"), className="btn icon-only copy", type="button", title=label, **more)


def counted_words(count: int, one: str) -> str:
    """Return a number with its noun, in the singular where it is one."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def money(minor: int, currency: str) -> str:
    """Return an amount of minor units in digits and its code: whole numbers all the way."""
    digits = get_currency_precision(currency)
    whole, rest = divmod(abs(minor), 10**digits)
    sign = "−" if minor < 0 else ""
    return f"{sign}{whole:,}.{rest:0{digits}d} {currency}" if digits else f"{sign}{whole:,} {currency}"


def button(text: str, *, id: Any = None, main: bool = False, quiet: bool = False, **more: Any) -> Part:
    """Return a button; a quiet one looks as a link, where the same act stands in many rows."""
    named = {} if id is None else {"id": id}
    looks = "as-link" if quiet else "btn main-act" if main else "btn"
    return html.Button(text, className=looks, type="button", **named, **more)


def icon_link(name: str, label: str, href: str) -> Part:
    """Return a link that shows a shape and tells its name."""
    return html.A(icon(name), className="btn icon-only", href=href, title=label, **{"aria-label": label})


def act(text: str, href: str, *, main: bool = False) -> Part:
    """Return an act that is an address."""
    return html.A(text, href=href, className="btn main-act" if main else "btn")


def more(acts: Sequence[tuple[str, str]], name: str = "More") -> Part:
    """Return further acts, as (name, address), behind one button."""
    links = [html.A(words, href=href) for words, href in acts]
    return html.Details([html.Summary(name, className="btn"), html.Div(links)], className="pop")


def choices(label: str, links: Sequence[tuple[str, str, bool]], *, cls: str = "ranges") -> Part:
    """Return a row of which one is chosen, each an address: (words, address, whether it is the present one)."""
    made = [
        html.A(words, href=href, className="chip-link", **({"aria-current": "true"} if is_chosen else {}))
        for words, href, is_chosen in links
    ]
    return html.Nav(made, className=cls, **{"aria-label": label})


def tag(text: str) -> Part:
    """Return a word in a frame."""
    return html.Span(text, className="tag")


def clock_time(at: datetime, *, seconds: bool = True) -> Part:
    """Return the time of day in UTC; the whole instant stands in its title."""
    shown = f"{at:%H:%M:%S}" if seconds else f"{at:%H:%M}"
    return html.Time(shown, dateTime=rfc3339(at), title=f"{at:%Y-%m-%d %H:%M:%S} UTC", className="nowrap")


def when(at: datetime, now: datetime) -> Part:
    """Return an instant: the time today, the day as well before that."""
    shown = f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%d %b %H:%M:%S}"
    return html.Time(shown, dateTime=rfc3339(at), title=f"{at:%Y-%m-%d %H:%M:%S} UTC", className="nowrap")


def dated(at: datetime) -> Part:
    """Return an instant with its day and year, as on every page that is evidence: a picture of it needs no other."""
    return html.Time(dated_text(at), dateTime=rfc3339(at), title=f"{at:%Y-%m-%d %H:%M:%S} UTC", className="nowrap")


def dated_text(at: datetime, *, seconds: bool = True) -> str:
    """Return an instant as `dated` shows it."""
    return f"{at:%d %b %Y %H:%M:%S}" if seconds else f"{at:%d %b %Y %H:%M}"


def day_text(at: date) -> str:
    """Return a day as `dated` shows one: the one way in which the console writes days that are no field of a form."""
    return f"{at:%d %b %Y}"


def days_text(first: date, last: date) -> str:
    """Return some days in a row, or the one that they are."""
    return f"{day_text(first)} to {day_text(last)}" if day_text(first) != day_text(last) else day_text(first)


def span(gap: timedelta) -> str:
    """Return a span in words, as short as it can be."""
    seconds = int(abs(gap.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d}"
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def age(gap: timedelta) -> str:
    """Return how long ago something was, in whole units."""
    seconds = int(gap.total_seconds())
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {word}"
    return f"{max(0, seconds)} s"


def due(at: datetime, now: datetime, note: str | None = None) -> Part:
    """Return the one deadline component: coloured only when late or soon, with the word."""
    left = at - now
    if left <= timedelta(0):
        head = mark(f"late {span(left)}", "cross", "bad")
    elif left <= SOON:
        head = mark(span(left), "clock", "medium")
    else:
        head = html.Span(span(left))
    return html.Span([head, *([html.Small(note)] if note else [])], className="left", **{"data-due": rfc3339(at)})


def panel(title: str, *children: Part, right: Part = None, cls: str = "", sub: str | None = None) -> Part:
    """Return a bordered section with a head."""
    head = [
        html.H2(title),
        *([html.Span(sub, className="dim cut")] if sub else []),
        *([html.Div(right, className="right")] if right else []),
    ]
    return html.Section([html.Header(head), *children], className=f"panel {cls}".strip(), **{"aria-label": title})


def table(
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Part]],
    *,
    caption: str,
    cls: str = "",
    stacks: bool = False,
) -> Part:
    """Return a short table: (head, class of its column), then rows of cells; worst rows first.

    One that `stacks` has more columns than a narrow screen holds: there its cells stand below each other, each behind
    its head. It says by roles that it is a table, as browsers take what is laid out otherwise for none.
    """

    def role(name: str) -> dict[str, str]:
        return {"role": name} if stacks else {}

    def kind_of(kind: str, cell: Part) -> str | None:
        is_empty = stacks and getattr(cell, "children", cell) == "–"
        return f"{kind} nothing".strip() if is_empty else kind or None

    def cells(row: Sequence[Part]) -> list[Part]:
        return [
            html.Td(cell, className=kind_of(kind, cell), **role("cell"), **({"data-name": text} if stacks else {}))
            for (text, kind), cell in zip(heads, row, strict=False)
        ]

    top = [html.Th(text, className=kind or None, scope="col", **role("columnheader")) for text, kind in heads]
    return html.Table(
        [
            html.Caption(caption, className="vh"),
            html.Thead(html.Tr(top, **role("row")), **role("rowgroup")),
            html.Tbody([html.Tr(cells(row), **role("row")) for row in rows], **role("rowgroup")),
        ],
        className=f"t {cls} {'stacks' if stacks else ''}".strip(),
        **role("table"),
    )


def scrolling(label: str, listed: Part) -> Part:
    """Return a table that scrolls inside itself."""
    return html.Div(listed, className="scroll", tabIndex="0", role="group", **{"aria-label": f"{label}, scrolls"})


def answer(said: Sequence[Part], small: Part, cells: Sequence[tuple[Part, str]] = ()) -> Part:
    """Return the answer to a page's question: its words, what to know of it, and the figures it rests on."""
    figures = [html.Div([html.B(value), html.Small(words, className="dim")]) for value, words in cells]
    beside = [html.Div(figures, className="cells")] if figures else []
    return html.Div([html.Div([*said, html.Small(small)], className="say"), *beside], className="answer")


def facts(*pairs: tuple[str, Part]) -> Part:
    """Return names and values."""
    return html.Dl([part for name, value in pairs for part in (html.Dt(name), html.Dd(value))], className="kv")


def chain(rows: Sequence[Sequence[Part]], cls: str = "") -> Part:
    """Return bordered rows of name, value and state."""
    return html.Ol([html.Li(list(row)) for row in rows], className=f"chain {cls}".strip())


def page(
    title: str,
    question: str | None,
    *body: Part,
    right: Part = None,
    dock: Part = None,
    fill: bool = False,
    crumb: Part = None,
    live: bool = False,
) -> Part:
    """Return a page: title row with its question and acts, body, and a dock beside it where something is open.

    One that is `live` is drawn again every few seconds while nobody writes in it.
    """
    head = html.Div(
        [
            *([html.Span(crumb, className="crumb nowrap")] if crumb else []),
            html.H1(title, tabIndex="-1", id="page-title"),
            *([html.Span(question, className="ask")] if question else []),
            html.Div(right, className="right"),
        ],
        className="title",
    )
    again = {"data-refresh": "true"} if live else {}
    inner = html.Div([head, *body], className="page fill" if fill else "page", **again)
    return html.Div([inner, dock], className="split") if dock is not None else inner


def dock(
    label: str,
    *,
    bar: Sequence[Part],
    title: str,
    inner: Sequence[Part],
    close: str,
    footer: Sequence[Part] = (),
    tabs: Sequence[tuple[str, str, bool]] = (),
) -> Part:
    """Return what is open beside a list: head, tabs as links (name, address, is current), content, acts."""
    top: list[Part] = [
        html.Div([*bar, html.Span(className="grow"), icon_link("close", "Close, key Esc", close)], className="bar"),
        html.H2(title),
    ]
    if tabs:
        links = [
            html.A(name, href=href, **({"aria-current": "page"} if is_current else {}))
            for name, href, is_current in tabs
        ]
        top.append(html.Nav(links, className="tabs", **{"aria-label": f"Parts of {label}"}))
    content = html.Div(
        list(inner), className="inner", tabIndex="0", role="group", **{"aria-label": f"{label}, content"}
    )
    foot = [html.Footer(list(footer))] if footer else []
    return html.Section([html.Header(top), content, *foot], className="dock", **{"aria-label": label})


def updated(at: datetime) -> Part:
    """Return when the page was drawn."""
    return html.Span(["updated ", clock_time(at), " UTC"], className="updated")


def as_of_page(now: datetime, shown: datetime | None) -> Part:
    """Return when the page was drawn, or of which instant of the past it tells."""
    return updated(now) if shown in (None, now) else tag(f"as of {dated_text(shown, seconds=False)} UTC")


def empty(says: str, why: str, *acts: Part) -> Part:
    """Return what stands where nothing is: what would be here, why not, and one act."""
    return html.Div([html.P(says, className="strong"), html.P(why, className="dim"), *acts], className="body empty")
