"""A query with a mistake in it: the mistake is named, the rest is asked."""

from __future__ import annotations

import pytest

from dashboards import query_bar


@pytest.mark.parametrize(
    ("typed", "asked", "is_mistaken"),
    [
        ("", "", False),
        ("action:auth.*", "action:auth.*", False),
        ("subject: action:auth.*", "action:auth.*", True),
        ("nofield:1 -outcome:success", "-outcome:success", True),
        ("amount:>x", "", True),
        (" ".join(["action:a"] * 21), "", True),
        ("action:" + "a" * 1_001, "", True),
    ],
)
def test_what_can_be_read_is_asked(typed: str, asked: str, is_mistaken: bool) -> None:
    read = query_bar.forgive(typed)
    assert (read.text, read.mistake is not None) == (asked, is_mistaken)
    assert read.query == query_bar.read(asked)
