"""Actions as they are kept: what people read of them, and the rows in and out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import SOC_INCIDENT_READ, Actor
from app.kernel.containment import Radius
from app.kernel.errors import NotFound
from playbooks import registry
from playbooks.models import action
from playbooks.parts import Parts
from playbooks.registry import ActionType, Lasts, Undo

PAGE_MAX: Final = 200
LOCK: Final = "account.lock"


class ActionState(StrEnum):
    """Where an action stands."""

    PROPOSED = "proposed"
    DONE = "done"
    PROLONGED = "prolonged"
    UNDONE = "undone"
    EXPIRED = "expired"
    REFUSED = "refused"
    RECORDED = "recorded"


STANDING: Final = (ActionState.DONE, ActionState.PROLONGED)
_STANDING: Final = tuple(state.value for state in STANDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action of an incident as people read it."""

    id: str
    key: str
    incident_id: str
    execution_id: str | None
    step: str | None
    name: str
    target: str
    params: Mapping[str, str]
    radius: Radius
    state: ActionState
    requested_by: str | None
    requested_at: datetime
    approved_by: str | None
    done_at: datetime | None
    expires_at: datetime | None
    prolonged_by: str | None
    undone_by: str | None
    undone_at: datetime | None
    ref: str | None
    refusal: str | None

    @property
    def kind(self) -> ActionType:
        return registry.named(self.name)

    @property
    def is_standing(self) -> bool:
        """Whether it holds something that somebody could take back."""
        return self.state in STANDING and self.kind.undo is not Undo.NEVER


def of_incident(session: Session, incident_id: str) -> Sequence[Action]:
    """Return the actions of an incident for its page, oldest first; of too many, what stands, waits or is newest."""
    is_over = sa.case((action.c.state.in_((*_STANDING, ActionState.PROPOSED.value)), 0), else_=1)
    query = sa.select(action).where(action.c.incident_id == incident_id)
    rows = session.execute(query.order_by(is_over, action.c.id.desc()).limit(PAGE_MAX))
    return sorted((of(row) for row in rows), key=lambda one: one.id)


def how_many(session: Session, incident_id: str) -> int:
    """Count the actions of an incident."""
    return session.scalar(sa.select(sa.func.count()).where(action.c.incident_id == incident_id)) or 0


def standing(session: Session, incident_id: str, *, name: str | None = None) -> Iterator[Action]:
    """Walk through all that was done on an incident and holds somebody still, the latest first."""
    undoable = [
        one.name for one in registry.REGISTRY.values() if one.undo is not Undo.NEVER and name in (None, one.name)
    ]
    return _walk(session, incident_id, action.c.state.in_(_STANDING) & action.c.name.in_(undoable))


def proposed(session: Session, incident_id: str) -> Iterator[Action]:
    """Walk through all that waits for a second person on an incident, the latest first."""
    return _walk(session, incident_id, action.c.state == ActionState.PROPOSED.value)


def given_back_at(session: Session, incident_id: str, account_id: str) -> datetime | None:
    """Return when the last lock of an account on an incident was taken back; None where one stands, or none was."""
    of_account = [one for one in standing(session, incident_id, name=LOCK) if one.target == account_id]
    if of_account:
        return None
    query = sa.select(action.c.undone_at).where(
        action.c.incident_id == incident_id,
        action.c.name == LOCK,
        action.c.target == account_id,
        action.c.undone_at.is_not(None),
    )
    return session.scalar(query.order_by(action.c.undone_at.desc()).limit(1))


def has_contained(session: Session, incident_id: str) -> bool:
    """Tell whether something was done on an incident and not taken back; what lapsed has done its work."""
    query = sa.select(sa.literal(1)).where(
        action.c.incident_id == incident_id, action.c.done_at.is_not(None), action.c.undone_by.is_(None)
    )
    return session.scalar(query.limit(1)) is not None


def _walk(session: Session, incident_id: str, where: sa.ColumnElement[bool]) -> Iterator[Action]:
    """Yield actions page by page; those of a page are read before the first is handed out, so each may be changed."""
    query = sa.select(action).where(action.c.incident_id == incident_id, where)
    query = query.order_by(action.c.id.desc()).limit(PAGE_MAX)
    rows = session.execute(query).all()
    while rows:
        yield from (of(row) for row in rows)
        rows = session.execute(query.where(action.c.id < rows[-1].id)).all()


def by_id(session: Session, action_id: str, actor: Actor) -> Action:
    """Return an action; raises `NotFound`."""
    actor.require(SOC_INCIDENT_READ)
    return by_ref(session, action_id)


def by_ref(session: Session, action_id: str) -> Action:
    """Return an action to our own code, which names it by what it holds; raises `NotFound`."""
    row = session.execute(sa.select(action).where(action.c.id == action_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such action.")
    return of(row)


def by_key(session: Session, key: str) -> Action | None:
    """Return the action that was asked for with a key."""
    row = session.execute(sa.select(action).where(action.c.key == key)).one_or_none()
    return None if row is None else of(row)


def waiting(session: Session, actor: Actor, *, limit: int = PAGE_MAX) -> Sequence[Action]:
    """Return what waits for a second person, oldest first."""
    actor.require(SOC_INCIDENT_READ)
    query = (
        sa.select(action)
        .where(action.c.state == ActionState.PROPOSED.value)
        .order_by(action.c.id)
        .limit(min(limit, PAGE_MAX))
    )
    return [of(row) for row in session.execute(query)]


def expiring(session: Session, at: datetime, *, parts: Parts, limit: int = PAGE_MAX) -> Sequence[str]:
    """Return the ids of actions whose time, or whose approval's time, is over."""
    lapsing = [one.name for one in registry.REGISTRY.values() if one.lasts is Lasts.LAPSES]
    over = sa.or_(
        sa.and_(
            action.c.state.in_(_STANDING),
            action.c.name.in_(lapsing),
            action.c.expires_at <= at,
        ),
        sa.and_(
            action.c.state == ActionState.PROPOSED.value,
            action.c.requested_at <= at - parts.settings.approval_lasts,
        ),
    )
    return list(session.scalars(sa.select(action.c.id).where(over).order_by(action.c.id).limit(limit)))


def insert(session: Session, values: Mapping[str, object]) -> Action:
    """Keep a new action."""
    return of(session.execute(sa.insert(action).values(dict(values)).returning(*action.c)).one())


def write(session: Session, found: Action, **values: object) -> Action:
    """Change columns of an action whose incident is locked."""
    row = session.execute(sa.update(action).where(action.c.id == found.id).values(values).returning(*action.c)).one()
    return of(row)


def of(row: Any) -> Action:  # a row of `action`
    """Return the action of a row."""
    return Action(
        id=row.id,
        key=row.key,
        incident_id=row.incident_id,
        execution_id=row.execution_id,
        step=row.step,
        name=row.name,
        target=row.target,
        params=row.params,
        radius=Radius(counts=row.radius["counts"], lines=tuple(row.radius["lines"])),
        state=ActionState(row.state),
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        approved_by=row.approved_by,
        done_at=row.done_at,
        expires_at=row.expires_at,
        prolonged_by=row.prolonged_by,
        undone_by=row.undone_by,
        undone_at=row.undone_at,
        ref=row.ref,
        refusal=row.refusal,
    )
