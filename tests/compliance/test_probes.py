"""Every probe catches what is planted for it, can fail, and never passes on nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel import documents
from app.kernel.clock import StillClock
from app.kernel.db import Database
from compliance.catalog.controls import CROSSWALK
from compliance.contracts.probes import Kind, Probe, Reading
from compliance.engine import code, standing
from compliance.engine.observe import Observer
from compliance.engine.verdict import Canary
from compliance.states import Reason, State
from tests.support.installation import Installation, installed

PRODUCT = Path(__file__).parents[2]
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


def test_the_hash_of_a_probe_is_of_its_own_source_and_of_nothing_else(house: Installation) -> None:
    probes = house.system.controls.parts.probes.values()
    assert len({code.code_hash(probe) for probe in probes}) == len(probes)
    ours = {path.name for path in PRODUCT.iterdir() if (path / "__init__.py").exists()}
    for probe in probes:
        assert code.modules(probe), probe.name
        assert {module.partition(".")[0] for module in code.modules(probe)} <= ours, probe.name


def test_a_change_of_a_probes_source_or_of_what_it_is_given_changes_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def made(limit: int, source: str) -> str:
        for name, text in (("asked_of", "def read(look, *, limit, helper): ..."), ("helping", source)):
            (tmp_path / f"{name}.py").write_text(f"{text}\n", encoding="utf-8")
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        asked, helping = importlib.import_module("asked_of"), importlib.import_module("helping")
        read = partial(asked.read, limit=limit, helper=helping.help_it)
        return code.code_hash(Probe(name="one", kind=Kind.STATE, asks="", read=read, plant=asked.read))

    first = made(1, "def help_it(): ...")
    assert made(1, "def help_it(): ...") == first
    assert made(2, "def help_it(): ...") != first
    assert made(1, "def help_it(): return 1") != first


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
            assert seen.tested.canary is not Canary.MISSED, probe.name
        with made.system.db.read() as session:
            found = standing.all_of(session, START, made.system.controls.parts)
        assert [key for key, one in found.items() if one.state is State.PASS] == []
