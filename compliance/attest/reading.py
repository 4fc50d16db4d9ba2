"""What is in force at an instant, as the engine judges by it: nothing needs to have run for a paper to expire."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.attest import models
from compliance.attest.attestations import Kind
from compliance.attest.parts import EXPIRED, IN_FORCE
from compliance.catalog.periods import parse
from compliance.engine.parts import Chosen, Exemption, Paper, Papers
from compliance.states import State, worst

_STATE_OF: Final = {Kind.INHERITED: State.INHERITED, Kind.NOT_APPLICABLE: State.NOT_APPLICABLE}


def papers(session: Session, at: datetime) -> Papers:
    """Return what people signed, by control, as it holds at an instant."""
    return Papers(attestations=_attestations(session, at), exceptions=_exceptions(session), chosen=_chosen(session))


def _attestations(session: Session, at: datetime) -> dict[tuple[str, str], Paper]:
    of = models.attestation.c
    rows = session.execute(
        sa.select(of.id, of.framework, of.key, of.kind, of.expires_at)
        .where(of.state.in_((IN_FORCE, EXPIRED)), of.valid_from <= at)
        .order_by(of.id)
    )
    found: dict[tuple[str, str], list[Paper]] = {}
    for row in rows:
        state = _STATE_OF.get(Kind(row.kind), State.ATTESTED)
        paper = Paper(state=state, id=row.id, expires_at=row.expires_at)
        found.setdefault((row.framework, row.key), []).append(paper)
    return {control: _leading(mine, at) for control, mine in found.items()}


def _leading(mine: list[Paper], at: datetime) -> Paper:
    """Return the paper that counts: what takes the row out, else the worst, so that none expires behind another."""

    def state(paper: Paper) -> State:
        is_over = paper.expires_at is not None and paper.expires_at <= at
        return State.EXPIRED if is_over else paper.state

    out = next((paper for paper in mine if state(paper) is State.NOT_APPLICABLE), None)
    if out is not None:
        return out
    leading = worst(state(paper) for paper in mine)
    counting = [paper for paper in mine if state(paper) is leading]
    return min(counting, key=lambda paper: (paper.expires_at is None, paper.expires_at))


def _exceptions(session: Session) -> dict[tuple[str, str], tuple[Exemption, ...]]:
    of = models.exception.c
    # Those that ended by their day too: since then the control fails again, whenever somebody looks.
    rows = session.execute(
        sa.select(of.id, of.framework, of.key, of.component, of.until_at)
        .where(of.state.in_((IN_FORCE, EXPIRED)))
        .order_by(of.until_at.desc(), of.id)
    )
    found: dict[tuple[str, str], tuple[Exemption, ...]] = {}
    for row in rows:
        one = Exemption(id=row.id, component=row.component, until_at=row.until_at)
        found[row.framework, row.key] = (*found.get((row.framework, row.key), ()), one)
    return found


def _chosen(session: Session) -> dict[str, Chosen]:
    of = models.risk_analysis.c
    rows = session.execute(sa.select(of.id, of.requirement, of.frequency, of.review_by).where(of.state == IN_FORCE))
    return {
        row.requirement: Chosen(id=row.id, fresh=parse(row.frequency).span, review_by=row.review_by) for row in rows
    }
