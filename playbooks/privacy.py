"""What response holds about people: incidents that name them, and what staff wrote."""

from __future__ import annotations

from typing import Final

from app.kernel.crypto import Secret
from compliance.contracts.marked.owned import Ended
from compliance.contracts.tables import MarkedTables
from playbooks import models

_OF_EXECUTION: Final = "execution_id>playbooks_execution.incident_id"
# Parts of a part go before it: by it they are found.
_PARTS: Final = dict.fromkeys(("playbooks_step", "playbooks_command"), _OF_EXECUTION) | {
    f"playbooks_{name}": "incident_id"
    for name in (
        "join_key",
        "incident_alert",
        "incident_entity",
        "timeline",
        "comment",
        "task",
        "clock",
        "execution",
        "action",
    )
}
"""What is a part of an incident and goes with it."""


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of response as a source of personal data."""
    return MarkedTables(
        "playbooks",
        models.metadata,
        hashing=hashing,
        ended={"playbooks_incident": Ended(column="closed_at", retention="incident", children=_PARTS)},
    )
