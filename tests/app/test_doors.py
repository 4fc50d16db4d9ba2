"""Every door is tried by a stranger: routes up to the view, callbacks up to the act; nothing is done or recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dash import Input, Output

from app.kernel.access import Permission
from compliance.states import State
from dashboards import guard
from dashboards.mount import Console
from tests.support.installation import Installation, installed


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home") as made:
        made.staff("ada", "administrator")
        made.arrive()
        assert made.app, "its doors are there"
        yield made


def console(house: Installation) -> Console:
    made: Console = house.app.extensions["onepay_console"]
    return made


def said(house: Installation) -> tuple[State, set[str]]:
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["app.deny_by_default"], is_test_due=True)
    assert seen is not None
    assert seen.error is None
    return seen.verdict.state, {one.object_id for one in seen.reading.violations}


def test_every_callback_is_tried_and_turns_a_stranger_away(house: Installation) -> None:
    house.arrive()
    doors = [door for door in house.system.doors.all() if door.kind == "callback"]
    assert len(doors) > 20
    assert [door.name for door in doors if door.refuses is not True] == []
    assert house.waiting_kinds() == []
    assert said(house) == (State.PASS, set())


def test_a_callback_whose_guard_asks_nothing_is_seen(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    made = console(house)
    output = next(iter(made.guarded))
    monkeypatch.setitem(made.guarded, output, lambda *_: None)
    assert said(house) == (State.FAIL, {output})


def test_a_guard_that_lets_somebody_in_does_not_reach_the_act(house: Installation) -> None:
    made, called = console(house), []
    permission = next(iter(made.demands.values()))

    @guard.callback(made, Output("planted", "children"), Input("planted", "n_clicks"), permission=permission)
    def act(_clicks: int | None) -> str:
        called.append("done")
        return "done"

    class Everybody:
        def require(self, _permission: Permission) -> None: ...

    class Open:
        """Sources for which everybody may do everything."""

        def viewer(self) -> Everybody:
            return Everybody()

    before, made.sources = made.sources, Open()  # type: ignore[assignment]  # all that a guard asks
    try:
        state, wrong = said(house)
    finally:
        made.sources = before
    assert state is State.FAIL
    assert wrong == set(made.guarded)
    assert called == []
