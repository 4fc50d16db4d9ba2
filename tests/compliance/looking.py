"""What a probe may use, over a session of a test's own."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.kernel.access import service
from compliance.contracts.probes import Deadline, Look, Window
from tests.support.installation import Installation


def look_at(house: Installation, session: Session, *, is_fence: bool = False) -> Look:
    """Return a look by this session, at a window of nothing and without baselines."""
    system = house.system
    return Look(
        session=session,
        store=system.working_store,
        window=Window(lo=0, hi=0),
        ctx=system.context(service("test")),
        profile="embedded",
        deadline=Deadline(20),
        baselines=lambda _session, _name: None,
        is_fence=is_fence,
    )
