"""Networks by the clients in them: an IPv4 address is one, and so is the /64 that whoever has an IPv6 address has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

CLIENT_PREFIX: Final = 64
MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
# Where a client is given a whole /64. Elsewhere an address stands for itself: the /64 of ::1 holds all of IPv4, that of
# a translator (64:ff9b::/96) everybody behind it.
_GIVEN_OUT: Final = (ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("fc00::/7"))
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def of_client(network: Network) -> Network:
    """Return what a network stands for: IPv4 where it is mapped, and at least the /64 that one client of IPv6 has."""
    if isinstance(network, ipaddress.IPv4Network):
        return network
    if network.subnet_of(MAPPED):
        four = ipaddress.IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        return ipaddress.IPv4Network((four, network.prefixlen - MAPPED.prefixlen))
    if network.prefixlen > CLIENT_PREFIX and any(network.subnet_of(given) for given in _GIVEN_OUT):
        return network.supernet(new_prefix=CLIENT_PREFIX)
    return network


@lru_cache(maxsize=4_096)
def client_of(ip: str) -> str:
    """Return what the client at an address has at hand, as text: an address, or of IPv6 its network.

    What is no address is returned as it is.
    """
    try:
        found = of_client(ipaddress.ip_network(ip))
    except ValueError:
        return ip
    return str(found.network_address if found.prefixlen == found.max_prefixlen else found)


def count_clients(networks: Iterable[Network]) -> int:
    """Count the clients in networks, those that lie in several of them once."""
    found = {of_client(network) for network in networks}
    four = ipaddress.collapse_addresses(n for n in found if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in found if isinstance(n, ipaddress.IPv6Network))
    return sum(n.num_addresses for n in four) + sum(1 << max(0, CLIENT_PREFIX - n.prefixlen) for n in six)
