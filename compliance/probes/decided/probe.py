"""The probe of Art. 5(2): decisions that somebody wrote into the database and nobody made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

import sqlalchemy as sa

from compliance.attest import exceptions
from compliance.attest.models import exception
from compliance.attest.parts import IN_FORCE
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation, WhenEmpty
from compliance.probes.decided import begun, consents, intervals, papers, readings, registers, requests, retaining

Part: TypeAlias = Callable[[Look], tuple[int, list[Violation]]]
"""Counts what stands of one register, and finds what of it nobody decided."""
_PARTS: Final[Mapping[str, Part]] = {
    "papers": papers.signed,
    "periods": retaining.periods,
    "holds": retaining.holds,
    "runs": retaining.runs,
    "requests": requests.moved,
    "restrictions": requests.restrictions,
    "receipts": consents.receipts,
    "wordings": consents.wordings,
    "objections": consents.objections,
    "breaches": registers.breaches,
    "scans": registers.scans,
    "reviews": registers.recertified,
    "nights": registers.nights,
    "beginnings": begun.gone,
    "intervals": intervals.written,
    "readings": readings.lying,
}


def probe() -> Probe:
    """Return the probe of what is said to be decided."""
    return Probe(
        name="papers.decided",
        kind=Kind.STATE,
        asks="Papers, periods, holds, runs, requests, restrictions, consents, objections, breaches, scans, reviews, "
        "self-tests, intervals and readings; wrong is one that stands as no event says, or that began and is gone.",
        read=_read,
        plant=_plant,
        empty_means=WhenEmpty.NOT_APPLICABLE,
    )


def _read(look: Look) -> Reading:
    population, wrong = dict[str, int](), list[Violation]()
    for name, part in _PARTS.items():
        look.deadline.check()
        population[name], found = part(look)
        wrong += found
    return Reading(population=population, violations=wrong)


def _plant(look: Look) -> str:
    """Plant an exception that nobody agreed to."""
    id_ = look.ctx.new_id("exc")
    look.session.execute(
        sa.insert(exception).values(
            id=id_,
            framework="pci-4.0.1",
            key="8.4.1",
            kind=exceptions.Kind.ACCEPTED_RISK.value,
            why="Planted by a probe",
            proposed_by=look.ctx.new_id("acc"),
            from_at=look.at,
            until_at=look.at + timedelta(days=1),
            state=IN_FORCE,
        )
    )
    return id_
