"""The population of a world, from its seed: invented people, their homes, devices, money and habits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from app.simulator.streams import Stream

CUSTOMERS: Final = {"small": 20, "empty": 0}
DAYS: Final = {"small": 7, "empty": 0}
FOUNDERS: Final = {"small": 4, "empty": 0}
"""Customers of the first hour: they live sparsely through the months before."""
PROLOGUE: Final = {"small": timedelta(days=176), "empty": timedelta(0)}
_CHROME: Final = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0"
_WEBKIT: Final = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 16; Pixel 9) {_CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) {_WEBKIT} Version/19.1 Safari/604.1",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 15_5) {_WEBKIT} Version/18.5 Safari/605.1.15",
)
_WORDS: Final = tuple(Path(__file__).with_name("words.txt").read_text("utf-8").split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An invented customer. Nobody is real: names are two nature words, addresses under `onepay.example`."""

    id: str
    name: str
    handle: str
    address: str
    password: str
    home_ip: str
    mobile_ip: str
    agents: tuple[str, ...]
    phase_hours: float
    activity: float
    wage_minor: int
    has_factor: bool
    typo_rate: float
    friends: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everybody, and the days they live."""

    seed: int
    size: str
    start: datetime
    days: int
    people: tuple[Person, ...]
    founders: tuple[Person, ...] = ()

    @property
    def dawn(self) -> datetime:
        """When the first customer could sign up."""
        return self.start - PROLOGUE[self.size]

    def person(self, id: str) -> Person:
        """Return a person by id."""
        return next(person for person in self.people if person.id == id)

    def stream(self, *names: str | int) -> Stream:
        """Return a stream of this world."""
        return Stream(self.seed, *names)


def build(seed: int, size: str, start: datetime) -> World:
    """Return the world of a seed and size."""
    count = CUSTOMERS[size]
    early = FOUNDERS[size]
    names = _names(Stream(seed, "names"), count + early)
    handles = [name.lower().replace(" ", "_")[:20] for name in names]
    people = tuple(_person(seed, n, names[n], handles[:count], count) for n in range(count))
    founders = tuple(
        replace(_person(seed, n, names[n], handles[count:], early, place=n - count), id=f"founder-{n - count:04d}")
        for n in range(count, count + early)
    )
    return World(seed=seed, size=size, start=start, days=DAYS[size], people=people, founders=founders)


def _person(seed: int, n: int, name: str, handles: list[str], count: int, place: int | None = None) -> Person:
    stream = Stream(seed, "person", n)
    place = n if place is None else place
    others = [handle for other, handle in enumerate(handles) if other != place]
    # Who never sends has no second factor: they were paid, and look at it now and then.
    has_factor = n % 5 != 4
    return Person(
        id=f"customer-{n:04d}",
        name=name,
        handle=handles[place],
        address=f"{handles[place].replace('_', '.')}@onepay.example",
        password=" ".join(stream.some_of(_WORDS, 5)),
        home_ip=f"198.18.{16 + n // 200}.{1 + n % 200}",
        mobile_ip=f"100.64.{stream.whole(0, 7)}.{stream.whole(1, 50)}",
        agents=tuple(stream.some_of(AGENTS, 1 + min(2, stream.poisson(0.7)))),
        phase_hours=stream.normal(0.0, 1.2),
        activity=stream.log_normal(1.0, 0.4),
        wage_minor=int(stream.log_normal(240_000, 0.25)),
        has_factor=has_factor,
        typo_rate=min(0.3, stream.exponential(0.05)),
        friends=tuple(stream.some_of(others, stream.whole(3, min(7, count - 1)) if count > 4 else count - 1)),
    )


def _names(stream: Stream, count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        first, second = stream.some_of(_WORDS, 2)
        found.setdefault(f"{first.capitalize()} {second.capitalize()}")
    return list(found)
