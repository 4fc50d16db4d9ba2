"""What the gateway holds about people: which colleague blocked a network, and why."""

from __future__ import annotations

from app.gateway.networks import metadata
from app.kernel.crypto import Secret
from compliance.contracts.marked.owned import Ended
from compliance.contracts.tables import MarkedTables


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of the gateway, which lead to staff alone."""
    ended = {"app_network_rule": Ended(column="expires_at", retention="governance")}
    return MarkedTables("gateway", metadata, hashing=hashing, ended=ended)
