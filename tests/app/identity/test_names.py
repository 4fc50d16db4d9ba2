"""A name is what people see of somebody: it can be read, and no other name looks like it by unseen characters."""

from __future__ import annotations

import pytest

from app.identity.accounts import NameInvalid, checked_name


@pytest.mark.parametrize(
    "name",
    [
        "\u200d\ufe0f",
        "\u034f",
        "\U0001d159",
        "Ana\ufe0f",
        "Ana\U000e0100",
        "A\u200dna",
        "A" + "\u0301" * 78,
        "—",
        "\u2764\ufe0f",
    ],
)
def test_a_name_nobody_could_tell_is_refused(name: str) -> None:
    with pytest.raises(NameInvalid):
        checked_name(name)


@pytest.mark.parametrize("name", ["Ana", "علی\u200cرضا", "Zoë  Müller", "李 明"])
def test_names_of_people_pass(name: str) -> None:
    assert checked_name(name) == " ".join(name.split())
