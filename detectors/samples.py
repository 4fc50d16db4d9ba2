"""The events of a rule's own tests: offsets, repeats and varied fields written out as events of the catalogue."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.kernel.context import Source
from ingest.events import catalog as events
from ingest.events.envelope import Event, fields_of


def made(kind: str, values: dict[str, Any]) -> tuple[Event, Source]:
    """Return an event of a kind with values by path, what is required and not given filled in."""
    class_ = events.by_kind()[kind]
    names = {declared.path: name for name, declared in fields_of(class_)}  # type: ignore[arg-type]  # as in the envelope
    source = Source(ip=values.get("source.ip", "198.18.200.1"))
    given = {names[path]: value for path, value in values.items() if path in names}
    for field in dataclasses.fields(class_):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in given:
            given[field.name] = "acc_somebody"
    if "user.hash" in names and "user.hash" not in values:
        given["identifier"] = "h0"
    return class_(**given), source


def expand(rule_events: Sequence[dict[str, Any]], start: datetime) -> list[tuple[datetime, str, dict[str, Any]]]:
    """Return the events of a rule's test: offsets, repeats and varied fields written out, in the order of time."""
    found = []
    for line in rule_events:
        values = {key: value for key, value in line.items() if key not in ("at", "every", "repeat", "vary", "kind")}
        for n in range(line.get("repeat", 1)):
            at = start + _span(line["at"]) + n * _span(line.get("every", "0s"))
            own = dict(values)
            for path in line.get("vary", ()):
                own[path] = f"198.18.50.{n + 1}" if path == "source.ip" else f"v{n}"
            found.append((at, line["kind"], own))
    return sorted(found, key=lambda item: item[0])


def _span(text: str) -> timedelta:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return timedelta(milliseconds=round(float(text[:-1]) * units[text[-1]] * 1000))
