"""Controls. *Which requirement fails, since when, why?* Rows with state, age and ninety days; evidence beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from dash import MATCH, Input, Output, ctx, html, no_update, set_props
from sqlalchemy.orm import Session

from app.kernel.access import COMPLIANCE_CONTROL_READ, COMPLIANCE_CONTROL_RUN
from app.kernel.errors import NotFound
from compliance import posture
from compliance.catalog.controls import GDPR, PCI, Control
from compliance.engine import history, past, standing
from compliance.engine.history import Interval
from compliance.engine.reading import Seen
from compliance.engine.standing import Standing
from compliance.states import State
from dashboards import controls, days, guard
from dashboards.days import DayInvalid
from dashboards.kit import Part, age, as_of_page, choices, counted_words, mark, page, scrolling
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.pages.compliance import evidence
from dashboards.ports import Sources

DAYS: Final = timedelta(days=posture.STRIP_DAYS)
_WORST: Final = list(State)
_ASKS: Final = frozenset((State.FAIL, State.EXPIRED, State.STALE, State.EXCEPTED))
FRAMEWORKS: Final = {"pci": PCI, "gdpr": GDPR}
ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One control as the list shows it: all of it at the instant that is asked for."""

    stood: Standing
    since: datetime | None
    found: Sequence[Interval]
    first: datetime | None

    @property
    def control(self) -> Control:
        return self.stood.control

    @property
    def state(self) -> State:
        return self.stood.state


def layout(view: View) -> Any:  # a Dash component
    """Return the list by requirement, and what is open beside it."""
    at, refused = None, None
    try:
        at = _as_of(view)
    except DayInvalid as error:
        refused = error
    # An auditor whose period is over sees its end, whatever day is asked for after it.
    at = history.before_now(view.sources.viewer(), at or view.now) or at
    with view.sources.read() as session:
        rows = _rows(session, view, at)
    counts = Counter(row.state for row in rows)
    wanted = view.words.get("state")
    shown = [row for row in rows if wanted in (None, "", row.state.value)]
    chosen = next((row for row in rows if controls.slug(row.control) == view.words.get("sel")), None)
    dock = None
    if view.words.get("sel"):
        if chosen is None:
            raise NotFound
        about = evidence.Shown(
            stood=chosen.stood,
            since=chosen.since,
            found=chosen.found,
            first=chosen.first,
            at=at or view.now,
            is_past=at is not None,
        )
        dock = evidence.dock_of(view, about, view.here("controls", sel=None), _beside(view, shown, chosen))
    return page(
        "Controls",
        "Which requirement fails, since when, why?",
        _filters(view, counts),
        html.Section(
            scrolling("Controls", _table(view, shown, at or view.now)),
            className="panel grow last",
            **{"aria-label": "Controls"},
        ),
        fill=True,
        dock=dock,
        right=_when(view, at, refused),
        live=at is None,
    )


def _as_of(view: View) -> datetime | None:
    """Return the end of the day that the address names, or None where it is about now; raises `DayInvalid`."""
    day = days.begin_of(view.words.get("at", ""), param="at")
    if day is None or day.date() == view.now.date():
        return None
    if day > view.now:
        raise DayInvalid(param="at")
    return day + timedelta(days=1) - timedelta(seconds=1)


def _when(view: View, at: datetime | None, refused: DayInvalid | None) -> Part:
    """Return of when the list is, and that the day which was asked for is none."""
    if refused is not None:
        return mark("No such day yet: this is now.", "cross", "bad")
    return as_of_page(view.now, at)


def _rows(session: Session, view: View, at: datetime | None) -> list[_Row]:
    viewer, parts = view.sources.viewer(), view.sources.controls.parts
    if at is None:
        stood, since = standing.all_of(session, view.now, parts), posture.since_of(session, viewer)
    else:
        stood = past.all_of(session, viewer, at, parts.catalogue)
        since = {key: one.from_at for key, one in history.at_instant(session, viewer, at).items()}
    until = at or view.now
    found = history.intervals(session, viewer, until - DAYS, until)
    first = history.first_known(session, viewer)
    framework = FRAMEWORKS.get(view.words.get("framework", ""))
    return [
        _Row(stood=one, since=_since(one, since.get(key)), found=_turned(one, found.get(key, ())), first=first.get(key))
        for key, one in stood.items()
        if framework in (None, key[0])
    ]


