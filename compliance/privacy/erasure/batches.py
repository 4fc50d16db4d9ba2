"""The rows of an erasure as they are written down: batches of one kind of work, and the keys that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.errors import Conflict
from compliance.contracts.personal import Target
from compliance.privacy import logged
from compliance.privacy.erasure.planning import GOES, Planned
from compliance.privacy.logged import Begun
from compliance.privacy.models import erasure_target
from compliance.privacy.request import Request

_BOUND: Final = (
    "place",
    "source",
    "store",
    "ids",
    "category",
    "action",
    "retention",
    "fields",
    "key_class",
    "rows",
)
"""What of a row says what is done."""


class PlanDiffers(Conflict):
    """What is written down to be erased is not what was begun; somebody has to look why."""

    code = "plan_differs"


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


def digest(session: Session, request_id: str) -> str:
    """Return the hash of what an erasure does, row by row; how far it has come is none of it."""
    lines = [[str(row._mapping[name]) for name in _BOUND] for row in rows_of(session, request_id)]
    return crypto.sha256(canonical.encode({"request": request_id, "rows": lines})).hex()


def demand_begun(session: Session, found: Request) -> Begun:
    """Return by what an erasure began; raises `PlanDiffers` where what is written down is not that."""
    begun = logged.of(session, found).begun
    if begun is None or begun.sha256 != digest(session, found.id):
        raise PlanDiffers(object_id=found.id)
    return begun


def classes(rows: Sequence[Any]) -> list[str]:
    """Return the classes whose keys go with what goes."""
    return sorted({row.key_class for row in rows if row.action in GOES and row.key_class})
