"""The portable dialect: what it refuses, and that its three forms mean what Python means."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.store import regex
from ingest.store.regex import RegexRefused

STEADY = settings(derandomize=True, deadline=None, max_examples=300)
CLASSES = [r"\d", r"\w", r"\W", r"\s", "[a-c]", "[^a-c0]", "[]x]", "."]
PIECES = st.sampled_from(["a", "B", "0", "_", " ", r"\.", "é", r"\x41", r"\n", "-", *CLASSES])


def joined(parts: list[str]) -> str:
    return "".join(parts)


ATOMS = st.recursive(
    PIECES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(joined),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(PIECES, st.sampled_from(["?", "*", "+", "{2}", "{1,3}"])).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    ),
    max_leaves=6,
)
PATTERNS = st.tuples(st.sampled_from(["", "^"]), ATOMS, st.sampled_from(["", "$"])).map("".join)
TEXTS = st.text(alphabet="abcABCxk0_ .-é\n\u212a\U0001f600", max_size=8)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a+)+", "repeat without end"),
        ("(a*){3}", "repeat without end"),
        ("(?=a)", "look-around"),
        ("(?i)a", "look-around"),
        ("(?P<n>a)", "look-around"),
        (r"(a)\1", "not portable"),
        (r"\p{L}", "not portable"),
        (r"\Aa", "not portable"),
        ("a*?", "lazy"),
        ("a++", "lazy"),
        ("*a", "nothing to repeat"),
        ("a{,3}", "a repeat is written"),
        ("a{3,2}", "goes up"),
        ("a{1001}", "goes up"),
        ("(a{100}){100}", "come to more than"),
        ("^*", "an edge"),
        ("(a", "never closes"),
        ("a)", "never opened"),
        ("[a", "never closes"),
        ("[z-a]", "goes up"),
        ("[[:alpha:]]", "named classes"),
        (r"[\w-z]", None),
        ("a" * 501, "at most 500"),
        ("(" * 60 + "a" + ")" * 60, "deeper"),
        ("\\", "not portable"),
    ],
)
def test_what_is_not_portable_is_refused_with_its_place(pattern: str, reason: str | None) -> None:
    if reason is None:
        regex.parse(pattern)
        return
    with pytest.raises(RegexRefused, match=reason):
        regex.parse(pattern)


@STEADY
@given(PATTERNS, TEXTS)
@example("^a|b$", "xb")
@example("[^a]", "\n")
def test_a_pattern_finds_what_python_finds(pattern: str, text: str) -> None:
    # `$` of Python also stands before a last line feed, ours does not.
    theirs = re.compile(pattern.replace("$", r"\Z"), re.ASCII)
    assert bool(regex.searcher(pattern)(text)) == bool(theirs.search(text))


@STEADY
@given(PATTERNS, TEXTS)
def test_without_case_ascii_letters_alone_fold(pattern: str, text: str) -> None:
    theirs = re.compile(pattern.replace("$", r"\Z"), re.ASCII | re.IGNORECASE)
    assert bool(regex.searcher(pattern, cased=False)(text)) == bool(theirs.search(text))


@STEADY
@given(PATTERNS, TEXTS, st.booleans())
def test_re2_finds_the_same(pattern: str, text: str, cased: bool) -> None:
    written = regex.for_re2(regex.parse(pattern, cased=cased))
    (found,) = duckdb.execute("SELECT regexp_matches($text, $pattern)", {"text": text, "pattern": written}).fetchone()
    assert found == bool(regex.searcher(pattern, cased=cased)(text))


def test_lucene_knows_no_edges_within_a_pattern() -> None:
    assert regex.for_lucene(regex.parse(r"\bword\b")) is None
    assert regex.for_lucene(regex.parse("a(^b)")) is None
    assert regex.for_lucene(regex.parse("^a|b$")) == "a(.|\n)*|(.|\n)*b"
    assert regex.for_lucene(regex.parse("^[^\x00]{1,999}[^b]{1,9}" + "é" * 400, cased=False)) is not None
