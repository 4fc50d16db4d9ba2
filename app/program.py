"""What the command line runs in its own process. Importing this loads the whole program, which takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from app import process
from app.commands import registry
from app.commands.lines import Line
from app.config import Settings
from app.demo import up
from app.lock import MachineLacks
from app.terminal import Shown, say


def serve(settings: Settings) -> None:
    """Serve an installation until a signal ends it."""
    with _database():
        process.run(settings, say=say)


def demonstrate(settings: Settings, *, world: str, seed: int) -> None:
    """Make a world of simulated people and serve it."""
    with _database():
        up.up(settings, world=world, seed=seed, show=Shown())


def command(settings: Settings, name: str, arguments: dict[str, Any]) -> Iterator[Line]:
    """Return the lines of a command, run on a home that this process has taken."""
    with _database(), process.alone(settings) as system:
        yield from registry.COMMANDS[name](system, arguments)


@contextmanager
def _database() -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise MachineLacks(f"The database cannot be used: {error.orig}") from error
