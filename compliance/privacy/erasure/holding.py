"""What a legal hold keeps of an erasure that is being carried out, also one that was placed since the plan."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.contracts.personal import PersonalDataSource, Target
from compliance.privacy.erasure import batches
from compliance.privacy.erasure.planning import GOES
from compliance.privacy.erasure.staying import HOLD
from compliance.privacy.events import LOG
from compliance.privacy.models import erasure_target
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Request
from compliance.retention import holds, keeping
from compliance.retention.holds import Hold
from compliance.retention.keeping import Keeping

"""By what a row stays that a legal hold keeps: its case and reason are for nobody but those who placed it."""


def held(
    session: Session, source: PersonalDataSource, targets: Sequence[Target], keeps: Sequence[Keeping], parts: Privacy
) -> frozenset[str]:
    """Return the leaves that a hold keeps: rows, and events that only the key of their class opens."""
    kept, standing = keeping.leaves(session, source, targets, keeps), [one.hold for one in keeps]
    return kept | {target.leaf for target in targets if _is_kept_event(target, standing, parts)}


def _is_kept_event(target: Target, standing: Sequence[Hold], parts: Privacy) -> bool:
    is_of_log = target.key_class is not None and target.store == f"{LOG}.{target.id}"
    return is_of_log and holds.keep_key(standing, parts.store, target.subject, target.id)


def give_way(session: Session, found: Request, parts: Privacy) -> Sequence[Hold]:
    """Leave what a legal hold keeps, also one that was placed since the plan; asked before each batch (PRV-40).

    Returns the holds that stand. If they cannot be read nothing is erased, since the transaction ends here.
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
        leaves = held(session, parts.source(row.source), targets, keeps, parts)
        stays = [target.id for target in targets if target.leaf in leaves]
        if not stays:
            continue
        free = [target.id for target in targets if target.leaf not in leaves]
        place += 1
        kept = {**row._mapping, "place": place, "ids": stays, "rows": len(stays), "action": "keep"}
        session.execute(sa.insert(erasure_target).values({**kept, "retention": HOLD}))
        this = (of.request_id == found.id) & (of.place == row.place)
        if free:
            session.execute(sa.update(erasure_target).where(this).values(ids=free, rows=len(free)))
        else:
            session.execute(sa.delete(erasure_target).where(this))
    _spare_keys(session, found)
    return standing


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
