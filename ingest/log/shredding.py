"""Erasing people by their keys, and ending epochs, so that copies of keys in logs, dumps and snapshots die as well."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.clock import from_micros
from app.kernel.context import Context
from app.kernel.db import Database, changed, delete_for_good, insert_once
from app.kernel.errors import Conflict, WrongState
from app.kernel.ids import derived
from ingest.events.envelope import Event, at_path
from ingest.events.key import SecretCreated, SecretDestroyed, SecretRotated, SubjectKeyDestroyed, SubjectKeyKept
from ingest.log import epochs, outbox, read
from ingest.log.epochs import CURRENT, DESTROYED, RETIRING
from ingest.log.subject_keys import SubjectKeys
from ingest.models import epoch, subject_key

BATCH: Final = 500
PURPOSE: Final = "epoch"
# The epoch of a row that says only that there never was a key, nor ever will be.
NO_EPOCH: Final = 0


class RowsLeft(WrongState):
    """Keys are still wrapped under the epoch that is to end, so its key stays."""

    code = "epoch_rows_left"


class KeysKept(Conflict):
    """What has to keep these keys came meanwhile, so none of them was destroyed."""

    code = "keys_kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What erasing needs: the keys, the database of the log, and who waits until an event has its sequence.

    `wait` raises where the log does not number events; without it, as in tools, nothing waits.
    """

    keys: SubjectKeys
    db: Database
    wait: Callable[[str], object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """Keys of one person that are gone: the classes, those of them that had a key, and the event that says so."""

    subject: str
    classes: tuple[str, ...]
    had_key: tuple[str, ...]
    at: datetime
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """An epoch that began, how many keys moved to it, and the older ones that ended."""

    epoch: int
    rewrapped: int
    ended: tuple[int, ...]


def destroy(
    subject: str,
    classes: Collection[str],
    why: str,
    ctx: Context,
    *,
    parts: Parts,
    run: str | None = None,
    stands: Callable[[Session], bool] = lambda session: True,
) -> Destroyed:
    """Destroy a person's keys of these classes for good; nothing of them is ever made again.

    The event is in the log before a key goes, and names the classes alone. Killed between, or called again, it goes on
    under the same event. `stands` tells within a transaction that writes whether nothing came that keeps the keys, and
    lets nothing come before that transaction ends; raises `KeysKept` where it did. Raises what waiting for the log
    raises: then, too, nothing was destroyed. What the event called destroyed and was kept, `tell_kept` says.
    """
    wanted = tuple(sorted(set(classes)))
    assert wanted, "somebody is erased in some class"
    event = SubjectKeyDestroyed(classes=wanted, run=run, about=(subject,))
    event_id = _event_id("subject", subject, *wanted, run or ctx.request_id)
    _record_once(parts, event, ctx, event_id)
    if parts.wait is not None:
        parts.wait(event_id)
    with parts.db.begin() as session:
        if not stands(session):
            raise KeysKept(object_id=subject)
        had = end_keys(subject, wanted, why, ctx.at, keys=parts.keys)
    return Destroyed(subject=subject, classes=wanted, had_key=tuple(had), at=ctx.at, event_id=event_id)


def tell_kept(session: Session, subject: str, gone: Collection[str], run: str, ctx: Context) -> None:
    """Tell of the classes whose keys this run said it destroys and then did not, `gone` being those that went."""
    told = {
        kind: {
            class_
            for one in read.documents_of(session, kind, containing=run)
            if at_path(one, "onepay.key.run") == run
            for class_ in at_path(one, "onepay.key.classes")
        }
        for kind in (SubjectKeyDestroyed.kind, SubjectKeyKept.kind)
    }
    kept = told[SubjectKeyDestroyed.kind] - told[SubjectKeyKept.kind] - set(gone)
    if kept:
        outbox.record(session, SubjectKeyKept(classes=tuple(sorted(kept)), run=run, about=(subject,)), ctx)


def end_keys(subject: str, classes: Collection[str], why: str, at: datetime, *, keys: SubjectKeys) -> list[str]:
    """Destroy keys without a word to the log, and return the classes that had one: `destroy` tells of it before.

    The self-test calls it where nothing that it wrote is kept, and tells afterwards.
    """
    had = []
    with keys.db.begin() as session:
        delete_for_good(session)
        for class_ in sorted(set(classes)):
            is_this = (subject_key.c.subject == subject) & (subject_key.c["class"] == class_)
            gone = changed(
                session,
                sa.update(subject_key)
                .where(is_this, subject_key.c.destroyed_at.is_(None))
                .values(wrapped=None, destroyed_at=at, why=why),
            )
            if gone:
                had.append(class_)
                continue
            # Who never had a key gets a row without one, so that none is made later.
            row = {"subject": subject, "class": class_, "epoch": NO_EPOCH, "wrapped": None}
            insert_once(session, subject_key, {**row, "created_at": at, "destroyed_at": at, "why": why})
    return had


def remaining(session: Session, subject: str, classes: Collection[str]) -> list[str]:
    """Return the classes in which a person still has a key; another reader of the keys' database asks this."""
    known = subject_key.c
    query = sa.select(known["class"]).where(
        known.subject == subject, known["class"].in_(sorted(classes)), known.wrapped.is_not(None)
    )
    return sorted(session.scalars(query))


def were_destroyed(session: Session, subject: str, classes: Collection[str], why: str) -> bool:
    """Tell whether a person's keys of all these classes, one at least, were destroyed for this reason.

    Asked of the keys' database, which nobody else writes: it knows who was erased, whatever other databases say.
    """
    known, wanted = subject_key.c, set(classes)
    query = sa.select(known["class"]).where(
        known.subject == subject, known["class"].in_(sorted(wanted)), known.destroyed_at.is_not(None), known.why == why
    )
    return bool(wanted) and set(session.scalars(query)) == wanted


def irrecoverable_from(
    session: Session, subject: str, classes: Collection[str], backup_horizon: timedelta
) -> datetime | None:
    """Return from when on nobody can read what these keys protected, not from any backup either.

    That is the latest of: their destruction, the destruction of the epoch key that wrapped them, and the end of every
    backup of that epoch key, the last of which may have been made right before. None while a key or the epoch key is
    still there: then the end of the epoch decides. `session` is one of the keys' database.
    """
    known = subject_key.c
    rows = session.execute(
        sa.select(known.destroyed_at, epoch.c.destroyed_at.label("epoch_destroyed_at"), known.epoch)
        .outerjoin(epoch, epoch.c.epoch == known.epoch)
        .where(known.subject == subject, known["class"].in_(sorted(classes)))
    ).all()
    ends: list[datetime] = []
    for row in rows:
        if row.destroyed_at is None:
            return None
        if row.epoch == NO_EPOCH:
            ends.append(row.destroyed_at)
            continue
        if row.epoch_destroyed_at is None:
            return None
        ends.append(max(row.destroyed_at, row.epoch_destroyed_at + backup_horizon))
    return max(ends, default=None)


def roll_epoch(ctx: Context, *, parts: Parts) -> Rolled:
    """Begin a new epoch, wrap every live key under it, and end the older ones; killed at any point, it goes on.

    A roll that broke off is ended first and begins no further epoch. Two epochs are valid meanwhile. A key of an epoch
    is destroyed only once a transaction that only reads counted no key under it; raises `RowsLeft` otherwise.
    """
    keys, open_keys = parts.keys, parts.keys.epochs
    with keys.db.read() as session:
        pending, number = epochs.retiring(session), epochs.current(session)
    if not pending:
        pending, number = [number], number + 1
        fresh = open_keys.keys.make(number)
        with keys.db.begin() as session:
            _begin(session, number, pending[0], fresh.fingerprint(), ctx.at)
    _tell_created(number, ctx, parts)
    moved = 0
    for old in pending:
        moved += _rewrap(keys, old, number)
        told = _tell(parts, ctx, SecretRotated, number, old=old, count=_live(keys.db, number))
        if parts.wait is not None:
            parts.wait(told)
        _end(old, ctx, parts)
    return Rolled(epoch=number, rewrapped=moved, ended=tuple(pending))


def _begin(session: Session, number: int, old: int, fingerprint: str, at: datetime) -> None:
    """Make a new epoch the current one in one transaction; whoever makes a key at the moment is waited for."""
    retired = changed(
        session,
        sa.update(epoch).where(epoch.c.epoch == old, epoch.c.state == CURRENT).values(state=RETIRING, retired_at=at),
    )
    assert retired == 1, "one epoch is current"
    row = {"epoch": number, "state": CURRENT, "fingerprint": fingerprint, "created_at": at}
    session.execute(sa.insert(epoch).values(row))


def _rewrap(keys: SubjectKeys, old: int, new: int) -> int:
    """Wrap the live keys of an epoch under another, row by row where nobody changed it since, batch by batch."""
    known, moved = subject_key.c, 0
    after: tuple[str, str] | None = None
    while True:
        is_next = known.wrapped.is_not(None) & (known.epoch == old)
        if after is not None:
            is_next &= sa.tuple_(known.subject, known["class"]) > sa.tuple_(*after)
        query = sa.select(subject_key).where(is_next).order_by(known.subject, known["class"]).limit(BATCH)
        with keys.db.read() as session:
            rows = session.execute(query).all()
        if not rows:
            return moved
        with keys.db.begin() as session:
            delete_for_good(session)
            moved += sum(_moved(session, keys, row._mapping, old, new) for row in rows)
        after = (rows[-1]._mapping["subject"], rows[-1]._mapping["class"])


def _moved(session: Session, keys: SubjectKeys, row: Any, old: int, new: int) -> int:  # a mapping of a row
    known = subject_key.c
    inner = crypto.unwrap(keys.epochs.secret(old), row["wrapped"])
    return changed(
        session,
        sa.update(subject_key)
        .where(
            known.subject == row["subject"],
            known["class"] == row["class"],
            known.epoch == old,
            known.wrapped == row["wrapped"],
        )
        .values(epoch=new, wrapped=crypto.wrap(keys.epochs.secret(new), inner)),
    )


def _end(old: int, ctx: Context, parts: Parts) -> None:
    """Destroy the key of an epoch under which nothing is left, then say so."""
    left = _live(parts.keys.db, old)
    with parts.keys.db.read() as session:
        fingerprint = session.scalar(sa.select(epoch.c.fingerprint).where(epoch.c.epoch == old))
    if left:
        raise RowsLeft(f"{left} keys are still wrapped under epoch {old}.")
    parts.keys.epochs.keys.destroy(old)
    parts.keys.epochs.forget(old)
    # Told before the row says so: a roll that dies between finds the epoch retiring, and ends it again.
    _tell(parts, ctx, SecretDestroyed, old, fingerprint=fingerprint)
    with parts.keys.db.begin() as session:
        session.execute(
            sa.update(epoch)
            .where(epoch.c.epoch == old, epoch.c.state == RETIRING)
            .values(state=DESTROYED, destroyed_at=ctx.at)
        )


def _tell_created(number: int, ctx: Context, parts: Parts) -> None:
    with parts.keys.db.read() as session:
        fingerprint = session.scalar(sa.select(epoch.c.fingerprint).where(epoch.c.epoch == number))
    _tell(parts, ctx, SecretCreated, number, fingerprint=fingerprint)


def _tell(
    parts: Parts,
    ctx: Context,
    kind: type[SecretCreated] | type[SecretRotated] | type[SecretDestroyed],
    number: int,
    *,
    old: int = 0,
    **facts: Any,  # fields of the kind
) -> str:
    event_id = _event_id(PURPOSE, kind.kind, str(number), str(old))
    _record_once(parts, kind(purpose=PURPOSE, version=number, **facts), ctx, event_id)
    return event_id


def _live(db: Database, number: int) -> int:
    """Count the keys that are wrapped under an epoch."""
    with db.read() as session:
        found = session.scalar(
            sa.select(sa.func.count())
            .select_from(subject_key)
            .where(subject_key.c.epoch == number, subject_key.c.wrapped.is_not(None))
        )
    return found or 0


def _event_id(*facts: str) -> str:
    """Return the id that an event of these facts always has: without an instant, for it may be told again later."""
    digest = hashlib.sha256("|".join(facts).encode()).digest()
    return derived("evt", from_micros(0), int.from_bytes(digest[:10], "big"))


def _record_once(parts: Parts, event: Event, ctx: Context, event_id: str) -> None:
    """Record an event that a repetition of its cause must not tell again."""
    with parts.db.begin() as session:
        outbox.record_once(session, event, ctx, event_id)
