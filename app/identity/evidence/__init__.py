"""What identity shows of itself to whoever judges controls: probes over its own rows and its own behaviour."""

from __future__ import annotations

from app.identity.evidence import behaviour, grants, people, secrets
from app.identity.parts import Identity
from compliance.contracts.probes import Probe


def probes(parts: Identity) -> tuple[Probe, ...]:
    """Return every probe of identity."""
    return (*people.PROBES, *grants.probes(parts), *secrets.probes(parts), *behaviour.probes(parts))
