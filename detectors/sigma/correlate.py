"""Judging windows exactly: episodes depend neither on the order of arrival nor on batches or bucket borders.

For each distinct time t of a matching event, the window is all matching events with time in [t − timespan, t], ends
included, times in whole milliseconds. An episode is a maximal union of qualifying windows that share events.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, TypeAlias

from app.kernel.clock import micros, parse_rfc3339
from detectors.sigma.ast import Correlation, CorrelationType, EventRule, Rule
from ingest.events.envelope import at_path
from ingest.store import matches
from ingest.store.query import Document

Group: TypeAlias = tuple[str, ...]
Predicate: TypeAlias = Callable[[Mapping[str, Any]], bool]

SYNTHETIC: Final = "onepay.synthetic.run"


@dataclass(frozen=True, slots=True)
class Seen:
    """One event as evidence: what it is, when in milliseconds, and which document of the rule picked it."""

    event_id: str
    sequence: int
    at_ms: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What a rule found in one group: interval, complete evidence, and the highest figure of its windows."""

    group: Group
    first_ms: int
    last_ms: int
    evidence: tuple[Seen, ...]
    peak: int


@dataclass(frozen=True, slots=True)
class _Point:
    """What a window is made of: an event, or a qualifying window of a child at its end."""

    at_ms: int
    role: str
    value: str | None
    weight: int
    seen: tuple[Seen, ...]
    key: tuple[int, str]


@dataclass(frozen=True, slots=True)
class _Window:
    """A qualifying window: points [lo, hi] of its group, ending at a time, with the figure it reached."""

    lo: int
    hi: int
    end_ms: int
    figure: int


def predicates(rule: Rule) -> Mapping[str, Predicate]:
    """Return the compiled condition of each event rule of a file."""
    return {
        document.name: matches.compiled(document.where)
        for document in rule.documents
        if isinstance(document, EventRule)
    }


def episodes(
    rule: Rule,
    documents: Iterable[Document],
    picks: Mapping[str, Predicate],
    *,
    ends: Callable[[Group, int], bool] = lambda group, end_ms: True,
) -> list[Episode]:
    """Return all episodes of a rule in these documents; `ends` may leave out windows by group and end."""
    picked = {
        name: [d for d in documents_ if pick(d)] for documents_ in [list(documents)] for name, pick in picks.items()
    }
    outer = rule.outermost
    if isinstance(outer, EventRule):
        return [_lone(document, outer.name) for document in picked[outer.name]]
    found = []
    for group, points in _points(rule, outer, picked).items():
        windows = [window for window in _qualifying(outer, points) if ends(group, window.end_ms)]
        found += [_episode(outer, group, points, run) for run in _unions(windows)]
    return sorted(found, key=lambda episode: (episode.first_ms, episode.group))


def reach_ms(rule: Rule) -> int:
    """Return how far back a window of the outermost document can look, its children included, in milliseconds."""

    def reach(name: str) -> int:
        document = rule.document(name)
        if isinstance(document, EventRule):
            return 0
        return int(document.timespan.total_seconds() * 1000) + max(reach(child) for child in document.children)

    return reach(rule.outermost.name)


def groups_of(rule: Rule, name: str, document: Document) -> list[Group]:
    """Return the groups of the outermost document that an event picked by a child falls into."""
    outer = rule.outermost
    if isinstance(outer, EventRule):
        return [(str(at_path(document, "event.id")), _synthetic(document))]
    return _groups(document, _fields(outer, name, rule))


def at_ms(document: Document) -> int:
    """Return the time of an event in whole milliseconds."""
    return micros(parse_rfc3339(document["@timestamp"])) // 1000


def _points(rule: Rule, outer: Correlation, picked: Mapping[str, Sequence[Document]]) -> dict[Group, list[_Point]]:
    found: dict[Group, list[_Point]] = defaultdict(list)
    for child in outer.children:
        document = rule.document(child)
        if isinstance(document, EventRule):
            for event in picked[child]:
                for group in _groups(event, _fields(outer, child, rule)):
                    found[group].append(_event_point(event, child, outer.field))
        else:
            for group, point in _child_points(rule, outer, document, picked):
                found[group].append(point)
    for points in found.values():
        points.sort(key=lambda point: (point.at_ms, point.key))
    return found


def _child_points(
    rule: Rule, outer: Correlation, child: Correlation, picked: Mapping[str, Sequence[Document]]
) -> Iterator[tuple[Group, _Point]]:
    events = {str(at_path(event, "event.id")): event for events in picked.values() for event in events}
    for points in _points(rule, child, picked).values():
        for window in _qualifying(child, points):
            seen = tuple(item for point in points[window.lo : window.hi + 1] for item in point.seen)
            fields = _fields(outer, child.name, rule)
            groups = dict.fromkeys(group for item in seen for group in _groups(events[item.event_id], fields))
            for group in groups:
                key = (seen[-1].sequence, f"{child.name}@{window.end_ms}")
                yield group, _Point(window.end_ms, child.name, None, 1, seen, key)


