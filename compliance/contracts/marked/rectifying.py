"""Correcting one value that a person provided; told are its hashes alone."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.context import Context
from app.kernel.errors import NotFound
from compliance.contracts.marked import marks, naming
from compliance.contracts.marked.marks import APPEND_ONLY
from compliance.contracts.marked.owned import Owned
from compliance.contracts.marked.paths import parse
from compliance.contracts.personal import Change, FieldUnknown


def rectify(owned: Owned, session: Session, store: str, id: str, field: str, value: str, ctx: Context) -> Change:
    """Write a value in place of the one its person gave; raises `FieldUnknown` where they gave none, and `NotFound`."""
    table = owned.by_name.get(store)
    column = None if table is None else table.c.get(field)
    mark = None if column is None else marks.mark_of(column)
    if table is None or column is None or mark is None or mark.origin != "provided" or mark.export == "never":
        raise FieldUnknown(param="field")
    if table.info.get(APPEND_ONLY) or mark.on_erase == "keep_to_class_end" or mark.category == "account.id":
        raise FieldUnknown("What was booked is not changed; a note beside it says what is right.", param="field")
    place = f"{store}.{field}"
    row = session.execute(sa.select(table).where(naming.with_ids(table, [id]))).mappings().one_or_none()
    if row is None:
        raise NotFound
    owner = str(row[parse(str(mark.subject)).column])
    before = owned.read[place](row, owner) if place in owned.read else row[field]
    written = owned.write[place](row, value) if place in owned.write else value
    session.execute(sa.update(table).where(naming.with_ids(table, [id])).values({field: written}))
    return Change(
        store=store,
        id=id,
        field=field,
        before_hash=_hash(owned, place, "" if before is None else str(before)),
        after_hash=_hash(owned, place, value),
    )


def _hash(owned: Owned, place: str, text: str) -> str:
    return crypto.mac(owned.hashing, f"{place}|{text}".encode()).hex()
