"""Writing down that controls changed: intervals without hole or overlap, and the events that others wait for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.db import insert_once
from compliance import models
from compliance.engine import standing as standings
from compliance.engine.parts import Parts
from compliance.engine.standing import Standing
from compliance.states import State
from ingest.events.compliance import ControlChanged
from ingest.events.health import ControlFailed, ControlRestored
from ingest.log import outbox

OUTAGES = frozenset({State.FAIL, State.STALE, State.NOT_EVALUABLE})


def settle(
    session: Session, ctx: Context, *, parts: Parts, only: Collection[tuple[str, str]] | None = None
) -> list[Standing]:
    """Compare where controls stand with what was written last, write what changed, and return that."""
    table = models.standing
    # Whoever settles the same controls takes their turn and reads what the one before left, or both would write it.
    held = sa.select(table).order_by(table.c.framework, table.c.key).with_for_update()
    if only is not None:
        held = held.where(table.c.key.in_([key for _, key in only]))
    known = {(row.framework, row.key): row for row in session.execute(held)}
    changed: list[Standing] = []
    for key, now in standings.all_of(session, ctx.at, parts).items():
        if only is not None and key not in only:
            continue
        before = known.get(key)
        was = (before.state, before.reason) if before is not None else None
        if was != (now.state, now.reason) and _change(session, now, before, ctx):
            changed += [now] if was is None or was[0] != now.state else []
    return changed


def _change(session: Session, now: Standing, before: sa.Row[tuple[object, ...]] | None, ctx: Context) -> bool:
    """Write one change, and tell whether it was ours to write."""
    framework, key = now.control.framework, now.control.key
    # What ended by itself ended then, not when somebody looked.
    since = ctx.at if before is None or now.turned_at is None else max(now.turned_at, before.since)
    if before is not None and now.state is State.FAIL and before.state != State.EXCEPTED:
        since = ctx.at  # no exception ended here; it is a failure of its own
    if before is not None:
        since = max(since, before.since)  # whoever waited for their turn asked earlier
    if before is not None and before.state == now.state:
        session.execute(_where(models.standing, framework, key).values(reason=now.reason))
        return True
    was_in_place = (before is not None and before.was_in_place) or now.state.is_in_place
    first = {"framework": framework, "key": key, "state": now.state, "reason": now.reason, "since": since}
    if before is None and not insert_once(session, models.standing, {**first, "was_in_place": was_in_place}):
        return False  # somebody else wrote the first one meanwhile; what differs from it is seen at the next look
    opener = next((leg.observation_id or leg.name for leg in now.legs if leg.state is now.state), None)
    _next_interval(session, now, since, opener, ctx)
    failed_since = before.failed_since if before is not None else None
    events: list[ControlChanged | ControlFailed | ControlRestored] = []
    if before is not None or now.state is not State.NOT_EVALUABLE:
        events.append(
            ControlChanged(
                control=f"{framework} {key}",
                state=now.state.value,
                previous=before.state if before is not None else None,
                reason=now.reason.value if now.reason else None,
                since=since,
            )
        )
    if now.control.critical and now.state in OUTAGES and was_in_place and failed_since is None:
        cause = now.state.value if now.reason is None else f"{now.state.value}: {now.reason.value}"
        events.append(ControlFailed(control=key, since=since, cause=cause))
        failed_since = since
    elif now.control.critical and failed_since is not None and now.state.is_in_place:
        events.append(ControlRestored(control=key, since=failed_since))
        failed_since = None
    values = {
        "state": now.state,
        "reason": now.reason,
        "since": since,
        "was_in_place": was_in_place,
        "failed_since": failed_since,
    }
    session.execute(_where(models.standing, framework, key).values(**values))
    outbox.record_many(session, events, ctx)
    return True


def _next_interval(session: Session, now: Standing, since: datetime, opener: str | None, ctx: Context) -> None:
    table = models.interval
    framework, key = now.control.framework, now.control.key
    session.execute(
        sa.update(table)
        .where(table.c.framework == framework, table.c.key == key, table.c.to_at.is_(None))
        .values(to_at=since)
    )
    session.execute(
        sa.insert(table).values(
            id=ctx.new_id("int"),
            framework=framework,
            key=key,
            state=now.state,
            reason=now.reason,
            from_at=since,
            opened_by=opener,
        )
    )


def _where(table: sa.Table, framework: str, key: str) -> sa.Update:
    return sa.update(table).where(table.c.framework == framework, table.c.key == key)
