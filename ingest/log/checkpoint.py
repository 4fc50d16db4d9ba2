"""Signing the head: a checkpoint every ten seconds if the log grew, and never one that an earlier one would refute."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.crypto import KeyFolder, Secret
from app.kernel.db import Database, insert_once
from app.kernel.errors import ConfigurationRefused, OnePayError, Unavailable
from app.kernel.jobs import Job
from ingest import models
from ingest.events.health import LogRolledBack
from ingest.log import durable, merkle, note, outbox, read
from ingest.log.archive import Archive
from ingest.log.note import NoteRefused, TreeHead, VerifierKey

EVERY: Final = timedelta(seconds=10)
# How long an entry may wait for a signature over it: a few turns of the job.
UNSIGNED_MAX: Final = 6 * EVERY
# How long a signer waits for another one, which needs a few milliseconds.
ALONE_SECONDS_MAX: Final = 10.0
ALONE_TRY_SECONDS: Final = 0.02
KEY_NAME: Final = "log"
LAST_NAME: Final = "log.last"
POLICY_NAME: Final = "log.policy"
RUNNING, ROLLBACK, FORK = "ok", "rollback", "fork"
STATES: Final = (RUNNING, ROLLBACK, FORK)
"""States of the head that looking back decides, from good to bad."""


class RolledBack(OnePayError):
    """The log in the database is smaller than what was signed before; nothing is signed."""

    code = "log_rolled_back"


class Forked(OnePayError):
    """The log in the database does not begin with what was signed before; nothing is signed."""

    code = "log_forked"


class WitnessAway(Unavailable):
    """A witness of the log cannot be reached; signing goes on if what is kept beside the key agrees."""

    code = "log_witness_away"


class SigningBusy(Unavailable):
    """Another process has been signing the log for seconds; nothing was signed here. Please try again."""

    code = "log_signing_busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed head as published."""

    size: int
    root: bytes
    note: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The newest signature, how long the oldest entry waits for one over it, and whether that is too long."""

    size: int
    at: datetime | None
    waits: timedelta
    is_late: bool


@dataclass(frozen=True, slots=True)
class LogKey:
    """The signing key of a log and the folder where, beside it, the last signed head is kept."""

    verifier: VerifierKey
    seed: Secret
    folder: Path

    @property
    def last(self) -> Path:
        """The file that remembers the last signed head, outside the database it guards."""
        return self.folder / LAST_NAME


def init(keys: KeyFolder, origin: str) -> LogKey:
    """Make the signing key and the trust policy where they are missing, and return the key."""
    keys.make(KEY_NAME)
    key = load(keys, origin)
    policy = keys.path / POLICY_NAME
    if not policy.exists():
        durable.write(policy, policy_text(key.verifier).encode())
    return key


def load(keys: KeyFolder, origin: str) -> LogKey:
    """Return the signing key; raises `ConfigurationRefused` where it is missing, damaged or readable by others."""
    seed = keys.secret(KEY_NAME)
    return LogKey(note.verifier_key(origin, seed), seed, keys.path)


def policy_text(key: VerifierKey) -> str:
    """Return the trust policy (C2SP tlog-policy) of a log that no witness cosigns yet."""
    return f"# Whom to believe about this log, and how many witnesses it needs.\nlog {key}\nquorum none\n"


def read_policy(keys: KeyFolder) -> str:
    """Return the trust policy of this installation."""
    try:
        return (keys.path / POLICY_NAME).read_text("utf-8")
    except OSError as error:
        raise ConfigurationRefused(
            f"The trust policy {POLICY_NAME} is missing; a start of the system writes it."
        ) from error


@dataclass(frozen=True, slots=True)
class _Refuted:
    """What somebody outside has seen that the database contradicts."""

    state: str
    said: str
    size: int


class Witness(Protocol):
    """Somebody outside the database who keeps what was signed, and would know if it were taken back."""

    def newest(self) -> TreeHead | None:
        """Return the largest head this witness has seen."""
        ...

    def keep(self, head: TreeHead, note: str, at: datetime) -> None:
        """Keep a signed head; raises `Forked` where another root of this size was kept before."""
        ...

    def is_missed(self, at: datetime, error: Exception) -> None:
        """Note that the witness could not be reached."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs one log: archives first, so that every signed and witnessed size can be rebuilt from files."""

    db: Database
    key: LogKey
    archive: Archive
    witnesses: Sequence[Witness] = ()

    def sign(self, at: datetime) -> Checkpoint | None:
        """Archive what is new, sign as far as that reaches, let the witnesses keep it, publish. As `sign`."""
        # First of all, so that nothing of another log is ever written behind what is archived of this one.
        with _alone(self.key), self.db.read() as session:
            for one in self._refuted(session, read.head(session), at):
                raise (Forked if one.state == FORK else RolledBack)(f"{one.said} Nothing is signed.")
        self.archive.advance(self.db, at)
        return sign(self.db, self.key, at, archive=self.archive, witnesses=self.witnesses)

    def look_back(self, ctx: Context) -> str:
        """Compare the log with everything outside its database that has seen it, and keep the state that follows.

        Meant for a start: in the states "rollback" and "fork" nothing is numbered or signed, what is recorded waits,
        and acts that need the log are refused. Back to "ok" leads only a database that all of them agree with.
        """
        with _alone(self.key):
            with self.db.read() as session:
                head = read.head(session)
                refuted = list(self._refuted(session, head, ctx.at))
            state = max((one.state for one in refuted), default=RUNNING, key=STATES.index)
            if state == head.state or head.state not in STATES:
                return head.state
            with self.db.begin() as session:
                session.execute(sa.update(models.head).values(state=state))
                for one in refuted:
                    told = LogRolledBack(
                        size=head.size, root=head.root.hex(), state=one.state, cause=one.said, witness_size=one.size
                    )
                    outbox.record(session, told, ctx)
        return state

    def _refuted(self, session: Session, head: read.Head, at: datetime) -> Iterator[_Refuted]:
        seen = [_last(self.key, newest(session)), *_seen(self.witnesses, at)]
        for one in seen:
            try:
                _refuse_unless_it_extends(session, head, one)
            except RolledBack as error:
                yield _Refuted(ROLLBACK, str(error), one.size if one is not None else 0)
            except Forked as error:
                yield _Refuted(FORK, str(error), one.size if one is not None else 0)
        if self.archive.size > head.size:
            said = f"The log has {head.size} entries, but {self.archive.size} are archived."
            yield _Refuted(ROLLBACK, said, self.archive.size)

    def job(self) -> Job:
        """Return the job that archives and signs."""

        def run(at: datetime) -> str | None:
            made = self.sign(at)
            return None if made is None else f"signed size {made.size}"

        return Job(name="log.checkpoint", every=EVERY, run=run)


