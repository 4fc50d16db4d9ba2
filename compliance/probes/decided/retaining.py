"""Periods, legal holds and runs of retention, each with the events that say people decided on exactly that."""

from __future__ import annotations

from typing import Final

from compliance.contracts.probes import Look, Violation
from compliance.retention import agreed, binding, decided, placing, policies
from compliance.retention import holds as legal
from compliance.retention import runs as all_runs
from compliance.retention.holds import ACTIVE
from compliance.told import has_ended
from ingest.events.privacy import LegalHoldPlaced, LegalHoldReleased

_BEGUN: Final = (all_runs.APPROVED, all_runs.EXECUTING, all_runs.VERIFYING, all_runs.CERTIFIED)
_AT_ONCE: Final = 1_000


def periods(look: Look) -> tuple[int, list[Violation]]:
    """Count the periods that people put in force, and find those that are not what people agreed to last."""
    told = agreed.told(look.session)
    known = policies.in_force(look.session).values()
    changed = [one for one in known if not one.is_shipped or one.document in told.newest]
    found = {one.class_: binding.trouble(look.session, one, told) for one in changed}
    found |= {one.event_id: "is an approval that cannot be read, and nothing ended it" for one in told.unread}
    wrong = [Violation(component="periods", object_id=name, says=says) for name, says in found.items() if says]
    return len(changed), wrong


def holds(look: Look) -> tuple[int, list[Violation]]:
    """Count the holds, and find what was placed and is gone or changed, and what nobody placed or released."""
    told, found = placing.told(look.session), dict(legal.troubles(look.session))
    kept = legal.every(look.session)
    for one in kept:
        look.deadline.check()
        says = None
        if one.state != ACTIVE:
            over = told.released.get(one.case)
            is_told = over is not None and over.scope_hash == legal.scope_of(one)
            # One that the log says stands was released by nothing that ended.
            may_be = one.case not in told.standing and has_ended(look.session, LegalHoldReleased.kind, one.released_at)
            if not is_told and not may_be:
                says = "stands as released, and nobody is told to have agreed"
        elif (placed := told.standing.get(one.case)) is None:
            # One that the log says was released, or that it says nothing of, may stand by what ended lawfully alone.
            is_over = one.case in told.released
            if is_over or not has_ended(look.session, LegalHoldPlaced.kind, one.placed_at):
                says = "stands, and nobody is told to have placed it"
        elif placed.review_on not in (None, one.review_on):
            says = "is to be looked at again on another day than was said"
        elif placed.by != one.placed_by:
            says = "names another than who placed it, who may not release it"
        if says is not None:
            found.setdefault(one.case, says)
    return len(kept), [Violation(component="holds", object_id=case, says=says) for case, says in found.items()]


def runs(look: Look) -> tuple[int, list[Violation]]:
    """Count the runs that were let be carried out, and find those that nobody approved."""
    begun = all_runs.in_state(look.session, *_BEGUN)
    says = "stands as approved, and the log knows of nobody who did"
    wrong = list[Violation]()
    for first in range(0, len(begun), _AT_ONCE):
        look.deadline.check()
        some = begun[first : first + _AT_ONCE]
        known = decided.approved(look.session, some)
        wrong += [Violation(component="runs", object_id=one.id, says=says) for one in some if one.id not in known]
    return len(begun), wrong
