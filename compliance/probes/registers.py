"""Probes over the registers of the data protection officer: the record of processing, breaches, people at high risk."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from compliance.catalog import purposes
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation, WhenEmpty
from compliance.privacy import graph
from compliance.registers import breaches, processing, processors
from compliance.registers.models import breach, processor
from compliance.registers.parts import Registers

_PLANTED: Final = "Planted Ltd"
LETTERS_WITHIN: Final = timedelta(hours=72)
"""So long after the decision, "without undue delay" of Art. 34(1) is held to have passed."""


def probes(parts: Registers) -> tuple[Probe, ...]:
    """Return the probes over the registers."""
    return (
        Probe(
            name="privacy.register",
            kind=Kind.STATE,
            asks="Activities, stores and processors; wrong is what the register leaves out, or that nobody approved.",
            read=partial(_register, parts=parts),
            plant=_plant_processor,
        ),
        Probe(
            name="privacy.breaches",
            kind=Kind.STATE,
            asks="Breaches; wrong is one past its 72 h without a decision or notice, or decided without reasons.",
            read=_breaches,
            plant=_plant_undecided,
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
        Probe(
            name="privacy.high_risk",
            kind=Kind.STATE,
            asks="Breaches of high risk; wrong is one whose people were not written to, and nobody wrote down why.",
            read=_high_risk,
            plant=_plant_untold,
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
    )


def _register(look: Look, *, parts: Registers) -> Reading:
    body = processing.document(look.session, parts=parts)
    wrong = [
        Violation(component="stores", object_id=store, says=says)
        for store, says in processing.undocumented(look.session, parts=parts)
    ]
    last = processing.approved(look.session)
    if last is None:
        wrong.append(Violation(component="register", object_id="register", says="was never approved as it lies there"))
    elif last.sha256 != processing.digest(body):
        count = len(processing.differences(last.body, body))
        says = f"differs in {count} places from the one that was approved"
        wrong.append(Violation(component="register", object_id="register", says=says))
    hands = processors.listed(look.session)
    for one in hands:
        look.deadline.check()
        missing = one.lacks(look.at.date())
        if missing:
            wrong.append(Violation(component="processors", object_id=one.id, says="; ".join(missing)))
    population = {
        "activities": len(body["activities"]),
        "stores": len({store.name for store in graph.stores(parts.sources)}),
        "processors": len(hands),
    }
    return Reading(population=population, violations=wrong, asked={"register": processing.digest(body)})


def _plant_processor(look: Look) -> str:
    """Plant a processor without a contract: whom we hand data to by nothing."""
    id_ = look.ctx.new_id("prc")
    values = {
        "id": id_,
        "name": _PLANTED,
        "does": "was planted",
        "points": {},
        "sub_processors": [],
        "countries": ["DE"],
        "hosts": [],
        "purposes": [next(iter(purposes.shipped()))],
        "has_cards": False,
        "review_on": look.at.date().isoformat(),
        "changed_at": look.at,
    }
    look.session.execute(sa.insert(processor).values(**values))
    return id_


def _breaches(look: Look) -> Reading:
    counted, wrong = 0, []
    for found in breaches.every(look.session):
        look.deadline.check()
        counted += 1
        if says := _wrong_with(found, look):
            wrong.append(Violation(component="breaches", object_id=found.id, says=says))
    return Reading(population={"breaches": counted}, violations=wrong, asked={"hours": breaches.HOURS})


def _wrong_with(found: breaches.Breach, look: Look) -> str | None:
    first = next(iter(found.told(breaches.AUTHORITY)), None)
    # The earlier of what is counted from when somebody was aware and what is kept beside it: neither is moved alone.
    due_at = min(found.due_at, found.aware_at + timedelta(hours=breaches.HOURS))
    if found.decision is None:
        return "is past its 72 hours without a decision" if look.at > due_at else None
    if not (found.reasons or "").strip() or not found.is_assessed:
        return "was decided without reasons, or without being assessed"
    if found.decision == breaches.NOTIFY and first is None:
        return "is to be notified, and its 72 hours are over" if look.at > due_at else None
    if first is not None and first.sent_at > due_at and not (first.late_reason or "").strip():
        return "was notified late, and nobody wrote down why"
    return None


def _plant_undecided(look: Look) -> str:
    return _planted(look, aware_at=look.at - timedelta(hours=73))


def _high_risk(look: Look) -> Reading:
    counted, wrong = 0, []
    for found in (one for one in breaches.every(look.session) if one.high_risk):
        look.deadline.check()
        counted += 1
        since = found.decided_at
        is_over = since is not None and (found.closed_at is not None or look.at > since + LETTERS_WITHIN)
        if is_over and not found.told(breaches.PEOPLE) and not (found.letters_exception or "").strip():
            says = "is of high risk, and its people were not written to"
            wrong.append(Violation(component="breaches", object_id=found.id, says=says))
    return Reading(population={"breaches of high risk": counted}, violations=wrong)


def _plant_untold(look: Look) -> str:
    decided = look.at - LETTERS_WITHIN - timedelta(hours=1)
    return _planted(look, aware_at=decided, high_risk=True, decision=breaches.KEEP, decided_at=decided)


def _planted(look: Look, **more: Any) -> str:  # columns of the breach
    id_, aware_at = look.ctx.new_id("brc"), more["aware_at"]
    values = {
        "id": id_,
        "title": "planted",
        "due_at": aware_at + timedelta(hours=breaches.HOURS),
        "hours": breaches.HOURS,
        "recorded_at": look.at,
        "state": breaches.ASSESSING,
        "categories": [],
    }
    look.session.execute(sa.insert(breach).values(**values, **more))
    return id_