def sign(
    db: Database, key: LogKey, at: datetime, *, archive: Archive | None = None, witnesses: Sequence[Witness] = ()
) -> Checkpoint | None:
    """Sign the head if it moved, and publish it; returns None where there is nothing new.

    With an archive no more is signed than it holds. Every witness keeps a head before it is published.

    The signed head is written beside the key and synced before anybody sees it. Raises `RolledBack` or `Forked` where
    the last one, read from there, refutes the database, `ConfigurationRefused` where it is missing or damaged, and
    `SigningBusy` where another signer does not come to its end.
    """
    with _alone(key):
        return _sign(db, key, at, archive, witnesses)


def newest(session: Session) -> Checkpoint | None:
    """Return the newest published checkpoint."""
    return _one(session, sa.select(models.checkpoint).order_by(models.checkpoint.c.size.desc()).limit(1))


def of_size(session: Session, size: int) -> Checkpoint | None:
    """Return the checkpoint of a size, or None where none was published."""
    return _one(session, sa.select(models.checkpoint).where(models.checkpoint.c.size == size))


def first_beyond(session: Session, size: int) -> Checkpoint | None:
    """Return the smallest checkpoint that is larger than a size, or None where there is none."""
    of = models.checkpoint.c.size
    return _one(session, sa.select(models.checkpoint).where(of > size).order_by(of).limit(1))


def covering(session: Session, sequence: int) -> Checkpoint | None:
    """Return the newest checkpoint if its tree holds this sequence."""
    found = newest(session)
    return found if found is not None and found.size >= sequence else None


def signing(session: Session, at: datetime) -> Signing:
    """Return how signing does. A log that stands still owes no new signature, however old its newest one is."""
    found, head = newest(session), read.head(session)
    size = found.size if found is not None else 0
    waiting = read.entries(session, size, size + 1) if size < head.size else []
    waits = max(timedelta(0), at - waiting[0].ingested) if waiting else timedelta(0)
    return Signing(size=size, at=found.at if found is not None else None, waits=waits, is_late=waits > UNSIGNED_MAX)


