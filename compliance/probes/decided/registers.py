"""Breaches with what was decided and sent about them, and scans as they were entered, each by its event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from compliance.contracts.probes import Look, Violation
from compliance.registers.breaches import KEEP, NOTIFY
from compliance.registers.models import breach, breach_notice
from compliance.scans import register
from compliance.scans.models import finding
from compliance.told import SHA256, Stands, told
from ingest.events.compliance import ScanImported
from ingest.events.envelope import at_path
from ingest.events.privacy import BreachAssessed
from ingest.log import forgotten, read
from ingest.store.columns import month_of

DECISION, BREACH = "onepay.privacy.decision", "onepay.breach.id"
_LOOKED_FOR: Final = timedelta(days=365)
"""A scan that was entered so lately has not ended by its period."""


def breaches(look: Look) -> tuple[int, list[Violation]]:
    """Count the breaches, and find decisions nobody made, and notices that were not sent in these words."""
    rows = look.session.execute(sa.select(breach).order_by(breach.c.id)).all()
    decided = {
        str(at_path(said, BREACH)): str(at_path(said, DECISION))
        for said in (read.documents_of(look.session, BreachAssessed.kind) if rows else ())
        if at_path(said, DECISION) in (NOTIFY, KEEP)
    }
    gone = forgotten.months(look.session, BreachAssessed.event_class.value)
    wrong = {
        row.id: "stands as decided, and nobody is told to have decided so"
        for row in rows
        if row.decision != decided.get(row.id) and not (row.decided_at and month_of(row.decided_at) in gone)
    }
    sent = {
        f"{one.breach_id} {one.recipient} {one.phase}": one for one in look.session.execute(sa.select(breach_notice))
    }
    stand = {key: (one.event_id, _sent(one)) for key, one in sent.items()}
    for key in sorted(stand.keys() - told(look.session, stand)):
        wrong.setdefault(sent[key].breach_id, "has a notice that no event says was sent")
    return len(rows), [Violation(component="breaches", object_id=id, says=says) for id, says in wrong.items()]


def _sent(notice: Any) -> Stands:  # a row of `breach_notice`
    return {
        BREACH: notice.breach_id,
        "onepay.breach.recipient": notice.recipient,
        "onepay.privacy.sha256": notice.sha256,
    }


def scans(look: Look) -> tuple[int, list[Violation]]:
    """Count the scans, and find those that are not as they were entered, or are gone."""
    hashes = register.hashes(look.session)
    imported = read.documents_of(look.session, ScanImported.kind)
    entered = {str(at_path(said, "onepay.compliance.scan")): said for said in imported}
    gone = forgotten.months(look.session, ScanImported.event_class.value)
    wrong = {}
    for id, (sha256, at) in hashes.items():
        said = entered.get(id)
        is_told = month_of(at) in gone if said is None else at_path(said, SHA256) == sha256
        if not is_told:
            wrong[id] = "is not as it was entered"
    since = f"{look.at - _LOOKED_FOR:%Y-%m-%d}"
    for id, said in entered.items():
        if id not in hashes and str(said["@timestamp"]) >= since:
            wrong[id] = "was entered, and is gone"
    mended = look.session.execute(sa.select(finding).where(finding.c.fixed_on.is_not(None))).all()
    stand: dict[str, tuple[str | None, Stands]] = {
        one.id: (one.fixed_event, {"onepay.compliance.finding": one.id, "onepay.report.period": one.fixed_on})
        for one in mended
    }
    untold = stand.keys() - told(look.session, stand)
    for one in mended:
        if one.id in untold:
            wrong.setdefault(one.scan_id, "has a finding that no event says was mended")
    return len(hashes), [Violation(component="scans", object_id=id, says=says) for id, says in wrong.items()]
