"""The published form of events, generated from the catalogue: schemas, the page for readers, the list of what shipped.

`python -m ingest.events.published` writes the files; a test regenerates and compares. What shipped only grows: a field
or kind that was renamed, retyped or removed is refused, because rules, stores and people rely on it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from ingest.events import catalog
from ingest.events.envelope import (
    ADDED_WHEN_SEQUENCED,
    BODY_VERSION,
    ECS_VERSION,
    ENVELOPE,
    STRING_BYTES_MAX,
    Event,
    FieldType,
    family_of,
    fields_of,
)

ROOT: Final = Path(__file__).parents[2]
SHIPPED: Final = "ingest/events/shipped.json"
PAGE: Final = "docs/events.md"
SCHEMAS: Final = "docs/schemas"

_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": STRING_BYTES_MAX}
_FORMS: Final[Mapping[FieldType, Mapping[str, Any]]] = {
    FieldType.KEYWORD: _TEXT,
    FieldType.KEYWORDS: {"type": "array", "items": _TEXT, "minItems": 1},
    FieldType.LONG: {"type": "integer", "minimum": -(2**53) + 1, "maximum": 2**53 - 1},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.IP: {"type": "string", "minLength": 2},
    FieldType.DATE: {"type": "string", "format": "date-time"},
    FieldType.OBJECT: {"type": ["array", "object"]},
}
# Every body has these; the other fields of the envelope depend on who acted and from where.
_ALWAYS: Final = (
    "@timestamp",
    "ecs.version",
    "event.kind",
    "event.type",
    "event.action",
    "event.id",
    "event.dataset",
    "event.provider",
    "service.name",
    "service.version",
    "service.environment",
    "trace.id",
    "onepay.v",
    "onepay.class",
    "onepay.origin",
    "onepay.actor.kind",
)


class Unpublished(ValueError):
    """Something that shipped was renamed, retyped or removed."""


def shipped() -> dict[str, Any]:
    """Return the fields and kinds of the catalogue in the form that is kept."""
    return {
        "fields": {path: kind.value for path, kind in catalog.columns().items()},
        "kinds": {
            kind.kind: {
                "class": kind.event_class.value,
                "category": list(kind.category),
                "type": list(kind.types),
                "fields": sorted({declared.path for declared in _declared(kind) if not declared.personal}),
                "personal": sorted({declared.path for declared in _declared(kind) if declared.personal}),
            }
            for kind in sorted(catalog.KINDS, key=lambda kind: kind.kind)
        },
    }


def grown(before: Mapping[str, Any], now: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is shipped from now on, or raise `Unpublished` naming what would be lost."""
    for path, type_ in before["fields"].items():
        found = now["fields"].get(path)
        if found != type_:
            raise Unpublished(f"the field {path} was {type_} and is {found or 'gone'}")
    for name, kind in before["kinds"].items():
        if name not in now["kinds"]:
            raise Unpublished(f"the kind {name} is gone")
        current = now["kinds"][name]
        for part in ("class", "category", "type"):
            if kind[part] != current[part]:
                raise Unpublished(f"{name}: its {part} was {kind[part]} and is {current[part]}")
        for part in ("fields", "personal"):
            lost = sorted(set(kind[part]) - set(current[part]))
            if lost:
                raise Unpublished(f"{name}: its {part} lost {', '.join(lost)}")
    return now


