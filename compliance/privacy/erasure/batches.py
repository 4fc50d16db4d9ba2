"""The rows of an erasure as they are written down: batches of one kind of work, and the keys that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.db import Database
from compliance.contracts.personal import Target
from compliance.privacy.erasure.planning import GOES, Planned
from compliance.privacy.models import erasure_target


def cut(planned: Planned, size: int) -> Iterator[dict[str, Any]]:
    """Yield rows of the same kind of work, at most so many at once; credentials and sessions before all else."""
    grouped: dict[tuple[str, str, str, str, str, tuple[str, ...], str | None], dict[str, int]] = {}
    for source, targets in planned.targets.items():
        for target in targets:
            fields = target.fields if target.action != "delete" else ()
            key = (source, target.store, target.category, target.action, target.forced_by or target.retention, fields)
            grouped.setdefault((*key, target.key_class), {})[target.id] = target.entries
    ordered = sorted(grouped.items(), key=lambda pair: (pair[0][2] != "credential", str(pair[0])))
    for (source, store, category, action, class_, fields, key_class), ids in ordered:
        named = list(ids)
        for first in range(0, len(named), size):
            chunk = named[first : first + size]
            yield {
                "source": source,
                "store": store,
                "ids": chunk,
                "category": category,
                "action": action,
                "retention": class_,
                "fields": list(fields),
                "key_class": key_class,
                "rows": sum(ids[id] for id in chunk),
            }


def rows_of(session: Session, request_id: str) -> Sequence[Any]:
    """Return the batches of an erasure as they were written down, in their order."""
    of = erasure_target.c
    return session.execute(sa.select(erasure_target).where(of.request_id == request_id).order_by(of.place)).all()


def targets_of(row: Any, subject: str) -> list[Target]:  # a row of `erasure_target`
    """Return what a batch is made of."""
    return [
        Target(
            store=row.store,
            id=id,
            subject=subject,
            category=row.category,
            action=row.action,
            retention=row.retention,
            fields=tuple(row.fields),
            key_class=row.key_class,
        )
        for id in row.ids
    ]


def classes(rows: Sequence[Any]) -> list[str]:
    """Return the classes whose keys go with what goes."""
    return sorted({row.key_class for row in rows if row.action in GOES and row.key_class})


def key_classes(db: Database, request_id: str) -> list[str]:
    """Return the classes whose keys an erasure destroys, as its batches are now."""
    with db.read() as session:
        return classes(rows_of(session, request_id))
