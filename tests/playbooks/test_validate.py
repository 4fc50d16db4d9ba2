"""A broken playbook is refused by name, before anything runs; the shipped ones mean what they say."""

from __future__ import annotations

import re

import pytest

from app.kernel.documents import DocumentRefused
from detectors import catalog
from playbooks.engine import load, shipped, validate
from playbooks.engine.load import PlaybookRefused
from tests.playbooks.books import CHILD, LONG, book
from tests.playbooks.world import CONTRADICTIONS, containments

ASK = "{task: Look, role: analyst, within: 1h, form: {seen: boolean}, next: done}"
BROKEN = {
    "unreachable step": ("a: {task: Look, role: analyst, within: 1h, next: done}\nb: " + ASK, "step b: nothing leads"),
    "missing step": ("a: {task: Look, role: analyst, within: 1h, next: b}", "next goes to b, which does not exist"),
    "missing branch": ('a: {if: "$severity = 1", then: done}', "step a: a step of kind if needs else"),
    "unknown action": ("a: {do: world.stop, next: done, failed: done}", "no action 'world.stop'"),
    "no failure branch": (
        "a: {do: evidence.snapshot, next: done}",
        "an automatic step says where it goes when it fails",
    ),
    "undeclared variable": ('a: {if: "$mood = 1", then: done, else: done}', r"\$mood is not declared"),
    "undeclared parameter": (
        "a: {do: account.lock, with: {account: $mood}, next: done, failed: done}",
        r"\$mood is not declared",
    ),
    "loop": (
        "a: {task: Look, role: analyst, within: 1h, next: b}\nb: {task: Look, role: analyst, within: 1h, next: a}",
        "a loop without end",
    ),
    "loop of one": ("a: {task: Look, role: analyst, within: 1h, next: a}", "a loop without end"),
    "missing parameter": ("a: {do: account.lock, next: done, failed: done}", "the parameter account is missing"),
    "unknown parameter": (
        "a: {do: account.lock, with: {account: $account, why: x}, next: done, failed: done}",
        "no parameter why",
    ),
    "wrong type of parameter": (
        "a: {do: account.lock, with: {account: $severity}, next: done, failed: done}",
        r"account is account and \$severity is integer",
    ),
    "value out of bounds": (
        "a: {do: network.block, with: {addresses: $source_ips, hours: 99}, next: done, failed: done}",
        "A block lasts",
    ),
    "wrong types compared": (
        "a: {if: \"$severity = 'high'\", then: done, else: done}",
        "integer is compared with text",
    ),
    "order of words": ("a: {if: \"$account < 'b'\", then: done, else: done}", "orders integers"),
    "condition that is none": ('a: {if: "severity is high", then: done, else: done}', "is not understood"),
    "asked before it is answered": (
        'a: {if: "$seen = true", then: b, else: done}\nb: ' + ASK,
        r"\$seen may be without",
    ),
    "answered on one way alone": (
        'a: {if: "$severity = 1", then: b, else: c}\nb: '
        + ASK.replace("next: done", "next: c")
        + '\nc: {if: "$seen = true", then: done, else: done}',
        r"step c: \$seen may be without a value",
    ),
    "constant written": (
        "a: {task: Look, role: analyst, within: 1h, form: {severity: integer}, next: done}",
        r"\$severity is given and never changes",
    ),
    "two types": (
        "a: " + ASK.replace("next: done", "next: b") + "\nb: " + ASK.replace("boolean", "integer"),
        r"\$seen has two types",
    ),
    "unknown type": ("a: " + ASK.replace("boolean", "mood"), "unknown type mood"),
    "one choice twice": ("a: " + ASK.replace("boolean", "a|a"), "not different words"),
    "unknown key": ("a: " + ASK.replace("role:", "colour: red, role:"), "has no colour"),
    "two kinds": ("a: {do: evidence.snapshot, playbook: child, next: done}", "a step is one of"),
    "no kind": ("a: {next: done}", "a step is one of"),
    "unknown role": ("a: " + ASK.replace("analyst", "gardener"), "gardener is no role"),
    "no time": ("a: " + ASK.replace("within: 1h", "within: soon"), "no length of time"),
    "unknown playbook": ("a: {playbook: gardening, next: done}", "the playbook gardening does not exist"),
    "given what is no fact": ("a: {playbook: child, with: {mood: good}, next: done}", "no parameter mood"),
    "fact that is not asked": ("a: " + ASK.replace("next:", "facts: [cause], next:"), "does not ask for cause"),
    "fact of no incident": ("a: " + ASK.replace("next:", "facts: [seen], next:"), "seen is no fact"),
    "task of an own action": ("a: " + ASK.replace("next:", "does: evidence.snapshot, next:"), "no action of a person"),
    "task of an action on nobody": (
        "a: " + ASK.replace("next:", "does: account.lock, next:"),
        "the parameter account is missing",
    ),
    "task of an action on one and on any": (
        "a: " + ASK.replace("next:", "does: account.lock, with: {account: $account}, any: true, next:"),
        "not both",
    ),
    "task of an action on the wrong type": (
        "a: " + ASK.replace("next:", "does: account.lock, with: {account: $severity}, next:"),
        r"account is account and \$severity is integer",
    ),
    "task of no action on somebody": ("a: " + ASK.replace("next:", "any: true, next:"), "belong to the action"),
    "answer of no form that may be contradicted": (
        "a: " + ASK.replace("next:", "with: {account: $account}, contradicted_by: {no: seen}, next:"),
        "the form has no answer no",
    ),
    "other than no task": ("a: " + ASK.replace("next:", "other_than: b, next:"), "b is no other task"),
    "other than itself": ("a: " + ASK.replace("next:", "other_than: a, next:"), "a is no other task"),
    "unknown probe": (
        "a: "
        + ASK.replace("boolean", "yes|no").replace(
            "next:", "with: {account: $account}, contradicted_by: {no: seen}, next:"
        ),
        "there is no probe seen",
    ),
    "probe of nobody": (
        "a: " + ASK.replace("boolean", "yes|no").replace("next:", "contradicted_by: {no: seen}, next:"),
        "needs the account",
    ),
    "end with a step's name": ("done: " + ASK, "done is the built-in end"),
    "foreign act": ("a: {bash: rm -rf, next: done}", "a step is one of"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_playbook_is_refused_with_step_and_reason(name: str) -> None:
    steps, reason = BROKEN[name]
    with pytest.raises(PlaybookRefused, match=reason) as refused:
        validate.playbook(book(steps), {"probe", "child"})
    assert str(refused.value).startswith("probe")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("slug: probe\ntitle: P\nowner: analyst\nsteps: {}\n", "1 to 100 steps"),
        ("slug: probe\ntitle: P\nowner: analyst\nsteps: {a: 1}\n", "a step is a mapping"),
        ("slug: other\ntitle: P\nowner: analyst\nsteps: {a: {}}\n", "the file is named probe"),
        ("slug: probe\ntitle: P\nowner: analyst\nsteps: {a: {}}\nextra: 1\n", "nothing else"),
        ("- a list\n", "nothing else"),
    ],
)
def test_a_file_that_is_no_playbook_is_refused(text: str, reason: str) -> None:
    with pytest.raises(PlaybookRefused, match=reason):
        load.parse(text, "probe")


