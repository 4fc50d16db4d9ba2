"""Targeted risk analyses: where the company chooses how often, it says why, and a second person agrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import COMPLIANCE_CONTROL_READ, COMPLIANCE_RISK_APPROVE, COMPLIANCE_RISK_PROPOSE, Actor
from app.kernel.approvals import ApprovalKind, Payload
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import NotFound
from compliance.attest import models, versions
from compliance.attest.parts import (
    PROPOSED,
    TEXT_MAX,
    YEAR,
    Desk,
    PaperInvalid,
    demand_end,
)
from compliance.catalog.controls import CHOSEN
from compliance.catalog.periods import parse
from ingest.events.compliance import DocumentApproved, PaperWithdrawn

APPROVAL: Final = "compliance.risk_analysis"
PREFIX: Final = "tra"
FIELDS: Final = ("asset", "threats", "factors", "justification")
SELDOMEST: Final = timedelta(days=366)
OFTENEST: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A risk analysis as somebody writes it: of one requirement id, choosing how often it is done."""

    requirement: str
    frequency: str
    body: Mapping[str, str]
    review_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One version as it stands."""

    id: str
    requirement: str
    version: int
    frequency: str
    body: Mapping[str, str]
    proposed_by: str
    approved_at: datetime | None
    review_by: datetime
    state: str
    approval_id: str | None
    event_id: str | None

    @property
    def span(self) -> timedelta:
        """How often."""
        return parse(self.frequency).span


def propose(session: Session, draft: Draft, ctx: Context, *, desk: Desk) -> Analysis:
    """Propose how often something is done, and why that is enough.

    Raises `NotFound` for a requirement that leaves no choice, `PaperInvalid`, `PaperTooLong`, `PaperOpen`.
    """
    ctx.actor.require(COMPLIANCE_RISK_PROPOSE)
    if draft.requirement not in CHOSEN:
        raise NotFound(object_id=draft.requirement)
    frequency = _frequency(draft.frequency)
    end = draft.review_by or YEAR.after(ctx.at)
    demand_end(end, ctx.at, YEAR.after(ctx.at), YEAR.in_words(), param="review_by")
    body = {name: words.checked(draft.body.get(name, ""), param=name, longest=TEXT_MAX) for name in FIELDS}
    table = models.risk_analysis
    version = versions.following(session, table, table.c.requirement == draft.requirement)
    analysis_id = ctx.new_id(PREFIX)
    session.execute(
        sa.insert(table).values(
            id=analysis_id,
            requirement=draft.requirement,
            version=version,
            frequency=frequency,
            body=body,
            proposed_by=ctx.actor.own_id,
            review_by=end,
            state=PROPOSED,
        )
    )
    payload = _payload(by_id(session, analysis_id))
    approval = desk.approvals.ask(session, APPROVAL, payload, ctx, object_id=analysis_id, reason=body["justification"])
    session.execute(sa.update(table).where(table.c.id == analysis_id).values(approval_id=approval))
    return by_id(session, analysis_id)


def withdraw(session: Session, analysis_id: str, ctx: Context, *, desk: Desk) -> None:
    """Take an analysis back; raises `NotFound` or `PaperMoved`."""
    ctx.actor.require(COMPLIANCE_RISK_PROPOSE)
    found = by_id(session, analysis_id)
    withdrawn = PaperWithdrawn(document=document_of(found), sha256=content_hash(found))
    versions.take_back(session, models.risk_analysis, analysis_id, withdrawn, ctx, desk=desk)


def kind(desk: Desk) -> ApprovalKind:
    """Return what a second person decides about a risk analysis."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        analysis_id, table = str(payload["analysis"]), models.risk_analysis
        found = by_id(session, analysis_id)
        desk.approvals.take(session, id, APPROVAL, _payload(found), ctx)
        event = DocumentApproved(document=document_of(found), version=found.version, sha256=content_hash(found))
        same = table.c.requirement == found.requirement
        versions.put_in_force(session, table, analysis_id, event, ctx, at="approved_at", replaces=same)
        return f"every {parse(found.frequency).in_words()}, reviewed by {found.review_by:%Y-%m-%d}"

    return ApprovalKind(
        name=APPROVAL,
        title="Choose how often, by a risk analysis",
        asks=COMPLIANCE_RISK_PROPOSE,
        decides=COMPLIANCE_RISK_APPROVE,
        render=_rendered,
        run=run,
        ttl=timedelta(hours=72),
        closed=versions.rejecting(models.risk_analysis),
    )


def by_id(session: Session, analysis_id: str) -> Analysis:
    """Return one version; raises `NotFound`."""
    return _analysis(versions.row_of(session, models.risk_analysis, analysis_id))


def listed(session: Session, actor: Actor) -> list[Analysis]:
    """Return every version, by requirement, the newest first; to an auditor those of their period."""
    actor.require(COMPLIANCE_CONTROL_READ)
    table = models.risk_analysis
    seen = versions.seen_by(actor, table, PREFIX, table.c.review_by)
    query = sa.select(table).where(*seen).order_by(table.c.requirement, table.c.version.desc())
    return [_analysis(row) for row in session.execute(query).mappings()]


def document_of(found: Analysis) -> str:
    """Return what names the analysis of a requirement, of which one version stands."""
    return f"risk_analysis.{found.requirement}"


def content_hash(found: Analysis) -> str:
    """Return the SHA-256 of all that was agreed to."""
    return crypto.sha256(canonical.encode(_content(found))).hex()


def _frequency(text: str) -> str:
    try:
        period = parse(text.strip().upper())
    except ValueError as error:
        raise PaperInvalid("How often is a length of time such as P7D or PT12H.", param="frequency") from error
    if period.months or not OFTENEST <= period.span <= SELDOMEST:
        raise PaperInvalid("How often lies between every hour and every 366 days.", param="frequency")
    return period.text


def _content(found: Analysis) -> dict[str, Any]:
    return {
        "requirement": found.requirement,
        "version": found.version,
        "frequency": found.frequency,
        "body": dict(found.body),
        "review_by": rfc3339(found.review_by),
    }


def _payload(found: Analysis) -> dict[str, Any]:
    return {**_content(found), "analysis": found.id}


def _rendered(payload: Payload) -> list[str]:
    return [
        f"PCI DSS {payload['requirement']}, version {payload['version']}: "
        f"every {parse(payload['frequency']).in_words()}.",
        *(f"{name.capitalize()}: {payload['body'][name]}" for name in FIELDS if name in payload["body"]),
        f"To be reviewed by {payload['review_by'][:10]}; then its rows go stale.",
    ]


def _analysis(row: Any) -> Analysis:
    return Analysis(**{name: value for name, value in row.items() if name != "reminded"})
