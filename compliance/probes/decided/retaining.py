"""Periods, legal holds and runs of retention, each with the events that say people decided on exactly that."""

from __future__ import annotations

from typing import Final

from compliance.contracts.probes import Look, Violation
from compliance.retention import agreed, binding, decided, policies
from compliance.retention import holds as legal
from compliance.retention import runs as all_runs
from compliance.retention.holds import ACTIVE
from compliance.told import has_ended
from ingest.events.envelope import Event, at_path
from ingest.events.privacy import LegalHoldPlaced, LegalHoldReleased
from ingest.log import read

CASE, SCOPE = "onepay.hold.case", "onepay.hold.scope_hash"
_BEGUN: Final = (all_runs.APPROVED, all_runs.EXECUTING, all_runs.VERIFYING, all_runs.CERTIFIED)


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
    """Count the holds, and find what was placed and is gone or changed, and what nobody released."""
    kept = {one.case: one for one in legal.every(look.session)}
    placed, released = _told(look, LegalHoldPlaced), _told(look, LegalHoldReleased)
    found: dict[str, str] = {}
    for case, scope in placed.items():
        if case not in kept and case not in released:
            found[case] = "was placed and never released, and keeps nothing now"
        elif case in kept and legal.scope_of(kept[case]) != scope:
            found[case] = "does not keep what was placed"
    for case, one in kept.items():
        if one.state == ACTIVE:
            is_told = case in placed or has_ended(look.session, LegalHoldPlaced.kind, one.placed_at)
            says = "stands, and nobody is told to have placed it"
        else:
            is_told = released.get(case) == legal.scope_of(one)
            is_told = is_told or has_ended(look.session, LegalHoldReleased.kind, one.released_at)
            says = "stands as released, and nobody is told to have agreed"
        if not is_told:
            found.setdefault(case, says)
    return len(kept), [Violation(component="holds", object_id=case, says=says) for case, says in found.items()]


def runs(look: Look) -> tuple[int, list[Violation]]:
    """Count the runs that were let be carried out, and find those that nobody approved."""
    begun = all_runs.in_state(look.session, *_BEGUN)
    says = "stands as approved, and the log knows of nobody who did"
    wrong = [one for one in begun if not decided.is_approved(look.session, one)]
    return len(begun), [Violation(component="runs", object_id=one.id, says=says) for one in wrong]


def _told(look: Look, kind: type[Event]) -> dict[str, str]:
    """Return the hash of what each case holds, as the events of a kind say; of a case told twice the newest."""
    return {str(at_path(said, CASE)): str(at_path(said, SCOPE)) for said in read.documents_of(look.session, kind.kind)}
