"""Networks by the clients in them: an IPv4 address is one, and so is the /64 that whoever has an IPv6 address has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

CLIENT_PREFIX: Final = 64
_MAPPED_PREFIX: Final = 96
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def of_client(network: Network) -> Network:
    """Return what a network stands for: whoever has one IPv6 address has all of its /64 to change to."""
    if network.version == 4 or network.prefixlen <= CLIENT_PREFIX or network.is_loopback:
        return network
    mapped = network.network_address.ipv4_mapped
    if mapped is not None and network.prefixlen >= _MAPPED_PREFIX:
        return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_PREFIX))
    return network.supernet(new_prefix=CLIENT_PREFIX)


def count_clients(networks: Iterable[Network]) -> int:
    """Count the clients in networks, those that lie in several of them once."""
    found = {of_client(network) for network in networks}
    four = ipaddress.collapse_addresses(n for n in found if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in found if isinstance(n, ipaddress.IPv6Network))
    return sum(n.num_addresses for n in four) + sum(1 << max(0, CLIENT_PREFIX - n.prefixlen) for n in six)
