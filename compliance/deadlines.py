"""What is due next in all of compliance, with whom it rests: papers, breaches, requests, scans, reviews, holds.

Of people only days and counts are read here, so that looking around is no reading of anybody's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import (
    COMPLIANCE_CONTROL_READ,
    PRIVACY_REQUEST_HANDLE,
    PRIVACY_REQUEST_READ,
    Actor,
)
from compliance import pressing
from compliance.attest.models import attestation, exception, risk_analysis
from compliance.attest.parts import IN_FORCE
from compliance.catalog.controls import PCI
from compliance.registers import breaches
from compliance.registers.models import breach
from compliance.retention.holds import ACTIVE
from compliance.retention.models import hold
from compliance.reviews.models import review
from compliance.scans import standing as scans

EACH_MAX: Final = 5


class What(StrEnum):
    """What has to be done by then."""

    BREACH = "decide or tell"
    REQUEST = "answer requests"
    NOTICE = "tell recipients"
    PAPER = "sign anew"
    EXCEPTION = "exception ends"
    ANALYSIS = "analyse anew"
    SCAN = "quarterly scan"
    REVIEW = "review of access"
    HOLD = "look at a hold again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """One day: what it is for, about what, and whose it is; `about` is a row, an id or words, as `what` tells.

    `title` is what people call that of which `about` is the id.
    """

    at: datetime
    what: What
    about: str = ""
    title: str = ""
    owner: str | None = None


def next_of(session: Session, actor: Actor, at: datetime, *, anchor: date, limit: int = 6) -> list[Deadline]:
    """Return what is due next, as far as this actor may see it; what is late stands first.

    `anchor` is the first day of a year of assessment. Papers, scans and reviews of now are the office's to do, and lie
    outside of a period that is locked to an auditor.
    """
    actor.require(COMPLIANCE_CONTROL_READ)
    found = list(_people(session, actor, at))
    if actor.period is None:
        found += [*_papers(session), *_scans(session, at, anchor), *_reviews(session), *_holds(session, actor)]
    return sorted(found, key=lambda one: (one.at, one.what, one.about))[:limit]


def _papers(session: Session) -> Iterator[Deadline]:
    for what, table, ends, owner in (
        (What.PAPER, attestation, attestation.c.expires_at, attestation.c.owner),
        (What.EXCEPTION, exception, exception.c.until_at, exception.c.proposed_by),
    ):
        named = sa.select(table.c.framework, table.c.key, ends.label("at"), owner.label("owner"))
        for row in session.execute(named.where(table.c.state == IN_FORCE).order_by(ends).limit(EACH_MAX)):
            yield Deadline(at=row.at, what=what, about=f"{row.framework} {row.key}", owner=row.owner)
    of = risk_analysis.c
    query = sa.select(of.requirement, of.review_by, of.proposed_by).where(of.state == IN_FORCE)
    for requirement, review_by, whose in session.execute(query.order_by(of.review_by).limit(EACH_MAX)):
        yield Deadline(at=review_by, what=What.ANALYSIS, about=f"{PCI} {requirement}", owner=whose)


def _scans(session: Session, at: datetime, anchor: date) -> Iterator[Deadline]:
    for kind in scans.QUARTERLY:
        open_ = scans.of_kind(session, kind, at.date(), anchor=anchor).quarters
        if open_ and not open_[-1].is_closed and not open_[-1].is_passed:
            yield Deadline(at=datetime.combine(open_[-1].end, time(), UTC), what=What.SCAN, about=kind.value)


def _reviews(session: Session) -> Iterator[Deadline]:
    query = sa.select(review.c.due_at).where(review.c.closed_at.is_(None)).order_by(review.c.due_at).limit(EACH_MAX)
    for due_at in session.scalars(query):
        yield Deadline(at=due_at, what=What.REVIEW)


def _holds(session: Session, actor: Actor) -> Iterator[Deadline]:
    if not actor.may(PRIVACY_REQUEST_READ):
        return
    of = hold.c
    query = sa.select(of.case, of.review_on, of.placed_by).where(of.state == ACTIVE).order_by(of.review_on, of.case)
    for case, review_on, placed_by in session.execute(query.limit(EACH_MAX)):
        day = date.fromisoformat(review_on)
        yield Deadline(at=datetime.combine(day, time(), UTC), what=What.HOLD, about=case, owner=placed_by)


def _people(session: Session, actor: Actor, at: datetime) -> Iterator[Deadline]:
    if actor.may(PRIVACY_REQUEST_HANDLE) and (notice_due := pressing.notice_due(session, actor)) is not None:
        yield Deadline(at=notice_due, what=What.NOTICE)
    if not actor.may(PRIVACY_REQUEST_READ):
        return
    asked = pressing.requests(session, actor, at)
    if asked.due_at is not None:
        yield Deadline(at=asked.due_at, what=What.REQUEST, about=f"{asked.waiting:,} wait")
    if actor.period is not None:
        for one in breaches.of_period(session, actor.period):
            if one.state in breaches.RUNNING:
                yield Deadline(at=one.due_at, what=What.BREACH, about=one.id, title=one.title)
        return
    query = sa.select(breach.c.id, breach.c.due_at, breach.c.title).where(breach.c.state.in_(breaches.RUNNING))
    for row in session.execute(query.order_by(breach.c.due_at).limit(EACH_MAX)):
        yield Deadline(at=row.due_at, what=What.BREACH, about=row.id, title=row.title)
