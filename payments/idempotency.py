"""Repeated requests: the first answer to a key is kept beside the money it moved, and given again."""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.kernel.clock import from_micros, micros
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, Malformed
from app.kernel.prepared import Prepared
from ingest.events.transaction import RequestConflicted
from ingest.log import outbox
from payments import books
from payments.models import idempotency

KEPT: Final = timedelta(hours=72)
BODY_BYTES_MAX: Final = 262_144
PURGE_MAX: Final = 1_000
_KEY: Final = re.compile(r"[!-~]{1,255}")
DONE: Final = "done"


class KeyRequired(Malformed):
    """This request needs an Idempotency-Key of 1 to 255 visible characters."""

    code = "idempotency_key_required"


class IdempotencyBusy(Conflict):
    """A request with this key is being answered; please ask again in a second."""

    code = "idempotency_busy"

    def __init__(self) -> None:
        super().__init__(retry_after=1)


class IdempotencyMismatch(Invalid):
    """This key came before, with another request."""

    code = "idempotency_mismatch"

    def __init__(self, route: str) -> None:
        super().__init__()
        self.route = route

    def trace(self, session: Session, ctx: Context) -> None:
        """Tell the log that a key was used for two requests."""
        outbox.record(session, RequestConflicted(route=self.route, reason=self.code), ctx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that creates or moves: who (owner, merchant or client), which key, what it asks."""

    scope: str
    key: str
    route: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The answer that was given, to be given again."""

    status: int
    body: bytes
    object_id: str | None
    expires_at: datetime


def call(*, scope: str, key: str | None, route: str, content: bytes) -> Call:
    """Return the call of a request, or raise `KeyRequired`. `content` is the canonical form of all it asks."""
    if key is None or _KEY.fullmatch(key) is None:
        raise KeyRequired
    fingerprint = hashlib.sha256(route.encode() + b"\n" + content).digest()
    return Call(scope=scope, key=key, route=route, fingerprint=fingerprint)


def begin(session: Session, call: Call, ctx: Context) -> Stored | None:
    """Take the key for this unit of work: None says go on, an answer says replay it.

    Raises `IdempotencyBusy` while another unit of work has the key, and `IdempotencyMismatch` (traced) for another
    request under the same key. On PostgreSQL lock and look-up are one statement that never waits; on SQLite the write
    lock has made the calls queue.
    """
    number = books.lock_number("idempotency", call.scope, call.key)
    asked = {"asked_scope": call.scope, "asked_key": call.key, "asked_lock": number}
    got, fingerprint, status, body, object_id, expires_at = _LOOK_UP.run(session, asked).fetchone()
    if not got:
        raise IdempotencyBusy
    if fingerprint is None or expires_at <= micros(ctx.at):
        return None
    if fingerprint != call.fingerprint:
        raise IdempotencyMismatch(call.route)
    return Stored(status=status, body=zlib.decompress(body), object_id=object_id, expires_at=from_micros(expires_at))


def is_stored(status: int) -> bool:
    """Tell whether an answer is kept: successes and refused payments; a corrected or approved repeat goes through."""
    return 200 <= status < 300 or status == 402


def store(
    session: Session, call: Call, status: int, body: bytes, ctx: Context, *, object_id: str | None = None
) -> datetime:
    """Keep the answer in the transaction of what it tells, and return until when (`Idempotency-Expires`)."""
    assert is_stored(status), f"an answer with status {status} is not kept"
    packed = zlib.compress(body)
    assert len(packed) <= BODY_BYTES_MAX, "an answer is bounded"
    expires_at = ctx.at + KEPT
    row = {
        "scope": call.scope,
        "key": call.key,
        "route": call.route,
        "fingerprint": call.fingerprint,
        "state": DONE,
        "status": status,
        "body": packed,
        "object_id": object_id,
        "expires_at": micros(expires_at),
        "asked_at": micros(ctx.at),
    }
    if _PUT.run(session, row).rowcount != 1:
        # A twin committed between our look-up and our lock: its answer stands, ours is undone.
        raise IdempotencyBusy
    return expires_at


def purge(session: Session, ctx: Context, *, limit: int = PURGE_MAX) -> int:
    """Delete lapsed keys, oldest first, and return how many came up; an order's `reference` protects it on."""
    has_lapsed = idempotency.c.expires_at <= ctx.at
    lapsed = (
        sa.select(idempotency.c.scope, idempotency.c.key)
        .where(has_lapsed)
        .order_by(idempotency.c.expires_at)
        .limit(limit)
    )
    keys = [(row.scope, row.key) for row in session.execute(lapsed)]
    if keys:
        # Said again, since a key that was taken anew in between is a live one.
        is_one = sa.tuple_(idempotency.c.scope, idempotency.c.key).in_(keys)
        session.execute(sa.delete(idempotency).where(is_one, has_lapsed))
    return len(keys)


def _look_up(dialect: str) -> sa.Executable:
    """Return the statement that takes the key and reads what is kept under it."""
    got: sa.ColumnElement[bool] = sa.literal(True)
    if dialect != "sqlite":
        got = sa.func.pg_try_advisory_xact_lock(sa.bindparam("asked_lock", type_=sa.BigInteger))
    kept = idempotency.c
    matches = (kept.scope == sa.bindparam("asked_scope")) & (kept.key == sa.bindparam("asked_key"))
    # The one row of `one` makes sure that there is an answer.
    one = sa.select(sa.literal(1).label("n")).subquery("one")
    answer = (kept.fingerprint, kept.status, kept.body, kept.object_id, kept.expires_at)
    return sa.select(got.label("got"), *answer).select_from(one.outerjoin(idempotency, matches))


def _put(dialect: str) -> sa.Executable:
    """Return the statement that keeps an answer, also over a lapsed one; it counts 0 where a live one stands."""
    insert = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(idempotency)
    changed = {column.name: insert.excluded[column.name] for column in idempotency.c if not column.primary_key}
    lapsed = idempotency.c.expires_at <= sa.bindparam("asked_at", type_=sa.BigInteger)
    return insert.on_conflict_do_update(index_elements=["scope", "key"], set_=changed, where=lapsed)


_LOOK_UP: Final = Prepared(_look_up)
_PUT: Final = Prepared(_put)
