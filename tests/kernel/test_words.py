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
        ("far too long " * 20, ReasonMissing),
    ],
)
def test_a_reason_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        words.reason(text, longest=200)


def test_a_reason_stands_on_one_line() -> None:
    assert words.reason("  left the\r\n company \n in spring ", longest=200) == "left the company in spring"


def test_a_text_keeps_its_lines() -> None:
    assert words.checked("first  line\r\nsecond line ", param="text") == "first line\nsecond line"


def test_what_is_shortened_passes_again() -> None:
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    for longest in range(12, 18):
        cut = words.shortened(f"a few words {family} more", longest)
        assert len(cut) <= longest
        assert words.checked(cut, param="text").startswith("a few words")
