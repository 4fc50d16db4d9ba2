"""Whether an erasure was decided: by the event that says so, since a row can be written by who decided nothing.

Whatever destroys asks `demand`, each time it goes on, or a word of its own kind where the database forgot the decision.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from app.kernel.errors import Conflict
from compliance.privacy import logged, requests, whose
from compliance.privacy.erasure import certificates
from compliance.privacy.logged import Logged
from compliance.privacy.request import FOLLOWING, Request, State
from compliance.told import Stands, is_told
from ingest.events.privacy import RequestApproved

Word = Callable[[Session, Request, datetime], None]
"""Raises unless somebody who is believed says that this person is to be erased, at this instant already."""


class ErasureUndecided(Conflict):
    """This erasure stands as approved, and the log knows of nobody who approved it; somebody has to look why."""

    code = "erasure_undecided"


class ErasureTooEarly(Conflict):
    """The wait in which its person may call this erasure off is not over, whatever its row says."""

    code = "erasure_too_early"


class DecisionEnded(Conflict):
    """The log says no more who decided this, as its events have ended: it has to be asked for and decided anew."""

    code = "decision_ended"


def demand(session: Session, found: Request, at: datetime) -> None:
    """Raise unless the log says that this person's erasure was approved, is called off by nobody, and may begin.

    Raises `ErasureUndecided`, `ErasureTooEarly`, `RequestDiffers` where it does not say that they asked for it and that
    it stands, and for one that completes an earlier one `CertificateDiffers` and `DecisionEnded`.
    """
    said = logged.of(session, found)
    check(session, found, said)
    if said.approved is not None and at < said.approved.begins_at:
        raise ErasureTooEarly(object_id=found.id)


def check(session: Session, found: Request, said: Logged) -> None:
    """Raise, as `demand`, where the log does not say that an erasure was decided, whenever it may begin.

    One that completes an earlier one rests on what was decided for that, which its certificate names; raises
    `CertificateDiffers` where that is not the one that was written. While anything is still to be carried out the event
    of a decision has to speak, since one that ended names nobody: raises `DecisionEnded`.
    """
    if found.channel == FOLLOWING and found.linked_to is not None:
        is_decided = certificates.by_request(session, found.linked_to)["subject"] == found.subject
        if is_decided and found.state is not State.CLOSED and not certificates.speaking(session, found.linked_to):
            raise DecisionEnded(object_id=found.id)
    elif found.state is State.CLOSED:
        is_decided = _is_approved(said, found) or _was_approved(session, found)
    else:
        is_decided = _is_approved(said, found)
        if is_decided:
            whose.check(found, said)
    if not is_decided:
        raise ErasureUndecided(object_id=found.id)


def _is_approved(said: Logged, found: Request) -> bool:
    return said.approved is not None and said.approved.id is not None and said.approved.id == found.approval_id


def _was_approved(session: Session, found: Request) -> bool:
    """Tell whether an erasure that is over was approved by an event whose body ended since."""
    says = {
        "onepay.request.id": found.id,
        "onepay.approval.id": found.approval_id or "",
        "onepay.subject.id": [found.subject],
    }
    event_id, at = requests.told_of_state(session, found.id, State.WAITING) or (None, None)
    return is_told(session, event_id, Stands(kind=RequestApproved.kind, says=says, at=at))
