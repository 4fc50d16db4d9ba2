"""The portable dialect of regular expressions: read once, written out for Python, RE2 and Lucene with one meaning.

Literals, `.`, classes, `\\d \\w \\s` and their opposites, groups, `|`, `* + ? {m,n}`, `^ $` and `\\b`. Classes are
ASCII, `.` is any character but a line feed, `^` and `$` are the ends of the text. No look-around, no back-reference,
no unbounded repeat inside another: what takes more than linear time anywhere is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from app.kernel.errors import Invalid

PATTERN_CHARS_MAX: Final = 500
REPEAT_MAX: Final = 1_000
DEPTH_MAX: Final = 50
LUCENE_CHARS_MAX: Final = 1_000
"""What an index takes by default (`index.max_regex_length`)."""
_TOP: Final = 0x10FFFF
_SURROGATES: Final = (0xD800, 0xDFFF)


class RegexRefused(Invalid):
    """The pattern is not of the portable dialect."""

    code = "regex_refused"


Ranges: TypeAlias = tuple[tuple[int, int], ...]
Node: TypeAlias = "Chars | Sequence | Choice | Repeat | Edge"


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of sorted, disjoint ranges."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One part or the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The part again and again; `most` is None without end."""

    part: Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Edge:
    """A place between characters: `start` or `end` of the text, or a `word` border (or its opposite, `inside`)."""

    kind: str


def _merged(ranges: list[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _inverse(ranges: Ranges) -> Ranges:
    gaps: list[tuple[int, int]] = []
    next_free = 0
    for low, high in ranges:
        if low > next_free:
            gaps.append((next_free, low - 1))
        next_free = high + 1
    if next_free <= _TOP:
        gaps.append((next_free, _TOP))
    return tuple(gaps)


_DIGIT: Final = ((0x30, 0x39),)
_WORD: Final = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: Final = ((0x09, 0x0D), (0x20, 0x20))
_CLASSES: Final[dict[str, Ranges]] = {
    "d": _DIGIT,
    "D": _inverse(_DIGIT),
    "w": _WORD,
    "W": _inverse(_WORD),
    "s": _SPACE,
    "S": _inverse(_SPACE),
}
_ESCAPES: Final = {"t": 0x09, "n": 0x0A, "r": 0x0D, "f": 0x0C, "v": 0x0B}
_LITERAL_ESCAPE: Final = frozenset("\\.^$|?*+()[]{}-/\"'#@&~<>=!:%, _`;")


@lru_cache(maxsize=4_096)
def parse(pattern: str, *, cased: bool = True) -> Node:
    """Read a pattern or raise `RegexRefused` with the place; `cased=False` lets ASCII letters stand for both cases."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise RegexRefused(f"a pattern has at most {PATTERN_CHARS_MAX} characters")
    reader = _Reader(pattern, cased)
    node = reader.choice(0)
    if reader.at < len(pattern):
        raise reader.refusal("a bracket closes that never opened")
    return node


@lru_cache(maxsize=4_096)
def searcher(pattern: str, *, cased: bool = True) -> Callable[[str], object]:
    """Return a function that finds the pattern somewhere in a text."""
    return re.compile(for_python(parse(pattern, cased=cased)), re.ASCII).search


def for_python(node: Node) -> str:
    """Write the pattern for Python's `re`."""
    return _written(node, {"start": r"\A", "end": r"\Z", "word": r"\b", "inside": r"\B"}, _python_char)


def for_re2(node: Node) -> str:
    """Write the pattern for RE2."""
    return _written(node, {"start": r"\A", "end": r"\z", "word": r"\b", "inside": r"\B"}, _re2_char)


def for_lucene(node: Node) -> str | None:
    """Write the pattern for Lucene, which matches whole texts and knows no edges; None where it cannot be said."""
    branches = node.parts if isinstance(node, Choice) else (node,)
    written = [_lucene_branch(branch) for branch in branches]
    if None in written:
        return None
    text = "|".join(branch for branch in written if branch is not None)
    return text if len(text) <= LUCENE_CHARS_MAX else None


_ANYTHING: Final = "(.|\n)*"


def _lucene_branch(branch: Node) -> str | None:
    parts = list(branch.parts) if isinstance(branch, Sequence) else [branch]
    starts = bool(parts) and parts[0] == Edge("start")
    ends = len(parts) > starts and parts[-1] == Edge("end")
    inner = Sequence(tuple(parts[int(starts) : len(parts) - int(ends)]))
    if _has_edge(inner):
        return None
    text = _inside(inner, {}, _lucene_char) or "()"
    return ("" if starts else _ANYTHING) + text + ("" if ends else _ANYTHING)


def _has_edge(node: Node) -> bool:
    match node:
        case Edge():
            return True
        case Sequence(parts) | Choice(parts):
            return any(_has_edge(part) for part in parts)
        case Repeat(part, _, _):
            return _has_edge(part)
        case Chars():
            return False


def _written(node: Node, edges: dict[str, str], char: Callable[[int], str]) -> str:
    match node:
        case Edge(kind):
            return edges[kind]
        case Chars(ranges):
            if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
                return char(ranges[0][0])
            whole = [(low, high) for low, high in ranges]
            return "[" + "".join(char(low) if low == high else f"{char(low)}-{char(high)}" for low, high in whole) + "]"
        case Sequence(parts):
            return "".join(_inside(part, edges, char) for part in parts)
        case Choice(parts):
            return "|".join(_written(part, edges, char) for part in parts)
        case Repeat(part, least, most):
            return _inside(part, edges, char, repeated=True) + _count(least, most)


def _inside(node: Node, edges: dict[str, str], char: Callable[[int], str], *, repeated: bool = False) -> str:
    text = _written(node, edges, char)
    grouped = isinstance(node, Choice) or (repeated and isinstance(node, Sequence | Repeat | Edge))
    return f"({text})" if grouped else text


def _count(least: int, most: int | None) -> str:
    known = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most))
    if known:
        return known
    return f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"


