"""Probes over the register of scans: internal ones that passed, in each closed quarter and after each deployment."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation, WhenEmpty
from compliance.scans import deployments, models, register, standing
from compliance.scans.quarters import begin_of, number_of
from compliance.scans.register import Kind as Scans


def probes(anchor: date) -> tuple[Probe, ...]:
    """Return the probes of 11.3.1; `anchor` is the first day of a year of assessment."""

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
        begin = begin_of(anchor, number_of(anchor, look.at.date()) - 1)
        _failed(look, begin + timedelta(days=1))
        return begin.isoformat()

    return (
        Probe(
            name="scans.internal",
            kind=Kind.STATE,
            asks="Closed quarters since the first internal scan; wrong is one without a pass of each component.",
            read=internal,
            plant=plant,
        ),
        Probe(
            name="scans.deployments",
            kind=Kind.STATE,
            asks="Releases begun within a year; wrong is one whose 30 days ended without a pass of each component.",
            read=_deployments,
            plant=_plant_deployment,
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
    )


def _deployments(look: Look) -> Reading:
    today, scans = look.at.date(), register.all_of(look.session, Scans.INTERNAL)
    began = [*deployments.significant(look.store), *look.fence.get("deployments", [])]
    counted = [one for one in began if one.at > look.at - deployments.COUNTED]
    wrong = [
        Violation(
            component="deployments",
            object_id=one.version,
            says=f"began on {one.at:%Y-%m-%d}, and no scan passed {name} by {one.scanned_until}",
        )
        for one in counted
        if one.scanned_until < today
        for name in deployments.lacking(one, scans)
    ]
    asked = {"days": deployments.WITHIN.days, "kind": Scans.INTERNAL.value}
    return Reading(population={"deployments": len(counted)}, violations=wrong, asked=asked)


def _plant_deployment(look: Look) -> str:
    """Plant a release whose days are over, and what failed in them: a component that nothing else looks at."""
    began = look.at - deployments.WITHIN - timedelta(days=2)
    look.fence["deployments"] = [deployments.Deployment(version="planted", at=began)]
    _failed(look, began.date() + timedelta(days=1))
    return "planted"


def _failed(look: Look, day: date) -> None:
    look.session.execute(
        sa.insert(models.scan).values(
            id=look.ctx.new_id("scn"),
            kind=Scans.INTERNAL,
            performed_on=day.isoformat(),
            scanner="planted",
            authenticated=True,
            components=["planted"],
            passed=[],
            entered_by="svc_compliance",
            entered_at=look.at,
            event_id="planted",
        )
    )
