"""Whether portable data is by the schema that lies beside it: as much of JSON Schema as that one uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

_TYPES: Final[Mapping[str, type[Any]]] = {"object": dict, "array": list, "string": str, "integer": int}
_KNOWN: Final = frozenset(
    (
        "$schema",
        "title",
        "type",
        "const",
        "enum",
        "format",
        "required",
        "properties",
        "additionalProperties",
        "items",
    )
)


def wrong(value: Any, schema: Mapping[str, Any], at: str = "$") -> Iterator[str]:  # any JSON
    """Yield what does not fit, with its place; a keyword that is not known here is no fit either."""
    for keyword in sorted(set(schema) - _KNOWN):
        yield f"{at}: the schema says {keyword}, which nobody checks"
    said = schema.get("type")
    if said is not None and not isinstance(value, _TYPES[said]):
        yield f"{at} is no {said}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{at} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at} is none of {', '.join(map(str, schema['enum']))}"
    if schema.get("format") == "date-time" and not _is_instant(value):
        yield f"{at} is no instant"
    if isinstance(value, dict):
        yield from _wrong_in_object(value, schema, at)
    if isinstance(value, list) and "items" in schema:
        for place, item in enumerate(value):
            yield from wrong(item, schema["items"], f"{at}[{place}]")


def _wrong_in_object(value: Mapping[str, Any], schema: Mapping[str, Any], at: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at} lacks {name}"
    for name, item in value.items():
        if name in known:
            yield from wrong(item, known[name], f"{at}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{at} has {name}, which the schema does not know"


def _is_instant(value: Any) -> bool:  # any JSON
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
