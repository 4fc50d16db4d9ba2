"""The probe of Art. 5(2): decisions that somebody wrote into the database and nobody made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from compliance.contracts.probes import Kind, Look, Planted, Probe, Reading, Violation, WhenEmpty, planted_ids
from compliance.probes.decided import (
    begun,
    consents,
    intervals,
    papers,
    planting,
    readings,
    registers,
    requests,
    retaining,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One register. `look` counts what stands of it and finds what of it nobody decided; `plant` plants some of that.

    So a part that sees nothing any more is found out by what is planted for it alone.
    """

    look: Callable[[Look], tuple[int, list[Violation]]]
    plant: Callable[[Look], Planted]


PARTS: Final[Mapping[str, Part]] = {
    "papers": Part(look=papers.signed, plant=planting.paper),
    "periods": Part(look=retaining.periods, plant=planting.period),
    "holds": Part(look=retaining.holds, plant=planting.legal_hold),
    "runs": Part(look=retaining.runs, plant=planting.retention_run),
    "requests": Part(look=requests.moved, plant=planting.request_),
    "restrictions": Part(look=requests.restrictions, plant=planting.restriction_),
    "receipts": Part(look=consents.receipts, plant=planting.receipt),
    "wordings": Part(look=consents.wordings, plant=planting.wording),
    "objections": Part(look=consents.objections, plant=planting.objection_),
    "breaches": Part(look=registers.breaches, plant=planting.breach_),
    "scans": Part(look=registers.scans, plant=planting.scan_),
    "reviews": Part(look=registers.recertified, plant=planting.review_line),
    "nights": Part(look=registers.nights, plant=planting.night),
    "beginnings": Part(look=begun.gone, plant=planting.beginnings),
    "intervals": Part(look=intervals.written, plant=planting.interval),
    "readings": Part(look=readings.lying, plant=planting.reading),
}


def probe(parts: Mapping[str, Part] = PARTS) -> Probe:
    """Return the probe of what is said to be decided."""
    # Functions, which a probe's hash is of, and not the parts that hold them.
    looks = {name: part.look for name, part in parts.items()}
    plants = {name: part.plant for name, part in parts.items()}
    return Probe(
        name=readings.PROBE,
        kind=Kind.STATE,
        asks="Papers, periods, holds, runs, requests, restrictions, consents, objections, breaches, scans, reviews, "
        "self-tests, intervals and readings; wrong is one that stands as no event says, or that began and is gone.",
        read=partial(_read, looks=looks),
        plant=partial(_plant, plants=plants),
        empty_means=WhenEmpty.NOT_APPLICABLE,
    )


def _read(look: Look, *, looks: Mapping[str, Callable[[Look], tuple[int, list[Violation]]]]) -> Reading:
    population, wrong = dict[str, int](), list[Violation]()
    for name, part in looks.items():
        look.deadline.check()
        population[name], found = part(look)
        wrong += found
    return Reading(population=population, violations=wrong)


def _plant(look: Look, *, plants: Mapping[str, Callable[[Look], Planted]]) -> frozenset[str]:
    """Plant for each part what that part alone finds."""
    return frozenset[str]().union(*(planted_ids(plant(look)) for plant in plants.values()))
