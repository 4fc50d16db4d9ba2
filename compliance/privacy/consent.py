"""Consents: receipts that are only added, where the latest decides; and the gate that asks them, never from memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_CONSENT_READ, PRIVACY_SELF_CONSENT
from app.kernel.context import Context
from app.kernel.db import insert_once
from app.kernel.errors import Invalid
from compliance.catalog import purposes
from compliance.catalog.purposes import Purpose
from compliance.privacy import wording
from compliance.privacy.letters import LANGUAGE
from compliance.privacy.models import consent_receipt, consent_text
from ingest.events.access import DataRead
from ingest.events.privacy import ConsentGiven, ConsentWithdrawn
from ingest.log import outbox

GIVEN: Final = "given"
WITHDRAWN: Final = "withdrawn"


class PurposeUnknown(Invalid):
    """There is no such use that consent can be given to."""

    code = "purpose_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """That somebody consented to a text, or took it back: which version, when and how."""

    purpose: str
    action: str
    version: int
    language: str
    sha256: str
    channel: str
    at: datetime
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one purpose stands for a person; `is_stale` where the text says something else since they consented."""

    purpose: Purpose
    is_given: bool
    is_stale: bool
    latest: Receipt | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many people stand by one version of a text: consented and not taken back, taken back.

    `holds` tells whether consent to it opens the gate: it is the present text, or one that was marked as the same.
    """

    purpose: str
    version: int
    sha256: str
    given: int
    withdrawn: int
    is_present: bool
    holds: bool
    newest_at: datetime


def give(session: Session, purpose: str, ctx: Context, *, channel: str = "web") -> Receipt:
    """Record one's own consent to the present text of a purpose; raises `PurposeUnknown`."""
    ctx.actor.require(PRIVACY_SELF_CONSENT)
    return _add(session, ctx.actor.own_id, _of(purpose), GIVEN, ctx, channel)


def withdraw(session: Session, purpose: str, ctx: Context, *, channel: str = "web") -> Receipt:
    """Take one's own consent back: from this transaction on the gate refuses."""
    ctx.actor.require(PRIVACY_SELF_CONSENT)
    return _add(session, ctx.actor.own_id, _of(purpose), WITHDRAWN, ctx, channel)


def withdraw_for(session: Session, subject: str, purpose: Purpose, ctx: Context, *, channel: str) -> Receipt:
    """Take consent back for a person who objected, by whoever carries their request out."""
    return _add(session, subject, purpose, WITHDRAWN, ctx, channel)


def standings(session: Session, subject: str) -> Sequence[Standing]:
    """Return how each purpose that rests on consent stands for a person."""
    found = []
    for purpose in purposes.shipped().values():
        if purpose.needs_consent:
            latest = _latest(session, subject, purpose.id)
            is_given = latest is not None and latest.action == GIVEN
            is_stale = is_given and latest is not None and not _holds(session, latest.sha256, purpose)
            found.append(
                Standing(purpose=purpose, is_given=is_given and not is_stale, is_stale=is_stale, latest=latest)
            )
    return found


def receipts(session: Session, subject: str) -> Sequence[Receipt]:
    """Return all receipts of a person, oldest first."""
    query = sa.select(consent_receipt).where(consent_receipt.c.subject == subject).order_by(consent_receipt.c.n)
    return [_receipt(row) for row in session.execute(query)]


def own_receipts(session: Session, ctx: Context) -> Sequence[Receipt]:
    """Return one's own receipts, to be looked at or kept."""
    ctx.actor.require(PRIVACY_SELF_CONSENT)
    return receipts(session, ctx.actor.own_id)


def receipts_of(session: Session, subject: str, ctx: Context) -> Sequence[Receipt]:
    """Return the receipts of a person to staff, to an auditor those of their period; recorded as a reading."""
    ctx.actor.require(PRIVACY_CONSENT_READ)
    outbox.record(session, DataRead(view="consents", count=1, about=(subject,)), ctx)
    return [one for one in receipts(session, subject) if ctx.actor.sees(one.at)]


