"""One installation a module with people at its console."""

from __future__ import annotations

import pytest

from tests.dashboards.desk import Room
from tests.support.installation import Installation


@pytest.fixture(scope="module")
def room(installation: Installation) -> Room:
    return Room(installation=installation)
