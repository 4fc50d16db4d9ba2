"""What one client has at hand: the widths that rules, counters, folding and blocks share."""

from __future__ import annotations

import ipaddress

import pytest

from app.kernel.networks import client_of, count_clients, nearby_of, network_of


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
        ("fe80::1%eth0", "fe80::1"),
        ("no address", "no address"),
    ],
)
def test_a_client_is_the_network_it_can_change_to(ip: str, client: str) -> None:
    assert client_of(ip) == client


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("198.18.7.9", "198.18.7.0/24"),
        ("::ffff:198.18.7.9", "198.18.7.0/24"),
        ("2001:db8:7:9:ffff::2", "2001:db8:7::/56"),
        ("64:ff9b::198.18.7.9", "64:ff9b::c612:709/128"),
        ("::1", "::1/128"),
        ("fe80::1%eth0", "fe80::1/128"),
        ("no address", "no address"),
    ],
)
def test_near_a_client_is_what_one_household_or_house_has(ip: str, network: str) -> None:
    assert nearby_of(ip) == network


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::ffff:10.0.0.0/120", "10.0.0.0/24"),
        (" fe80::1%eth0 ", "fe80::1/128"),
        ("2001:0db8::/48", "2001:db8::/48"),
    ],
)
def test_a_network_has_one_form(text: str, network: str) -> None:
    assert str(network_of(text)) == network


@pytest.mark.parametrize("text", ["10.0.0.1/8", "ten", "", "%eth0", "::1/129"])
def test_what_is_no_network_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|netmask|address|Invalid|Only|host bits"):
        network_of(text)


def test_clients_are_counted_once_each() -> None:
    named = ["198.18.7.0/30", "198.18.7.1", "2001:db8:7:8::/63", "2001:db8:7:9::5", "::ffff:198.18.7.9"]
    assert count_clients(map(ipaddress.ip_network, named)) == 4 + 2 + 1
