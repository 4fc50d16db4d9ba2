"""The event loop: everybody's next wish in one heap, carried out in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from app.simulator.customers import Life
from app.simulator.intents import Outcome, Wish


class Driver(Protocol):
    """Carries wishes out and moves time; nobody writes an event, row or balance by hand."""

    def carry_out(self, intent: Wish) -> Outcome: ...

    def advance(self, to: datetime) -> None: ...


@dataclass(order=True, slots=True)
class _Next:
    at: datetime
    actor: str
    intent: Wish = field(compare=False)
    life: Life = field(compare=False)


@dataclass(slots=True)
class Counted:
    """What happened, by outcome."""

    intents: int = 0
    refused: int = 0


def run(
    lives: Iterable[Life],
    driver: Driver,
    *,
    until: datetime,
    progress: Callable[[datetime, int], None] = lambda at, done: None,
) -> Counted:
    """Carry out what all lives want until an instant; equal times go by the actor's id."""
    heap: list[_Next] = []
    counted = Counted()
    for life in lives:
        _push(heap, life, None)
    heapq.heapify(heap)
    while heap and heap[0].at < until:
        next_ = heapq.heappop(heap)
        driver.advance(next_.at)
        outcome = driver.carry_out(next_.intent)
        counted.intents += 1
        counted.refused += not outcome.ok
        progress(next_.at, counted.intents)
        _push(heap, next_.life, outcome)
    driver.advance(until)
    return counted


def _push(heap: list[_Next], life: Life, outcome: Outcome | None) -> None:
    try:
        intent = next(life) if outcome is None else life.send(outcome)
    except StopIteration:
        return
    heapq.heappush(heap, _Next(intent.at, intent.actor, intent, life))
