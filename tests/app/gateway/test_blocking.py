"""What a block of an address shuts out: the client behind it, not one of the addresses it can change to."""

from __future__ import annotations

import pytest

from app.kernel.access import ActorKind
from app.kernel.containment import ContainmentRefused
from tests.support.ground import somebody
from tests.support.installation import Installation


@pytest.mark.parametrize(
    ("addresses", "blocked", "clients"),
    [
        ("198.51.100.7", "198.51.100.7/32", 1),
        ("2001:db8:1:1::7", "2001:db8:1:1::/64", 1),
        ("2001:db8:1:1::7,2001:db8:1:1::8", "2001:db8:1:1::/64", 1),
        ("2001:db8:1::/56", "2001:db8:1::/56", 256),
        ("::ffff:198.51.100.7", "198.51.100.7/32", 1),
        ("203.0.113.0/24,203.0.113.7", "203.0.113.0/24, 203.0.113.7/32", 256),
        ("2001:db8::/48,198.51.100.7", "2001:db8::/48, 198.51.100.7/32", 65_537),
    ],
)
def test_a_block_is_of_a_client(installation: Installation, addresses: str, blocked: str, clients: int) -> None:
    block = installation.system.response.containments["network.block"]
    ctx = installation.system.context(somebody(ActorKind.STAFF, "acc_carla"))
    with installation.system.db.read() as session:
        shown = block.preview(session, {"addresses": addresses, "hours": "1"}, ctx)
    assert shown.lines[0] == f"Refuses every request from {blocked} for 1 h."
    assert shown.counts == {"addresses": clients}


@pytest.mark.parametrize("addresses", ["::1", "127.0.0.1", "::1/128"])
def test_this_machine_is_never_blocked(installation: Installation, addresses: str) -> None:
    block = installation.system.response.containments["network.block"]
    ctx = installation.system.context(somebody(ActorKind.STAFF, "acc_carla"))
    with installation.system.db.read() as session, pytest.raises(ContainmentRefused):
        block.preview(session, {"addresses": addresses, "hours": "1"}, ctx)
