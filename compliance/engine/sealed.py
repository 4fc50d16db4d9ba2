"""Whether readings lie as they were sealed: each row against the hash that the event of its sealing holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.clock import rfc3339
from compliance import models
from compliance.told import SHA256, Stands, told
from ingest.events.compliance import ProbeObserved

OBSERVATION: Final = "onepay.observation.id"
_AROUND: Final = ("sha256", "event_id")
"""What a row holds about its sealing, and is in no hash."""
HASHED: Final = tuple(column.name for column in models.observation.c if column.name not in _AROUND)
"""The columns that are hashed."""


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an observation as it is hashed: its columns without its own hash and its event, instants as text."""
    values = {name: row[name] for name in HASHED}
    return {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in values.items()}


def row_hash(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an observation's canonical row."""
    return hashlib.sha256(canonical.encode(plain(row))).hexdigest()


def intact(session: Session, rows: Sequence[Mapping[str, Any]], *, are_past: bool = True) -> frozenset[str]:
    """Return the ids of those observations that are what their events say.

    Of one of the past whose event ended, what it says; what stands now is of today, and has its event.
    """
    stand = {
        row["id"]: (
            row["event_id"],
            Stands(
                kind=ProbeObserved.kind,
                says={OBSERVATION: row["id"], SHA256: row["sha256"]},
                at=row["started_at"] if are_past else None,
            ),
        )
        for row in rows
        if row_hash(row) == row["sha256"]
    }
    return told(session, stand)


def latest(session: Session, only: str | None = None) -> Mapping[str, Mapping[str, Any]]:
    """Return the observation that each probe, or one, names as its last, by probe, where it is one of its own."""
    kept, probe = models.observation, models.probe.c
    query = sa.select(probe.name, probe.observation_id).where(probe.observation_id.is_not(None))
    if only is not None:
        query = query.where(probe.name == only)
    named = {(row.name, row.observation_id) for row in session.execute(query)}
    # By their ids in a statement of its own: a join makes SQLite read every observation there is.
    rows = session.execute(sa.select(kept).where(kept.c.id.in_({id_ for _, id_ in named}))).mappings()
    return {row["probe"]: dict(row) for row in rows if (row["probe"], row["id"]) in named}
