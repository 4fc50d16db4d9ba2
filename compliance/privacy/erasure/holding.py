"""Holds that are placed while an erasure is carried out: what they keep stays, with the keys that open it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from compliance.privacy import letters, requests
from compliance.privacy.erasure import batches, sparing, staying
from compliance.privacy.erasure.planning import GOES
from compliance.privacy.erasure.staying import HOLD
from compliance.privacy.models import erasure_target, request_item
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Request
from compliance.retention import holds, keeping, policies
from compliance.retention.holds import Hold

_CORRECTION: Final = (
    "Since our last letter a claim or a duty came up that keeps some of your data, your address among it, until it is "
    "settled. The certificate that the last letter leads to names what stays. Then it is erased as well, and we write "
    "to you once more."
)


def give_way(session: Session, found: Request, parts: Privacy) -> Sequence[Hold]:
    """Leave what a hold keeps that was placed since the plan; asked before each batch (PRV-40).

    Returns the holds that stand. If they cannot be read, or one does not lie here as it was placed, nothing is erased,
    since the transaction ends here.
    """
    standing = holds.standing(session)
    if not standing:
        return standing
    of = erasure_target.c
    undone = sa.select(erasure_target).where(of.request_id == found.id, of.done_at.is_(None), of.action.in_(GOES))
    last = sa.select(sa.func.max(of.place)).where(of.request_id == found.id)
    place = session.execute(last).scalar_one_or_none() or 0
    keeps = keeping.of(session, standing, parts.sources)
    for row in session.execute(undone.order_by(of.place)).all():
        targets = batches.targets_of(row, found.subject)
        leaves = sparing.held(session, parts.source(row.source), targets, keeps, parts)
        stays = [target.id for target in targets if target.leaf in leaves]
        if not stays:
            continue
        free = [target.id for target in targets if target.leaf not in leaves]
        place += 1
        count = len(stays) if free else row.rows
        kept = {**row._mapping, "place": place, "ids": stays, "rows": count, "action": "keep"}
        session.execute(sa.insert(erasure_target).values({**kept, "retention": HOLD}))
        this = (of.request_id == found.id) & (of.place == row.place)
        if free:
            session.execute(sa.update(erasure_target).where(this).values(ids=free, rows=len(free)))
        else:
            session.execute(sa.delete(erasure_target).where(this))
    _spare_keys(session, found)
    return standing


def correct(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    """Say what stays that was to go when the last letter was written: on the request, and to its person if reached."""
    shown = {(one.store, one.category): one.held for one in requests.items(session, found.id)}
    kept: dict[tuple[str, str], list[Any]] = {}
    for row in batches.rows_of(session, found.id):
        if row.action == "keep":
            kept.setdefault((row.store, row.category), []).append(row)
    more = {at: rows for at, rows in kept.items() if sum(row.rows for row in rows) > shown.get(at, 0)}
    if not more:
        return
    of, known = request_item.c, policies.kept(session)
    for (store, category), rows in more.items():
        why = {row.retention for row in rows}
        values = {
            "held": sum(row.rows for row in rows),
            "stays_until": max((staying.until(one, known, ctx) for one in why), key=staying.order),
            "law": "; ".join(sorted({staying.law(one, known) for one in why})),
            "noted_at": ctx.at,
        }
        mine = (of.request_id == found.id) & (of.store == store) & (of.category == category)
        session.execute(sa.update(request_item).where(mine).values(**values))
    if any(category == "contact" for _, category in more):
        letters.done(session, found, _CORRECTION, ctx, parts=parts)


def _spare_keys(session: Session, found: Request) -> None:
    """Leave the keys that open what a hold keeps, and with them what only their destruction would erase."""
    of = erasure_target.c
    held = sa.select(of.key_class).where(of.request_id == found.id, of.retention == HOLD, of.key_class.is_not(None))
    needed = set(session.execute(held).scalars())
    if not needed:
        return
    those = (of.request_id == found.id) & of.key_class.in_(needed) & of.done_at.is_(None) & (of.retention != HOLD)
    shreds = those & (of.action == "shred")
    session.execute(sa.update(erasure_target).where(shreds).values(action="keep", retention=HOLD))
    # Also of rows that went already: they went themselves, and their key opens nothing of them any more.
    went = (of.request_id == found.id) & of.key_class.in_(needed) & of.action.in_(("delete", "null"))
    session.execute(sa.update(erasure_target).where(went).values(key_class=None))
