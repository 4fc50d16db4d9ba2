"""What is taken for a card number, and what must stay letter for letter."""

from __future__ import annotations

import pytest

from app.kernel import classify


@pytest.mark.parametrize(
    "text",
    [
        "4027183055214006",
        "4027 1830 5521 4006",
        "4027-1830-5521-4006",
        "pay to PAN4027183055214006, please",
        "in room 12 4027 1830 5521 4006 1",
        "3782 822463 10005",
        "378282246310005",
    ],
)
def test_a_card_number_is_found_and_masked(text: str) -> None:
    masked, hits = classify.redact(text)
    assert [hit.kind for hit in hits] == ["card_number"]
    assert "4006" not in masked
    assert "0005" not in masked


@pytest.mark.parametrize(
    "text",
    [
        "1795600000008",
        "40271830-5521-4006-ab1e-6f0d2c7a51ee",
        "DE89 3704 0044 0532 0130 00",
        "DE89370400440532013000",
        "GB29 NWBK 6016 1331 9268 19",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "trf_4027183055214006f1c29be0",
        "4027183055214007",
        "4444444444444444",
    ],
)
def test_an_id_a_digest_an_account_or_a_time_stays_letter_for_letter(text: str) -> None:
    assert classify.redact(text) == (text, [])
