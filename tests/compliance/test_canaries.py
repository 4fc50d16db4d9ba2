"""What looks at many registers has a canary in each: one that sees nothing any more passes for none of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from app.kernel.clock import StillClock
from compliance.contracts.probes import Look, Violation
from compliance.engine import code
from compliance.engine.verdict import Canary
from compliance.probes.decided.probe import PARTS, probe
from compliance.states import Reason, State
from tests.support.installation import Installation, installed

START: Final = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("canaries") / "home", clock=StillClock(START)) as made:
        made.customer("amber_one")
        yield made


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_every_part_names_what_is_planted_for_it(tmp_path: Path, where: str, request: pytest.FixtureRequest) -> None:
    url = {} if where == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}
    with installed(tmp_path / "home", clock=StillClock(START), **url) as made:
        made.customer("amber_one")
        seen = made.system.controls.observe(probe(), is_test_due=True)
    assert seen is not None
    assert seen.error is None
    assert seen.tested.canary is Canary.CAUGHT
    assert set(seen.reading.population) == set(PARTS)
    assert seen.reading.violations == []


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_sees_nothing_any_more_lets_nothing_pass(house: Installation, name: str) -> None:
    def silent(look: Look) -> tuple[int, list[Violation]]:
        return 1, []

    seen = house.system.controls.observe(probe({**PARTS, name: replace(PARTS[name], look=silent)}), is_test_due=True)
    assert seen is not None
    assert seen.error is None
    assert seen.tested.canary is Canary.MISSED
    assert (seen.verdict.state, seen.verdict.reason) == (State.NOT_EVALUABLE, Reason.CANARY_MISSED)


def test_the_hash_of_the_probe_is_of_every_part() -> None:
    parts = {part.look.__module__ for part in PARTS.values()} | {part.plant.__module__ for part in PARTS.values()}
    assert parts < code.modules(probe())
