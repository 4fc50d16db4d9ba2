"""The query bar: words a person types, turned into a store condition; never a string that reaches a store."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Final

from app.kernel.errors import Invalid
from ingest.events import catalog
from ingest.events.envelope import FieldType
from ingest.store.query import And, Cidr, Contains, Eq, Exists, Not, Or, Prefix, Range, Suffix, Where

TERMS_MAX: Final = 20
TEXT_MAX: Final = 1_000
SHORT: Final = {
    "action": "event.action",
    "outcome": "event.outcome",
    "ip": "source.ip",
    "user": "user.id",
    "subject": "onepay.subject.id",
    "session": "onepay.session.id",
    "amount": "transaction.amount",
    "transfer": "onepay.transfer.id",
    "class": "onepay.class",
    "reason": "event.reason",
    "sequence": "event.sequence",
}
_TERM: Final = re.compile(r'(-?)([A-Za-z@_][\w.@]*):("([^"]*)"|\S+)|(\S+)')
_COMPARE: Final = re.compile(r"^(>=|<=|>|<)(.+)$")


class QueryMistake(Invalid):
    """A part of the query cannot be read."""

    code = "query_mistake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What was typed: the condition, and how many terms it has."""

    where: Where
    terms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgiven:
    """What can be read of a query: its condition, the text of that alone, and the first mistake, if there is one."""

    query: Query
    text: str
    mistake: str | None


def forgive(text: str) -> Forgiven:
    """Read a query and leave out each part that cannot be read; of one that is too long or has too many, all."""
    try:
        return Forgiven(query=read(text), text=text, mistake=None)
    except QueryMistake as wrong:
        mistake = str(wrong)
    kept: list[str] = []
    for part in (found.group() for found in _TERM.finditer(text[:TEXT_MAX])):
        try:
            read(part)
        except QueryMistake:
            continue
        kept.append(part)
    rest = " ".join(kept) if len(text) <= TEXT_MAX and len(kept) <= TERMS_MAX else ""
    return Forgiven(query=read(rest), text=rest, mistake=mistake)


def read(text: str) -> Query:
    """Return the condition of a query: the same field is or, fields are and; raises `QueryMistake` naming the part."""
    if len(text) > TEXT_MAX:
        raise QueryMistake(f"A query has at most {TEXT_MAX} characters.", param="q")
    wanted: dict[str, list[Where]] = defaultdict(list)
    unwanted: list[Where] = []
    terms = 0
    for found in _TERM.finditer(text):
        minus, name, value, quoted, bare = found.groups()
        terms += 1
        if bare is not None:
            raise QueryMistake(f"“{bare}” is no field:value.", param="q")
        leaf = _leaf(_path(name), quoted if quoted is not None else value)
        if minus:
            unwanted.append(Not(leaf))
        else:
            wanted[name].append(leaf)
    if terms > TERMS_MAX:
        raise QueryMistake(f"A query has at most {TERMS_MAX} terms.", param="q")
    parts = [leaves[0] if len(leaves) == 1 else Or(tuple(leaves)) for leaves in wanted.values()]
    return Query(where=And((*parts, *unwanted)), terms=terms)


def _path(name: str) -> str:
    path = SHORT.get(name, name)
    if path in catalog.columns():
        return path
    near = get_close_matches(name, [*SHORT, *catalog.columns()], n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise QueryMistake(f"There is no field {name}.{hint}", param="q")


def _leaf(path: str, value: str) -> Where:
    kind = catalog.columns()[path]
    if value == "*":
        return Exists(path)
    compared = _COMPARE.match(value)
    if compared and kind in (FieldType.LONG, FieldType.DATE):
        names = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}
        return Range(path, **{names[compared.group(1)]: _number(path, compared.group(2), kind)})
    if kind is FieldType.IP and "/" in value:
        try:
            return Cidr(path, str(ip_network(value, strict=False)))
        except ValueError as error:
            raise QueryMistake(f"{value} is no network.", param="q") from error
    if kind is FieldType.LONG:
        return Eq(path, _number(path, value, kind))
    if kind is FieldType.BOOLEAN:
        return Eq(path, value.lower() == "true")
    match value.startswith("*"), value.endswith("*"):
        case True, True:
            return Contains(path, value.strip("*"), cased=False)
        case False, True:
            return Prefix(path, value[:-1], cased=False)
        case True, False:
            return Suffix(path, value[1:], cased=False)
        case _:
            return Eq(path, value, cased=False)


def _number(path: str, text: str, kind: FieldType) -> int | str:
    if kind is FieldType.DATE:
        return text
    try:
        return int(text.replace(",", ""))
    except ValueError as error:
        raise QueryMistake(f"{path} is a number; “{text}” is none.", param="q") from error
