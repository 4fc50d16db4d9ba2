"""Erasing by keys: the right key and no other, epochs that end only empty, and the same after a kill at any point."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.crypto import KeyFolder, Unreadable
from app.kernel.db import Database
from app.kernel.errors import ConfigurationRefused
from app.migrations import run
from ingest import models
from ingest.log import epochs, outbox, shredding
from ingest.log.epochs import EpochEnded, EpochFolder
from ingest.log.sequencer import LogUnavailable
from ingest.log.shredding import RowsLeft
from ingest.log.subject_keys import SubjectErased, SubjectKeys
from tests.support import sealing
from tests.support.ground import Ground, make_ground

ROOT = Path(__file__).parents[3]
PEOPLE = [f"acc_{n}" for n in range(6)]
CLASSES = ["security", "money"]
HORIZON = timedelta(days=30)


class House:
    """A ground whose epoch keys are files."""

    def __init__(self, ground: Ground, folder: Path, keys_url: str) -> None:
        self.ground, self.folder, self.keys_url = ground, KeyFolder(folder / "keys"), keys_url
        self.folder.make("epoch")
        self.opened: list[Database] = []
        self.keys = self.process()
        ground.recording.seal = self.keys.seal
        self.values = {
            (who, class_): self.keys.seal_value(f"{who} {class_}", who, class_, "t.c.1")
            for who in PEOPLE
            for class_ in CLASSES
        }

    def process(self) -> SubjectKeys:
        """Return the keys as another process has them open."""
        return self.on(self.keys_url)

    def on(self, url: str) -> SubjectKeys:
        self.opened.append(Database(url))
        return SubjectKeys(self.opened[-1], EpochFolder(self.folder), self.ground.clock)

    def close(self) -> None:
        for database in self.opened:
            database.close()

    @property
    def parts(self) -> shredding.Parts:
        return shredding.Parts(keys=self.keys, db=self.ground.db)

    def readable(self, keys: SubjectKeys | None = None) -> set[tuple[str, str]]:
        """Return whose values open, by both ways of opening them."""
        keys, found = keys or self.keys, set()
        for (who, class_), value in self.values.items():
            try:
                assert keys.open_value(value, who, class_, "t.c.1") == f"{who} {class_}"
                assert keys.reader(PEOPLE, class_).open_value(value, who, "t.c.1") == f"{who} {class_}"
                found.add((who, class_))
            except SubjectErased:
                with pytest.raises(SubjectErased):
                    keys.reader(PEOPLE, class_).open_value(value, who, "t.c.1")
        return found

    def roll(self) -> shredding.Rolled:
        return shredding.roll_epoch(self.ground.ctx(), parts=self.parts)

    def erase(self, who: str, *classes: str) -> shredding.Destroyed:
        return shredding.destroy(who, classes, "asked", self.ground.ctx(), parts=self.parts, run="req_1")

    def irrecoverable(self, who: str, *classes: str) -> object:
        with self.keys.db.read() as session:
            return shredding.irrecoverable_from(session, who, classes, HORIZON)

    def files(self) -> list[str]:
        return sorted(file.name for file in self.folder.path.iterdir())

    def told(self) -> Counter[str]:
        sealing.sequencer(self.ground, "rolling").drain()
        with self.ground.db.read() as session:
            kinds = session.scalars(sa.select(models.entry.c.kind))
            return Counter(kind for kind in kinds if kind.startswith("key."))

    def states(self) -> dict[int, str]:
        with self.keys.db.read() as session:
            return {row.epoch: row.state for row in session.execute(sa.select(models.epoch))}


@pytest.fixture
def house(ground: Ground, tmp_path: Path) -> Iterator[House]:
    made = House(ground, tmp_path, ground.keys_db.url)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    ground = make_ground(tmp_path / "home")
    url = ground.keys_db.url
    if request.param == "postgresql":
        url = request.getfixturevalue("server").empty_database()
        run.upgrade(url, "keys")
    made = House(ground, tmp_path, url)
    yield made
    made.close()
    ground.close()


ALL = {(who, class_) for who in PEOPLE for class_ in CLASSES}


def test_one_class_of_one_person_goes_and_nothing_else(either: House) -> None:
    done = either.erase("acc_0", "money")
    assert (done.had_key, done.classes) == (("money",), ("money",))
    assert either.readable() == ALL - {("acc_0", "money")}
    assert either.readable(either.process()) == ALL - {("acc_0", "money")}


@settings(max_examples=25)
@given(
    erased=st.sets(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(CLASSES)), max_size=8),
    rolls=st.lists(st.integers(0, 8), max_size=2),
)
def test_whoever_is_erased_all_others_stay(
    tmp_path_factory: pytest.TempPathFactory, erased: set[tuple[str, str]], rolls: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("property")
    ground = make_ground(folder / "home")
    try:
        house = House(ground, folder, ground.keys_db.url)
        for number, (who, class_) in enumerate(sorted(erased)):
            if number in rolls:
                house.roll()
            house.erase(who, class_)
        house.roll()
        assert house.readable() == ALL - erased
        house.close()
    finally:
        ground.close()


def test_what_was_erased_is_never_made_again_and_later_events_leave_it_out(house: House) -> None:
    house.erase("acc_0", "security", "governance")
    with pytest.raises(SubjectErased):
        house.keys.seal_value("words", "acc_0", "security", "t.c.2")
    with pytest.raises(SubjectErased):
        house.keys.seal_value("words", "acc_0", "governance", "t.c.2")
    assert house.keys.seal({"name": "x"}, "acc_0", "security", "evt_1") is None
    with house.keys.db.read() as session:
        assert shredding.remaining(session, "acc_0", [*CLASSES, "governance"]) == ["money"]


def test_erasing_again_is_the_same_event_and_names_classes_alone(house: House) -> None:
    first = house.erase("acc_0", "money", "security")
    house.ground.clock.move(timedelta(hours=1))
    again = house.erase("acc_0", "security", "money")
    assert (again.event_id, again.had_key) == (first.event_id, ())
    assert house.told() == {"key.subject_key.destroyed": 1}
    with house.ground.db.read() as session:
        body = json.loads(session.scalar(sa.select(models.body.c.body)))
    assert body["onepay"]["key"] == {"classes": ["money", "security"], "run": "req_1"}
    assert body["onepay"]["subject"]["id"] == ["acc_0"]


def test_nothing_is_destroyed_while_the_log_numbers_nothing(house: House) -> None:
    def wait(event_id: str) -> None:
        raise LogUnavailable

    parts = shredding.Parts(keys=house.keys, db=house.ground.db, wait=wait)
    with pytest.raises(LogUnavailable):
        shredding.destroy("acc_0", ["money"], "asked", house.ground.ctx(), parts=parts, run="req_1")
    with pytest.raises(LogUnavailable):
        shredding.roll_epoch(house.ground.ctx(), parts=parts)
    assert house.readable() == ALL
    assert house.files() == ["epoch-0002.key", "epoch.key"]
    assert house.roll().ended == (1,)


def test_an_epoch_ends_with_everything_moved_and_its_key_destroyed(either: House) -> None:
    other = either.process()
    assert either.readable(other) == ALL
    done = either.roll()
    assert (done.epoch, done.rewrapped, done.ended) == (2, len(ALL), (1,))
    assert either.files() == ["epoch-0002.key"]
    assert (either.folder.path / "epoch-0002.key").stat().st_mode & 0o777 == 0o600
    assert either.states() == {1: "destroyed", 2: "current"}
    assert either.readable() == either.readable(other) == ALL
    assert either.told() == {"key.secret.created": 1, "key.secret.rotated": 1, "key.secret.destroyed": 1}
    assert either.roll().epoch == 3
    assert either.readable() == ALL


def test_a_copy_of_the_keys_from_before_opens_nothing_once_its_epoch_ended(house: House, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    for end in ("", "-wal"):
        shutil.copy(house.keys_url.removeprefix("sqlite:///") + end, f"{backup}{end}")
    house.erase("acc_0", "money")
    restored = house.on(f"sqlite:///{backup}")
    value = house.values["acc_0", "money"]
    assert restored.open_value(value, "acc_0", "money", "t.c.1") == "acc_0 money"
    house.roll()
    house.ground.clock.move(timedelta(seconds=61))
    with pytest.raises(EpochEnded):
        restored.open_value(value, "acc_0", "money", "t.c.1")
    with pytest.raises(Unreadable):
        restored.reader(["acc_0"], "money").open_value(value, "acc_0", "t.c.1")


def test_a_key_that_is_open_here_is_let_go_of_a_minute_after_another_process_destroyed_it(house: House) -> None:
    other = house.process()
    assert house.readable(other) == ALL
    house.roll()
    assert other.epochs.secret(1)
    house.ground.clock.move(timedelta(seconds=60))
    with pytest.raises(EpochEnded):
        other.epochs.secret(1)
    with pytest.raises(EpochEnded):
        house.keys.epochs.secret(1)


def test_irrecoverable_is_said_only_once_it_is_so(house: House) -> None:
    assert house.irrecoverable("acc_0", "money") is None
    house.erase("acc_0", "money")
    assert house.irrecoverable("acc_0", "money") is None
    house.ground.clock.move(timedelta(days=10))
    house.roll()
    ended = house.ground.clock.now()
    assert house.irrecoverable("acc_0", "money") == ended + HORIZON
    assert house.irrecoverable("acc_0", *CLASSES) is None
    house.ground.clock.move(timedelta(days=30))
    house.erase("acc_0", "security")
    house.roll()
    assert house.irrecoverable("acc_0", *CLASSES) == house.ground.clock.now() + HORIZON
    assert house.irrecoverable("acc_0", "money") == ended + HORIZON
    erased = house.erase("acc_nobody", "money").at
    assert house.irrecoverable("acc_nobody", "money") == erased


def test_no_epoch_ends_with_a_key_left_under_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shredding, "_moved", lambda *args: 0)
    with pytest.raises(RowsLeft, match="12 keys"):
        house.roll()
    assert house.files() == ["epoch-0002.key", "epoch.key"]
    monkeypatch.undo()
    assert house.readable() == ALL
    assert house.roll().epoch == 2
    assert house.readable() == ALL


def test_keys_made_while_an_epoch_ends_are_never_lost(either: House) -> None:
    made: dict[str, bytes] = {}
    stop = threading.Event()

    def make() -> None:
        keys, number = either.process(), 0
        while not stop.is_set():
            who = f"new_{number}"
            made[who] = keys.seal_value(who, who, "money", "t.c.1")
            number += 1

    maker = threading.Thread(target=make)
    maker.start()
    try:
        for _ in range(4):
            either.roll()
    finally:
        stop.set()
        maker.join()
    assert len(made) > 3
    for who, value in made.items():
        assert either.keys.open_value(value, who, "money", "t.c.1") == who
    assert either.readable() == ALL


def test_a_start_names_the_key_of_an_epoch_that_is_missing(house: House) -> None:
    house.roll()
    (house.folder.path / "epoch-0002.key").unlink()
    with house.keys.db.read() as session, pytest.raises(ConfigurationRefused, match="epoch-0002"):
        epochs.check(session, EpochFolder(house.folder))


def test_events_sealed_in_every_epoch_are_read_later(house: House) -> None:
    elements = []
    for _ in range(3):
        elements.append(house.keys.seal({"onepay.memo": "lunch"}, "acc_0", "money", "evt_1"))
        house.roll()
    assert [element["k"] for element in elements] == [1, 2, 3]
    key = house.keys._key("acc_0", "money", make=False)
    assert key is not None
    assert outbox.SALT_BYTES == 16


@pytest.mark.parametrize(
    ("database", "point"), [*(("sqlite", point) for point in range(0, 24, 2)), *(("postgresql", n) for n in (1, 9, 17))]
)
def test_killed_at_any_point_a_roll_goes_on(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, point: int
) -> None:
    ground = make_ground(tmp_path / "home")
    keys_url = ground.keys_db.url
    if database == "postgresql":
        keys_url = request.getfixturevalue("server").empty_database()
        run.upgrade(keys_url, "keys")
    house = House(ground, tmp_path, keys_url)
    house.erase("acc_0", "money")
    try:
        words = [sys.executable, "-m", "tests.ingest.log.rolling", ground.db.url, keys_url, str(tmp_path), str(point)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == -9, done.stderr

        whole = ALL - {("acc_0", "money")}
        assert house.readable(house.process()) == whole
        house.keys = house.process()
        house.roll()
        if house.states()[1] != "destroyed":
            house.roll()
        assert house.readable(house.process()) == whole
        assert "epoch.key" not in house.files()
        ended = [number for number, state in house.states().items() if state == "destroyed"]
        current = [number for number, state in house.states().items() if state == "current"]
        assert current == [max(house.states())]
        assert len(ended) == len(house.states()) - 1
        told = house.told()
        assert told["key.secret.destroyed"] == told["key.secret.rotated"] == len(ended)
        assert told["key.secret.created"] == len(house.states()) - 1
    finally:
        house.close()
        ground.close()
