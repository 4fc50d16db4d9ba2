"""Every probe catches what is planted for it, can fail, and never passes on nothing."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel import documents
from app.kernel.access import service
from app.kernel.clock import StillClock
from app.kernel.db import Database
from compliance.catalog.controls import CROSSWALK
from compliance.contracts.probes import Kind, Look, Planted, Probe, Reading, Window, planted_ids
from compliance.engine import code, reading, standing, verdict
from compliance.engine.observe import Observer
from compliance.engine.reading import Seen
from compliance.engine.verdict import Canary
from compliance.states import Reason, State
from tests.compliance.looking import look_at
from tests.support.installation import Installation, installed

PRODUCT = Path(__file__).parents[2]
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
KEPT = {
    "compliance_probe",
    "compliance_observation",
    "compliance_standing",
    "compliance_interval",
    "ingest_outbox",
    "sqlite_sequence",
}
NOT_ROWS = {
    "app.components",
    "app.no_secrets",
    "privacy.basis",
    "privacy.marks",
    "scanner.no_place_for_codes",
    "scans.deployments",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("probes") / "home"
    with installed(folder, clock=StillClock(START)) as made:
        peopled(made)
        yield made


def peopled(made: Installation) -> None:
    made.customer("amber_one", euros=20)
    made.staff("ada", "administrator")
    made.browser().sign_in(made.people["ada"], surface="staff")
    made.arrive()


def names() -> list[str]:
    text = files("compliance.catalog").joinpath(CROSSWALK).read_text("utf-8")
    return sorted(documents.load(text, name=CROSSWALK))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one probe said when it was asked and tested, and what was planted for it."""

    seen: Seen
    planted: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Round:
    """Every probe asked and tested once, and the rows of the house before and after."""

    of: Mapping[str, Asked]
    before: Mapping[str, str]
    after: Mapping[str, str]


def observer(house: Installation, probe: Probe) -> Observer:
    system = house.system
    parts = replace(system.controls.parts, probes={**system.controls.parts.probes, probe.name: probe})
    return Observer(system.db, system.working_store, system.clock, system.ids, parts)


def rows(db: Database) -> Mapping[str, str]:
    """Return a hash of all rows of each table, but of those in which readings are kept, and of the outbox."""
    with db.read() as session:
        found = {}
        for name in sa.inspect(session.connection()).get_table_names():
            if name not in KEPT:
                content = session.execute(sa.text(f"SELECT * FROM {name}")).all()  # noqa: S608 - our own tables
                found[name] = hashlib.sha256(repr(sorted(map(repr, content))).encode()).hexdigest()
        return found


def asked(house: Installation, probe: Probe) -> Asked:
    planted: list[Planted] = []

    def plant(look: Look) -> Planted:
        planted.append(probe.plant(look))
        return planted[0]

    seen = observer(house, probe).observe(replace(probe, plant=plant), is_test_due=True)
    assert seen is not None
    return Asked(seen=seen, planted=planted_ids(planted[0]))


@pytest.fixture(scope="module")
def all_of(house: Installation) -> Round:
    before = rows(house.system.db)
    found = {name: asked(house, probe) for name, probe in house.system.controls.parts.probes.items()}
    return Round(of=found, before=before, after=rows(house.system.db))


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
def test_a_probe_names_what_was_planted_and_only_while_it_is(all_of: Round, name: str) -> None:
    one = all_of.of[name]
    assert one.seen.error is None
    assert one.seen.tested.canary == "caught"
    assert one.seen.verdict.reason not in (Reason.CANARY_MISSED, Reason.PROBE_ERROR, Reason.TIMEOUT)
    # In the fence it was named; the reading of the house itself, made after it, knows nothing of it.
    assert one.planted.isdisjoint({wrong.object_id for wrong in one.seen.reading.violations})


def test_nothing_that_was_planted_remains(all_of: Round) -> None:
    assert len(all_of.before) > 60
    assert all_of.after == all_of.before