def _event_point(event: Document, role: str, field: str | None) -> _Point:
    seen = Seen(str(at_path(event, "event.id")), int(at_path(event, "event.sequence")), at_ms(event), role)
    value = None if field is None else at_path(event, field)
    weight = at_path(event, "onepay.access.count") or 1
    return _Point(seen.at_ms, role, None if value is None else str(value), int(weight), (seen,), (seen.sequence, role))


def _qualifying(outer: Correlation, points: Sequence[_Point]) -> Iterator[_Window]:
    span = int(outer.timespan.total_seconds() * 1000)
    lo = total = 0
    values: Counter[str] = Counter()
    for hi, point in enumerate(points):
        total += point.weight
        if point.value is not None:
            values[point.value] += 1
        while points[lo].at_ms < point.at_ms - span:
            gone = points[lo]
            total -= gone.weight
            if gone.value is not None:
                values[gone.value] -= 1
                if not values[gone.value]:
                    del values[gone.value]
            lo += 1
        if hi + 1 < len(points) and points[hi + 1].at_ms == point.at_ms:
            continue  # the window ends with the last event of this instant
        match outer.type:
            case CorrelationType.EVENT_COUNT:
                figure = total
            case CorrelationType.VALUE_COUNT:
                figure = len(values)
            case _:
                figure = outer.at_least if _chain(outer.children, points[lo : hi + 1]) else 0
        if figure >= outer.at_least:
            yield _Window(lo, hi, point.at_ms, figure)


def _chain(roles: Sequence[str], points: Sequence[_Point]) -> list[_Point]:
    """Return the points that take part in a chain: one a role, times not falling, neighbours of different events.

    Equal times count as in order, so arrival never matters. What lies in the window and in no chain is left out: a
    sign-in before the burst is no part of what followed it. Empty where there is no chain.
    """
    layers: list[list[_Point]] = []
    for step, role in enumerate(roles):
        layers.append(
            [
                point
                for point in points
                if point.role == role and (not step or any(_follows(before, point) for before in layers[-1]))
            ]
        )
    for step in range(len(layers) - 2, -1, -1):
        layers[step] = [point for point in layers[step] if any(_follows(point, after) for after in layers[step + 1])]
    return [point for layer in layers for point in layer] if layers and layers[-1] else []


def _follows(before: _Point, after: _Point) -> bool:
    return before.at_ms <= after.at_ms and not _shares(before, after)


def _shares(left: _Point, right: _Point) -> bool:
    return len(left.seen) == len(right.seen) == 1 and left.seen[0].event_id == right.seen[0].event_id


def _unions(windows: Sequence[_Window]) -> Iterator[list[_Window]]:
    run: list[_Window] = []
    for window in windows:
        if run and window.lo > run[-1].hi:
            yield run
            run = []
        run.append(window)
    if run:
        yield run


def _episode(outer: Correlation, group: Group, points: Sequence[_Point], run: Sequence[_Window]) -> Episode:
    inside: Sequence[_Point] = points[run[0].lo : run[-1].hi + 1]
    if outer.type is CorrelationType.TEMPORAL_ORDERED:
        inside = [point for window in run for point in _chain(outer.children, points[window.lo : window.hi + 1])]
    evidence = {seen.event_id: seen for point in inside for seen in point.seen}
    ordered = tuple(sorted(evidence.values(), key=lambda seen: (seen.at_ms, seen.sequence)))
    return Episode(
        group=group,
        first_ms=ordered[0].at_ms,
        last_ms=ordered[-1].at_ms,
        evidence=ordered,
        peak=max(window.figure for window in run),
    )


def _lone(document: Document, role: str) -> Episode:
    seen = Seen(str(at_path(document, "event.id")), int(at_path(document, "event.sequence")), at_ms(document), role)
    group = (seen.event_id, _synthetic(document))
    return Episode(group=group, first_ms=seen.at_ms, last_ms=seen.at_ms, evidence=(seen,), peak=1)


def _fields(outer: Correlation, child: str, rule: Rule) -> tuple[str, ...]:
    """Return the group fields of a correlation as a child names them."""
    names = {child, *_below(rule, child)}
    return tuple(
        next((path for name, path in outer.aliases.get(field, {}).items() if name in names), field)
        for field in outer.group_by
    )


def _below(rule: Rule, name: str) -> Iterator[str]:
    document = rule.document(name)
    for child in document.children if isinstance(document, Correlation) else ():
        yield child
        yield from _below(rule, child)


def _groups(document: Document, fields: Sequence[str]) -> list[Group]:
    """Return the groups an event is in: none where a field is missing, several where a field holds a list."""
    choices = []
    for field in fields:
        value = at_path(document, field)
        if value is None:
            return []
        choices.append([str(item) for item in value] if isinstance(value, list) else [str(value)])
    return [(*choice, _synthetic(document)) for choice in product(*choices)]


def _synthetic(document: Document) -> str:
    return str(at_path(document, SYNTHETIC) or "")
