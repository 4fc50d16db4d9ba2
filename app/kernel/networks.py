"""Networks by the clients in them: an IPv4 address is one, and so is the /64 that whoever has an IPv6 address has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

CLIENT_PREFIX: Final = 64
NEARBY_FOUR: Final = 24
NEARBY_SIX: Final = 56
MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
# Where a client is given a whole /64. Elsewhere an address stands for itself: the /64 of ::1 holds all of IPv4, that of
# a translator (64:ff9b::/96) everybody behind it.
_GIVEN_OUT: Final = (ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("fc00::/7"))
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_of(text: str) -> Network:
    """Return the network or address that a text names, in its normal form; raises `ValueError`.

    IPv4 that is mapped into IPv6 is IPv4. A zone names an interface of the machine that wrote it, and goes.
    """
    address, slash, prefix = text.strip().partition("/")
    return _plain(ipaddress.ip_network(address.partition("%")[0] + slash + prefix))


def of_client(network: Network) -> Network:
    """Return what a network stands for: IPv4 where it is mapped, and at least the /64 that one client of IPv6 has."""
    return _at_least(_plain(network), CLIENT_PREFIX)


@lru_cache(maxsize=4_096)
def client_of(ip: str) -> str:
    """Return what the client at an address has at hand, as text: an address, or of IPv6 its network.

    What is no address is returned as it is.
    """
    try:
        found = of_client(network_of(ip))
    except ValueError:
        return ip
    return str(found.network_address if found.prefixlen == found.max_prefixlen else found)


def nearby_of(ip: str) -> str:
    """Return, as text, the network that somebody with a client's address may have more addresses of.

    That is a /24 of IPv4, and the /56 that a household is given; what is no address, or shared, stands for itself.
    """
    try:
        found = network_of(ip)
    except ValueError:
        return ip
    if isinstance(found, ipaddress.IPv4Network):
        return str(found.supernet(new_prefix=NEARBY_FOUR)) if found.prefixlen > NEARBY_FOUR else str(found)
    return str(_at_least(found, NEARBY_SIX))


def count_clients(networks: Iterable[Network]) -> int:
    """Count the clients in networks, those that lie in several of them once."""
    found = {of_client(network) for network in networks}
    four = ipaddress.collapse_addresses(n for n in found if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in found if isinstance(n, ipaddress.IPv6Network))
    return sum(n.num_addresses for n in four) + sum(1 << max(0, CLIENT_PREFIX - n.prefixlen) for n in six)


def _plain(network: Network) -> Network:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(MAPPED):
        four = ipaddress.IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        return ipaddress.IPv4Network((four, network.prefixlen - MAPPED.prefixlen))
    return network


def _at_least(network: Network, prefix: int) -> Network:
    """Return the network of IPv6 that somebody in here was given, if it is wider; IPv4 as it is."""
    if isinstance(network, ipaddress.IPv4Network) or network.prefixlen <= prefix:
        return network
    return network.supernet(new_prefix=prefix) if any(network.subnet_of(given) for given in _GIVEN_OUT) else network