@pytest.mark.parametrize("name", ["identity.dormant", "log.complete_entries", "app.deny_by_default"])
def test_a_probe_that_overlooks_what_is_planted_is_found_out(house: Installation, name: str) -> None:
    """One of each kind, which judges all but the planted object; with it, the same wrapper passes its test."""
    probe, planted = house.system.controls.parts.probes[name], set[str]()

    def overlooking(look: Look, *, is_blind: bool) -> Reading:
        found = probe.read(look)
        if not (is_blind and look.is_fence):
            return found
        return replace(found, violations=[one for one in found.violations if one.object_id not in planted])

    def plant(look: Look) -> Planted:
        planted.update(planted_ids(probe.plant(look)))
        return frozenset(planted)

    for is_blind, wanted in ((True, Canary.MISSED), (False, Canary.CAUGHT)):
        planted.clear()
        made = replace(probe, read=partial(overlooking, is_blind=is_blind), plant=plant)
        seen = observer(house, made).observe(made, is_test_due=True)
        assert seen is not None
        assert seen.tested.canary is wanted
        assert (seen.verdict.reason is Reason.CANARY_MISSED) is is_blind


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_a_violation_that_is_really_there_fails_at_the_next_reading(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    """Each violation that is made of rows is committed, on each database; the very next reading fails by its name."""
    url = {} if where == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock, **url) as made:
        peopled(made)
        failed, others = [], []
        probes = [one for one in made.system.controls.parts.probes.values() if one.kind is Kind.STATE]
        # What takes a body away comes last: others change it.
        for probe in sorted(probes, key=lambda one: (one.name == "log.retrievable", one.name)):
            clock.move(timedelta(seconds=1))  # of two nights the newer one is read
            planted = committed(made, probe)
            if planted is None:
                others.append(probe.name)
                continue
            parts, system = made.system.controls.parts, made.system
            window = Window(lo=0, hi=0)
            tested = verdict.Tested(canary=Canary.CAUGHT, at=START)
            seen = reading.read_window(
                probe,
                system.context(service("test")),
                window,
                tested,
                db=system.db,
                store=system.working_store,
                parts=parts,
            )
            assert seen.verdict.state is State.FAIL, probe.name
            assert planted <= {one.object_id for one in seen.reading.violations}, probe.name
            failed.append(probe.name)
    assert len(failed) >= 25
    assert set(others) == NOT_ROWS


def test_what_the_event_store_lost_of_ninety_days_is_not_at_hand(tmp_path: Path) -> None:
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock) as made:
        peopled(made)
        clock.move(timedelta(hours=2))

        def wrong() -> list[str]:
            with made.system.db.read() as session:
                look = look_at(made, session)
                return [
                    one.component for one in made.system.controls.parts.probes["log.retrievable"].read(look).violations
                ]

        assert wrong() == []
        made.system.store.drop("security", datetime(2026, 12, 1, tzinfo=UTC), {})
        assert wrong() == ["store"]
        clock.move(timedelta(days=91))
        assert wrong() == []


def committed(house: Installation, probe: Probe) -> frozenset[str] | None:
    """Plant a violation for good; None where it is not made of rows."""
    system = house.system
    with contextlib.suppress(_NotRows), system.db.begin() as session:
        look = look_at(house, session, is_fence=True)
        planted = planted_ids(probe.plant(look))
        if look.fence:
            raise _NotRows
        return planted
    return None


class _NotRows(Exception):
    """What was planted stands in the fence alone."""


def test_on_an_empty_home_nothing_passes(tmp_path: Path) -> None:
    """Not even where every probe had caught what was planted for it."""
    with installed(tmp_path / "empty", clock=StillClock(START)) as made:
        system = made.system
        for probe in system.controls.parts.probes.values():
            seen = reading.ask(
                probe,
                system.context(service("test")),
                sealed_hi=0,
                tested=verdict.Tested(canary=Canary.CAUGHT, at=START),
                is_test_due=False,
                db=system.db,
                store=system.working_store,
                parts=system.controls.parts,
            )
            assert seen.error is None, probe.name
            assert seen.verdict.state in (State.FAIL, State.NOT_EVALUABLE), probe.name
        # Where there is nothing to plant in, it is not the probe that missed anything.
        for probe in (one for one in system.controls.parts.probes.values() if one.kind is not Kind.LIVE):
            tested = system.controls.observe(probe, is_test_due=True)
            assert tested is not None
            assert tested.tested.canary is not Canary.MISSED, probe.name
        with system.db.read() as session:
            found = standing.all_of(session, START, system.controls.parts)
        assert [key for key, one in found.items() if one.state is State.PASS] == []
        made.staff("olga", roles.COMPLIANCE_OFFICER)
        seen = made.system.controls.observe(made.system.controls.parts.probes["privacy.basis"], is_test_due=True)
        assert seen is not None
        assert seen.verdict.reason is Reason.NOT_IN_USE, "staff alone give nobody's data away"
