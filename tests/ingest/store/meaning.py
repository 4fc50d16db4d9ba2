"""Random conditions and documents, on which every rendering must agree with the reference."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.events.envelope import FieldType
from ingest.store.columns import Misfit, Schema, address_text, parse_body, shipped
from ingest.store.query import (
    And,
    Cidr,
    Contains,
    Eq,
    Exists,
    In,
    Not,
    Or,
    Prefix,
    Range,
    Regex,
    Sequenced,
    Suffix,
    Value,
    Where,
)
from tests.ingest.store.documents import START, sequenced

FIELDS = (
    "user.id",
    "event.outcome",
    "event.category",
    "onepay.subject.id",
    "source.port",
    "source.as.number",
    "source.ip",
    "onepay.auth.new_device",
    "onepay.auth.until",
    "url.path",
)
TEXTS = (
    "",
    "a",
    "A",
    "ab",
    "aB",
    "abc",
    "Kelvin",
    "\u212aelvin",
    "kelvin",
    "\u0130i",
    "stra\u00dfe",
    "STRASSE",
    "\u00c9t\u00e9",
    "\u00e9t\u00e9",
    "0",
    "17",
    "017",
    "-5",
    "true",
    "True",
    "10.0.0.1",
    "a*b?c",
    "a\\b",
    '"quoted"',
    "'; --",
    "a\nb",
    "\u0000x",
    "\U0001f600 smile",
    "x" * 300,
    " lead",
    "[a-z]+",
    "/api/v1/transfers",
    "/API/V1/wallets",
    "\u017fhort",
)
NUMBERS = (0, 1, -1, 5, 17, 443, 2**31, 2**53 - 1, -(2**53) + 1)
ADDRESSES = (
    "10.0.0.1",
    "10.0.255.255",
    "::ffff:10.0.0.1",
    "203.0.113.7",
    "255.255.255.255",
    "0.0.0.0",  # noqa: S104 - an address in a document
    "::",
    "::1",
    "2001:db8::1",
    "2001:DB8:0:0:0:0:0:1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::1",
)
NETWORKS = (
    "10.0.0.0/8",
    "10.0.0.1/32",
    "10.9.9.9/16",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "::ffff:10.0.0.0/104",
    "::1/128",
    "no network",
)
INSTANTS = tuple(START + timedelta(microseconds=step) for step in (0, 1, 999, 1000, 1001, 1999, 2000, 10**6, 10**12))
PATTERNS = (
    "a",
    "^a",
    "b$",
    "^a.*b$",
    "^$",
    "k",
    "[^k]elvin",
    r"\d{2}",
    r"^\w+$",
    r"\s",
    r"\S",
    "a|^0$",
    "(ab|a)c?",
    "x{3,}",
    r"\\",
    r"[\"'*?]",
    "\u00e9",
    ".",
    r"\btrue\b",
    r"^10\.0",
    r"/api/v[0-9]+/",
    r"\x00",
    "",
    "a?b?c?",
    "[A-Z]",
    "[^a-z0-9]",
)


def schema() -> Schema:
    """Return the shipped catalogue with an instant and an address more than one, so that each type is met."""
    return shipped()


def documents(seed: int, count: int) -> list[Sequenced]:
    """Return documents whose fields are absent, null, empty, lists, odd, or long."""
    rng = random.Random(seed)
    known = schema()
    made: list[Sequenced] = []
    sequence = 0
    while len(made) < count:
        sequence += 1
        fields = {path.replace(".", "__"): _value(rng, known.type_of(path)) for path in FIELDS if rng.random() < 0.6}
        item = sequenced(
            sequence,
            at=START + timedelta(microseconds=rng.randrange(5_000)),
            class_=rng.choice(("security", "money")),
            ingested=datetime(2026, rng.choice((10, 11)), 15, tzinfo=UTC),
            **fields,
        )
        try:
            known.row_of(parse_body(item.body))
        except Misfit:  # two fields of one draw may exclude each other
            continue
        made.append(item)
    return made


def conditions(seed: int, count: int) -> list[Where]:
    """Return conditions over those fields, right and wrong ones, up to three levels deep."""
    rng = random.Random(seed)
    return [_where(rng, 3) for _ in range(count)]


def _value(rng: random.Random, type: FieldType) -> Any:
    match type:
        case FieldType.KEYWORD:
            return rng.choice(TEXTS)
        case FieldType.KEYWORDS:
            return [rng.choice(TEXTS) for _ in range(rng.randrange(4))]
        case FieldType.LONG:
            return rng.choice(NUMBERS)
        case FieldType.BOOLEAN:
            return rng.random() < 0.5
        case FieldType.IP:
            return rng.choice(ADDRESSES) if rng.random() < 0.7 else address_text(rng.getrandbits(128))
        case FieldType.DATE:
            return rng.choice(INSTANTS).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case _:
            raise AssertionError(type)


def _where(rng: random.Random, depth: int) -> Where:
    if depth and rng.random() < 0.55:
        match rng.randrange(3):
            case 0:
                return And(tuple(_where(rng, depth - 1) for _ in range(rng.randrange(4))))
            case 1:
                return Or(tuple(_where(rng, depth - 1) for _ in range(rng.randrange(4))))
            case _:
                return Not(_where(rng, depth - 1))
    return _leaf(rng)


def _leaf(rng: random.Random) -> Where:
    field = rng.choice(FIELDS)
    type = schema().type_of(field)
    cased = rng.random() < 0.5
    text = _cut(rng, rng.choice(TEXTS if rng.random() < 0.7 else ADDRESSES))
    match rng.randrange(9):
        case 0 | 1:
            return Eq(field, _operand(rng, type), cased)
        case 2:
            return In(field, tuple(_operand(rng, type) for _ in range(rng.randrange(70))), cased)
        case 3:
            names = rng.sample(("gt", "gte", "lt", "lte"), rng.randrange(3))
            return Range(field, **{name: _operand(rng, type) for name in names})
        case 4:
            return Prefix(field, text, cased)
        case 5:
            return Suffix(field, text, cased)
        case 6:
            return Contains(field, text, cased)
        case 7:
            return Regex(field, rng.choice(PATTERNS), cased)
        case _:
            return Cidr(field, rng.choice(NETWORKS)) if rng.random() < 0.6 else Exists(field)


def _operand(rng: random.Random, type: FieldType) -> Value:
    if rng.random() < 0.2:
        pool: Sequence[Value] = (*TEXTS, *NUMBERS, *ADDRESSES, True, False, *INSTANTS)
        return rng.choice(pool)
    match type:
        case FieldType.LONG:
            return rng.choice((*NUMBERS, "17", "017", "-1"))
        case FieldType.BOOLEAN:
            return rng.choice((True, False, "true", "TRUE"))
        case FieldType.IP:
            return rng.choice(ADDRESSES)
        case FieldType.DATE:
            instant = rng.choice(INSTANTS)
            return instant if rng.random() < 0.5 else instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case _:
            return rng.choice(TEXTS)


def _cut(rng: random.Random, text: str) -> str:
    low, high = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
    return text[low:high][:40]
