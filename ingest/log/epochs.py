"""The keys of epochs, which wrap all subject keys: files outside every database, so that no copy of one opens them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import Clock
from app.kernel.crypto import KEY_BYTES, KeyFolder, Secret, Unreadable
from app.kernel.db import dialect_of
from app.kernel.errors import ConfigurationRefused, Unavailable
from ingest.log import durable
from ingest.models import epoch, subject_key

FIRST: Final = 1
CURRENT, RETIRING, DESTROYED = "current", "retiring", "destroyed"
# So long a key that another process destroyed may still be open here.
OPEN_MAX: Final = timedelta(seconds=60)
_FILE: Final = re.compile(r"epoch(?:-([0-9]{4,}))?\.key")


class EpochEnded(Unreadable):
    """The key of this epoch was destroyed, so nothing wrapped under it opens any more."""


class EpochAway(Unavailable):
    """What is sealed cannot be read or written now, as its keys are not there; please try again shortly."""

    code = "keys_away"


class EpochKeys(Protocol):
    """Where the keys of epochs are kept."""

    def make(self, number: int) -> Secret:
        """Make the key of an epoch where it is missing, durably, and return it."""
        ...

    def secret(self, number: int) -> Secret | None:
        """Return the key of an epoch, or None where there is none."""
        ...

    def destroy(self, number: int) -> None:
        """Destroy the key of an epoch for good; one that is gone is no error."""
        ...


class EpochFolder:
    """Keeps each key as a file of mode 0600 beside the other keys of the installation."""

    def __init__(self, keys: KeyFolder) -> None:
        self._keys = keys

    def make(self, number: int) -> Secret:
        self._keys.make(name_of(number))
        return self._keys.secret(name_of(number))

    def secret(self, number: int) -> Secret | None:
        if not self._file(number).exists():
            return None
        return self._keys.secret(name_of(number))

    def destroy(self, number: int) -> None:
        file = self._file(number)
        if not file.exists():
            return
        # What lay in these blocks is written over first, as far as the disk lets us.
        durable.overwrite(file, bytes(2 * KEY_BYTES))
        durable.remove(file)

    def any(self) -> bool:
        """Tell whether there is the key of any epoch."""
        return self._keys.path.is_dir() and any(_FILE.fullmatch(file.name) for file in self._keys.path.iterdir())

    def _file(self, number: int) -> Path:
        return self._keys.path / f"{name_of(number)}.key"


class OneKey:
    """A single key that a test or a tool gives, for the first epoch alone."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def make(self, number: int) -> Secret:
        raise ConfigurationRefused("A single key has no epochs.")

    def secret(self, number: int) -> Secret | None:
        return self._key if number == FIRST else None

    def destroy(self, number: int) -> None:
        raise ConfigurationRefused("A single key has no epochs.")


class OpenKeys:
    """The keys of epochs as they are used: opened for a minute at most, and let go of once destroyed."""

    def __init__(self, keys: EpochKeys, clock: Clock) -> None:
        self.keys = keys
        self._clock = clock
        self._open: dict[int, tuple[Secret, datetime]] = {}

    def secret(self, number: int) -> Secret:
        """Return the key of an epoch; raises `EpochEnded` where it is gone."""
        now = self._clock.now()
        kept = self._open.get(number)
        if kept is not None and abs(now - kept[1]) < OPEN_MAX:
            return kept[0]
        found = self.keys.secret(number)
        if found is None:
            self._open.pop(number, None)
            raise EpochEnded(f"the key of epoch {number} is gone")
        self._open[number] = (found, now)
        return found

    def forget(self, number: int) -> None:
        """Let go of a key."""
        self._open.pop(number, None)


def name_of(number: int) -> str:
    """Return the name of an epoch's key; the first one had it before there were others."""
    return "epoch" if number == FIRST else f"epoch-{number:04d}"


def current(session: Session, *, locked: bool = False) -> int:
    """Return the epoch that new keys are wrapped under. `locked` holds off its end until this transaction ends."""
    query = sa.select(epoch.c.epoch).where(epoch.c.state == CURRENT)
    if locked and dialect_of(session) != "sqlite":  # SQLite has one writer anyway
        query = query.with_for_update(read=True)
    # Where an epoch ends at this moment, the row that was waited for is no longer the current one: it is asked again.
    found = session.execute(query).scalar_one_or_none() or session.execute(query).scalar_one()
    return int(found)


def current_since(session: Session) -> datetime:
    """Return when the current epoch began."""
    at: datetime = session.execute(sa.select(epoch.c.created_at).where(epoch.c.state == CURRENT)).scalar_one()
    return at


def retiring(session: Session) -> list[int]:
    """Return the epochs whose keys are still there though newer ones are in use, oldest first."""
    return list(session.scalars(sa.select(epoch.c.epoch).where(epoch.c.state == RETIRING).order_by(epoch.c.epoch)))


def why_missing(session: Session, number: int, keys: EpochKeys) -> EpochEnded | EpochAway:
    """Return what to raise where the key of an epoch is missing: it was destroyed, or it is away and may come back.

    An older database takes an epoch for the current one that a newer key has followed: that one ended.
    """
    state = session.scalar(sa.select(epoch.c.state).where(epoch.c.epoch == number))
    if state == RETIRING or (state == CURRENT and keys.secret(number + 1) is None):
        return EpochAway(f"The key {name_of(number)}.key is not there; please try again shortly.")
    return EpochEnded(f"the key of epoch {number} is gone")


def check(session: Session, keys: EpochKeys) -> None:
    """Raise `ConfigurationRefused` unless the keys of the epochs in use are there."""
    wanted = [current(session), *(number for number in retiring(session) if _is_used(session, number))]
    for number in wanted:
        if keys.secret(number) is None:
            raise ConfigurationRefused(
                f"The key {name_of(number)}.key is missing: put back what was there, for a new key opens nothing of it."
            )


def _is_used(session: Session, number: int) -> bool:
    is_under = (subject_key.c.epoch == number) & subject_key.c.wrapped.is_not(None)
    return session.execute(sa.select(subject_key.c.subject).where(is_under).limit(1)).one_or_none() is not None
