"""What a block of an address shuts out: the client behind it, not one of the addresses it can change to."""

from __future__ import annotations

from typing import NoReturn

import pytest

from app.gateway.networks import Blocked, BlockNetwork
from app.gateway.proxies import TrustedProxies
from app.kernel.access import ActorKind, service
from app.kernel.clock import SystemClock
from app.kernel.containment import ContainmentRefused
from app.kernel.db import DatabaseBusy
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
        ("fe80::7%eth0", "fe80::7/128", 1),
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


@pytest.mark.parametrize(
    "addresses",
    ["::1", "127.0.0.1", "::1/128", "127.0.0.0/24", "::/64", "::/48", "::/127", "::fffe:0:0/95", "::ffff:127.0.0.1"],
)
def test_this_machine_is_never_blocked(installation: Installation, addresses: str) -> None:
    block = installation.system.response.containments["network.block"]
    ctx = installation.system.context(somebody(ActorKind.STAFF, "acc_carla"))
    with installation.system.db.read() as session, pytest.raises(ContainmentRefused):
        block.preview(session, {"addresses": addresses, "hours": "1"}, ctx)


@pytest.mark.parametrize("address", ["10.0.0.5", "::ffff:10.0.0.5", "10.0.0.0/24", "2001:db8:5:6::9"])
def test_no_proxy_of_ours_is_blocked(installation: Installation, address: str) -> None:
    block = BlockNetwork(TrustedProxies(("10.0.0.4/30", "2001:db8:5:6::1")))
    ctx = installation.system.context(somebody(ActorKind.STAFF, "acc_carla"))
    with installation.system.db.read() as session, pytest.raises(ContainmentRefused):
        block.preview(session, {"addresses": address, "hours": "1"}, ctx)


@pytest.mark.parametrize("named", ["::ffff:10.0.0.1", "::ffff:10.0.0.0/120", "10.0.0.1"])
def test_a_proxy_is_trusted_in_whatever_form_it_is_named(installation: Installation, named: str) -> None:
    proxies = TrustedProxies((named,))
    assert proxies.establish({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "198.51.100.9"}) == "198.51.100.9"
    ctx = installation.system.context(somebody(ActorKind.STAFF, "acc_carla"))
    with installation.system.db.read() as session, pytest.raises(ContainmentRefused):
        BlockNetwork(proxies).preview(session, {"addresses": "10.0.0.1", "hours": "1"}, ctx)


def test_an_address_beside_all_of_ipv4_blocks_itself_alone(installation: Installation) -> None:
    system = installation.system
    block = system.response.containments["network.block"]
    with system.db.begin() as session:
        block.run(session, {"addresses": "::2,::203.0.113.9"}, "k1", system.context(service("playbooks")))
    blocked = Blocked(system.db, system.clock)
    assert "::2" in blocked
    assert not [one for one in ("127.0.0.1", "::1", "203.0.113.9", "::3") if one in blocked]


@pytest.mark.parametrize(("header", "client"), [("fe80::1%eth0", "fe80::1"), ("fe80::1%25" + "x" * 400, "fe80::1")])
def test_a_zone_of_another_machine_is_no_part_of_an_address(header: str, client: str) -> None:
    environ = {"REMOTE_ADDR": "10.0.0.5", "HTTP_X_FORWARDED_FOR": header}
    assert TrustedProxies(("10.0.0.0/24",)).establish(environ) == client


class Away:
    """A database that cannot be reached."""

    def __init__(self) -> None:
        self.asked = 0

    def read(self) -> NoReturn:
        self.asked += 1
        raise DatabaseBusy


def test_requests_behind_one_that_found_no_database_do_not_ask_it_too() -> None:
    db = Away()
    blocked = Blocked(db, SystemClock())
    for _ in range(10):
        with pytest.raises(DatabaseBusy):
            assert "198.51.100.7" in blocked
    assert db.asked == 1
