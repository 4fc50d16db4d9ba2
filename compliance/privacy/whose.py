"""Whose a request is: by the event that took it, since whoever can write a row can make it another's."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.errors import Conflict
from compliance.privacy.models import request_step
from compliance.privacy.request import Request, State
from compliance.told import Stands, told
from ingest.events.privacy import RequestReceived


class RequestDiffers(Conflict):
    """The log does not say that this request is of this person; somebody has to look why."""

    code = "request_differs"


def demand(session: Session, found: Request) -> None:
    """Raise `RequestDiffers` unless the log says that this person asked: before anything is collected or handed out."""
    if not _of(session, [found], speaks=True):
        raise RequestDiffers(object_id=found.id)


def theirs(session: Session, found: Collection[Request]) -> frozenset[str]:
    """Return the ids of those requests that are of whom their rows name; an event that ended contradicts none.

    What was never asked, but followed from what was decided before, is nobody's to see.
    """
    return _of(session, found, speaks=False)


def _of(session: Session, found: Collection[Request], *, speaks: bool) -> frozenset[str]:
    of = request_step.c
    taken = of.request_id.in_([one.id for one in found]) & (of.state == State.IDENTITY.value) & of.event_id.is_not(None)
    steps = session.execute(sa.select(of.request_id, of.event_id, of.at).where(taken).order_by(of.n.desc()))
    first = {row.request_id: row for row in steps}
    stand = {
        one.id: (
            first[one.id].event_id,
            Stands(
                kind=RequestReceived.kind,
                says={"onepay.request.id": one.id, "onepay.subject.id": [one.subject]},
                at=None if speaks else first[one.id].at,
            ),
        )
        for one in found
        if one.id in first
    }
    return told(session, stand)
