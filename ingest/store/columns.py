"""From the event catalogue to typed columns: which fields a store knows, and how a document fills them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from app.kernel import canonical
from app.kernel.clock import from_micros, micros, rfc3339
from ingest.events import catalog
from ingest.events.envelope import INTEGER_MAX, STRING_BYTES_MAX, FieldType
from ingest.store.port import UnknownField

MAPPED: Final = 0xFFFF << 32
"""An IPv4 address lies here among the 128-bit ones (RFC 4291, 2.5.5.2)."""
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII)
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

DUCKDB: Final[Mapping[FieldType, str]] = {
    FieldType.KEYWORD: "VARCHAR",
    FieldType.KEYWORDS: "VARCHAR[]",
    FieldType.LONG: "BIGINT",
    FieldType.BOOLEAN: "BOOLEAN",
    FieldType.IP: "VARCHAR",
    FieldType.DATE: "TIMESTAMP",
}
ELASTIC: Final[Mapping[FieldType, Mapping[str, Any]]] = {
    FieldType.KEYWORD: {"type": "keyword"},
    FieldType.KEYWORDS: {"type": "keyword"},
    FieldType.LONG: {"type": "long"},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.IP: {"type": "ip"},
    FieldType.DATE: {"type": "date"},
    FieldType.OBJECT: {"type": "object", "enabled": False},
}


class Misfit(ValueError):
    """A document that does not have the form its catalogue promises; it is refused, not bent."""


class Schema:
    """The fields a store knows, by path."""

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        self.fields = dict(sorted(fields.items()))
        self.indexed = {path: type for path, type in self.fields.items() if type is not FieldType.OBJECT}
        self.hash = sha256(canonical.encode({path: type.value for path, type in self.fields.items()})).hexdigest()
        self._tree = _tree(self.fields)

    def type_of(self, path: str) -> FieldType:
        """Return the type of a field that can be searched, or raise `UnknownField`."""
        found = self.indexed.get(path)
        if found is None:
            raise UnknownField(f"there is no field {path!r} to search by", param=path[:100])
        return found

    def row_of(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the indexed values of a document by path, or raise `Misfit`.

        Instants become microseconds since 1970, a list keeps its order; what is null or empty is left out.
        """
        row: dict[str, Any] = {}
        _fill(row, document, self._tree)
        return row


@cache
def shipped() -> Schema:
    """Return the schema of the catalogue this program ships."""
    return Schema(catalog.columns())


def parse_body(body: bytes) -> dict[str, Any]:
    """Read a stored body, or raise `Misfit`. Its form was checked when it was recorded, so here speed counts."""
    try:
        document = json.loads(body)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Misfit(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Misfit("the body is not an object")
    return document


def add_place(document: dict[str, Any], sequence: int, ingested: str, hash: str) -> dict[str, Any]:
    """Add the three fields an event gets when it is sequenced; minus these, a stored document is its body."""
    document["event"].update({"sequence": sequence, "ingested": ingested, "hash": hash})
    return document


@lru_cache(maxsize=65_536)
def address(text: str) -> int | None:
    """Return an address as its 128-bit value, IPv4 mapped into IPv6, or None for what is none."""
    if "%" in text:
        return None
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return MAPPED | int(found) if found.version == 4 else int(found)


def address_text(value: int) -> str:
    """Return the shortest text of a 128-bit address; a mapped one is written as IPv4."""
    found = IPv6Address(value)
    return str(found.ipv4_mapped or found)


def instant(text: str) -> int | None:
    """Return an instant of the events' form as microseconds since 1970, or None for what is none."""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        return micros(datetime.fromisoformat(text))
    except ValueError:
        return None


def integer(text: str) -> int | None:
    """Return the number a canonical text of an integer stands for, or None."""
    return int(text) if _INTEGER.fullmatch(text) and text != "-0" else None


def canonical_text(value: str | int | bool | datetime) -> str:
    """Return how a value is written when it is compared with text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def cut(at: datetime) -> int:
    """Return an instant as whole milliseconds since 1970."""
    return micros(at) // 1000


def from_millis(value: int) -> datetime:
    """Return the instant that `cut` counted."""
    return from_micros(value * 1000)


def month_of(ingested: datetime) -> str:
    """Return the month an event lies in, which follows from when it was sequenced: `2026-11`."""
    return ingested.strftime("%Y-%m")


def month_end(month: str) -> datetime:
    """Return the first instant after a month."""
    first = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
    return (first + timedelta(days=32)).replace(day=1)


def _tree(fields: Mapping[str, FieldType]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, type in fields.items():
        *parents, leaf = path.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
            assert isinstance(place, dict), f"{path} lies below a field"
        assert leaf not in place, f"{path} is a field and a folder of fields"
        place[leaf] = (path, type)
    return tree


def _fill(row: dict[str, Any], document: Mapping[str, Any], tree: Mapping[str, Any]) -> None:
    for name, value in document.items():
        place = tree.get(name)
        if place is None:
            raise Misfit(f"the catalogue has no field {name!r} there")
        if isinstance(place, dict):
            if not isinstance(value, dict):
                raise Misfit(f"{name} holds fields, not a value")
            _fill(row, value, place)
            continue
        if value is None or value == []:
            continue
        path, type = place
        fitted = _fitted(value, type)
        if fitted is None:
            raise Misfit(f"{path} is not of type {type.value}")
        if type is not FieldType.OBJECT:
            row[path] = fitted


def _fitted(value: Any, type: FieldType) -> Any:  # JSON values have no common type
    if type is FieldType.KEYWORD:
        return value if isinstance(value, str) and _is_keyword(value) else None
    if type is FieldType.KEYWORDS:
        values = value if isinstance(value, list) else [value]
        return values if all(isinstance(item, str) and _is_keyword(item) for item in values) else None
    if type is FieldType.LONG:
        return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INTEGER_MAX else None
    if type is FieldType.BOOLEAN:
        return value if isinstance(value, bool) else None
    if type is FieldType.DATE:
        return instant(value) if isinstance(value, str) else None
    if type is FieldType.IP:
        return value if isinstance(value, str) and address(value) is not None else None
    return value


def _is_keyword(text: str) -> bool:
    if text.isascii():
        return len(text) <= STRING_BYTES_MAX
    return not _SURROGATE.search(text) and len(text.encode("utf-8")) <= STRING_BYTES_MAX
