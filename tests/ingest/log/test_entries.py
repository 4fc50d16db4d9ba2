"""The bytes of entries: canonical, and changed by every part."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest

from app.kernel import canonical
from app.kernel.clock import micros
from ingest.log import entries

AT = datetime(2026, 11, 2, 9, 0, 0, 123456, tzinfo=UTC)
PARTS = ("evt_01JD0000000000000000000001", "auth.login.failed", "security", AT, AT + timedelta(seconds=1), b"c" * 32)


def test_an_entry_is_canonical_json() -> None:
    expected = {
        "at": micros(AT),
        "body": b64encode(b"c" * 32).decode(),
        "class": "security",
        "id": "evt_01JD0000000000000000000001",
        "in": micros(AT) + 1_000_000,
        "kind": "auth.login.failed",
        "v": 1,
    }

    assert entries.entry_bytes(*PARTS) == canonical.encode(expected)


@pytest.mark.parametrize("changed", range(6))
def test_every_part_of_an_entry_changes_its_leaf(changed: int) -> None:
    other = ("evt_2", "auth.login.succeeded", "money", AT - timedelta(microseconds=1), AT, b"d" * 32)
    parts = [other[n] if n == changed else part for n, part in enumerate(PARTS)]

    assert entries.leaf_hash(entries.entry_bytes(*parts)) != entries.leaf_hash(entries.entry_bytes(*PARTS))


@pytest.mark.parametrize("id", ['evt_"', "evt_\\", "evt_\n", "evt_ü", "", "evt|x|y"])
def test_text_that_json_would_have_to_escape_is_no_entry(id: str) -> None:
    with pytest.raises(entries.NotPlain):
        entries.entry_bytes(id, *PARTS[1:])


def test_the_salt_hides_the_body() -> None:
    assert entries.commitment(b"1" * 16, b"body") != entries.commitment(b"2" * 16, b"body")
