"""Whose a request is, and that it stands: by its events, since whoever can write a row can make it another's."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from app.kernel.errors import Conflict
from compliance.privacy import logged
from compliance.privacy.logged import Logged
from compliance.privacy.request import Request
from compliance.told import has_ended
from ingest.events.envelope import at_path
from ingest.events.privacy import RequestReceived
from ingest.log import read


class RequestDiffers(Conflict):
    """The log does not say that this person asked for it, or says that it was called off; somebody has to look why."""

    code = "request_differs"


def demand(session: Session, found: Request, *, is_answered: bool = False) -> None:
    """Raise `RequestDiffers` unless the log says that this request stands, before anything is done for it.

    Its person asked, was shown to be who they are, and neither took it back nor was refused. It was not answered
    either, but for what is handed out again.
    """
    check(found, logged.of(session, found), is_answered=is_answered)


def demand_asked(session: Session, found: Request) -> None:
    """Raise `RequestDiffers` unless the log says that this person asked, and not that it ended unanswered.

    For what comes before it is known that they are who they say: asking them, believing them, refusing them.
    """
    said = logged.of(session, found)
    if not said.is_received or said.called_off is not None:
        raise RequestDiffers(object_id=found.id)


def check(found: Request, said: Logged, *, is_answered: bool = False) -> None:
    """Raise, as `demand`, where what the log says of a request does not let it stand."""
    if not said.stands or (said.is_completed and not is_answered):
        raise RequestDiffers(object_id=found.id)


def theirs(session: Session, found: Collection[Request]) -> frozenset[str]:
    """Return the ids of those requests that are of whom their rows name; an event that ended contradicts none.

    What was never asked, but followed from what was decided before, is nobody's to see.
    """
    asked = {
        (at_path(said, "onepay.request.id"), subject)
        for subject in {one.subject for one in found}
        for said in read.documents_of(session, RequestReceived.kind, containing=subject)
        if at_path(said, "onepay.subject.id") == [subject]
    }
    return frozenset(
        one.id
        for one in found
        if (one.id, one.subject) in asked or has_ended(session, RequestReceived.kind, one.received_at)
    )
