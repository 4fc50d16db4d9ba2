"""Conditions of playbooks: comparisons of variables and literals, joined by AND, OR, NOT and brackets.

Grammar, with the strongest binding last:
    either  = both {"OR" both}
    both    = one {"AND" one}
    one     = "NOT" one | "(" either ")" | operand sign operand
    operand = $variable | 'text' | 12 | true | false | {'a', 'b'}
    sign    = "=" | "!=" | "<" | "<=" | ">" | ">=" | "IN"
A variable without a value makes the whole condition undecided; it is never silently false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from app.kernel.errors import OnePayError
from playbooks.form import Type, Value

LENGTH_MAX: Final = 500
DEPTH_MAX: Final = 20
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<variable>\$[a-z][a-z0-9_]*)|(?P<text>'[^']*')|(?P<number>-?(?:0|[1-9][0-9]{0,15}))(?![\w.])"
    r"|(?P<word>AND|OR|NOT|IN|true|false)\b|(?P<sign><=|>=|!=|=|<|>)|(?P<mark>[(){},]))"
)
_ORDERED: Final = frozenset(("<", "<=", ">", ">="))


class ConditionRefused(OnePayError):
    """The condition does not follow the grammar."""

    code = "condition_refused"


class Undecided(Exception):
    """A variable of the condition has no value."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A name that the execution knows."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the condition; a set of texts is a tuple."""

    value: str | int | bool | tuple[str, ...]


Operand = Variable | Literal


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two operands and a sign between them."""

    left: Operand
    sign: str
    right: Operand


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts of which all (`AND`) or one (`OR`) must hold."""

    word: str
    parts: tuple[Condition, ...]


Condition = Comparison | Not | Joined
_Below = Callable[[int], Condition]


def parse(text: str) -> Condition:
    """Read a condition; raises `ConditionRefused` with its reason."""
    if len(text) > LENGTH_MAX:
        raise ConditionRefused(f"a condition has at most {LENGTH_MAX} characters")
    reader = _Reader(_tokens(text))
    found = reader.either(0)
    if reader.peek() is not None:
        raise ConditionRefused(f"{reader.peek()!r} is too much")
    return found


def variables(condition: Condition) -> set[str]:
    """Return the names a condition asks for."""
    match condition:
        case Comparison():
            return {side.name for side in (condition.left, condition.right) if isinstance(side, Variable)}
        case Not():
            return variables(condition.part)
        case Joined():
            return set().union(*(variables(part) for part in condition.parts))


def check(condition: Condition, types: Mapping[str, Type]) -> None:
    """Raise `ConditionRefused` where a variable is not declared or a comparison mixes types."""
    match condition:
        case Not():
            check(condition.part, types)
        case Joined():
            for part in condition.parts:
                check(part, types)
        case Comparison():
            _check_comparison(condition, types)


def evaluate(condition: Condition, values: Mapping[str, Value]) -> bool:
    """Decide a condition; raises `Undecided` if any of its variables has no value, whatever the others say."""
    missing = sorted(variables(condition) - values.keys())
    if missing:
        raise Undecided(", ".join(f"${name}" for name in missing))
    return _holds(condition, values)


def _holds(condition: Condition, values: Mapping[str, Value]) -> bool:
    match condition:
        case Not():
            return not _holds(condition.part, values)
        case Joined():
            results = [_holds(part, values) for part in condition.parts]
            return all(results) if condition.word == "AND" else any(results)
        case Comparison():
            return _compare(_value(condition.left, values), condition.sign, _value(condition.right, values))


def _value(operand: Operand, values: Mapping[str, Value]) -> object:
    return values[operand.name] if isinstance(operand, Variable) else operand.value


def _compare(left: object, sign: str, right: object) -> bool:
    if sign == "IN":
        return isinstance(right, tuple | list) and left in right
    if sign in _ORDERED:
        if not (type(left) is int and type(right) is int):
            raise Undecided("an order of what is no number")
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign]
    # True is 1 in Python, and must not be here.
    same = type(left) is type(right) and left == right
    return same if sign == "=" else not same


def _check_comparison(found: Comparison, types: Mapping[str, Type]) -> None:
    left, right = _type(found.left, types), _type(found.right, types)
    if found.sign == "IN":
        if left not in ("text", "integer") or right != "set":
            raise ConditionRefused("IN asks whether a text is in a set")
        return
    if "set" in (left, right):
        raise ConditionRefused("a set is asked with IN")
    if left != right:
        raise ConditionRefused(f"{left} is compared with {right}")
    if found.sign in _ORDERED and left != "integer":
        raise ConditionRefused(f"{found.sign} orders integers, not {left}")


def _type(operand: Operand, types: Mapping[str, Type]) -> str:
    if isinstance(operand, Variable):
        declared = types.get(operand.name)
        if declared is None:
            raise ConditionRefused(f"the variable ${operand.name} is not declared")
        return {Type.ADDRESSES: "set", Type.ACCOUNT: "text"}.get(declared, declared.value)
    match operand.value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case str():
            return "text"
        case tuple():
            return "set"


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise ConditionRefused(f"{text[place:].strip()[:20]!r} is not understood")
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    def peek(self) -> str | None:
        return self._tokens[self._place][1] if self._place < len(self._tokens) else None

    def either(self, depth: int) -> Condition:
        return self._joined("OR", depth, self._both)

    def _both(self, depth: int) -> Condition:
        return self._joined("AND", depth, self._one)

    def _joined(self, word: str, depth: int, below: _Below) -> Condition:
        parts = [below(depth)]
        while self._takes(word):
            parts.append(below(depth))
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _one(self, depth: int) -> Condition:
        if depth > DEPTH_MAX:
            raise ConditionRefused(f"brackets go deeper than {DEPTH_MAX}")
        if self._takes("NOT"):
            return Not(self._one(depth + 1))
        if self._takes("("):
            found = self.either(depth + 1)
            if not self._takes(")"):
                raise ConditionRefused("a bracket is not closed")
            return found
        left = self._operand()
        kind, sign = self._next()
        if kind != "sign" and sign != "IN":
            raise ConditionRefused(f"a comparison is expected, not {sign!r}")
        return Comparison(left, sign, self._operand())

    def _operand(self) -> Operand:
        kind, text = self._next()
        match kind:
            case "variable":
                return Variable(text[1:])
            case "text":
                return Literal(text[1:-1])
            case "number":
                return Literal(int(text))
            case "word" if text in ("true", "false"):
                return Literal(text == "true")
            case "mark" if text == "{":
                return Literal(self._set())
            case _:
                raise ConditionRefused(f"a variable or a literal is expected, not {text!r}")

    def _set(self) -> tuple[str, ...]:
        found: list[str] = []
        while True:
            kind, text = self._next()
            if kind != "text":
                raise ConditionRefused("a set holds texts")
            found.append(text[1:-1])
            if self._takes("}"):
                return tuple(found)
            if not self._takes(","):
                raise ConditionRefused("a set is not closed")

    def _takes(self, text: str) -> bool:
        if self.peek() == text:
            self._place += 1
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            raise ConditionRefused("the condition ends too early")
        self._place += 1
        return self._tokens[self._place - 1]
