"""The nightly self-test finds every marker, leaves nothing, and fails where a source, the gate or a copy does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.clock import StillClock
from compliance.contracts.personal import PersonalDataSource, Record, Seed, Target
from compliance.privacy import portable, selftest
from compliance.privacy.gate import Gate
from compliance.privacy.selftest import Run
from compliance.registers.models import selftest_run
from compliance.states import State
from ingest.log import shredding
from tests.compliance.privacy.conftest import START
from tests.compliance.privacy.rights import Rights
from tests.support.installation import installed


@pytest.fixture
def rights(tmp_path: Path) -> Iterator[Rights]:
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock) as made:
        made.customer("amber_one", euros=5)
        made.arrive()
        yield Rights(house=made, clock=clock)


class Broken:
    """A source like another, but for one thing."""

    def __init__(self, other: PersonalDataSource, **instead: Callable[..., Any]) -> None:
        self._other, self._instead = other, instead

    def __getattr__(self, name: str) -> Any:
        return self._instead.get(name) or getattr(self._other, name)


def night(rights: Rights, *, gate: Any = None, source: str = "", **instead: Callable[..., Any]) -> Run:
    system = rights.house.system
    sources = tuple(Broken(one, **instead) if one.name == source else one for one in rights.parts.sources)
    assert not source or any(isinstance(one, Broken) for one in sources)
    parts = replace(rights.parts, sources=sources)  # type: ignore[arg-type]  # it behaves like one
    ctx = system.context(service("privacy.selftest"))
    # How long a writer may be kept is another test's: here the machine may be busy.
    return selftest.run(rights.db, ctx, parts=parts, gate=gate or Gate(), shreds=system.shredding, seconds=60)


def states(rights: Rights) -> dict[str, State]:
    observer = rights.house.system.controls
    found = {}
    for name in ("privacy.selftest", "privacy.portability"):
        seen = observer.observe(observer.parts.probes[name], is_test_due=True)
        assert seen is not None
        found[name] = seen.verdict.state
    return found


def counted(rights: Rights) -> dict[str, int]:
    with rights.db.read() as session:
        tables = sa.inspect(session.connection()).get_table_names()
        return {
            name: session.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608 - our tables
            for name in tables
            if not name.startswith(("ingest_", "compliance_selftest_run"))
        }


def test_every_marker_comes_back_and_nothing_stays(rights: Rights) -> None:
    before = counted(rights)
    done = night(rights)
    assert done.problems == []
    assert done.planted == done.found >= 25
    assert done.left == 0
    assert done.stores > 15
    assert any(one.startswith("compliance_request ") for one in done.held)
    assert counted(rights) == before
    assert "compliance.selftest.completed" in rights.kinds()
    assert states(rights) == {"privacy.selftest": State.PASS, "privacy.portability": State.PASS}


def test_its_keys_are_really_gone(rights: Rights) -> None:
    done = night(rights)
    assert done.is_passed
    with rights.db.read() as session:
        subject = str(session.execute(sa.select(selftest_run.c.subject)).scalar_one())
    keys = rights.house.system.subject_keys
    with keys.db.read() as reader:
        assert shredding.remaining(reader, subject, ["security", "account", "privacy", "money"]) == []
    told = [kind for kind in rights.kinds() if kind == "key.subject_key.destroyed"]
    assert len(told) == 1


def test_a_night_that_takes_too_long_is_ended_and_says_that_nothing_is_known(rights: Rights) -> None:
    before, system = counted(rights), rights.house.system
    ctx = system.context(service("privacy.selftest"))
    parts, gate, shreds = rights.parts, Gate(), system.shredding
    done = selftest.run(rights.db, ctx, parts=parts, gate=gate, shreds=shreds, seconds=0.0)
    assert [(one.leg, one.place) for one in done.problems] == [("erasure", "fence")]
    assert counted(rights) == before
    assert states(rights)["privacy.selftest"] is State.FAIL


def test_before_the_first_night_nothing_is_known(rights: Rights) -> None:
    assert set(states(rights).values()) == {State.NOT_EVALUABLE}


def _raises(*_: object, **__: object) -> Any:
    raise RuntimeError("unplugged")


def _nothing(*_: object, **__: object) -> Any:
    return iter(())


def _no_rows(*_: object, **__: object) -> Counter[str]:
    return Counter()


@pytest.mark.parametrize(
    ("instead", "leg"),
    [
        ({"plant": _raises}, "access"),
        ({"collect": _raises}, "access"),
        ({"collect": _nothing}, "access"),
        ({"plan": _raises}, "erasure"),
        ({"erase": _raises}, "erasure"),
        ({"erase": _no_rows}, "erasure"),
    ],
    ids=["plant", "raises", "empty", "plan", "erase", "forgets"],
)
def test_a_source_that_breaks_fails_its_articles(rights: Rights, instead: dict[str, Any], leg: str) -> None:
    done = night(rights, source="identity", **instead)
    assert leg in {one.leg for one in done.problems}
    assert states(rights)["privacy.selftest"] is State.FAIL
    with rights.db.read() as session:
        assert selftest.newest(session) == done


def test_a_source_that_says_it_erased_is_not_believed(rights: Rights) -> None:
    """The store's word is checked: rows that it left and says are gone are found by looking for the markers."""

    def none_left(session: Session, targets: Sequence[Target]) -> int:
        return 0

    done = night(rights, source="identity", erase=_no_rows, remaining=none_left)
    assert {one.leg for one in done.problems} == {"erasure"}
    assert any("a marker of" in one.says for one in done.problems)


def test_a_use_that_goes_on_is_found(rights: Rights) -> None:
    class Open(Gate):
        def allowed(self, session: Session, subject: str, purpose: str) -> bool:
            return True

    done = night(rights, gate=Open())
    assert {(one.leg, one.place) for one in done.problems} >= {
        ("restriction", "profiling"),
        ("restriction", "training"),
    }
    assert states(rights) == {"privacy.selftest": State.FAIL, "privacy.portability": State.PASS}


def test_what_we_concluded_is_not_taken_elsewhere(rights: Rights) -> None:
    (identity,) = [one for one in rights.parts.sources if one.name == "identity"]

    def concluded(session: Session, seeds: Set[Seed]) -> Iterator[Record]:
        for record in identity.collect(session, seeds):
            yield replace(record, store=7) if record.category == "name" else record  # type: ignore[arg-type]  # on purpose

    done = night(rights, source="identity", collect=concluded)
    assert "portability" in {one.leg for one in done.problems}
    assert states(rights)["privacy.portability"] is State.FAIL


def test_a_night_that_was_left_out_is_no_night(rights: Rights) -> None:
    night(rights)
    rights.clock.move(timedelta(days=3))
    assert states(rights)["privacy.selftest"] is State.FAIL


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": "x"}, []),
        ({}, ["$ lacks a"]),
        ({"a": 1}, ["$.a is no string"]),
        ({"a": "y"}, ["$.a is none of x"]),
        ({"a": "x", "b": 1}, ["$ has b, which the schema does not know"]),
        ([], ["$ is no object"]),
    ],
)
def test_a_schema_is_held_against_what_is_there(value: Any, says: list[str]) -> None:
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "string", "enum": ["x"]}},
        "additionalProperties": False,
    }
    assert list(portable.wrong(value, schema)) == says
    assert list(portable.wrong("x", {"pattern": "y"})) == ["$: the schema says pattern, which nobody checks"]