@contextmanager
def _alone(key: LogKey) -> Iterator[None]:
    # Two signers at once could let the remembered size go back.
    descriptor = os.open(key.folder / ".log.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + ALONE_SECONDS_MAX
        while not _is_taken(descriptor):
            if time.monotonic() >= deadline:
                raise SigningBusy
            time.sleep(ALONE_TRY_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(
    db: Database, key: LogKey, at: datetime, archive: Archive | None, witnesses: Sequence[Witness]
) -> Checkpoint | None:
    with db.read() as session:
        head = read.head(session)
        published = newest(session)
        last = _last(key, published)
        if head.size == 0 and last is None:
            return None
        _refuse_unless_it_extends(session, head, last)
        for seen in _seen(witnesses, at):
            _refuse_unless_it_extends(session, head, seen)
        if archive is not None and archive.size < head.size:
            head = _head_at(session, head, archive.size)
    signed_size = max(published.size if published is not None else 0, last.size if last is not None else 0)
    if head.size < signed_size or (published is not None and published.size == head.size):
        if published is not None and published.size == signed_size:
            known = TreeHead(origin=key.verifier.name, size=published.size, root=published.root)
            _keep(witnesses, known, published.note, at)
        return None
    wanted = TreeHead(origin=key.verifier.name, size=head.size, root=head.root)
    signed = note.sign(wanted.text, key.verifier, key.seed)
    durable.write(key.last, signed.encode())
    _keep(witnesses, wanted, signed, at)
    if archive is not None:
        archive.publish(signed)
    made = Checkpoint(size=head.size, root=head.root, note=signed, at=_dated(at, head, published))
    with db.begin() as session:
        insert_once(
            session, models.checkpoint, {"size": made.size, "root": made.root, "note": made.note, "at": made.at}
        )
    return made


def _head_at(session: Session, head: read.Head, size: int) -> read.Head:
    """Return the head as it was at a smaller size."""
    ingested = session.scalar(sa.select(models.entry.c.ingested).where(models.entry.c.sequence == size))
    root = merkle.root(merkle.edge_at(read.tree(session), size))
    return replace(head, size=size, root=root, last_ingested=ingested)


def _seen(witnesses: Sequence[Witness], at: datetime) -> Iterator[TreeHead]:
    """Yield what the witnesses have seen; one that cannot be reached is noted, and the head beside the key decides."""
    for witness in witnesses:
        try:
            seen = witness.newest()
        except WitnessAway as error:
            witness.is_missed(at, error)
            continue
        if seen is not None:
            yield seen


def _keep(witnesses: Sequence[Witness], head: TreeHead, signed: str, at: datetime) -> None:
    for witness in witnesses:
        try:
            witness.keep(head, signed, at)
        except WitnessAway as error:
            witness.is_missed(at, error)


def _dated(at: datetime, head: read.Head, published: Checkpoint | None) -> datetime:
    """Return when a head was signed: never before what it covers arrived, nor before the signature before it.

    Without this a clock that was set back would look like a date that somebody changed.
    """
    bounds = (at, head.last_ingested, published.at if published is not None else None)
    return max(known for known in bounds if known is not None)


def _one(session: Session, query: sa.Select[tuple[object, ...]]) -> Checkpoint | None:
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    values = row._mapping
    return Checkpoint(size=values["size"], root=values["root"], note=values["note"], at=values["at"])


def _last(key: LogKey, published: Checkpoint | None) -> TreeHead | None:
    try:
        text = key.last.read_text("utf-8")
    except FileNotFoundError as error:
        if published is None:
            return None
        raise ConfigurationRefused(
            f"The file {LAST_NAME} beside the log's key is missing, though size {published.size} was signed before. "
            "Put it back from where the key came from."
        ) from error
    try:
        last = note.parse_tree_head(note.open_note(text, key.verifier))
    except NoteRefused as error:
        raise ConfigurationRefused(f"The file {LAST_NAME} beside the log's key is damaged: {error}.") from error
    if last.origin != key.verifier.name:
        raise ConfigurationRefused(f"The file {LAST_NAME} belongs to the log {last.origin}.")
    return last


def _refuse_unless_it_extends(session: Session, head: read.Head, last: TreeHead | None) -> None:
    # With nothing signed yet, the empty tree is what must be extended: so the nodes must hash to the head's root.
    if last is None:
        if merkle.root(merkle.edge_at(read.tree(session), head.size)) != head.root:
            raise Forked(f"The tree of size {head.size} does not hash to its root; nothing is signed.")
        return
    if head.size < last.size:
        raise RolledBack(f"The log has {head.size} entries, but {last.size} were signed before; nothing is signed.")
    try:
        proof = merkle.consistency(read.tree(session), last.size, head.size)
    except merkle.NodeMissing as error:
        raise Forked(f"The log lacks what was signed before: {error}; nothing is signed.") from error
    if not merkle.verify_consistency(last.size, last.root, head.size, head.root, proof):
        raise Forked(f"The log of size {head.size} does not begin with the signed one of size {last.size}.")
