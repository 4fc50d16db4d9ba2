"""One installation a module with people at its console; or one a test, with a customer, on a clock that stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.kernel.clock import StillClock
from tests.compliance.privacy.rights import Rights
from tests.dashboards.desk import Room
from tests.support.installation import Installation, installed


@pytest.fixture(scope="module")
def room(installation: Installation) -> Room:
    return Room(installation=installation)


@pytest.fixture
def rights(tmp_path: Path) -> Iterator[Rights]:
    """Return an installation of one customer, who signed up three days ago."""
    clock = StillClock(datetime(2026, 11, 25, 9, 0, tzinfo=UTC))
    with installed(tmp_path / "home", clock=clock) as made:
        made.customer("amber_one")
        clock.move(timedelta(hours=73))
        yield Rights(house=made, clock=clock)
