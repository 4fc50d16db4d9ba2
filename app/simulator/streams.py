"""Named random streams and our own distributions, so that a world repeats on every version of Python.

Only `.random()` of the generator is used: Python promises that sequence, not those of other methods.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

from app.kernel import canonical, crypto

Item = TypeVar("Item")


class Stream:
    """One stream of draws; adding another stream elsewhere never changes it."""

    def __init__(self, seed: int, *names: str | int) -> None:
        key = int.from_bytes(crypto.sha256(canonical.encode([seed, *names])), "big")
        self.generator = random.Random(key)  # noqa: S311 - a seeded world, no secret

    def uniform(self) -> float:
        """Return a number in [0, 1)."""
        return self.generator.random()

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.uniform()

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return true with a probability."""
        return self.uniform() < probability

    def one_of(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[int(self.uniform() * len(items))]

    def some_of(self, items: Sequence[Item], count: int) -> list[Item]:
        """Return different items in a random order."""
        pool = list(items)
        return [pool.pop(int(self.uniform() * len(pool))) for _ in range(min(count, len(pool)))]

    def exponential(self, mean: float) -> float:
        """Return a waiting time with a mean."""
        return -mean * math.log(1.0 - self.uniform())

    def poisson(self, mean: float) -> int:
        """Return a count with a mean."""
        limit, product, count = math.exp(-mean), self.uniform(), 0
        while product > limit:
            product *= self.uniform()
            count += 1
        return count

    def normal(self, mean: float, deviation: float) -> float:
        """Return a normally distributed number (Box and Muller)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return mean + deviation * radius * math.cos(2.0 * math.pi * self.uniform())

    def log_normal(self, median: float, sigma: float) -> float:
        """Return a log-normally distributed number."""
        return median * math.exp(self.normal(0.0, sigma))
