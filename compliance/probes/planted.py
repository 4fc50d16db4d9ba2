"""What probes of privacy plant within a fence: a request that nobody made, of a person who is nobody."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

import sqlalchemy as sa

from compliance.contracts.probes import Look
from compliance.privacy import clock
from compliance.privacy.models import request
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Kind as Right
from compliance.privacy.request import State as Stage

PLANTED: Final = "acc_planted"


def planted_request(look: Look, parts: Privacy, *, kind: Right, state: Stage, received: date, **more: Any) -> str:
    """Write down a request in a state, with `more` of its columns, and return its id."""
    calendar, id_ = clock.of(parts.settings), look.ctx.new_id("req")
    due = calendar.due(received, clock.MONTHS, 0)
    values = {
        "id": id_,
        "kind": kind.value,
        "subject": PLANTED,
        "channel": "planted",
        "received_on": received.isoformat(),
        "received_at": look.at,
        "rules": clock.RULES,
        "due": due.isoformat(),
        "internal_due": (received + timedelta(days=clock.INTERNAL_DAYS)).isoformat(),
        "due_at": calendar.end_of(due),
        "paused_days": 0,
        "state": state.value,
        "is_verified": True,
        "is_extended": False,
        "is_incomplete": False,
    }
    look.session.execute(sa.insert(request).values(**{**values, **more}))
    return id_
