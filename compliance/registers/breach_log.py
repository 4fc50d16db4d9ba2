"""What the log says of how breaches were assessed: their rows alone say neither how high a risk is, nor for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.errors import Conflict
from compliance.registers import breaches
from compliance.registers.breaches import KEEP, NOTIFY, Assessment, Breach
from ingest.events.envelope import at_path
from ingest.events.privacy import BreachAssessed
from ingest.log import read

BREACH: Final = "onepay.breach.id"
DECISION: Final = "onepay.privacy.decision"
_SHA256: Final = "onepay.privacy.sha256"
_HIGH_RISK: Final = "onepay.breach.high_risk"


class BreachDiffers(Conflict):
    """What stands of this breach is not what was written down of it last: assess it anew, and say what is so."""

    code = "breach_differs"


def digest(found: Any) -> str:  # a breach, or its row
    """Return the hash of all that an assessment says, which the events of a breach hold."""
    # As texts: whatever somebody wrote into a row is compared, and has no form that stops the comparison.
    said = {one.name: str(getattr(found, one.name)) for one in fields(Assessment)}
    return crypto.sha256(canonical.encode(said)).hex()


def newest(session: Session) -> Mapping[str, Mapping[str, Any]]:
    """Return the newest event by each breach that says how it was assessed."""
    return {str(at_path(said, BREACH)): said for said in read.documents_of(session, BreachAssessed.kind)}


def is_as_told(found: Any, said: Mapping[str, Any] | None) -> bool:  # a breach, or its row
    """Tell whether a breach is assessed as its newest event says; one of before that field says nothing of it."""
    return said is None or at_path(said, _SHA256) in (None, digest(found))


def as_told(session: Session, breach_id: str) -> Breach:
    """Return a breach that nobody else changes until this transaction ends; raises `BreachDiffers`."""
    found = breaches.locked(session, breach_id)
    said = _of(session, breach_id)
    if not is_as_told(found, said[-1] if said else None):
        raise BreachDiffers(object_id=breach_id)
    return found


def is_decided_high(session: Session, found: Breach) -> bool:
    """Tell whether two people decided on a breach as one of high risk, by its row or by the log."""
    said = _of(session, found.id)
    is_high = found.high_risk or any(at_path(one, _HIGH_RISK) for one in said[-1:])
    return bool(is_high) and (found.decision is not None or _is_decided(said))


def _is_decided(said: Iterable[Mapping[str, Any]]) -> bool:
    return any(at_path(one, DECISION) in (NOTIFY, KEEP) for one in said)


def _of(session: Session, breach_id: str) -> list[Mapping[str, Any]]:
    told = read.documents_of(session, BreachAssessed.kind, containing=breach_id)
    return [one for one in told if at_path(one, BREACH) == breach_id]
