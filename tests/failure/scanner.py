"""Looks for words in everything an installation wrote: files as bytes, databases as whoever opens them reads them."""

from __future__ import annotations

import base64
import json
import sqlite3
import urllib.parse
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import duckdb


def found(home: Path, canaries: Mapping[str, str], *, apart_from: frozenset[str] = frozenset()) -> set[tuple[str, str]]:
    """Return (canary, place) of every word that stands somewhere in clear, or merely encoded, compressed or quoted."""
    wanted = {name: forms(word) for name, word in canaries.items()}
    return {
        (name, place)
        for place, data in written(home)
        if place.split("/")[0] not in apart_from
        for name, forms_of in wanted.items()
        if any(form in data for form in forms_of)
    }


def forms(word: str) -> set[bytes]:
    """Return how a word may stand: as it is, quoted for JSON or an address, in hex, in base64, turned round."""
    plain = word.encode()
    return {
        plain,
        json.dumps(word)[1:-1].encode(),
        urllib.parse.quote(word).encode(),
        urllib.parse.quote_plus(word).encode(),
        plain.hex().encode(),
        plain.hex().upper().encode(),
        plain[::-1],
        # Whatever stands before it in its text: what surrounds it is left out at both ends.
        *(base64.b64encode(b"\0" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)),
    }


def written(home: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (place, bytes) of all that lies in a home that nobody serves."""
    for file in sorted(path for path in home.rglob("*") if path.is_file()):
        place = str(file.relative_to(home))
        yield place, file.read_bytes()
        if file.suffix == ".db":
            yield from _rows(place, _sqlite(file))
        if file.suffix == ".duckdb":
            yield from _rows(place, _duck(file))


def _rows(place: str, tables: Iterator[tuple[str, tuple[str, ...], tuple[object, ...]]]) -> Iterator[tuple[str, bytes]]:
    for table, columns, row in tables:
        for column, value in zip(columns, row, strict=True):
            if value is None:
                continue
            data = value if isinstance(value, bytes) else str(value).encode()
            yield f"{place}:{table}.{column}", data
            with suppress(zlib.error):
                yield f"{place}:{table}.{column} unpacked", zlib.decompress(data)


def _sqlite(file: Path) -> Iterator[tuple[str, tuple[str, ...], tuple[object, ...]]]:
    with closing(sqlite3.connect(file)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name out of the schema
            columns = tuple(column[0] for column in rows.description)
            for row in rows:
                yield table, columns, row


def _duck(file: Path) -> Iterator[tuple[str, tuple[str, ...], tuple[object, ...]]]:
    with duckdb.connect(str(file), read_only=True) as database:
        rows = database.execute("SELECT * FROM event")
        columns = tuple(column[0] for column in rows.description)
        for row in rows.fetchall():
            yield "event", columns, row