def test_a_step_that_stands_twice_is_refused_by_the_strict_reader() -> None:
    with pytest.raises(DocumentRefused, match="stands twice"):
        book(f"a: {ASK}\na: {ASK}")


def test_calls_that_go_round_are_refused() -> None:
    one = book("a: {playbook: two, next: done}", "one")
    two = book("a: {playbook: one, next: done}", "two")
    with pytest.raises(PlaybookRefused, match="calls go round"):
        validate.library({"one": one, "two": two})


@pytest.mark.parametrize(("deep", "stands"), [(5, True), (6, False)])
def test_calls_go_five_deep(deep: int, stands: bool) -> None:
    books = {f"b{n}": book(f"a: {{playbook: b{n + 1}, next: done}}", f"b{n}") for n in range(1, deep)}
    books[f"b{deep}"] = book(f"a: {ASK}", f"b{deep}")
    if stands:
        validate.library(books)
    else:
        with pytest.raises(PlaybookRefused, match="deeper than 5"):
            validate.library(books)


def test_a_broken_shipped_file_stops_the_start() -> None:
    with pytest.raises(PlaybookRefused):
        shipped.parts(containments(), library={"probe": book("a: {do: evidence.snapshot, next: done}")})


def test_the_shipped_library_is_whole_and_every_rule_names_a_playbook_of_it() -> None:
    library = load.folder()
    validate.library(library, CONTRADICTIONS)
    named = {"account_takeover", "control_failure", "credential_stuffing", "personal_data_breach", "record_integrity"}
    assert named <= set(library)
    assert validate.unnamed(library, {rule.playbook for rule in catalog.shipped()}) == set()
    assert validate.unnamed(library, set(library) - {"credential_stuffing"}) == {"credential_stuffing"}
    assert validate.unnamed(library, {*library, "gone"}) == {"gone"}


def test_every_shipped_playbook_begins_with_the_evidence_and_ends_with_cause_and_note() -> None:
    for one in load.folder().values():
        names = list(one.steps)
        assert names[0] == "snapshot"
        assert names[-2:] == ["cause", "closing"]


def test_the_words_of_the_library_are_plain() -> None:
    banned = re.compile(r"(?i)\b(just|simply|tamper-proof|military-grade)\b|https?://")
    for one in load.folder().values():
        assert banned.findall(one.source) == []


def test_the_playbook_of_the_crash_test_is_sound() -> None:
    validate.library({"probe": book(LONG), "child": book(CHILD, "child")})
