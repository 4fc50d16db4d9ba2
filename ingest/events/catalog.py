"""Every kind of event there is, and what follows from the list: columns, and the class behind a name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Final

from ingest.events import (
    access,
    admin,
    auth,
    compliance,
    detection,
    external,
    health,
    incident,
    key,
    privacy,
    transaction,
)
from ingest.events.envelope import CATEGORY_OF, ENVELOPE, Event, EventClass, FieldType, family_of, fields_of
from ingest.events.expected import is_expected

KINDS: tuple[type[Event], ...] = (
    *access.KINDS,
    *admin.KINDS,
    *auth.KINDS,
    *compliance.KINDS,
    *detection.KINDS,
    *external.KINDS,
    *health.KINDS,
    *incident.KINDS,
    *key.KINDS,
    *privacy.KINDS,
    *transaction.KINDS,
)
# Whom an event is about and how it ended are rendered by the envelope.
_UNRENDERED: Final = ("about", "outcome")
# What an event is and where it comes from is not for its own fields to say; marks of drills only drills set.
_RESERVED: Final = frozenset(
    (
        "@timestamp",
        "ecs.version",
        "event.action",
        "event.dataset",
        "event.hash",
        "event.id",
        "event.ingested",
        "event.kind",
        "event.sequence",
        "onepay.actor.kind",
        "onepay.class",
        "onepay.origin",
        "onepay.parked",
        "onepay.personal",
        "onepay.subject.id",
        "onepay.synthetic.kind",
        "onepay.synthetic.run",
        "onepay.synthetic.sig",
        "onepay.truncated",
        "onepay.v",
    )
)
_GIVEN_BY_IMPORTS: Final = frozenset(("event.category", "event.provider", "event.type"))


@cache
def by_kind() -> Mapping[str, type[Event]]:
    """Return the classes by their kind; a kind listed twice, or one that breaks the form of events, stops the start."""
    table = {kind.kind: kind for kind in KINDS}
    assert len(table) == len(KINDS), "a kind of event is listed twice"
    for kind in KINDS:
        check(kind)
    return table


def headline(action: str) -> str:
    """Return what an event tells, as people read it: the first clause its class says, or the name no class has."""
    kind = by_kind().get(action)
    said = (kind.__doc__ or "").splitlines()[0].partition(":")[0].rstrip(".") if kind else ""
    return said or action


def check(kind: type[Event]) -> None:
    """Assert what every kind owes: declared fields, a pair of category and type that ECS expects, an honest origin."""
    name = kind.kind
    undeclared = [f.name for f in dataclasses.fields(kind) if "ecs" not in f.metadata and f.name not in _UNRENDERED]
    assert not undeclared, f"{name} has fields without path, type and mark: {undeclared}"
    assert is_expected(kind.category, kind.types), f"{name}: ECS does not expect {kind.types} in {kind.category}"
    is_external = family_of(name) == "external"
    assert is_external == (kind.origin_of_kind == "import"), f"{name}: external kinds alone are imports"
    assert is_external == (kind.event_class is EventClass.EXTERNAL), f"{name}: external kinds alone are of that class"
    reserved = _RESERVED if is_external else _RESERVED | _GIVEN_BY_IMPORTS
    taken = [declared.path for _, declared in fields_of(kind) if declared.path in reserved]  # type: ignore[arg-type]  # mypy takes the class for its instance
    assert not taken, f"{name} claims what only the envelope says: {taken}"


@cache
def columns() -> Mapping[str, FieldType]:
    """Return every field a document may have, by path; two types for one path stop the start."""
    table = dict(ENVELOPE)
    for kind in KINDS:
        for _, declared in fields_of(kind):  # type: ignore[arg-type]  # mypy takes the class for its instance
            if declared.personal:
                continue
            known = table.setdefault(declared.path, declared.type)
            assert known is declared.type, f"{declared.path} is {known} and {declared.type}"
    for path in table:
        parents = path.split(".")[:-1]
        both = [".".join(parents[:n]) for n in range(1, len(parents) + 1) if ".".join(parents[:n]) in table]
        assert not both, f"{path} lies below {both[0]}, which has a value of its own"
    return dict(sorted(table.items()))


@cache
def categories() -> Mapping[str, str]:
    """Return the privacy category of every field that says something of a person, by path, as the marks say it."""
    found = dict(CATEGORY_OF)
    for kind in KINDS:
        for _, declared in fields_of(kind):  # type: ignore[arg-type]  # mypy takes the class for its instance
            category = "free_text" if declared.free_text else declared.mark.category
            if category != "none":
                known = found.setdefault(declared.path, category)
                assert known == category, f"{declared.path} is {known} and {category}"
    return dict(sorted(found.items()))


@cache
def objects() -> tuple[str, ...]:
    """Return the fields that hold the id of a thing."""
    return ("event.id", *(path for path in columns() if path.startswith("onepay.") and path.endswith(".id")))
