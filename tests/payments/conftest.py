"""The ground of the payment tests: every test that takes `world` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.payments.world import World, make_world
from tests.support.ground import make_ground


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with both SQLite databases at the newest revision: copying it takes a tenth of migrating."""
    folder = tmp_path_factory.mktemp("migrated")
    make_ground(folder).close()
    return folder


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(migrated, tmp_path / "home"))


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, home: Path) -> Iterator[World]:
    url = None if request.param == "sqlite" else request.getfixturevalue("server").fresh_database()
    world = make_world(home, url)
    yield world
    world.close()