def _since(stood: Standing, written: datetime | None) -> datetime | None:
    """Return since when a control is in its state: what turned by itself, as by age, did when its time was over."""
    if stood.turned_at is None or written is None:
        return written
    return max(written, stood.turned_at)


def _turned(stood: Standing, found: Sequence[Interval]) -> Sequence[Interval]:
    """Return the intervals with what turned by time alone and nobody has written down yet: the worker may be away."""
    if stood.turned_at is None or not found or found[-1].to_at is not None or found[-1].state is stood.state:
        return found
    at = max(stood.turned_at, found[-1].from_at)
    return [*found[:-1], replace(found[-1], to_at=at), replace(found[-1], state=stood.state, from_at=at)]


def _filters(view: View, counts: Mapping[State, int]) -> Any:
    wanted = view.words.get("state") or ""
    states = [
        html.A(
            [controls.state(state), html.B(str(counts[state]))],
            href=view.here("controls", state=None if wanted == state.value else state.value, sel=None),
            className="chip",
            **({"aria-current": "true"} if wanted == state.value else {}),
        )
        for state in State
        if counts.get(state)
    ]
    chosen = view.words.get("framework", "")
    both = choices(
        "Framework",
        [
            (words, view.here("controls", framework=name or None, sel=None, state=None), chosen == name)
            for words, name in (("Both", ""), ("PCI DSS", "pci"), ("GDPR", "gdpr"))
        ],
        cls="ranges fit",
    )
    days = (("Now", 0), ("Yesterday", 1), ("A week ago", 7), ("30 days ago", 30))
    back = []
    for words, ago in days:
        day = f"{view.now - timedelta(days=ago):%Y-%m-%d}" if ago else ""
        back.append((words, view.here("controls", at=day or None, sel=None), (view.words.get("at") or "") == day))
    whole = view.words.get("group") == ALL
    rows = [
        ("What asks for somebody", view.here("controls", group=None), not whole),
        ("All rows", view.here("controls", group=ALL), whole),
    ]
    folds = [] if wanted else [choices("Rows", rows, cls="ranges fit")]
    return html.Div([both, choices("As of", back, cls="ranges fit"), *folds, *states], className="chips")


def _table(view: View, rows: Sequence[_Row], at: datetime) -> Any:
    heads = [
        ("Control", ""),
        ("Requires", ""),
        ("State, since", "nowrap"),
        ("90 days", "roomy"),
        ("Evidence", "num roomy"),
    ]
    if not view.words.get("sel"):
        heads.append(("Known by", "roomy"))
    body: list[Any] = []
    for (framework, number), members in _grouped(rows):
        name = controls.group_id(framework, number)
        listed = _unfolded(view, name, members)
        counts = Counter(row.state for row in members)
        said = ", ".join(f"{counts[state]} {controls.SHORT[state]}" for state in State if counts.get(state))
        title = f"{controls.number(framework, number)}  {members[0].control.group_title}"
        band = [title, html.Span(f"  {said}", className="dim light"), *_fold(view, name, members, listed)]
        body.append(html.Tr(html.Td(band, colSpan=len(heads)), className="band", id=name))
        body += [_line(view, row, at) for row in listed]
    return html.Table(
        [
            html.Caption("Controls", className="vh"),
            html.Thead(html.Tr([html.Th(text, className=kind or None, scope="col") for text, kind in heads])),
            html.Tbody(body),
        ],
        className="t",
    )


def _unfolded(view: View, name: str, members: Sequence[_Row]) -> Sequence[_Row]:
    """Return the rows of a group that are listed: what asks for somebody, or all where that is asked for."""
    if view.words.get("state") or view.words.get("group") in (name, ALL):
        return members
    chosen = view.words.get("sel")
    return [row for row in members if row.state in _ASKS or controls.slug(row.control) == chosen]


def _fold(view: View, name: str, members: Sequence[_Row], listed: Sequence[_Row]) -> list[Part]:
    """Return the way to the rows of a group that are not listed, or back."""
    if len(listed) < len(members):
        words = f"show all {len(members)}" if listed else f"show {len(members)}"
        return ["  ", html.A(words, href=f"{view.here('controls', group=name)}#{name}", className="more")]
    if view.words.get("group") == name:
        return ["  ", html.A("show fewer", href=f"{view.here('controls', group=None)}#{name}", className="more")]
    return []


