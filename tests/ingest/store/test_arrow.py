"""Whether Arrow parses a batch or we read each document, the columns are the same and the same are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ingest.store import arrow
from ingest.store.arrow import Tables
from ingest.store.columns import shipped
from ingest.store.placing import by_unit, place
from ingest.store.query import Sequenced
from tests.ingest.store import meaning
from tests.ingest.store.documents import refused, sequenced

TABLES = Tables(shipped())


def rows(units: arrow.Units) -> dict[int, tuple[tuple[str, str], dict[str, Any]]]:
    found = {}
    for unit, table in units.items():
        for row in table.to_pylist():
            found[row["event.sequence"]] = (unit, {name: value for name, value in row.items() if value is not None})
    return found


def one_by_one(items: list[Sequenced]) -> tuple[dict[int, Any], list[int]]:
    placed, refusals = place(items, shipped())
    units = {unit: TABLES.from_rows(some) for unit, some in by_unit(placed).items()}
    return rows(units), [refusal.sequence for refusal in refusals]


def at_once(items: list[Sequenced]) -> tuple[dict[int, Any], list[int]]:
    units, refusals = TABLES.of(items)
    return rows(units), [refusal.sequence for refusal in refusals]


def was_parsed(items: list[Sequenced]) -> bool:
    usual, _ = TABLES._usual(items)
    return len(usual) == len(items)


def test_a_batch_is_what_its_documents_are() -> None:
    items = [
        item
        for item in meaning.documents(17, 600)
        if b"[]" not in item.body  # an empty list is a case of its own
    ]
    assert len(items) > 300
    assert was_parsed(items)
    assert at_once(items) == one_by_one(items)


def test_each_document_alone_is_what_it_is_in_a_batch() -> None:
    for item in meaning.documents(23, 150):
        assert at_once([item]) == one_by_one([item])


def spoiled(number: int, text: str, other: str) -> Sequenced:
    item = sequenced(number, user__id="u", source__port=80, onepay__subject__id=["a"], onepay__auth__new_device=True)
    return replace(item, body=item.body.replace(text.encode(), other.encode()))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ('"port":80', '"port":"80"'),
        ('"port":80', '"port":80.0'),
        ('"port":80', '"port":8e1'),
        ('"port":80', '"port":true'),
        ('"port":80', '"port":9007199254740992'),
        ('"port":80', '"port":99999999999999999999'),
        ('"new_device":true', '"new_device":1'),
        ('"new_device":true', '"new_device":"true"'),
        ('"id":["a"]', '"id":"a"'),
        ('"id":["a"]', '"id":[]'),
        ('"id":["a"]', '"id":[null]'),
        ('"id":["a"]', '"id":[1]'),
        ('"id":["a"]', '"id":[["a"]]'),
        ('"id":"u"', '"id":7'),
        ('"id":"u"', '"id":null'),
        ('"id":"u"', '"id":{"x":"y"}'),
        ('"id":"u"', '"colour":"u"'),
        ('"id":"u"', '"id":"\\ud800"'),
        ('"class":"security"', '"class":"gossip"'),
        ('"class":"security",', ""),
        ('"@timestamp":"2026-11-02T09:00:01.000000Z"', '"@timestamp":"2026-02-30T09:00:01.000000Z"'),
        ('"@timestamp":"2026-11-02T09:00:01.000000Z"', '"@timestamp":"2026-11-02 09:00:01.000000Z"'),
        ('"@timestamp":"2026-11-02T09:00:01.000000Z"', '"@timestamp":"1969-12-31T23:59:59.999999Z"'),
        ('"@timestamp":"2026-11-02T09:00:01.000000Z"', '"@timestamp":"2026-W45-1T09:00:01.000000Z"'),
        ('"@timestamp":"2026-11-02T09:00:01.000000Z",', ""),
        ('"event":{', '"event":{"sequence":7,'),
        ("{", "["),
        ('"onepay"', '\n"onepay"'),
    ],
)
def test_what_is_odd_ends_alike_and_its_neighbours_are_stored(text: str, other: str) -> None:
    odd = spoiled(1, text, other)
    assert odd.body != spoiled(1, "", "").body
    items = [odd, sequenced(2, user__id="v"), refused(3), sequenced(4, source__ip="10.0.0.1")]

    assert at_once([odd]) == one_by_one([odd])
    assert at_once([odd, items[1]]) == one_by_one([odd, items[1]])
    assert at_once(items) == one_by_one(items)
    assert {2, 4} <= at_once(items)[0].keys()


def test_a_batch_of_two_classes_and_months_is_told_apart() -> None:
    late = sequenced(2).ingested.replace(month=12)
    items = [sequenced(1), sequenced(2, ingested=late), sequenced(3, class_="money"), sequenced(4)]
    assert was_parsed(items)
    found, _ = at_once(items)
    assert {sequence: unit for sequence, (unit, _) in found.items()} == {
        1: ("security", "2026-11"),
        2: ("security", "2026-12"),
        3: ("money", "2026-11"),
        4: ("security", "2026-11"),
    }
