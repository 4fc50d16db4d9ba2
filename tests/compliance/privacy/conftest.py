"""The ground of the tests of rights: an installation on a still clock, on each database, and people who ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.identity import roles
from app.kernel.clock import StillClock
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person, installed

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rights]:
    clock = StillClock(START)
    with installed(tmp_path_factory.mktemp("home"), clock=clock) as made:
        yield Rights(house=made, clock=clock)


@pytest.fixture(params=["sqlite", "postgresql"])
def either_rights(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rights]:
    url = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock, **url) as made:
        yield Rights(house=made, clock=clock)


@pytest.fixture
def staffed(either_rights: Rights) -> tuple[Rights, Person, Person]:
    officer = either_rights.house.staff("olive.erase", roles.COMPLIANCE_OFFICER)
    either_rights.house.staff("dan.erase", roles.DPO)
    dpo = either_rights.house.staff("dora.erase", roles.DPO)
    return either_rights, officer, dpo


@pytest.fixture
def officer(rights: Rights) -> Person:
    return rights.house.staff("olive", roles.COMPLIANCE_OFFICER)


@pytest.fixture
def dpo(rights: Rights) -> Person:
    """Return the one who decides; a second one stands ready for what the first has asked."""
    rights.house.staff("dan", roles.DPO)
    return rights.house.staff("dora", roles.DPO)