def _grouped(rows: Sequence[_Row]) -> list[tuple[tuple[str, int], list[_Row]]]:
    """Return the rows by group, worst first in both: groups and rows alike in that stand as in the catalogue."""
    groups: dict[tuple[str, int], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row.control.framework, row.control.group), []).append(row)
    for members in groups.values():
        members.sort(key=lambda row: _WORST.index(row.state))
    return sorted(groups.items(), key=lambda one: _urgency(one[1]))


def _beside(view: View, rows: Sequence[_Row], chosen: _Row) -> list[Any]:
    """Return the ways to the row before and the row after, in the order of the list."""
    listed = [row for _, members in _grouped(rows) for row in members]
    if chosen not in listed:
        return []
    place = listed.index(chosen)
    ways = [("previous", place - 1), ("next", place + 1)]
    return [
        html.A(words, href=view.here("controls", sel=controls.slug(listed[at].control)), className="more")
        for words, at in ways
        if 0 <= at < len(listed)
    ]


def _urgency(members: Sequence[_Row]) -> int:
    """Return where a group stands: those with failures first, then those with something stale or ended."""
    states = {row.state for row in members}
    if State.FAIL in states:
        return 0
    return 1 if states & {State.EXPIRED, State.STALE} else 2


def _line(view: View, row: _Row, at: datetime) -> Any:
    one = row.stood
    slug = controls.slug(row.control)
    since = f"  {age(at - row.since)}" if row.since is not None else ""
    cells = [
        html.Td(html.Span(controls.key(row.control), className="strong nowrap")),
        html.Td(html.A(row.control.title, href=view.here("controls", sel=slug))),
        html.Td([controls.state(row.state), html.Span(since, className="dim")], className="nowrap"),
        html.Td(controls.days(posture.strip(row.found, at, row.first)), className="roomy"),
        html.Td(age(at - one.observed_at) if one.observed_at else "–", className="num roomy"),
    ]
    if not view.words.get("sel"):
        cells.append(html.Td(_known_by(row.control), className="roomy dim nowrap"))
    return html.Tr(cells, className="open" if view.words.get("sel") == slug else None)


def _known_by(control: Control) -> str:
    parts = [f"{len(control.edges)} probe{'s' if len(control.edges) != 1 else ''}"] if control.edges else []
    if control.mode == "A" or control.is_hybrid:
        parts.append("attestation")
    return " and ".join(parts) or "no probe yet"


def wire(console: Console) -> None:
    """Register the act that asks the probes of a control now: it opens transactions of its own."""

    @guard.callback(
        console,
        Output({"say": "control-run", "of": MATCH, "seen": MATCH}, "children"),
        Input({"act": "control-run", "of": MATCH, "seen": MATCH}, "n_clicks"),
        permission=COMPLIANCE_CONTROL_RUN,
        refused=guard.explained,
        prevent_initial_call=True,
    )
    def run(clicks: int | None) -> Any:
        if not clicks or ctx.triggered_id is None:
            return no_update
        sources = console.sources
        observer, context = sources.controls, sources.context()
        control = observer.parts.catalogue.controls.get(controls.of_slug(str(ctx.triggered_id["of"])))
        if control is None or not control.probes:
            raise NotFound
        before = _stands(sources, control)
        seen = {
            name: observer.observe(observer.parts.probes[name], ctx=context, is_test_due=True)
            for name in control.probes
        }
        after = _stands(sources, control)
        was = "unchanged" if after.state is before.state else f"was {controls.SHORT[before.state]}"
        guard.done(f"{controls.SHORT[after.state]}, {was}", " ".join(_said(name, one) for name, one in seen.items()))
        set_props("redraw", {"data": {"n": context.new_id("prs"), "close": False}})
        return ""


def _stands(sources: Sources, control: Control) -> Standing:
    with sources.read() as session:
        now, parts = sources.context().at, sources.controls.parts
        return standing.all_of(session, now, parts)[control.framework, control.key]


def _said(name: str, seen: Seen | None) -> str:
    """Return what one probe said when a person asked it."""
    if seen is None:
        return f"{name}: somebody else is asking it now."
    canary = seen.tested.canary.value if seen.tested.canary else "never tried"
    return (
        f"{name}: {seen.reading.counted:,} looked at, {counted_words(len(seen.reading.violations), 'violation')}, "
        f"canary {canary}."
    )


PAGE: Final = Page(
    slug="controls",
    title="Controls",
    question="Which requirement fails, since when, why?",
    permission=COMPLIANCE_CONTROL_READ,
    layout=layout,
    area=COMPLIANCE,
)
