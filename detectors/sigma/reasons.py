"""The sentence an alert is told by: the words of its rule, filled from the whole alert at each revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from detectors.sigma.ast import Correlation, Rule

COUNTS: Final = ("events", "span", "peak")
NAMED_MAX: Final = 3


def placeholders(text: str) -> list[str]:
    """Return what stands between braces in the words of a rule."""
    return [part.partition("}")[0] for part in text.split("{")[1:]]


def known_to(rule: Rule) -> frozenset[str]:
    """Return what an alert of a rule knows at each revision: its counts, its group, and the entities the rule names."""
    outer = rule.outermost
    group = outer.group_by if isinstance(outer, Correlation) else ()
    return frozenset((*COUNTS, *group, *rule.incident.fields, *rule.risk))


def sentence(
    rule: Rule,
    *,
    events: int,
    first_at: datetime,
    last_at: datetime,
    peak: int,
    group: Mapping[str, str],
    entities: Mapping[str, Sequence[str]],
) -> str:
    """Fill the words of a rule from the alert: `{events}`, `{span}`, `{peak}`, its group and its entities."""
    values = {"events": str(events), "span": _span(last_at - first_at), "peak": str(peak)}
    values |= {path: ", ".join(named[:NAMED_MAX]) for path, named in entities.items()}
    values |= group
    text = rule.reason
    for path in placeholders(text):
        text = text.replace("{" + path + "}", values.get(path) or "–")
    return text


def _span(lasted: timedelta) -> str:
    """Return how long it took, rounded up: all of it lies within."""
    seconds = max(1, -(-lasted // timedelta(seconds=1)))
    if seconds <= 120:
        return f"{seconds} s"
    return f"{-(-seconds // 60)} min" if seconds <= 7200 else f"{-(-seconds // 3600)} h"
