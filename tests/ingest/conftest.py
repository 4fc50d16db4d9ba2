"""Ground for the tests of the log: on SQLite, and on both databases where it matters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.ground import Ground, make_ground


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = make_ground(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either_ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    url = request.getfixturevalue("server").fresh_database() if request.param == "postgresql" else None
    made = make_ground(tmp_path / "home", url)
    yield made
    made.close()


@pytest.fixture
def postgres_ground(server: postgres.Server, tmp_path: Path) -> Iterator[Ground]:
    made = make_ground(tmp_path / "home", server.fresh_database())
    yield made
    made.close()
