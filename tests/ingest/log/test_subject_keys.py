"""Values of many people are read with one question for their keys, and an erasure is effective at the next call."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.kernel.crypto import Unreadable
from ingest.log import subject_keys
from ingest.log.subject_keys import SubjectErased
from ingest.models import subject_key
from tests.support.ground import START, Ground

PEOPLE = [f"acc_{n}" for n in range(5)]
PLACE = "table.column.{}"


def sealed(ground: Ground) -> dict[str, bytes]:
    keys = ground.subject_keys
    return {who: keys.seal_value(f"words of {who}", who, "money", PLACE.format(who)) for who in PEOPLE}


def statements(ground: Ground) -> list[str]:
    heard: list[str] = []
    sa.event.listen(ground.keys_db.engine, "before_cursor_execute", lambda *args: heard.append(args[2]))
    return heard


@pytest.mark.parametrize(("at_a_time", "asked"), [(1_000, 1), (5, 1), (4, 2)])
def test_keys_of_many_people_are_asked_for_at_once(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, at_a_time: int, asked: int
) -> None:
    values = sealed(ground)
    monkeypatch.setattr(subject_keys, "KEYS_A_TIME", at_a_time)
    heard = statements(ground)
    reader = ground.subject_keys.reader(PEOPLE, "money")
    for _ in range(2):
        words = [reader.open_value(values[who], who, PLACE.format(who)) for who in PEOPLE]
        assert words == [f"words of {who}" for who in PEOPLE]
    assert len([statement for statement in heard if "SELECT" in statement]) == asked


def test_who_is_erased_is_read_by_no_reader_made_since(ground: Ground) -> None:
    values = sealed(ground)
    assert ground.subject_keys.reader(PEOPLE, "money").open_value(values["acc_0"], "acc_0", PLACE.format("acc_0"))
    with ground.keys_db.begin() as session:
        session.execute(
            sa.update(subject_key).where(subject_key.c.subject == "acc_0").values(wrapped=None, destroyed_at=START)
        )
    reader = ground.subject_keys.reader(PEOPLE, "money")
    with pytest.raises(SubjectErased):
        reader.open_value(values["acc_0"], "acc_0", PLACE.format("acc_0"))
    assert reader.open_value(values["acc_1"], "acc_1", PLACE.format("acc_1")) == "words of acc_1"


def test_a_reader_opens_nobody_it_was_not_made_for(ground: Ground) -> None:
    values = sealed(ground)
    with pytest.raises(Unreadable):
        ground.subject_keys.reader(["acc_0"], "money").open_value(values["acc_1"], "acc_1", PLACE.format("acc_1"))


def test_a_key_that_is_not_there_was_not_destroyed(ground: Ground) -> None:
    """Who was erased has a row that says when; a key that somebody took away is a finding."""
    values = sealed(ground)
    with ground.keys_db.begin() as session:
        session.execute(sa.update(subject_key).where(subject_key.c.subject == "acc_0").values(wrapped=None))
        session.execute(sa.delete(subject_key).where(subject_key.c.subject == "acc_1"))
    reader = ground.subject_keys.reader(PEOPLE, "money")
    for who in ("acc_0", "acc_1"):
        with pytest.raises(Unreadable):
            reader.open_value(values[who], who, PLACE.format(who))


def test_who_never_had_a_key_reads_nothing(ground: Ground) -> None:
    with pytest.raises(Unreadable):
        ground.subject_keys.reader(["acc_none"], "money").open_value(bytes(40), "acc_none", "")
