"""Probes over the nightly self-test: what a synthetic person's copy and erasure left out, and whether one came."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa

from compliance.contracts.probes import Kind, Look, Probe, Reading, Use, Violation
from compliance.privacy import selftest
from compliance.probes.planted import PLANTED
from compliance.registers.models import selftest_run

NIGHTS: Final = timedelta(hours=49)
"""So old a self-test may be: one night can fail to come."""


def probes() -> tuple[Probe, ...]:
    """Return the probes over the newest night."""
    return (
        Probe(
            name="privacy.selftest",
            kind=Kind.STATE,
            asks="Stores in the newest self-test; wrong is what was not found, stopped or erased, or no new test.",
            read=_selftest,
            plant=partial(_plant_night, leg="erasure"),
            use=Use.CUSTOMERS,
        ),
        Probe(
            name="privacy.portability",
            kind=Kind.STATE,
            asks="The portable copy of the newest self-test; wrong is what its schema or Art. 20 does not allow.",
            read=_portability,
            plant=partial(_plant_night, leg="portability"),
            use=Use.CUSTOMERS,
        ),
    )


def _selftest(look: Look) -> Reading:
    """Return all that the newest night found: a person who is nowhere has no data, and everything of them is a leg."""
    done = selftest.newest(look.session)
    if done is None:
        return Reading(population={"stores": 0})
    wrong = [_of_night(done, problem) for problem in done.problems]
    return _night(look, done, wrong, {"stores": done.stores, "markers": done.planted})


def _portability(look: Look) -> Reading:
    done = selftest.newest(look.session)
    if done is None:
        return Reading(population={"copies": 0})
    # Of a copy that could not be made nothing is known: that is no copy that is right.
    own = [one for one in done.problems if one.leg == "portability" or one.place == "package"]
    return _night(look, done, [_of_night(done, one) for one in own], {"copies": 1})


def _of_night(done: selftest.Run, problem: selftest.Problem) -> Violation:
    return Violation(component=problem.leg, object_id=f"{done.id} {problem.place}", says=problem.says)


def _night(look: Look, done: selftest.Run, wrong: list[Violation], population: Mapping[str, int]) -> Reading:
    if look.at - done.ended_at > NIGHTS:
        says = f"was last tested in the night of {done.night}"
        wrong.append(Violation(component="nights", object_id="selftest", says=says))
    return Reading(population=population, violations=wrong, asked={"run": done.id, "held": len(done.held)})


def _plant_night(look: Look, *, leg: str) -> str:
    id_ = look.ctx.new_id("slf")
    values = {
        "id": id_,
        "night": look.at.date().isoformat(),
        "subject": PLANTED,
        "started_at": look.at,
        "ended_at": look.at + timedelta(seconds=1),
        "stores": 1,
        "planted": 1,
        "found": 1,
        "left": 1,
        "held": [],
        "problems": [[leg, "planted", "was left out"]],
        "result": selftest.FAILED,
        "event_id": "evt_planted",
    }
    look.session.execute(sa.insert(selftest_run).values(**values))
    return f"{id_} planted"
