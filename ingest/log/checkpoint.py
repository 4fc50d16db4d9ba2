"""Signing the head: a checkpoint every ten seconds if the log grew, and never one that an earlier one would refute."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.crypto import KeyFolder, Secret
from app.kernel.db import Database, insert_once
from app.kernel.errors import ConfigurationRefused, OnePayError, Unavailable
from app.kernel.jobs import Job
from ingest import models
from ingest.log import merkle, note, read
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


class RolledBack(OnePayError):
    """The log in the database is smaller than what was signed before; nothing is signed."""

    code = "log_rolled_back"


class Forked(OnePayError):
    """The log in the database does not begin with what was signed before; nothing is signed."""

    code = "log_forked"


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
        _write_durably(policy, policy_text(key.verifier))
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


def sign(db: Database, key: LogKey, at: datetime) -> Checkpoint | None:
    """Sign the head if it moved, and publish it; returns None where there is nothing new.

    The signed head is written beside the key and synced before anybody sees it. Raises `RolledBack` or `Forked` where
    the last one, read from there, refutes the database, `ConfigurationRefused` where it is missing or damaged, and
    `SigningBusy` where another signer does not come to its end.
    """
    with _alone(key):
        return _sign(db, key, at)


def newest(session: Session) -> Checkpoint | None:
    """Return the newest published checkpoint."""
    return _one(session, sa.select(models.checkpoint).order_by(models.checkpoint.c.size.desc()).limit(1))


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


def job(db: Database, key: LogKey) -> Job:
    """Return the job that signs."""

    def run(at: datetime) -> str | None:
        made = sign(db, key, at)
        return None if made is None else f"signed size {made.size}"

    return Job(name="log.checkpoint", every=EVERY, run=run)


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


def _sign(db: Database, key: LogKey, at: datetime) -> Checkpoint | None:
    with db.read() as session:
        head = read.head(session)
        published = newest(session)
        last = _last(key, published)
        if head.size == 0 and last is None:
            return None
        _refuse_unless_it_extends(session, head, last)
    if published is not None and published.size == head.size:
        return None
    signed = note.sign(TreeHead(origin=key.verifier.name, size=head.size, root=head.root).text, key.verifier, key.seed)
    _write_durably(key.last, signed)
    made = Checkpoint(size=head.size, root=head.root, note=signed, at=_dated(at, head, published))
    with db.begin() as session:
        insert_once(
            session, models.checkpoint, {"size": made.size, "root": made.root, "note": made.note, "at": made.at}
        )
    return made


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


def _write_durably(file: Path, text: str) -> None:
    """Replace a file so that a crash leaves the old or the new one whole."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
