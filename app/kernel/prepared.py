"""Statements of the money path: compiled once, run by the driver itself, as the road to it costs more than they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

# How each driver names its parameters.
STYLES: Final = {"sqlite": "named", "postgresql": "pyformat"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A Core statement, made by dialect, in the transaction of a session.

    Values go in and come out as the database holds them: instants are microseconds.
    """

    make: Callable[[str], sa.Executable]
    _texts: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict, init=False)

    def run(self, session: Session, values: Mapping[str, object]) -> Any:  # the drivers' cursors share no type
        """Run it and return the driver's cursor, which knows `fetchone` and `rowcount`."""
        connection = session.connection()
        text, constants = self._texts.get(connection.dialect.name) or self._compiled(connection.dialect)
        driver: Any = connection.connection.driver_connection
        return driver.execute(text, {**constants, **values})

    def _compiled(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        named: Any = type(dialect)  # a plain dialect takes no options
        compiled = self.make(dialect.name).compile(dialect=named(paramstyle=STYLES[dialect.name]))  # type: ignore[attr-defined]  # all that we make are compiled
        made = self._texts[dialect.name] = str(compiled), dict(compiled.params)
        return made
