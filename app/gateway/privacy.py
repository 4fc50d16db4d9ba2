"""What the gateway holds about people: which colleague blocked a network, and why."""

from __future__ import annotations

from app.gateway.networks import metadata
from app.kernel.crypto import Secret
from compliance.contracts.tables import MarkedTables


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of the gateway, which lead to staff alone."""
    return MarkedTables("gateway", metadata, hashing=hashing)
