"""Turning the selections and conditions of an event rule into one store condition."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.kernel.errors import Invalid
from ingest.events import catalog
from ingest.store.query import And, Cidr, Contains, Eq, Exists, In, Not, Or, Prefix, Range, Regex, Suffix, Where

CONDITION_MAX: Final = 500
_MODIFIERS: Final = frozenset(
    ("contains", "startswith", "endswith", "all", "cased", "exists", "re", "cidr", "gt", "gte", "lt", "lte")
)
_TOKEN: Final = re.compile(r"\s*(\(|\)|[^\s()]+)")


class RuleRefused(Invalid):
    """The rule is not one this detector can run exactly, so it is not run at all."""

    code = "rule_refused"


def selection(value: Any, name: str) -> Where:  # a part of a YAML document
    """Return the condition of one selection: a mapping is And, a list of mappings is Or."""
    match value:
        case Mapping():
            return And(tuple(_item(key, item) for key, item in value.items()))
        case list() if value and all(isinstance(item, Mapping) for item in value):
            return Or(tuple(selection(item, name) for item in value))
        case _:
            raise RuleRefused(f"the selection {name} is no mapping of fields; keywords are not supported")


def condition(text: str, selections: Mapping[str, Where]) -> Where:
    """Return the condition of a rule: and, or, not, brackets, `1 of`, `all of`, `them` and name patterns."""
    if len(text) > CONDITION_MAX:
        raise RuleRefused(f"a condition has at most {CONDITION_MAX} characters")
    tokens = _TOKEN.findall(text)
    reader = _Reader(tokens, selections)
    made = reader.alternatives()
    if reader.rest():
        raise RuleRefused(f"the condition goes on after its end: {' '.join(reader.rest())}")
    return made


class _Reader:
    """Reads one condition from left to right."""

    def __init__(self, tokens: Sequence[str], selections: Mapping[str, Where]) -> None:
        self._tokens, self._at, self._selections = tokens, 0, selections

    def rest(self) -> Sequence[str]:
        return self._tokens[self._at :]

    def alternatives(self) -> Where:
        parts = [self._conjunction()]
        while self._take("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self) -> Where:
        parts = [self._negation()]
        while self._take("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negation(self) -> Where:
        if self._take("not"):
            return Not(self._negation())
        if self._take("("):
            inner = self.alternatives()
            if not self._take(")"):
                raise RuleRefused("a bracket is not closed")
            return inner
        return self._name()

    def _name(self) -> Where:
        token = self._next()
        if token.lower() in ("1", "all") and self._take("of"):
            pattern = self._next()
            names = sorted(name for name in self._selections if pattern == "them" or fnmatch.fnmatchcase(name, pattern))
            if pattern == "them":
                names = [name for name in names if not name.startswith("_")]
            if not names:
                raise RuleRefused(f"no selection is named like {pattern}")
            parts = tuple(self._selections[name] for name in names)
            return Or(parts) if token == "1" else And(parts)
        if token not in self._selections:
            raise RuleRefused(f"the condition names {token}, which is no selection")
        return self._selections[token]

    def _take(self, word: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at].lower() == word:
            self._at += 1
            return True
        return False

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise RuleRefused("the condition ends too early")
        self._at += 1
        return self._tokens[self._at - 1]


def _item(key: str, value: Any) -> Where:
    path, *modifiers = key.split("|")
    unknown = [word for word in modifiers if word not in _MODIFIERS]
    if unknown:
        raise RuleRefused(f"rule.unsupported: the modifier {unknown[0]}")
    if path not in catalog.columns():
        raise RuleRefused(f"{path} is no field of the event catalogue")
    cased = "cased" in modifiers
    if "exists" in modifiers:
        if not isinstance(value, bool):
            raise RuleRefused(f"{key} is true or false")
        return Exists(path) if value else Not(Exists(path))
    values = value if isinstance(value, list) else [value]
    if not values:
        raise RuleRefused(f"{key} lists nothing")
    parts = tuple(_leaf(path, item, modifiers, cased) for item in values)
    if len(parts) == 1:
        return parts[0]
    if "all" in modifiers:
        return And(parts)
    if all(isinstance(part, Eq) for part in parts):
        return In(path, tuple(item for item in values if isinstance(item, str | int | bool)), cased)
    return Or(parts)


def _leaf(path: str, value: Any, modifiers: Sequence[str], cased: bool) -> Where:
    if value is None:
        return Not(Exists(path))
    if isinstance(value, float) or not isinstance(value, str | int | bool):
        raise RuleRefused(f"{path} is compared with {value!r}, which is neither text, integer nor truth value")
    for word in ("gt", "gte", "lt", "lte"):
        if word in modifiers:
            return Range(path, **{word: value})
    text = str(value)
    if "re" in modifiers:
        return Regex(path, text, cased=True)
    if "cidr" in modifiers:
        return Cidr(path, text)
    if "contains" in modifiers:
        return Contains(path, text, cased)
    if "startswith" in modifiers:
        return Prefix(path, text, cased)
    if "endswith" in modifiers:
        return Suffix(path, text, cased)
    return _wildcards(path, value, cased)


def _wildcards(path: str, value: str | int | bool, cased: bool) -> Where:
    """Read `*` and `?` of a plain value as Sigma does; a backslash takes their meaning away."""
    if not isinstance(value, str) or not re.search(r"(?<!\\)[*?]", value):
        return Eq(path, value.replace("\\*", "*").replace("\\?", "?") if isinstance(value, str) else value, cased)
    body = value.strip("*")
    if not re.search(r"[*?\\]", body):
        match value.startswith("*"), value.endswith("*"):
            case True, True:
                return Contains(path, body, cased)
            case False, True:
                return Prefix(path, body, cased)
            case True, False:
                return Suffix(path, body, cased)
    pattern = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in value)
    return Regex(path, f"^{pattern}$", cased)