def schema(kind: type[Event]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the bodies of a kind, before the log adds sequence, arrival and hash."""
    forms: dict[str, Any] = {
        path: _FORMS[type_] for path, type_ in ENVELOPE.items() if path not in ADDED_WHEN_SEQUENCED
    }
    own = [declared for declared in _declared(kind) if not declared.personal]
    forms |= {
        "event.action": {"const": kind.kind},
        "event.kind": {"const": kind.event_kind},
        "event.dataset": {"const": f"onepay.{family_of(kind.kind)}"},
        "event.category": {"const": list(kind.category)},
        "event.type": {"const": list(kind.types)},
        "event.outcome": {"enum": ["success", "failure", "unknown"]},
        "onepay.v": {"const": BODY_VERSION},
        "onepay.class": {"const": kind.event_class.value},
    }
    forms |= {declared.path: _FORMS[declared.type] for declared in own}
    if kind.origin_of_kind is not None:
        forms["onepay.origin"] = {"const": kind.origin_of_kind}
    always = {*_ALWAYS, *(["event.category"] if kind.category else [])}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.kind,
        "description": _meaning(kind),
        **_nested(forms, always),
    }


def page() -> str:
    """Return the page that describes every kind to those who read events."""
    lines = [
        "# Events",
        "Generated from the catalogue by `make docs`; do not edit. Bodies are ECS "
        f"{ECS_VERSION} documents; `event.action` is the kind. Own fields below come on top of the envelope. A kind "
        "marked *reserved* has its published form already, and nothing records it yet.",
        "",
        "## Envelope",
        "| field | type |",
        "|---|---|",
        *[f"| `{path}` | {type_.value} |" for path, type_ in ENVELOPE.items()],
        "",
        f"{', '.join(f'`{path}`' for path in ADDED_WHEN_SEQUENCED)} are added when an event gets its number and are "
        "not part of the body.",
    ]
    by_name = sorted(catalog.KINDS, key=lambda kind: kind.kind)
    for family, kinds in groupby(by_name, key=lambda kind: family_of(kind.kind)):
        lines += [
            "",
            f"## {family}",
            "| kind | meaning | class | category / type | own fields |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(kind) for kind in kinds]
    return "\n".join([*lines, ""])


def files() -> dict[str, str]:
    """Return every generated file by its path from the root of the repository."""
    return {
        SHIPPED: _json(shipped()),
        PAGE: page(),
        **{f"{SCHEMAS}/{kind.kind}.json": _json(schema(kind)) for kind in catalog.KINDS},
    }


def write(root: Path = ROOT) -> list[str]:
    """Write what changed and return the paths; raises `Unpublished` and writes nothing if something shipped is lost."""
    made = files()
    before = root / SHIPPED
    if before.exists():
        grown(json.loads(before.read_text("utf-8")), json.loads(made[SHIPPED]))
    changed = [name for name, text in made.items() if _text(root / name) != text]
    for name in changed:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(made[name], "utf-8", newline="\n")
    return changed


def _declared(kind: type[Event]) -> list[Any]:
    return [declared for _, declared in fields_of(kind)]  # type: ignore[arg-type]  # mypy takes the class for its instance


def _nested(forms: Mapping[str, Any], always: set[str]) -> dict[str, Any]:
    """Turn forms by dotted path into one schema of nested objects."""
    properties: dict[str, Any] = {}
    required = []
    for name, group in groupby(sorted(forms), key=lambda path: path.split(".")[0]):
        paths = list(group)
        if paths == [name]:
            properties[name] = forms[name]
        else:
            below = {path.partition(".")[2]: forms[path] for path in paths}
            properties[name] = _nested(
                below, {path.partition(".")[2] for path in always if path.startswith(f"{name}.")}
            )
        if any(path == name or path.startswith(f"{name}.") for path in always):
            required.append(name)
    found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": required} if required else found


def _row(kind: type[Event]) -> str:
    own = [f"`{declared.path}`" for declared in _declared(kind) if not declared.personal]
    sealed = [f"`{declared.path}`" for declared in _declared(kind) if declared.personal]
    fields = ", ".join(own) + (f"; sealed: {', '.join(sealed)}" if sealed else "")
    strict = " **strict**" if kind.strict else ""
    where = f"{', '.join(kind.category) or '—'} / {', '.join(kind.types)}"
    reserved = " *reserved*" if kind.is_reserved else ""
    return f"| `{kind.kind}`{strict}{reserved} | {_meaning(kind)} | {kind.event_class.value} | {where} | {fields} |"


def _meaning(kind: type[Event]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split())


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _text(file: Path) -> str | None:
    return file.read_text("utf-8") if file.exists() else None


if __name__ == "__main__":
    write()
