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
        "4027 1830 5521 4006 123",
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


@pytest.mark.parametrize(
    "text",
    [
        "٤١١١ ١١١١ ١١١١ ١١١١",
        "٤١١١١١١١١١١١١١١١",
        "४१११ ११११ ११११ ११११",
        "４１１１ １１１１ １１１１ １１１１",
        "4111 1111-1111 1111",
        "4111 - 1111 - 1111 - 1111",
        "4111,1111,1111,1111",
        "4111|1111|1111|1111",
        "4111\u22121111\u22121111\u22121111",
        "4111\u200b1111\u200b1111\u200b1111",
        "41 11 11 11 11 11 11 11",
        "card: 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1, thanks",
        "411111 1111 111111",
        "3782.822463.10005",
        "37 82 82 24 63 10 00 5",
        "4111\n1111\n1111\n1111",
        "in room 12, 4111/1111/1111/1111",
    ],
)
def test_a_card_number_is_read_in_whatever_digits_and_groups(text: str) -> None:
    assert classify.holds_card_number(text)


# Many of these would pass the check of a card number if their digits were read on as one.
@pytest.mark.parametrize(
    "text",
    [
        "20:41:11, 11:11:11, 11:11:11",
        "41:11:11 and 11:11:11 and 11:11",
        "51.05.10 to 10.51.05 and 10.01.00",
        "2026-11-02 09:00:00.003 2026-11-02",
        "+44 7911 123 4561",
        "call +49 151 1234 5672 or +41 79 123 45 67",
        "4,111.11 and 11,111.11 and 1,111.00",
        "411.111.111.111,11",
        "order 2026-000123-4411",
        "4111 1111 1111 1112",
        "4111 .... 1111 .... 1111 .... 1111",
        "DE89 3704 0044 0532 0130 00",
        "DE89.3704.0044.0532.0130.00",
        "AT61 1904 3002 3457 3201",
        "40271830-5521-4006-ab1e-6f0d2c7a51ee",
        "ab1e6f0d-4027-1830-5521-40060d2c7a51",
        "trf_4027183055214006f1c29be0",
        "0000 0000 0000 0000",
        "52.210.123.145:44321",
    ],
)
def test_what_people_write_in_digits_every_day_is_no_card_number(text: str) -> None:
    assert not classify.holds_card_number(text)
