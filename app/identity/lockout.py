"""Counters against guessing: by identifier and device, by address and network, by account for codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity.models import attempts
from app.identity.policy import SecurityPolicy
from app.kernel import crypto
from app.kernel.access import ActorKind
from app.kernel.db import dialect_of, insert_once
from app.kernel.networks import client_of, nearby_of

IDENTIFIER: Final = "identifier"
ADDRESS: Final = "address"
NETWORK: Final = "network"
LETTERS: Final = "letters"
ASKED: Final = "letters_asked"
_CODE_WINDOWS: Final = ((300, "code_failures_5min"), (3600, "code_failures_hour"), (86_400, "code_failures_day"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One counter: its scope and key."""

    scope: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Why and until when a bucket turns tries away; `is_lock` tells a lock-out from a delay."""

    bucket: Bucket
    until: datetime
    is_lock: bool


def buckets_of(identifier: bytes, surface: ActorKind, device_id: str | None, ip: str | None) -> tuple[Bucket, ...]:
    """Return the counters a try falls under: the identifier's first, then address and network.

    A customer's known device has a bucket of its own, so that strangers cannot lock the owner out (LCK-3). For staff
    the lock is total.
    """
    own = device_id if device_id and surface is ActorKind.CUSTOMER else "others"
    found = [Bucket(scope=IDENTIFIER, key=f"{surface.value}|{identifier.hex()}|{own}")]
    if ip:
        found += [Bucket(scope=ADDRESS, key=client_of(ip)), Bucket(scope=NETWORK, key=nearby_of(ip))]
    return tuple(found)


def of_strangers(identifier: bytes, surface: ActorKind) -> Bucket:
    """Return the counter of an identifier that shuts out everybody without a device of their own; for staff, all."""
    return buckets_of(identifier, surface, None, None)[0]


def letters_of(purpose: str, identifier: bytes) -> Bucket:
    """Return the counter of letters that anybody can cause to one address, for each purpose its own."""
    return Bucket(scope=LETTERS, key=f"{purpose}|{identifier.hex()}")


def asked_from(ip: str) -> Bucket:
    """Return the counter of letters that are asked for from where a request comes."""
    return Bucket(scope=ASKED, key=client_of(ip))


def hold(session: Session, buckets: tuple[Bucket, ...]) -> None:
    """Let tries under the same counters go one after the other until the end of their transactions.

    Else parallel guesses on PostgreSQL would each see the counters before any of the others. Locks are taken in the
    order of their numbers. On SQLite the writers queue in any case.
    """
    if dialect_of(session) == "sqlite":
        return
    for number in sorted(_lock_number(bucket) for bucket in buckets):
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def closed(session: Session, buckets: tuple[Bucket, ...], at: datetime) -> Closed | None:
    """Return the bucket that stays closed longest, or None where a try may go on."""
    worst: Closed | None = None
    for row in _rows(session, buckets):
        for until, is_lock in ((row.locked_until, True), (row.not_before, False)):
            if until is not None and until > at and (worst is None or until > worst.until):
                worst = Closed(bucket=Bucket(scope=row.scope, key=row.key), until=until, is_lock=is_lock)
    return worst


def count_failure(
    session: Session, buckets: tuple[Bucket, ...], surface: ActorKind, at: datetime, *, policy: SecurityPolicy
) -> Closed | None:
    """Count one failure in every bucket and return the lock that this very failure brought, if any.

    Rows are updated in key order, so that parallel guesses cannot deadlock, and count one by one.
    """
    begun: Closed | None = None
    for bucket in sorted(buckets, key=lambda b: (b.scope, b.key)):
        row = _one_more(session, bucket, at)
        failures, first_at = row.failures, row.first_at
        lapsed = row.locked_until is not None and row.locked_until <= at
        if lapsed or _window_over(bucket, first_at, at, policy):
            failures, first_at = 1, at
        until, is_lock = _closing(bucket, failures, surface, at, policy)
        session.execute(
            sa.update(attempts)
            .where(_is(bucket))
            .values(
                failures=failures,
                first_at=first_at,
                not_before=None if is_lock else until,
                locked_until=until if is_lock else None,
            )
        )
        if is_lock and until is not None and (begun is None or bucket.scope == IDENTIFIER):
            begun = Closed(bucket=bucket, until=until, is_lock=True)
    return begun


def reset(session: Session, bucket: Bucket) -> None:
    """Forget the failures of one identifier, after a complete sign-in."""
    session.execute(sa.delete(attempts).where(_is(bucket)))


def code_exhausted(session: Session, account_id: str, at: datetime) -> datetime | None:
    """Return until when no more codes of an account are checked, or None."""
    ends = [row.locked_until for row in _rows(session, codes_of(account_id)) if row.locked_until]
    late = max(ends, default=None)
    return late if late is not None and late > at else None


def count_code_failure(session: Session, account_id: str, at: datetime, *, policy: SecurityPolicy) -> bool:
    """Count one wrong code of an account; True says that a counter is reached and the open sign-in must end."""
    reached = False
    for bucket, (seconds, name) in zip(codes_of(account_id), _CODE_WINDOWS, strict=True):
        row = _one_more(session, bucket, at)
        failures, first_at = row.failures, row.first_at
        if at - first_at > timedelta(seconds=seconds):
            failures, first_at = 1, at
        full = failures >= getattr(policy, name)
        reached = reached or full
        until = first_at + timedelta(seconds=seconds) if full else None
        session.execute(
            sa.update(attempts).where(_is(bucket)).values(failures=failures, first_at=first_at, locked_until=until)
        )
    return reached


def count_within(session: Session, bucket: Bucket, seconds: int, at: datetime) -> int:
    """Count one more of something and return how many there are since its window of so many seconds began."""
    row = _one_more(session, bucket, at)
    if at - row.first_at <= timedelta(seconds=seconds):
        return int(row.failures)
    session.execute(sa.update(attempts).where(_is(bucket)).values(failures=1, first_at=at))
    return 1


def _one_more(session: Session, bucket: Bucket, at: datetime) -> Any:
    """Count in one counter, made where there is none, and return its row; the window is the caller's business."""
    insert_once(session, attempts, {"scope": bucket.scope, "key": bucket.key, "failures": 0, "first_at": at})
    counted = sa.update(attempts).where(_is(bucket)).values(failures=attempts.c.failures + 1)
    return session.execute(counted.returning(attempts.c.failures, attempts.c.first_at, attempts.c.locked_until)).one()


