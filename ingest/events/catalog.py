"""Every kind of event there is, and what follows from the list: columns, and the class behind a name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ingest.events import access, admin, auth
from ingest.events.envelope import ENVELOPE, Event, FieldType, fields_of

KINDS: tuple[type[Event], ...] = (*access.KINDS, *admin.KINDS, *auth.KINDS)


@cache
def by_kind() -> Mapping[str, type[Event]]:
    """Return the classes by their kind; a kind listed twice stops the start."""
    table = {kind.kind: kind for kind in KINDS}
    assert len(table) == len(KINDS), "a kind of event is listed twice"
    return table


@cache
def columns() -> Mapping[str, FieldType]:
    """Return every field a document may have, by path; two types for one path stop the start."""
    table = dict(ENVELOPE)
    for kind in KINDS:
        for _, declared in fields_of(kind):
            if declared.personal:
                continue
            known = table.setdefault(declared.path, declared.type)
            assert known is declared.type, f"{declared.path} is {known} and {declared.type}"
    return dict(sorted(table.items()))
