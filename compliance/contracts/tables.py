"""A source of personal data made of the marks on columns: search, export, erasure, retention without a second list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.crypto import Secret
from compliance.contracts.files import Files
from compliance.contracts.marked import about, checking, due, erasing, marks, records, rectifying, stores, synthetic
from compliance.contracts.marked.owned import Ended, Owned, Reader, Writer
from compliance.contracts.personal import Change, Record, Seed, StoreInfo, Target


class MarkedTables:
    """All tables of one owner, read by their marks; what it says of them beyond is described at `Owned`."""

    def __init__(
        self,
        name: str,
        metadata: sa.MetaData,
        *,
        hashing: Secret,
        read: Mapping[str, Reader] | None = None,
        write: Mapping[str, Writer] | None = None,
        key_class: Mapping[str, str] | None = None,
        ended: Mapping[str, Ended] | None = None,
        files: Mapping[str, Files] | None = None,
        examples: Mapping[str, Any] | None = None,
        unplanted: Collection[str] = (),
    ) -> None:
        self._owned = Owned(
            name=name,
            tables=[table for table in metadata.sorted_tables if marks.is_marked(table)],
            by_name=dict(metadata.tables),
            hashing=hashing,
            read=dict(read or {}),
            write=dict(write or {}),
            key_class=dict(key_class or {}),
            ended=dict(ended or {}),
            files=dict(files or {}),
            examples=dict(examples or {}),
            unplanted=frozenset(unplanted),
        )
        assert set(self._owned.files) <= set(self._owned.ended), "files end with rows that end"

    @property
    def name(self) -> str:
        return self._owned.name

    @property
    def tables(self) -> Sequence[sa.Table]:
        """Return the tables that say something about people."""
        return self._owned.tables

    @property
    def ended(self) -> Mapping[str, Ended]:
        """Return what says when rows end, by table."""
        return self._owned.ended

    def every_table(self) -> Sequence[sa.Table]:
        """Return all tables of the owner."""
        return list(self._owned.by_name.values())

    def stores(self) -> Sequence[StoreInfo]:
        return stores.stores(self._owned)

    def check(self) -> list[str]:
        """Return what the marks of these tables say that cannot be carried out."""
        return checking.check(self._owned)

    def seeds(self, session: Session, seeds: Set[Seed]) -> Set[Seed]:
        return records.seeds(self._owned, session, seeds)

    def collect(self, session: Session, seeds: Set[Seed]) -> Iterator[Record]:
        return records.collect(self._owned, session, seeds)

    def plan(self, session: Session, seeds: Set[Seed]) -> Iterator[Target]:
        return erasing.plan(self._owned, session, seeds)

    def erase(
        self, session: Session, targets: Sequence[Target], ctx: Context, *, only_of: str | None = None
    ) -> Counter[str]:
        return erasing.erase(self._owned, session, targets, ctx, only_of=only_of)

    def remaining(self, session: Session, targets: Sequence[Target]) -> int:
        return erasing.remaining(self._owned, session, targets)

    def named(self, session: Session, targets: Sequence[Target], ids: Collection[str]) -> frozenset[str]:
        return about.named(self._owned, session, targets, ids)

    def rectify(self, session: Session, store: str, id: str, field: str, value: str, ctx: Context) -> Change:
        return rectifying.rectify(self._owned, session, store, id, field, value, ctx)

    def carried_out(self) -> Mapping[str, str]:
        """Return the tables whose rows runs end, each with the class that they end by."""
        return due.carried_out(self._owned)

    def due(self, session: Session, class_: str, before: datetime, limit: int) -> Iterator[Target]:
        return due.due(self._owned, session, class_, before, limit)

    def still_due(self, session: Session, class_: str, before: datetime, targets: Sequence[Target]) -> Iterator[Target]:
        return due.still_due(self._owned, session, class_, before, targets)

    def ended_before(self, store: str, before: datetime) -> sa.Select[Any]:
        """Return the query of rows that ended before an instant."""
        return due.ended_before(self._owned, store, before)

    def plant(self, session: Session, subject: str, marker: str, ctx: Context) -> int:
        return synthetic.plant(self._owned, session, subject, marker, ctx)

    def markers(self, marker: str) -> list[str]:
        """Return what `plant` writes that must come back in an export."""
        return synthetic.markers(self._owned, marker)
