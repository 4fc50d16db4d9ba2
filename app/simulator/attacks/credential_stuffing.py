"""Credential stuffing (ATT&CK T1110.004): a stolen list is tried from many addresses; one entry is right.

What a defender can see: bursts of refused sign-ins, each from one address, to many accounts; at one address a sign-in
that succeeds at once after its tenth refusal; the same account entered again from elsewhere, a new factor, an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.simulator.customers import Life
from app.simulator.intents import Enrol, Look, Pay, SignIn, Wish
from app.simulator.streams import Stream
from app.simulator.world import AGENTS, Person

ADDRESSES: Final = 16
TRIES: Final = 15
AT_A_TIME: Final = 2
HIT_ADDRESS: Final = 4
HIT_AFTER: Final = 10
PACE_SECONDS: Final = (0.9, 1.7)
LOOKS_MAX: Final = 40
_NAMES: Final = (
    "alex",
    "kim",
    "sam",
    "maria",
    "jo",
    "lee",
    "dana",
    "noor",
    "max",
    "tina",
    "omar",
    "eva",
    "ivan",
    "lin",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One run of this kind: who is taken, by whom, from where."""

    key: str
    sources: tuple[str, ...]
    hideout: str
    victim: Person
    mule: str
    lives: tuple[Life, ...]


def plan(stream: Stream, key: str, start: datetime, victim: Person, mule: str) -> Campaign:
    """Return the campaign: two addresses at a time, fifteen tries each, the victim's password at the fifth address."""
    block = stream.whole(64, 120)
    # Each address in a network of its own, as rented ones are.
    sources = tuple(f"198.19.{block + n}.{stream.whole(2, 250)}" for n in range(ADDRESSES))
    hideout = f"198.19.{block + ADDRESSES + 1}.{stream.whole(2, 250)}"
    lives = []
    begins = [start + timedelta(seconds=stream.between(0, 2)) for _ in range(AT_A_TIME)]
    for n, ip in enumerate(sources):
        own = Stream(int(stream.uniform() * 2**40), key, n)
        lane = n % AT_A_TIME
        hit = victim if n == HIT_ADDRESS else None
        lives.append(_source(own, f"{key}-source-{n:02d}", ip, begins[lane], hit, hideout, mule))
        begins[lane] += timedelta(seconds=TRIES * sum(PACE_SECONDS) / 2)
    return Campaign(key=key, sources=sources, hideout=hideout, victim=victim, mule=mule, lives=tuple(lives))


def _source(stream: Stream, actor: str, ip: str, at: datetime, victim: Person | None, hideout: str, mule: str) -> Life:
    agent = stream.one_of(AGENTS)
    # Where the entry is, the list has two passwords for each of few accounts: ten refusals are a burst there, and no
    # spray, which would have closed the address before.
    few = [_address(stream) for _ in range(HIT_AFTER // 2)] if victim is not None else []
    for n in range(TRIES):
        before = at
        at += timedelta(seconds=stream.between(*PACE_SECONDS))
        if victim is not None and n == HIT_AFTER:
            # The right entry of the list, as soon as the tenth refusal is there: before anybody can answer the burst.
            hit_at = before + timedelta(milliseconds=1)
            outcome = yield _try(actor, "hit", hit_at, ip, agent, victim.address, victim.password)
            if outcome.ok:
                yield from _inside(stream, actor, hit_at, agent, victim, hideout, mule)
                return
        address = few[n % len(few)] if few and n < HIT_AFTER else _address(stream)
        outcome = yield _try(
            actor, f"try-{n}", at, ip, agent, address, f"{stream.one_of(_NAMES)}{stream.whole(1960, 2012)}"
        )
        if outcome.code == "network_refused":
            return


def _address(stream: Stream) -> str:
    return f"{stream.one_of(_NAMES)}{stream.whole(1, 9999)}@onepay.example"


def _inside(stream: Stream, actor: str, at: datetime, agent: str, victim: Person, hideout: str, mule: str) -> Life:
    """Look at the loot until thrown out; come back from another address, add a factor of one's own, take it all."""
    for n in range(LOOKS_MAX):
        at += timedelta(seconds=1.5)
        looked = yield Look(at=at, actor=actor, key=f"look-{n}", path="/wallet")
        if not looked.ok:
            break
    at += timedelta(seconds=stream.between(4, 8))
    back = yield _try(actor, "back", at, hideout, agent, victim.address, victim.password)
    if not back.ok:
        return
    at += timedelta(seconds=stream.between(3, 6))
    made = yield Enrol(at=at, actor=actor, key="own-factor")
    if not made.ok:
        return
    at += timedelta(seconds=stream.between(3, 6))
    yield Pay(at=at, actor=actor, key="loot", payee=mule, minor=int(victim.wage_minor * 0.85), note="")


def _try(actor: str, key: str, at: datetime, ip: str, agent: str, address: str, password: str) -> Wish:
    return SignIn(at=at, actor=actor, key=key, address=address, password=password, ip=ip, agent=agent)


def victims_of(people: Sequence[Person]) -> Sequence[Person]:
    """Return whom this kind can take: people by password alone."""
    return [person for person in people if not person.has_factor]
