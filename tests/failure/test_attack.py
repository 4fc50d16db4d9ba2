"""The attack of the demonstration: at one address it gets in before anybody could have closed that address."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from app.simulator.attacks import credential_stuffing
from app.simulator.attacks.credential_stuffing import Campaign
from app.simulator.intents import Outcome, SignIn
from app.simulator.streams import Stream
from app.simulator.world import build
from detectors import catalog
from detectors.sigma.ast import Correlation

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def campaign(seed: int) -> Campaign:
    world = build(seed, "small", START)
    victim = credential_stuffing.victims_of(world.people)[0]
    return credential_stuffing.plan(Stream(seed, "attack"), "cmp-1", START, victim, "mule")


def tries(planned: Campaign, number: int) -> list[SignIn]:
    """Return what one address tries while everything but the right password is refused."""
    life, outcome, found = planned.lives[number], None, []
    while True:
        try:
            wish = next(life) if outcome is None else life.send(outcome)
        except StopIteration:
            return found
        if not isinstance(wish, SignIn) or wish.ip != planned.sources[number]:
            return found
        found.append(wish)
        outcome = Outcome(ok=wish.address == planned.victim.address, code="sign_in_failed")


@pytest.mark.parametrize("seed", range(5))
def test_the_entry_comes_with_the_burst_and_before_any_spray(seed: int) -> None:
    rules = {rule.slug: rule.outermost for rule in catalog.shipped()}
    spray, burst = rules["password_spray"], rules["login_burst_source"]
    assert isinstance(spray, Correlation)
    assert isinstance(burst, Correlation)

    *refused, entry = tries(campaign(seed), credential_stuffing.HIT_ADDRESS)
    assert len(refused) == burst.at_least
    assert entry.at - refused[-1].at < timedelta(milliseconds=50)
    per_account = Counter(wish.address for wish in refused)
    assert len(per_account) < spray.at_least
    assert max(per_account.values()) == 2  # far from the lock of an account


@pytest.mark.parametrize("number", [0, 9])
def test_every_other_address_tries_many_accounts_in_vain(number: int) -> None:
    planned = campaign(42)
    found = tries(planned, number)
    assert len({wish.address for wish in found}) == len(found) == credential_stuffing.TRIES
    assert planned.victim.address not in {wish.address for wish in found}
