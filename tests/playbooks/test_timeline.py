"""The timeline writes itself, reads as sentences, and is never changed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ingest.log.sequencer import Sequencer
from playbooks import casework, incidents, timeline
from playbooks.models import timeline as table
from playbooks.timeline import Code
from tests.playbooks.test_incidents import walk
from tests.playbooks.world import ANNA, CARLA, World


def test_every_code_has_its_sentence() -> None:
    assert set(timeline._SENTENCES) == set(Code)


def test_all_that_was_written_reads_as_sentences(world: World) -> None:
    found = world.takeover()
    world.do(casework.take, found)
    walk(world, found)
    said = world.sentences(found)

    assert len(said) > 30
    assert [line for line in said if re.search(r"[{}]|None|T\d\d:", line)] == []
    assert "Lock the account, acc_victim: done." in said
    assert next(line for line in said if line.startswith("Task done: Ask the owner")).endswith("(answer: not mine)")
    assert "Playbook account_takeover came to its end." in said


@pytest.mark.parametrize(
    ("code", "params", "says"),
    [
        (Code.STEP_COMPLETED, {"step": "block", "action": "network.block"}, "Playbook step done: Block addresses."),
        (Code.STEP_FAILED, {"step": "block", "why": "No."}, "Playbook step failed: block. No."),
        (
            Code.STEP_BRANCHED,
            {"step": "known", "outcome": "no", "condition": "$seen = true", "because": ""},
            "$seen = true: no.",
        ),
    ],
)
def test_what_older_versions_wrote_still_reads(world: World, code: Code, params: dict[str, str], says: str) -> None:
    found = world.find()
    with world.ground.db.begin() as session:
        timeline.add(session, found, code, world.ground.ctx(CARLA), **params)
    assert world.sentences(found)[-1] == says


def test_peoples_words_stand_beside_the_facts_and_not_in_them(world: World) -> None:
    found = world.find()
    world.do(casework.note, found, "call me\nwhen  it is over", by=ANNA)
    entry = world.page(found).timeline[-1]

    assert (entry.code, entry.text, entry.params) == (Code.NOTE_ADDED, "call me\nwhen it is over", {})
    assert (entry.actor, entry.role) == (ANNA.id, "analyst")


def test_an_entry_has_both_times_and_its_place_in_the_log(world: World) -> None:
    seen_at = world.now - timedelta(minutes=7)
    found = world.find(at=seen_at)
    opened = world.page(found).timeline[0]
    assert (opened.at, opened.recorded_at) == (seen_at - timedelta(minutes=1), world.now)
    assert opened.sequence is None
    assert opened.role == "detectors"

    Sequencer(world.ground.db, world.ground.clock, holder="test", ids=world.ground.ids).drain()

    assert world.page(found).timeline[0].sequence == 1


def test_a_page_goes_on_after_an_entry(world: World) -> None:
    found = world.find()
    for n in range(5):
        world.do(casework.note, found, f"note number {n}")
    with world.ground.db.read() as session:
        whole = incidents.timeline_page(session, found, CARLA)
        first = incidents.timeline_page(session, found, CARLA, limit=3)
        rest = incidents.timeline_page(session, found, CARLA, after=first[-1].n)
        newest = incidents.timeline_page(session, found, CARLA, limit=2, oldest_first=False)
    assert [*first, *rest] == whole
    assert [one.text for one in newest] == ["note number 4", "note number 3"]


@pytest.mark.parametrize(
    "statement",
    [
        sa.update(table).values(code="case.closed"),
        sa.delete(table),
        sa.text("REPLACE INTO playbooks_timeline SELECT * FROM playbooks_timeline"),
        sa.text("TRUNCATE playbooks_timeline"),
    ],
    ids=["update", "delete", "replace", "truncate"],
)
def test_the_database_refuses_to_change_it(either_world: World, statement, request) -> None:
    world = either_world
    found = world.find()
    before = world.page(found).timeline
    of_dialect = {"replace": "sqlite", "truncate": "postgresql"}
    dialect = "sqlite" if world.ground.db.is_sqlite else "postgresql"
    name = next((name for name in of_dialect if name in request.node.name), None)
    if name is not None and of_dialect[name] != dialect:
        return
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), world.ground.db.begin() as session:
        session.execute(statement)
    assert world.page(found).timeline == before
