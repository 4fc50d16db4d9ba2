"""Counting in Python: what the in-memory store answers with, and others where a condition must be decided here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

from app.kernel.clock import rfc3339
from ingest.events.envelope import FieldType
from ingest.store.columns import Schema, address, address_text, cut, from_millis, instant
from ingest.store.matches import elements, order_key
from ingest.store.query import Bin, Document, Group, Key, Terms

_MILLISECOND: Final = timedelta(milliseconds=1)


def key_of(type: FieldType, value: Any) -> Key:  # a value of a document
    """Return how a value names a group: addresses in their shortest text, instants cut to milliseconds."""
    if type is FieldType.IP:
        number = address(value)
        assert number is not None, "a stored address is one"
        return address_text(number)
    if type is FieldType.DATE:
        at = instant(value)
        assert at is not None, "a stored instant is one"
        return rfc3339(from_millis(at // 1000))
    assert isinstance(value, str | int)
    return value


def keys_at(document: Mapping[str, Any], field: str, schema: Schema) -> set[Key]:
    """Return the different values of a field in one document."""
    type = schema.type_of(field)
    return {key_of(type, value) for value in elements(field)(document)}


def terms_of(documents: Iterable[Document], field: str, top: int, schema: Schema) -> Terms:
    """Return the leading values, exactly."""
    counts: Counter[Key] = Counter()
    for document in documents:
        counts.update(keys_at(document, field, schema))
    return leading(counts.items(), top)


def leading(counts: Iterable[tuple[Key, int]], top: int) -> Terms:
    """Return the `top` most frequent of exact counts, equal ones by their text."""
    ranked = sorted(counts, key=lambda item: (-item[1], str(item[0])))
    return Terms(counts=ranked[:top], other=sum(count for _, count in ranked[top:]), error_max=0)


def groups_of(documents: Iterable[Document], by: Sequence[str], at_least: int, schema: Schema) -> Iterator[Group]:
    """Yield every group with its count, first and last instant, in the order of their keys."""
    found: dict[tuple[Key, ...], tuple[int, int, int]] = {}
    for document in documents:
        at, _ = order_key(document)
        for key in product(*(keys_at(document, field, schema) for field in by)):
            count, first, last = found.get(key, (0, at, at))
            found[key] = (count + 1, min(first, at), max(last, at))
    for key in sorted(found, key=lambda key: tuple(str(part) for part in key)):
        count, first, last = found[key]
        if count >= at_least:
            yield Group(key=key, count=count, first=from_millis(first), last=from_millis(last))


def histogram_of(
    documents: Iterable[Document],
    span: tuple[datetime, datetime],
    every: timedelta,
    split: str | None,
    top: int,
    schema: Schema,
) -> list[Bin]:
    """Return the bins of a span, empty ones included."""
    width = every // _MILLISECOND
    counts: Counter[int] = Counter()
    parts: Counter[tuple[int, Key]] = Counter()
    for document in documents:
        at = order_key(document)[0] // width
        counts[at] += 1
        if split is not None:
            parts.update((at, key) for key in keys_at(document, split, schema))
    totals: Counter[Key] = Counter()
    for (_, key), count in parts.items():
        totals[key] += count
    kept = {key for key, _ in leading(totals.items(), top).counts}
    return bins(span, every, counts, {place: count for place, count in parts.items() if place[1] in kept})


def bins(
    span: tuple[datetime, datetime],
    every: timedelta,
    counts: Mapping[int, int],
    parts: Mapping[tuple[int, Key], int],
) -> list[Bin]:
    """Return the bins that meet a span in order, given counts by the number of the bin since 1970."""
    width = every // _MILLISECOND
    since, until = cut(span[0]), cut(span[1])
    split: dict[int, dict[Key, int]] = {}
    for (number, key), count in sorted(parts.items(), key=lambda item: (-item[1], str(item[0][1]))):
        split.setdefault(number, {})[key] = count
    return [
        Bin(at=from_millis(number * width), count=counts.get(number, 0), parts=split.get(number, {}))
        for number in range(since // width, -(-until // width))
    ]


def gaps(present: Iterable[int], lo: int, hi: int) -> list[range]:
    """Return what is missing in (lo, hi] of ascending sequences."""
    missing: list[range] = []
    expected = lo + 1
    for sequence in present:
        if sequence > expected:
            missing.append(range(expected, sequence))
        expected = sequence + 1
    if expected <= hi:
        missing.append(range(expected, hi + 1))
    return missing
