"""Conditions: a small grammar, typed, in which a variable without a value is never silently false."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.engine import conditions
from playbooks.engine.conditions import ConditionRefused, Undecided
from playbooks.form import Type

VALUES = {"n": 3, "yes": True, "no": False, "word": "mine", "many": ["198.19.1.2", "198.19.1.3"]}


def decide(text: str, **values) -> bool:
    return conditions.evaluate(conditions.parse(text), VALUES | values)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$n = 3", True),
        ("$n != 3", False),
        ("$n < 3", False),
        ("$n <= 3", True),
        ("$n > 2", True),
        ("$n >= 4", False),
        ("3 = $n", True),
        ("$yes = true", True),
        ("$yes = false", False),
        ("NOT $yes = true", False),
        ("NOT NOT $yes = true", True),
        ("$word = 'mine'", True),
        ("$word = 'MINE'", False),
        ("$word IN {'mine', 'silent'}", True),
        ("$word IN {'silent'}", False),
        ("'198.19.1.2' IN $many", True),
        ("'198.19.1.9' IN $many", False),
        ("$no = true OR $yes = true AND $n = 3", True),
        ("($no = true OR $yes = true) AND $n = 4", False),
        ("$yes = true OR $yes = true AND $n = 4", True),  # AND binds closer
        ("NOT ($n = 3 AND $yes = true)", False),
        ("$n=3", True),
        ("$n = -3", False),
        ("$yes = 1", False),  # true is no number
    ],
)
def test_what_a_condition_decides(text: str, result: bool) -> None:
    assert decide(text) is result


@pytest.mark.parametrize("text", ["$gone = 1", "$n = 3 OR $gone = 1", "$n = 4 AND $gone = 1", "NOT $gone = 1"])
def test_a_variable_without_a_value_decides_nothing(text: str) -> None:
    with pytest.raises(Undecided, match=r"\$gone"):
        decide(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$n",
        "$n =",
        "= 3",
        "$n = 3 $n = 3",
        "$n = 3 AND",
        "($n = 3",
        "$n = 3)",
        "$n == 3",
        "$n = 3.5",
        "$n = 'open",
        "n = 3",
        "$n IN {",
        "$n IN {'a' 'b'}",
        "$n IN {1}",
        "$n in {'a'}",
        "$n = 3 and $n = 3",
        "$N = 3",
        "__import__('os')",
        "(" * 30 + "$n = 3" + ")" * 30,
        "$n = 3 OR " * 60 + "$n = 3",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ConditionRefused):
        conditions.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    with contextlib.suppress(ConditionRefused):
        conditions.parse(text)


@given(st.lists(st.sampled_from(["$n = 3", "$yes = false", "$word = 'mine'"]), min_size=1, max_size=6), st.data())
def test_joining_means_what_python_means(parts: list[str], data: st.DataObject) -> None:
    words = [data.draw(st.sampled_from(["AND", "OR"])) for _ in parts[1:]]
    text = parts[0] + "".join(f" {word} {part}" for word, part in zip(words, parts[1:], strict=True))
    truth = {"$n = 3": "True", "$yes = false": "False", "$word = 'mine'": "True"}
    said = truth[parts[0]] + "".join(
        f" {word.lower()} {truth[part]}" for word, part in zip(words, parts[1:], strict=True)
    )
    expected = any(all(one == "True" for one in group.split(" and ")) for group in said.split(" or "))
    assert decide(text) is expected


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("$n = 3", True),
        ("$n = 'three'", False),
        ("$n = true", False),
        ("$word < 'b'", False),
        ("$word IN {'a'}", True),
        ("$word IN 'a'", False),
        ("$many = 'a'", False),
        ("'a' IN $many", True),
        ("$yes IN $many", False),
        ("$other = 1", False),
    ],
)
def test_types_are_checked_before_anything_runs(text: str, is_right: bool) -> None:
    types = {"n": Type.INTEGER, "yes": Type.BOOLEAN, "word": Type.TEXT, "many": Type.ADDRESSES}
    if is_right:
        conditions.check(conditions.parse(text), types)
    else:
        with pytest.raises(ConditionRefused):
            conditions.check(conditions.parse(text), types)