def _python_char(code: int) -> str:
    if code < 0x80:
        return chr(code) if chr(code).isalnum() else f"\\x{code:02x}"
    return f"\\U{code:08x}"


def _re2_char(code: int) -> str:
    return chr(code) if code < 0x80 and chr(code).isalnum() else f"\\x{{{code:x}}}"


def _lucene_char(code: int) -> str:
    char = chr(code)
    return char if char.isalnum() or code < 0x20 or code >= 0x7F else "\\" + char


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str, cased: bool) -> None:
        self.pattern = pattern
        self.cased = cased
        self.at = 0

    def refusal(self, reason: str) -> RegexRefused:
        return RegexRefused(f"{reason}, at character {self.at + 1} of the pattern")

    def choice(self, depth: int) -> Node:
        if depth > DEPTH_MAX:
            raise self.refusal(f"brackets deeper than {DEPTH_MAX}")
        parts = [self.sequence(depth)]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.sequence(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(self.atom(depth)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def atom(self, depth: int) -> Node:
        char = self.take()
        match char:
            case "(":
                if self.peek() == "?":
                    if self.pattern[self.at : self.at + 2] != "?:":
                        raise self.refusal("look-around, flags and named groups are not portable")
                    self.at += 2
                node = self.choice(depth + 1)
                if self.take() != ")":
                    raise self.refusal("a bracket never closes")
                return node
            case ".":
                return Chars(_inverse(((0x0A, 0x0A),)))
            case "^":
                return Edge("start")
            case "$":
                return Edge("end")
            case "[":
                return self.chars()
            case "\\":
                return self.escaped()
            case "*" | "+" | "?" | "{":
                self.at -= 1
                raise self.refusal("nothing to repeat")
            case _:
                return self.literal(ord(char))

    def repeated(self, node: Node) -> Node:
        least, most = 1, None
        match self.peek():
            case "*":
                least = 0
            case "+":
                pass
            case "?":
                least, most = 0, 1
            case "{":
                least, most = self.braces()
            case _:
                return node
        self.at += 1
        if self.peek() and self.peek() in "*+?{":
            raise self.refusal("lazy and possessive repeats are not portable")
        if isinstance(node, Edge):
            raise self.refusal("an edge cannot be repeated")
        if (most is None or most > 1) and _is_unbounded(node):
            raise self.refusal("a repeat without end lies inside another repeat")
        if max(least, most or 0) * _times(node) > REPEAT_MAX:
            raise self.refusal(f"repeats inside repeats come to more than {REPEAT_MAX}")
        return Repeat(node, least, most)

    def braces(self) -> tuple[int, int | None]:
        found = re.compile(r"\{([0-9]{1,4})(,([0-9]{1,4})?)?\}", re.ASCII).match(self.pattern, self.at)
        if not found:
            raise self.refusal("a repeat is written {2}, {2,} or {2,5}")
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else None
        if max(least, most or 0) > REPEAT_MAX or (most is not None and most < least) or most == 0:
            raise self.refusal(f"a repeat goes up from 1 to {REPEAT_MAX}")
        self.at = found.end() - 1
        return least, most

    def escaped(self) -> Node:
        char = self.take()
        if char in _CLASSES:
            return Chars(_CLASSES[char])
        if char in "bB" and char:
            return Edge("word" if char == "b" else "inside")
        return self.literal(self.escape_code(char))

    def escape_code(self, char: str) -> int:
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char == "x":
            digits = self.pattern[self.at : self.at + 2]
            if re.fullmatch("[0-9A-Fa-f]{2}", digits):
                self.at += 2
                return int(digits, 16)
        if char and char in _LITERAL_ESCAPE:
            return ord(char)
        raise self.refusal(f"\\{char} is not portable")

    def chars(self) -> Node:
        is_inverse = self.peek() == "^"
        self.at += int(is_inverse)
        ranges: list[tuple[int, int]] = []
        first = True
        while first or self.peek() != "]":
            first = False
            low = self.class_item()
            if not isinstance(low, int):
                ranges += low
                continue
            high: int | Ranges = low
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                high = self.class_item()
            if not isinstance(high, int) or high < low:
                raise self.refusal("a range of characters goes up")
            ranges.append((low, high))
        self.at += 1
        found = _merged(ranges if self.cased else [*ranges, *_other_case(ranges)])
        found = _inverse(found) if is_inverse else found
        if not found:
            raise self.refusal("a class of no characters")
        return Chars(found)

    def class_item(self) -> int | Ranges:
        char = self.take()
        if char == "":
            raise self.refusal("a class never closes")
        if char == "[" and self.peek() and self.peek() in ":.=":
            raise self.refusal("named classes are not portable")
        if char != "\\":
            return ord(char)
        escaped = self.take()
        if escaped in _CLASSES:
            return _CLASSES[escaped]
        return self.escape_code(escaped)

    def literal(self, code: int) -> Node:
        if _SURROGATES[0] <= code <= _SURROGATES[1]:
            raise self.refusal("a lone surrogate")
        one = [(code, code)]
        return Chars(_merged(one if self.cased else [*one, *_other_case(one)]))

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        char = self.peek()
        self.at += 1
        return char


def _other_case(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for low, high in ranges:
        for first, last, shift in ((0x41, 0x5A, 0x20), (0x61, 0x7A, -0x20)):
            if max(low, first) <= min(high, last):
                found.append((max(low, first) + shift, min(high, last) + shift))
    return found


def _is_unbounded(node: Node) -> bool:
    match node:
        case Repeat(part, _, most):
            return most is None or _is_unbounded(part)
        case Sequence(parts) | Choice(parts):
            return any(_is_unbounded(part) for part in parts)
        case Chars() | Edge():
            return False


def _times(node: Node) -> int:
    match node:
        case Repeat(part, least, most):
            return max(1, least, most or 0) * _times(part)
        case Sequence(parts) | Choice(parts):
            return max((_times(part) for part in parts), default=1)
        case Chars() | Edge():
            return 1
