"""A detector: a function of the event store and a slice of the log. It reads; it never writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice

from app.kernel.clock import from_micros
from detectors.settings import DetectorSettings
from detectors.sigma import correlate
from detectors.sigma.ast import Correlation, EventRule, Rule
from detectors.sigma.correlate import Episode, Group, Seen
from ingest.events.envelope import at_path
from ingest.store.port import EventStore, walk
from ingest.store.query import And, Document, Eq, Or, Order, Search, Where, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The sequences (lo, hi] and their events, read once for all rules at that cursor."""

    lo: int
    hi: int
    events: Sequence[Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An episode with what a person needs: the group by field and the entities it names."""

    episode: Episode
    group: Mapping[str, str]
    entities: Mapping[str, tuple[str, ...]]


class SigmaDetector:
    """Evaluates one Sigma rule exactly, however late, shuffled or split its events arrive (algorithms 5.3, 5.4)."""

    def __init__(self, rule: Rule, settings: DetectorSettings | None = None) -> None:
        self.rule = rule
        self.slug = rule.slug
        self._settings = settings or DetectorSettings()
        self._picks = correlate.predicates(rule)
        self._reach_ms = correlate.reach_ms(rule)

    def evaluate(self, store: EventStore, piece: Slice) -> Sequence[Finding]:
        """Return the episodes that hold at least one event of the slice."""
        new = {name: [event for event in piece.events if pick(event)] for name, pick in self._picks.items()}
        if not any(new.values()):
            return []
        if isinstance(self.rule.outermost, EventRule):
            events = new[self.rule.outermost.name]
            found = correlate.episodes(self.rule, events, self._picks)
            return [self._finding(episode, _by_id(events)) for episode in found]
        return list(self._around(store, piece, new))

    def _around(self, store: EventStore, piece: Slice, new: Mapping[str, Sequence[Document]]) -> Iterable[Finding]:
        for batch, history in self._histories(store, piece, sorted(self._touched(new).items())):
            ends = partial(_may_be_new, batch, reach_ms=self._reach_ms)
            found = correlate.episodes(self.rule, history, self._picks, ends=ends)
            events = _by_id(history)
            for episode in found:
                if any(seen.sequence > piece.lo for seen in episode.evidence):
                    yield self._finding(episode, events)

    def _histories(
        self, store: EventStore, piece: Slice, touched: Sequence[tuple[Group, tuple[int, int]]]
    ) -> Iterator[tuple[Mapping[Group, tuple[int, int]], Sequence[Document]]]:
        """Yield groups with the events around them: so many at once that neither query nor history grows too long."""
        at_once = self._settings.groups_per_query_max
        waiting = [touched[n : n + at_once] for n in range(0, len(touched), at_once)][::-1]
        while waiting:
            batch = dict(waiting.pop())
            since = min(first for first, _ in batch.values()) - self._reach_ms
            until = max(last for _, last in batch.values()) + self._reach_ms + 1
            window = Window(since=_instant(since), until=_instant(until), hi=piece.hi)
            search = Search(where=self._history_of(batch), window=window, order=Order.OLDEST, limit=1000)
            events = walk(store, search)
            history = list(islice(events, self._settings.group_history_max))
            rest = next(events, None)
            if rest is None:
                yield batch, history
            elif len(batch) > 1:
                groups = list(batch.items())
                waiting += [groups[len(groups) // 2 :], groups[: len(groups) // 2]]
            else:
                yield batch, [*history, rest, *events]

    def _touched(self, new: Mapping[str, Sequence[Document]]) -> dict[Group, tuple[int, int]]:
        """Return the groups with new events, and the first and last time of these."""
        spans: dict[Group, tuple[int, int]] = {}
        for name, events in new.items():
            for event in events:
                at = correlate.at_ms(event)
                for group in correlate.groups_of(self.rule, name, event):
                    first, last = spans.get(group, (at, at))
                    spans[group] = (min(first, at), max(last, at))
        return spans

    def _history_of(self, batch: Mapping[Group, tuple[int, int]]) -> Where:
        outer = self.rule.outermost
        assert isinstance(outer, Correlation)
        picked = Or(tuple(d.where for d in self.rule.documents if isinstance(d, EventRule)))
        fields = [(field, *(path for path in outer.aliases.get(field, {}).values())) for field in outer.group_by]
        groups = Or(
            tuple(
                And(tuple(_any_of(paths, value) for paths, value in zip(fields, group, strict=False)))
                for group in batch
            )
        )
        return And((picked, groups))

    def _finding(self, episode: Episode, events: Mapping[str, Document]) -> Finding:
        outer = self.rule.outermost
        fields = outer.group_by if isinstance(outer, Correlation) else ("event.id",)
        group = dict(zip(fields, episode.group, strict=False))
        if synthetic := episode.group[-1]:
            group[correlate.SYNTHETIC] = synthetic
        wanted = dict.fromkeys((*self.rule.incident.fields, *self.rule.risk))
        entities = {path: _values(path, group, episode.evidence, events, self._last_role()) for path in wanted}
        return Finding(
            episode=episode,
            group=group,
            entities={path: values for path, values in entities.items() if values},
        )

    def _last_role(self) -> str:
        outer = self.rule.outermost
        return outer.children[-1] if isinstance(outer, Correlation) else outer.name


def _values(
    path: str, group: Mapping[str, str], evidence: Sequence[Seen], events: Mapping[str, Document], last: str
) -> tuple[str, ...]:
    """Return the values a finding has for a field: the group's own, else those of the events its last part picked."""
    if path in group:
        return (group[path],)
    found: dict[str, None] = {}
    for wanted in (last, None):
        for seen in evidence:
            if wanted is not None and seen.role != wanted:
                continue
            value = at_path(events.get(seen.event_id, {}), path)
            for item in value if isinstance(value, list) else [value]:
                if item is not None:
                    found.setdefault(str(item))
        if found:
            break
    return tuple(found)[:100]


def _any_of(paths: Sequence[str], value: str) -> Where:
    return Or(tuple(Eq(path, value) for path in paths))


def _may_be_new(batch: Mapping[Group, tuple[int, int]], group: Group, end_ms: int, *, reach_ms: int) -> bool:
    """A window can begin to qualify or grow only if it holds a new event."""
    if group not in batch:
        return False
    first, last = batch[group]
    return first <= end_ms <= last + reach_ms


def _by_id(events: Iterable[Document]) -> dict[str, Document]:
    return {str(at_path(event, "event.id")): event for event in events}


def _instant(ms: int) -> datetime:
    return from_micros(ms * 1000)
