"""Every probe catches what is planted for it, can fail, and never passes on nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel import documents
from app.kernel.clock import StillClock
from app.kernel.db import Database
from compliance.catalog.controls import CROSSWALK
from compliance.contracts.probes import Probe, Reading
from compliance.engine import standing
from compliance.engine.observe import Observer
from compliance.states import Reason, State
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("probes") / "home"
    with installed(folder, clock=StillClock(START)) as made:
        made.customer("amber_one", euros=20)
        made.staff("ada", "administrator")
        made.browser().sign_in(made.people["ada"], surface="staff")
        made.arrive()
        yield made


def names() -> list[str]:
    text = files("compliance.catalog").joinpath(CROSSWALK).read_text("utf-8")
    return sorted(documents.load(text, name=CROSSWALK))


def neutered(probe: Probe) -> Probe:
    """The same probe with its judgement taken away: it sees everybody and finds nothing wrong."""

    def blind(look: object) -> Reading:
        return replace(probe.read(look), violations=())  # type: ignore[arg-type]

    return replace(probe, read=blind)


def observer(house: Installation, probe: Probe) -> Observer:
    system = house.system
    parts = replace(system.controls.parts, probes={**system.controls.parts.probes, probe.name: probe})
    return Observer(system.db, system.working_store, system.clock, system.ids, parts)


def test_every_probe_that_is_built_speaks_for_a_control(house: Installation) -> None:
    assert sorted(house.system.controls.parts.probes) == names()


@pytest.mark.parametrize("name", names())
def test_a_probe_names_what_was_planted(house: Installation, name: str) -> None:
    probe = house.system.controls.parts.probes[name]
    seen = observer(house, probe).observe(probe, is_test_due=True)
    assert seen is not None
    assert seen.error is None
    assert seen.tested.canary == "caught"
    assert seen.verdict.reason not in (Reason.CANARY_MISSED, Reason.PROBE_ERROR, Reason.TIMEOUT)


@pytest.mark.parametrize("name", names())
def test_a_probe_without_judgement_is_found_out(house: Installation, name: str) -> None:
    probe = neutered(house.system.controls.parts.probes[name])
    seen = observer(house, probe).observe(probe, is_test_due=True)
    assert seen is not None
    assert seen.verdict.state is State.NOT_EVALUABLE
    assert seen.verdict.reason is Reason.CANARY_MISSED


def test_nothing_that_was_planted_remains(house: Installation) -> None:
    def content(db: Database) -> dict[str, int]:
        with db.read() as session:
            inspected = sa.inspect(session.connection())
            return {
                table: session.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608 - our tables
                for table in inspected.get_table_names()
                if not table.startswith(("compliance_", "ingest_outbox"))
            }

    before = content(house.system.db)
    for probe in house.system.controls.parts.probes.values():
        house.system.controls.observe(probe, is_test_due=True)
    assert content(house.system.db) == before


def test_on_an_empty_home_nothing_passes(tmp_path: Path) -> None:
    with installed(tmp_path / "empty", clock=StillClock(START)) as made:
        for probe in made.system.controls.parts.probes.values():
            seen = made.system.controls.observe(probe, is_test_due=True)
            assert seen is not None
            assert seen.verdict.state is not State.PASS, probe.name
        with made.system.db.read() as session:
            found = standing.all_of(session, START, made.system.controls.parts)
        assert [key for key, one in found.items() if one.state is State.PASS] == []
