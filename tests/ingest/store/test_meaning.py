"""A condition means the same everywhere: the reference in Python and each store agree on random ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.settings import DuckSettings
from ingest.store.columns import parse_body
from ingest.store.duck import DuckStore
from ingest.store.matches import compiled, matches
from ingest.store.port import EventStore, walk
from ingest.store.query import Cidr, Contains, Eq, Exists, Not, Order, Range, Regex, Search, Where
from tests.ingest.store import meaning
from tests.ingest.store.documents import START, sequenced

DOCUMENTS, CONDITIONS = 2_000, 500


def disagreements(store: EventStore, conditions: list[Where]) -> list[tuple[Where, set[int]]]:
    """Return the conditions on which the store and the reference differ, and about which sequences."""
    items = meaning.documents(11, DOCUMENTS)
    store.append(items)
    store.settle()
    bodies = [(item.sequence, parse_body(item.body)) for item in items]
    found: list[tuple[Where, set[int]]] = []
    for where in conditions:
        holds = compiled(where)
        expected = {sequence for sequence, body in bodies if holds(body)}
        search = Search(where=where, order=Order.SEQUENCE, limit=1_000, fields=("event.sequence",))
        actual = {document["event"]["sequence"] for document in walk(store, search)}
        if actual != expected:
            found.append((where, actual ^ expected))
    return found


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[DuckStore]:
    store = DuckStore(DuckSettings(folder=tmp_path / "events"))
    store.open()
    yield store
    store.close()


def test_duckdb_means_what_the_reference_means(duck: DuckStore) -> None:
    assert disagreements(duck, meaning.conditions(5, CONDITIONS)) == []


@pytest.mark.parametrize(
    ("where", "fields", "holds"),
    [
        (Eq("user.id", "Alice", cased=False), {"user__id": "aLICE"}, True),
        (Eq("user.id", "É", cased=False), {"user__id": "é"}, False),  # only ASCII folds
        (Eq("user.id", "kelvin", cased=False), {"user__id": "\u212aelvin"}, False),
        (Eq("source.port", "80"), {"source__port": 80}, True),
        (Eq("source.port", "080"), {"source__port": 80}, False),
        (Eq("user.id", 80), {"user__id": "80"}, True),
        (Eq("onepay.auth.new_device", True), {"onepay__auth__new_device": True}, True),
        (Eq("onepay.auth.new_device", 1), {"onepay__auth__new_device": True}, False),
        (Eq("source.ip", "::ffff:10.0.0.1"), {"source__ip": "10.0.0.1"}, True),
        (Cidr("source.ip", "10.0.0.0/8"), {"source__ip": "::ffff:10.255.0.1"}, True),
        (Cidr("source.ip", "10.0.0.0/8"), {}, False),
        (Cidr("user.id", "10.0.0.0/8"), {"user__id": "10.0.0.1"}, False),  # no address field
        (Not(Eq("user.id", "x")), {}, True),
        (Not(Range("source.port", gte=1)), {}, True),
        (Exists("user.id"), {"user__id": ""}, True),
        (Exists("onepay.subject.id"), {"onepay__subject__id": []}, False),
        (Eq("onepay.subject.id", "b"), {"onepay__subject__id": ["a", "b"]}, True),
        (Regex("user.id", "^a.c$"), {"user__id": "abc"}, True),
        (Regex("user.id", "^a.c$"), {"user__id": "a\nc"}, False),
        (Regex("user.id", "C$", cased=False), {"user__id": "abc\n"}, False),
        (Contains("source.port", "4"), {"source__port": 443}, True),
        (Range("@timestamp", gte=START, lte=START), {}, True),  # microseconds are cut
    ],
)
def test_what_conditions_mean(where: Where, fields: dict[str, object], holds: bool, duck: DuckStore) -> None:
    item = sequenced(1, at=START.replace(microsecond=999), **fields)
    duck.append([item])

    assert matches(where, parse_body(item.body)) is holds
    assert len(duck.search(Search(where=where)).documents) == holds
