"""From the event catalogue to typed columns: which fields a store knows, and how a document fills them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
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

PARKED_BODY: Final = "onepay.body"
"""Where a stub keeps the body that could not be taken: in a store alone, and not indexed."""
MAPPED: Final = 0xFFFF << 32
"""An IPv4 address lies here among the 128-bit ones (RFC 4291, 2.5.5.2)."""
_KEYWORD: Final = FieldType.KEYWORD
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
        assert not any(".event." in path for path in self.fields), "`event` is a field of the top alone"

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
    """Return the schema of the catalogue this program ships, and of stubs."""
    return Schema({**catalog.columns(), PARKED_BODY: FieldType.OBJECT})


def parse_body(body: str | bytes) -> dict[str, Any]:
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
    if value >> 32 == 0xFFFF:
        return f"{value >> 24 & 255}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
    return str(IPv6Address(value))


def instant(text: str) -> int | None:
    """Return an instant of the events' form as microseconds since 1970, or None for what is none or lies before."""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        found = micros(datetime.fromisoformat(text))
    except ValueError:
        return None
    return found if found >= 0 else None


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
    return f"{ingested.year:04d}-{ingested.month:02d}"


def month_begin(month: str) -> datetime:
    """Return the first instant of a month."""
    return datetime.fromisoformat(f"{month}-01T00:00:00+00:00")


def month_end(month: str) -> datetime:
    """Return the first instant after a month."""
    return (month_begin(month) + timedelta(days=32)).replace(day=1)


def lies_within(month: str, since: datetime | None, before: datetime) -> bool:
    """Tell whether a whole month lies before an instant and, where there is one, after another."""
    return month_end(month) <= before and (since is None or month_begin(month) >= since)


def _tree(fields: Mapping[str, FieldType]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, type in fields.items():
        *parents, leaf = path.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
            assert isinstance(place, dict), f"{path} lies below a field"
        assert leaf not in place, f"{path} is a field and a folder of fields"
        place[leaf] = (path, type, _FITTED[type])
    return tree


def _fill(row: dict[str, Any], document: Mapping[str, Any], tree: Mapping[str, Any]) -> None:
    # Thirty fields a document, ten thousand documents a second: the usual case comes first and calls nothing.
    for name, value in document.items():
        place = tree.get(name)
        if place.__class__ is tuple:
            path, type, fitted = place
            if type is _KEYWORD and value.__class__ is str and value.isascii() and len(value) <= STRING_BYTES_MAX:
                row[path] = value
            elif value is not None and value != []:
                fit = fitted(value)
                if fit is None:
                    raise Misfit(f"{path} is not of type {type.value}")
                if type is not FieldType.OBJECT:
                    row[path] = fit
        elif place is None:
            raise Misfit(f"the catalogue has no field {name} there")
        elif value.__class__ is dict:
            _fill(row, value, place)
        else:
            raise Misfit(f"{name} holds fields, not a value")


def _keyword(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    if value.isascii():
        return value if len(value) <= STRING_BYTES_MAX else None
    return value if not _SURROGATE.search(value) and len(value.encode("utf-8")) <= STRING_BYTES_MAX else None


def _keywords(value: object) -> list[str] | None:
    values = value if value.__class__ is list else [value]
    assert isinstance(values, list)
    for item in values:
        if _keyword(item) is None:
            return None
    return values


def _long(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INTEGER_MAX else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: object) -> int | None:
    return instant(value) if isinstance(value, str) else None


def _ip(value: object) -> str | None:
    return value if isinstance(value, str) and address(value) is not None else None


_FITTED: Final[Mapping[FieldType, Callable[[Any], Any]]] = {
    FieldType.KEYWORD: _keyword,
    FieldType.KEYWORDS: _keywords,
    FieldType.LONG: _long,
    FieldType.BOOLEAN: _boolean,
    FieldType.IP: _ip,
    FieldType.DATE: _date,
    FieldType.OBJECT: lambda value: value,
}
