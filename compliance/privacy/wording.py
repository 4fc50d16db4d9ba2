"""Texts of a consent that say the same in other words: two people mark them so, and consent to one holds for both."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_HANDLE
from app.kernel.approvals import Approvals, Payload
from app.kernel.context import Context
from app.kernel.db import insert_once
from app.kernel.errors import Conflict, NotFound
from compliance.catalog import purposes
from compliance.privacy.models import consent_same, consent_text

SAME: Final = "privacy.consent.same"


class AlreadySame(Conflict):
    """Consent to this text holds already for the present one."""

    code = "consent_text_same"


def accepted(session: Session, purpose: str, present: str, *, before: datetime | None = None) -> frozenset[str]:
    """Return the hashes of the texts of a purpose to which consent holds for the present one, that one included.

    With `before` by what two people had said by then.
    """
    of = consent_same.c
    query = sa.select(of.before, of.now).where(of.purpose == purpose)
    pairs = session.execute(query if before is None else query.where(of.at < before)).all()
    found = {present}
    while more := {before for before, now in pairs if now in found} - found:
        found |= more
    return frozenset(found)


def propose(session: Session, purpose: str, before: str, ctx: Context, *, approvals: Approvals) -> str:
    """Ask a second person whether an older text says the same as the present one; returns the approval.

    Raises `NotFound` for a text that nobody was ever asked with, and `AlreadySame`.
    """
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    payload = payload_of(session, purpose, before)
    if before in accepted(session, purpose, payload["now"]):
        raise AlreadySame
    return approvals.ask(session, SAME, payload, ctx, object_id=f"{purpose} {before[:16]}")


def payload_of(session: Session, purpose: str, before: str) -> dict[str, str]:
    """Return what the second person reads: both texts, by the hashes that receipts name."""
    known = purposes.shipped().get(purpose)
    of = consent_text.c
    row = session.execute(sa.select(of.text).where(of.purpose == purpose, of.sha256 == before)).first()
    if known is None or not known.needs_consent or row is None:
        raise NotFound(object_id=before)
    return {
        "purpose": purpose,
        "before": before,
        "before_text": row.text,
        "now": known.text_hash,
        "now_text": known.text,
    }


def agree(session: Session, payload: Payload, ctx: Context, *, approvals: Approvals, approval_id: str) -> str:
    """Mark both texts as the same by an approval of exactly these; a text that changed since is another one."""
    purpose, before = str(payload["purpose"]), str(payload["before"])
    present = payload_of(session, purpose, before)
    approvals.take(session, approval_id, SAME, present, ctx)
    row = {"purpose": purpose, "before": before, "now": present["now"], "approval_id": approval_id, "at": ctx.at}
    insert_once(session, consent_same, row)
    return "consent holds for the present text"


def says(payload: Payload) -> list[str]:
    """Return what the second person is shown."""
    return [
        f"Consent to “{payload['before_text']}” ({str(payload['before'])[:16]})",
        f"also holds for “{payload['now_text']}” ({str(payload['now'])[:16]}), as both say the same",
    ]
