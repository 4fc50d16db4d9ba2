"""What people write down holds no card number, no secret, and nothing that cannot be read."""

from __future__ import annotations

import pytest

from app.kernel import words
from app.kernel.errors import ReasonMissing
from app.kernel.words import NoText, SecretInText

CARD = "4111111111111111"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"card {CARD} was seen", SecretInText),
        ("card 4111.1111.1111.1111 was seen", SecretInText),
        ("card \uff14111 1111 1111 1111 was seen", SecretInText),
        ("their password=hunter2222", SecretInText),
        ("turned \u202e round by a mark", NoText),
        ("\u200d" * 12, NoText),
        ("\ufe0f" * 12, NoText),
        ("............", ReasonMissing),
        ("too short", ReasonMissing),
        ("a, b. c; d: e!", ReasonMissing),
        ("nine letters."[:9] + "." * 9, ReasonMissing),
        ("aaaaaaaaaaaa AAAA", ReasonMissing),
        ("7777777777", ReasonMissing),
        ("far too long " * 20, ReasonMissing),
    ],
)
def test_a_reason_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        words.reason(text, longest=200)


@pytest.mark.parametrize("text", ["as they asked", "ten letter", "2026-11-25 x9", "клиентпопросил"])
def test_ten_letters_or_digits_that_are_not_one_alone_are_a_reason(text: str) -> None:
    assert words.says_enough(text) == (text != "ten letter")


@pytest.mark.parametrize(("text", "shortest"), [("7", 1), ("DE", 2), ("aaa", 3)])
def test_what_may_be_shorter_than_a_reason_is_only_to_be_read(text: str, shortest: int) -> None:
    assert words.checked(text, param="name", shortest=shortest) == text


def test_a_reason_stands_on_one_line() -> None:
    assert words.reason("  left the\r\n company \n in spring ", longest=200) == "left the company in spring"


def test_a_text_keeps_its_lines() -> None:
    assert words.checked("first  line\r\nsecond line ", param="text") == "first line\nsecond line"


def test_what_is_shortened_passes_again() -> None:
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    for longest in range(12, 18):
        cut = words.shortened(f"a dozen words {family} more", longest)
        assert len(cut) <= longest
        assert words.checked(cut, param="text").startswith("a dozen word")
