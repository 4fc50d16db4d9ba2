"""The locks: complete, pinned, hashed, without an address, under licences that are allowed."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import ROOT

RUN, TEST = "requirements.lock", "tests/requirements.lock"
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+?)(?: ; (.+?))?(?: \\)?$")
# It brings the one file of htmx; the framework it asks for is imported by nothing.
LEFT_OUT = {("django-htmx", "django"), ("django-htmx", "asgiref")}


def pins(lock: str) -> dict[str, str]:
    found = {}
    for line in (ROOT / lock).read_text("utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            match = PIN.match(line)
            assert match, f"{lock}: {line} is not one exact pin"
            found[match.group(1)] = match.group(2)
    return found


@pytest.mark.parametrize("lock", [RUN, TEST])
def test_every_pin_is_hashed_and_no_address_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-{1,2}(?:index|extra-index|find-links|i\b|f\b)", text, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    assert [block.split("\n", 1)[0] for block in blocks if block.strip() and "--hash=sha256:" not in block] == []


def test_the_tests_lock_holds_all_that_runs_with_equal_pins() -> None:
    run, test = pins(RUN), pins(TEST)
    assert {name: test.get(name) for name in run} == run


@pytest.mark.parametrize(("asked", "lock"), [("pyproject.toml", RUN), ("tests/requirements.in", TEST)])
def test_direct_dependencies_are_locked_and_satisfied(asked: str, lock: str) -> None:
    text = (ROOT / asked).read_text("utf-8")
    if asked.endswith(".toml"):
        lines = tomllib.loads(text)["project"]["dependencies"]
    else:
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    have = pins(lock)
    for line in lines:
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        assert name in have, f"{name} is not locked"
        assert wanted.specifier.contains(have[name]), f"{name} {have[name]} does not satisfy {line}"


def test_what_is_locked_asks_for_nothing_that_is_not() -> None:
    have, missing = pins(TEST), []
    for name in have:
        try:
            asked = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for line in asked:
            wanted = Requirement(line)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
                continue
            needed = canonicalize_name(wanted.name)
            if needed not in have and (name, needed) not in LEFT_OUT:
                missing.append(f"{name} asks for {needed}")
    assert missing == []


def test_licences_are_allowed() -> None:
    allowed = set((ROOT / "deploy/licences.txt").read_text("utf-8").splitlines())
    wrong = []
    for name in pins(TEST):
        try:
            found = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        stated = found.get("License-Expression")
        parts = re.split(r" AND | OR ", stated) if stated else _classified(found)
        if not parts or not set(parts) <= allowed:
            if any(line.startswith(f"{name}: ") for line in allowed):
                continue
            wrong.append(f"{name}: {parts}")
    assert wrong == []


def _classified(found: metadata.PackageMetadata) -> list[str]:
    lines = [line for line in found.get_all("Classifier") or [] if line.startswith("License ::")]
    return [line.split("::")[-1].strip() for line in lines] or [found.get("License") or "none stated"]
