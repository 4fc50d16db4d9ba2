"""The words on a transfer and the caller's own number."""

from __future__ import annotations

import pytest

from payments import notes
from payments.notes import CardNumberRefused, NoteInvalid, NoteTooLong, ReferenceInvalid


@pytest.mark.parametrize("note", ["", "Lunch 🍜", "x" * 140, "Rechnung 2026-11-02, 4111", "+49 30 901820"])
def test_ordinary_words_stand_as_they_are(note: str) -> None:
    assert notes.check(note) == note


def test_blanks_around_a_note_fall_away() -> None:
    assert notes.check("  Lunch ") == "Lunch"


@pytest.mark.parametrize(
    "note",
    [
        "4111111111111111",
        "card 4111 1111 1111 1111 thanks",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "４１１１１１１１１１１１１１１１",
    ],
)
def test_a_card_number_is_refused(note: str) -> None:
    with pytest.raises(CardNumberRefused) as refused:
        notes.check(note)
    assert "4111" not in str(refused.value)


def test_a_note_is_bounded() -> None:
    with pytest.raises(NoteTooLong):
        notes.check("x" * 141)


@pytest.mark.parametrize(
    "note", ["a\nb", "a\x00b", "pay\u202egnp", "a\ud800b", "a\u200bb", "a\u00adb", "a\u2028b", "a\u3164b", "a\u2060b"]
)
def test_what_cannot_be_shown_is_refused(note: str) -> None:
    with pytest.raises(NoteInvalid):
        notes.check(note)


@pytest.mark.parametrize("reference", ["", " ", "a" * 65, " a", "a ", "a\n", "größe"])
def test_a_reference_is_printable_and_bounded(reference: str) -> None:
    with pytest.raises(ReferenceInvalid):
        notes.check_reference(reference)


def test_references_of_all_lengths_go_through() -> None:
    for reference in ("a", "INV 2026/7", "x" * 64, None):
        notes.check_reference(reference)


def test_a_card_number_is_no_reference() -> None:
    with pytest.raises(CardNumberRefused):
        notes.check_reference("4111111111111111")