def _is(bucket: Bucket) -> sa.ColumnElement[bool]:
    return sa.and_(attempts.c.scope == bucket.scope, attempts.c.key == bucket.key)


def _lock_number(bucket: Bucket) -> int:
    digest = crypto.sha256(f"tries|{bucket.scope}|{bucket.key}".encode())
    return int.from_bytes(digest[:8], signed=True)


def codes_of(account_id: str) -> tuple[Bucket, ...]:
    """Return the counters of an account's codes, one for each window of LCK-4."""
    return tuple(Bucket(scope=f"code_{seconds}", key=account_id) for seconds, _ in _CODE_WINDOWS)


def _rows(session: Session, buckets: tuple[Bucket, ...]) -> list[Any]:
    keys = sa.tuple_(attempts.c.scope, attempts.c.key).in_([(b.scope, b.key) for b in buckets])
    return list(session.execute(sa.select(attempts).where(keys)))


def _window_over(bucket: Bucket, first_at: datetime, at: datetime, policy: SecurityPolicy) -> bool:
    if bucket.scope == IDENTIFIER:
        return False
    return at - first_at > timedelta(seconds=policy.address_window_seconds)


def _closing(
    bucket: Bucket, failures: int, surface: ActorKind, at: datetime, policy: SecurityPolicy
) -> tuple[datetime | None, bool]:
    if bucket.scope == IDENTIFIER:
        limit = policy.lock_after_customer if surface is ActorKind.CUSTOMER else policy.lock_after_staff
        if failures >= limit:
            return at + timedelta(seconds=policy.lock_seconds), True
        # 0 0 1 2 4 … seconds after the first, second, third failure and so on.
        delay = 0 if failures < 3 else min(policy.delay_seconds_max, 2 ** (failures - 3))
        return (at + timedelta(seconds=delay), False) if delay else (None, False)
    most = policy.address_failures_max if bucket.scope == ADDRESS else policy.network_failures_max
    full = failures >= most
    return (at + timedelta(seconds=policy.address_closed_seconds), True) if full else (None, False)
