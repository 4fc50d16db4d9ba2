"""What one client has at hand: the widths that rules, counters, folding and blocks share."""

from __future__ import annotations

import ipaddress

import pytest

from app.kernel.networks import client_of, count_clients


@pytest.mark.parametrize(
    ("ip", "client"),
    [
        ("198.18.7.9", "198.18.7.9"),
        ("2001:db8:7:9:ffff::2", "2001:db8:7:9::/64"),
        ("2001:0DB8:7:9::1", "2001:db8:7:9::/64"),
        ("fd00:1:2:3::4", "fd00:1:2:3::/64"),
        ("::ffff:198.18.7.9", "198.18.7.9"),
        ("::1", "::1"),
        ("::2", "::2"),
        ("::198.18.7.9", "::c612:709"),
        ("64:ff9b::198.18.7.9", "64:ff9b::c612:709"),
        ("fe80::1", "fe80::1"),
        ("no address", "no address"),
    ],
)
def test_a_client_is_the_network_it_can_change_to(ip: str, client: str) -> None:
    assert client_of(ip) == client


def test_clients_are_counted_once_each() -> None:
    named = ["198.18.7.0/30", "198.18.7.1", "2001:db8:7:8::/63", "2001:db8:7:9::5", "::ffff:198.18.7.9"]
    assert count_clients(map(ipaddress.ip_network, named)) == 4 + 2 + 1
