"""A sample by a seed: the same for everybody, without repeats, even, and as its rule says in other words."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from ingest.log.drawing import SampleInvalid, draw


def by_the_rule(seed: str, first: int, last: int, count: int) -> list[int]:
    """Draw as a reader of the rule would."""
    found: list[int] = []
    n = 0
    while len(found) < count:
        number = int(hashlib.sha256(seed.encode("utf-8") + b"\0" + n.to_bytes(8, "big")).hexdigest()[:16], 16)
        n += 1
        span = last - first + 1
        if number >= 2**64 - 2**64 % span:
            continue
        if (sequence := first + number % span) not in found:
            found.append(sequence)
    return found


@pytest.mark.parametrize(
    ("seed", "first", "last", "count"), [("audit 2026", 1, 1_000, 25), ("ü", 7, 7, 1), ("x", 10, 40, 31)]
)
def test_anybody_draws_the_same(seed: str, first: int, last: int, count: int) -> None:
    drawn = draw(seed, first, last, count)
    assert drawn == by_the_rule(seed, first, last, count) == draw(seed, first, last, count)
    assert len(set(drawn)) == count
    assert all(first <= sequence <= last for sequence in drawn)


def test_a_known_draw_stays_what_it_was() -> None:
    assert draw("audit 2026", 1, 1_000_000, 5) == [266616, 197619, 634440, 695238, 506288]
    assert draw("audit 2026", 1, 1_000_000, 3) == draw("audit 2026", 1, 1_000_000, 5)[:3]
    assert draw("audit 2027", 1, 1_000_000, 3) != draw("audit 2026", 1, 1_000_000, 3)


def test_every_sequence_is_as_likely() -> None:
    counted = Counter(sequence for n in range(3_000) for sequence in draw(f"seed {n}", 1, 10, 2))
    assert all(500 < counted[sequence] < 700 for sequence in range(1, 11))


@pytest.mark.parametrize(
    ("seed", "first", "last", "count"),
    [("", 1, 9, 1), ("x" * 201, 1, 9, 1), ("x", 1, 9, 0), ("x", 1, 9, 10), ("x", 5, 4, 1), ("x", 0, 4, 1)],
)
def test_what_cannot_be_drawn_is_refused(seed: str, first: int, last: int, count: int) -> None:
    with pytest.raises(SampleInvalid):
        draw(seed, first, last, count)
