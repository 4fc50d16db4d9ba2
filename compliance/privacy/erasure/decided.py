"""Whether an erasure was decided: by the event that says so, since a row can be written by who decided nothing.

Whatever destroys asks `demand`, each time it goes on, or a word of its own kind where the database forgot the decision.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.kernel.errors import Conflict
from compliance.privacy import requests, whose
from compliance.privacy.erasure import certificates
from compliance.privacy.request import FOLLOWING, Request, State
from compliance.told import Stands, is_told
from ingest.events.privacy import RequestApproved

Word = Callable[[Session, Request], None]
"""Raises `ErasureUndecided` unless somebody who is believed says that this person is to be erased."""


class ErasureUndecided(Conflict):
    """This erasure stands as approved, and the log knows of nobody who approved it; somebody has to look why."""

    code = "erasure_undecided"


class DecisionEnded(Conflict):
    """The log says no more who decided this, as its events have ended: it has to be asked for and decided anew."""

    code = "decision_ended"


def demand(session: Session, found: Request) -> None:
    """Raise `ErasureUndecided` where the log does not say that this person's erasure was approved.

    Raises `RequestDiffers` where it does not say that they asked for it: whoever decided saw what the row said.
    One that completes an earlier one rests on what was decided for that, which its certificate names; raises
    `CertificateDiffers` where that is not the one that was written. While anything is still to be carried out the event
    of a decision has to speak, since one that ended names nobody: raises `DecisionEnded`.
    """
    if found.channel == FOLLOWING and found.linked_to is not None:
        is_decided = certificates.by_request(session, found.linked_to)["subject"] == found.subject
        if is_decided and found.state is not State.CLOSED and not certificates.speaking(session, found.linked_to):
            raise DecisionEnded(object_id=found.id)
    else:
        is_decided = _is_approved(session, found)
        if is_decided and found.state is not State.CLOSED:
            whose.demand(session, found)
    if not is_decided:
        raise ErasureUndecided(object_id=found.id)


def _is_approved(session: Session, found: Request) -> bool:
    says = {
        "onepay.request.id": found.id,
        "onepay.approval.id": found.approval_id or "",
        "onepay.subject.id": [found.subject],
    }
    # What is still to be carried out was approved lately: its event speaks.
    event_id, at = requests.told_of_state(session, found.id, State.WAITING) or (None, None)
    stands = Stands(kind=RequestApproved.kind, says=says, at=at if found.state is State.CLOSED else None)
    return is_told(session, event_id, stands)
