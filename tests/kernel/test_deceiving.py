"""Texts read as what they are: nothing unseen, nothing that turns, and what people really write passes."""

from __future__ import annotations

import pytest

from app.kernel.deceiving import can_be_read, deceives

# Default_Ignorable_Code_Point of DerivedCoreProperties, with two more blanks: a note head and a pattern of no dots.
UNSEEN = [
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0, 0x2800, 0x1D159),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFF9),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
]


def test_what_nobody_sees_is_refused_alone_between_and_after_letters() -> None:
    passed = [
        hex(code)
        for code in UNSEEN
        for text in (chr(code) * 12, f"A{chr(code)}na", f"Ana{chr(code)}", f"{chr(code)}Ana")
        if not deceives(text, has_lines=True) or not deceives(text, is_name=True)
    ]
    assert passed == []


@pytest.mark.parametrize(
    "text",
    [
        "Zoë Müller-O’Brien",
        "Nguyễn Thị Minh",
        "Nguye\u0302\u0303n",
        "علی\u200cرضا",  # Persian: the letter before would join
        "می\u200cخواهم",
        "ශ\u0dca\u200dරී",  # Sinhala
        "ক\u09cd\u200cত",  # Bengali, beside a virama
        "র\u200d\u09cdয",
        "שָׁלוֹם",
        "東京 太郎",
    ],
)
def test_what_a_script_is_written_with_passes(text: str) -> None:
    assert not deceives(text)
    assert not deceives(text, is_name=True)
    assert can_be_read(text)


@pytest.mark.parametrize(
    "text",
    [
        "Thanks \u2764\ufe0f",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",  # a family
        "\U0001f469\U0001f3fd\u200d\U0001f680",  # an astronaut, with a tone of skin
        "\u2764\ufe0f\u200d\U0001f525",
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f642\u200d\u2194\ufe0f",
        "1\ufe0f\u20e3",
        "\u203c\ufe0f",
        "\U0001f1e9\U0001f1ea",
    ],
)
def test_emoji_pass_in_notes(text: str) -> None:
    assert not deceives(text)


@pytest.mark.parametrize(
    "text",
    [
        "\u2764\ufe0f\ufe0f",
        "1\ufe0f",
        "5+\ufe0f",
        "\U0001f469\u200d",
        "\u200d\U0001f469",
        "\U0001f469\u200d\u200d\U0001f467",
        "\U0001d159\ufe0f",
        "د\u200cا",  # these two would not join in any case
        "\u200c\u094d",
    ],
)
def test_a_joiner_or_selector_that_changes_nothing_is_refused(text: str) -> None:
    assert deceives(text)


def test_in_a_name_no_emoji_has_parts() -> None:
    assert deceives("Ana \u2764\ufe0f", is_name=True)
    assert not deceives("Ana \u2764", is_name=True)


def test_marks_are_at_most_three_in_a_row() -> None:
    assert not deceives("a" + "\u0301" * 3 + "b" + "\u0301" * 3)
    assert deceives("a" + "\u0301" * 4)
    assert deceives("a" + "\u0301" * 78)


def test_lines_pass_where_a_text_has_some() -> None:
    assert deceives("one\ntwo")
    assert not deceives("one\n\ttwo", has_lines=True)


@pytest.mark.parametrize("text", ["", "—— ——", "\U0001f469", "\u3164\u3164", "\u0301\u0301", "  "])
def test_a_text_without_letter_or_digit_cannot_be_read(text: str) -> None:
    assert not can_be_read(text)
