"""One process a home: an exclusive lock that names who holds it and how to reach them."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.kernel.errors import OnePayError

NAME: Final = "onepay.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has the home open: process, public address, admin address."""

    pid: int
    url: str
    admin: str


class MachineLacks(OnePayError):
    """This machine lacks something: a free port, a folder that can be written."""

    code = "machine_lacks"


class AlreadyRunning(OnePayError):
    """Another process has this home open."""

    code = "already_running"

    def __init__(self, holder: Holder | None) -> None:
        who = f"process {holder.pid}, {holder.url}" if holder else "a process that is starting"
        super().__init__(f"OnePay is running already in this home: {who}.")
        self.holder = holder


class HomeLock:
    """Holds a home; a killed process lets go of it by dying."""

    def __init__(self, home: Path) -> None:
        self._file = home / NAME
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the home; raises `AlreadyRunning` naming who has it, and `MachineLacks` where nothing can be written."""
        home = self._file.parent
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever removes a home takes this file last: then what was locked here guards nothing any more.
                is_there = self._file.exists() and os.path.samestat(os.fstat(descriptor), self._file.stat())
                if not is_there:
                    raise BlockingIOError
                os.ftruncate(descriptor, 0)
            except BaseException:
                os.close(descriptor)
                raise
        except BlockingIOError as error:
            raise AlreadyRunning(holder(home)) from error
        except OSError as error:
            raise MachineLacks(f"The home {home} cannot be written: {error.strerror}.") from error
        self._descriptor = descriptor

    def tell(self, url: str, admin: str) -> None:
        """Write who holds the home."""
        assert self._descriptor is not None, "the home is taken first"
        text = json.dumps({"pid": os.getpid(), "url": url, "admin": admin}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

    def release(self) -> None:
        """Let the home go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder(home: Path) -> Holder | None:
    """Return who says to hold a home, or None where nobody said so."""
    try:
        return Holder(**json.loads((home / NAME).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
