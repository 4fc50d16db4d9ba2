"""Probe over the register of scans: every closed quarter has an internal scan that passed, for every component."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation
from compliance.scans import models, standing
from compliance.scans.quarters import begin_of
from compliance.scans.register import Kind as Scans


def probes(anchor: date = standing.ANCHOR) -> tuple[Probe, ...]:
    """Return the probe of 11.3.1."""

    def internal(look: Look) -> Reading:
        found = standing.of_kind(look.session, Scans.INTERNAL, look.at.date(), anchor=anchor)
        wrong = [
            Violation(component="quarters", object_id=one.begin.isoformat(), says=f"no pass for {name}")
            for one in found.closed
            for name in one.lacking or (() if one.is_passed else ("anything",))
        ]
        return Reading(
            population={"quarters": len(found.closed)},
            violations=wrong,
            asked={"anchor": anchor.isoformat(), "kind": Scans.INTERNAL.value},
        )

    def plant(look: Look) -> str:
        # A failed scan in the last closed quarter, of a component that nothing else looks at.
        today = look.at.date()
        number = 0
        while begin_of(anchor, number + 2) <= today:
            number += 1
        begin = begin_of(anchor, number)
        look.session.execute(
            sa.insert(models.scan).values(
                id=look.ctx.new_id("scn"),
                kind=Scans.INTERNAL,
                performed_on=(begin + timedelta(days=1)).isoformat(),
                scanner="planted",
                authenticated=True,
                components=["planted"],
                passed=[],
                entered_by="svc_compliance",
                entered_at=look.at,
                event_id="planted",
            )
        )
        return begin.isoformat()

    return (
        Probe(
            name="scans.internal",
            kind=Kind.STATE,
            asks="Closed quarters since the first internal scan; wrong is one without a pass of each component.",
            read=internal,
            plant=plant,
        ),
    )
