"""Who the client is: the peer of the calling WSGI server, or what a trusted proxy says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any, Final

from app.kernel.errors import ConfigurationRefused, Malformed
from app.kernel.networks import Network, network_of

NEVER_TRUSTED: Final = (
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
    "HTTP_X_ORIGINAL_URL",
    "HTTP_X_REWRITE_URL",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_HTTP_METHOD_OVERRIDE",
)


class BadForwarding(Malformed):
    """The forwarding headers cannot be read."""

    code = "bad_forwarding"


class TrustedProxies:
    """Reads forwarding headers of trusted peers, from the right, and drops them from everybody else."""

    def __init__(self, networks: Sequence[str] = (), *, hops: int = 1) -> None:
        try:
            self._networks = tuple(map(network_of, networks))
        except ValueError as error:
            raise ConfigurationRefused(f"TRUSTED_PROXIES: {error}") from error
        self._hops = hops

    def trusts(self, address: str) -> bool:
        """Tell whether an address is one of our proxies."""
        return any(ipaddress.ip_address(address) in network for network in self._networks)

    def overlaps(self, network: Network) -> bool:
        """Tell whether one of our proxies may lie in a network."""
        return any(own.version == network.version and own.overlaps(network) for own in self._networks)

    def establish(self, environ: dict[str, Any]) -> str:  # a WSGI environment
        """Strip what cannot be believed, put the client into REMOTE_ADDR and return it; raises `BadForwarding`."""
        for name in NEVER_TRUSTED:
            environ.pop(name, None)
        forwarded = environ.pop("HTTP_X_FORWARDED_FOR", None)
        scheme = environ.pop("HTTP_X_FORWARDED_PROTO", None)
        peer = plain(environ.get("REMOTE_ADDR", ""))
        if not self.trusts(peer):
            environ.pop("HTTP_X_REQUEST_ID", None)
            environ.pop("HTTP_TRACEPARENT", None)
            environ["REMOTE_ADDR"] = peer
            return peer
        if scheme is not None:
            if scheme not in ("http", "https"):
                raise BadForwarding
            environ["wsgi.url_scheme"] = scheme
        client = self._client(peer, forwarded)
        environ["REMOTE_ADDR"] = client
        return client

    def _client(self, peer: str, forwarded: str | None) -> str:
        client = peer
        for skipped, entry in enumerate(reversed(forwarded.split(",")) if forwarded else (), start=1):
            client = plain(entry.strip())
            if skipped >= self._hops or not self.trusts(client):
                break
        return client


def plain(text: str) -> str:
    """Return an address in its normal form, IPv4-mapped IPv6 as IPv4, without a zone; raises `BadForwarding`."""
    try:
        # A zone names an interface of the machine that wrote it, and means nothing to anybody else.
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError as error:
        raise BadForwarding from error
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