def tallies(session: Session, ctx: Context) -> Sequence[Tally]:
    """Count by purpose and version of its text how people stand: the newest receipt of each decides.

    To an auditor how they stood at the end of their period.
    """
    ctx.actor.require(PRIVACY_CONSENT_READ)
    of, end = consent_receipt.c, ctx.actor.period[1] if ctx.actor.period is not None else None
    newest = sa.select(sa.func.max(of.n)).group_by(of.subject, of.purpose)
    if end is not None:
        newest = newest.where(of.at < end)
    given = sa.func.sum(sa.case((of.action == GIVEN, 1), else_=0))
    query = (
        sa.select(of.purpose, of.version, of.sha256, given.label("given"), sa.func.count().label("all"))
        .add_columns(sa.func.max(of.at).label("at"))
        .where(of.n.in_(newest))
        .group_by(of.purpose, of.version, of.sha256)
        .order_by(of.purpose, of.version.desc())
    )
    known = purposes.shipped()

    def holds(purpose: str, sha256: str) -> bool:
        return purpose in known and _holds(session, sha256, known[purpose], end)

    return [
        Tally(
            purpose=row.purpose,
            version=row.version,
            sha256=row.sha256,
            given=row.given,
            withdrawn=row.all - row.given,
            is_present=row.purpose in known and known[row.purpose].text_hash == row.sha256,
            holds=holds(row.purpose, row.sha256),
            newest_at=row.at,
        )
        for row in session.execute(query)
    ]


def is_given(session: Session, subject: str, purpose: Purpose) -> bool:
    """Tell whether consent to the present text of a purpose stands, or to one that was marked as the same."""
    latest = _latest(session, subject, purpose.id)
    return latest is not None and latest.action == GIVEN and _holds(session, latest.sha256, purpose)


def _holds(session: Session, sha256: str, purpose: Purpose, before: datetime | None = None) -> bool:
    if sha256 == purpose.text_hash:
        return True
    return sha256 in wording.accepted(session, purpose.id, purpose.text_hash, before=before)


def _add(session: Session, subject: str, purpose: Purpose, action: str, ctx: Context, channel: str) -> Receipt:
    text = {
        "purpose": purpose.id,
        "version": purpose.version,
        "language": LANGUAGE,
        "text": purpose.text,
        "sha256": purpose.text_hash,
        "from_at": ctx.at,
    }
    insert_once(session, consent_text, text)
    kind = ConsentGiven if action == GIVEN else ConsentWithdrawn
    event = kind(purpose=purpose.id, text_hash=purpose.text_hash, channel=channel, about=(subject,))
    event_id = outbox.record(session, event, ctx)
    values = {
        "subject": subject,
        "purpose": purpose.id,
        "version": purpose.version,
        "language": LANGUAGE,
        "sha256": purpose.text_hash,
        "action": action,
        "channel": channel,
        "at": ctx.at,
        "event_id": event_id,
    }
    session.execute(sa.insert(consent_receipt).values(**values))
    return _receipt_of(values)


def _of(name: str) -> Purpose:
    purpose = purposes.shipped().get(name)
    if purpose is None or not purpose.needs_consent:
        raise PurposeUnknown(param="purpose")
    return purpose


def _latest(session: Session, subject: str, purpose: str) -> Receipt | None:
    query = (
        sa.select(consent_receipt)
        .where(consent_receipt.c.subject == subject, consent_receipt.c.purpose == purpose)
        .order_by(consent_receipt.c.n.desc())
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else _receipt(row)


def _receipt(row: Any) -> Receipt:  # a row of `consent_receipt`
    return _receipt_of(row._mapping)


def _receipt_of(values: Any) -> Receipt:  # a row's mapping
    return Receipt(
        purpose=values["purpose"],
        action=values["action"],
        version=values["version"],
        language=values["language"],
        sha256=values["sha256"],
        channel=values["channel"],
        at=values["at"],
        event_id=values["event_id"],
    )
