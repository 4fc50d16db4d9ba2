"""Signing: only what grew, and never what an earlier signature would refute."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel.crypto import KeyFolder
from app.kernel.errors import ConfigurationRefused
from ingest import models
from ingest.log import checkpoint, note, read
from ingest.log.archive import Archive
from ingest.log.checkpoint import Forked, LogKey, RolledBack, SigningBusy
from ingest.settings import ArchiveSettings
from tests.support import sealing
from tests.support.ground import Ground, make_ground

Seal = Callable[[int], list[str]]


def sign(ground: Ground, key: LogKey) -> checkpoint.Checkpoint | None:
    return checkpoint.sign(ground.db, key, ground.clock.now())


def grow(ground: Ground, count: int) -> None:
    sealing.record(ground, *[sealing.failed_login() for _ in range(count)])
    sealing.sequencer(ground).drain()


def test_a_head_that_moved_is_signed_remembered_and_published(ground: Ground, key: LogKey) -> None:
    grow(ground, 3)
    made = sign(ground, key)

    with ground.db.read() as session:
        assert checkpoint.newest(session) == made
        head = read.head(session)
    signed = note.parse_tree_head(note.open_note(made.note, key.verifier))
    assert (signed.origin, signed.size, signed.root) == ("onepay.example/log", 3, head.root)
    assert key.last.read_text() == made.note
    assert stat.S_IMODE(key.last.stat().st_mode) == 0o600


def test_nothing_is_signed_while_the_head_stands_still(ground: Ground, key: LogKey) -> None:
    assert sign(ground, key) is None
    grow(ground, 3)
    sign(ground, key)

    assert sign(ground, key) is None


def test_the_job_signs_and_says_so(ground: Ground, key: LogKey, tmp_path: Path) -> None:
    archive = Archive(ArchiveSettings(folder=tmp_path / "archive"), ids=ground.ids)
    job = checkpoint.Signer(db=ground.db, key=key, archive=archive).job()
    grow(ground, 3)

    assert job.every.total_seconds() == 10
    assert job.run(ground.clock.now()) == "signed size 3"
    assert job.run(ground.clock.now()) is None


def test_a_head_signed_before_a_crash_but_not_published_is_published_later(ground: Ground, key: LogKey) -> None:
    grow(ground, 3)
    made = sign(ground, key)
    with ground.db.begin() as session:
        session.execute(sa.delete(models.checkpoint))

    assert sign(ground, key) == made


def test_a_smaller_log_than_the_signed_one_is_never_signed(ground: Ground, key: LogKey, tmp_path: object) -> None:
    grow(ground, 5)
    sign(ground, key)
    restored = make_ground(tmp_path / "restored")
    grow(restored, 4)
    before = key.last.read_text()

    with pytest.raises(RolledBack, match=r"4 entries, but 5"):
        sign(restored, key)

    assert key.last.read_text() == before
    restored.close()


@pytest.mark.parametrize("size", [5, 6, 9])
def test_another_history_than_the_signed_one_is_never_signed(
    ground: Ground, key: LogKey, tmp_path: object, size: int
) -> None:
    grow(ground, 5)
    sign(ground, key)
    restored = make_ground(tmp_path / "restored")
    grow(restored, size)

    with pytest.raises(Forked):
        sign(restored, key)

    with restored.db.read() as session:
        assert checkpoint.newest(session) is None
    restored.close()


def test_a_head_that_its_own_nodes_refute_is_never_signed(ground: Ground, key: LogKey) -> None:
    grow(ground, 5)
    with ground.db.begin() as session:
        session.execute(sa.update(models.head).values(root=b"\0" * 32))

    with pytest.raises(Forked):
        sign(ground, key)


def test_without_its_memory_a_log_that_was_signed_is_not_signed_again(ground: Ground, key: LogKey) -> None:
    grow(ground, 5)
    sign(ground, key)
    grow(ground, 1)
    key.last.unlink()

    with pytest.raises(ConfigurationRefused, match=r"log\.last"):
        sign(ground, key)


def test_a_damaged_memory_stops_signing(ground: Ground, key: LogKey) -> None:
    grow(ground, 5)
    sign(ground, key)
    grow(ground, 1)
    key.last.write_text(key.last.read_text().replace("\n5\n", "\n4\n"))

    with pytest.raises(ConfigurationRefused, match="damaged"):
        sign(ground, key)


def test_keys_are_private_files_made_once(keys: KeyFolder) -> None:
    first = checkpoint.init(keys, "onepay.example/log")

    assert checkpoint.init(keys, "onepay.example/log").verifier == first.verifier
    assert stat.S_IMODE((keys.path / "log.key").stat().st_mode) == 0o600
    assert checkpoint.read_policy(keys) == checkpoint.policy_text(first.verifier)


def test_without_a_key_nothing_is_loaded(keys: KeyFolder) -> None:
    with pytest.raises(ConfigurationRefused):
        checkpoint.load(keys, "onepay.example/log")
    with pytest.raises(ConfigurationRefused):
        checkpoint.read_policy(keys)


def test_a_checkpoint_covers_what_it_has_counted(ground: Ground, seal: Seal) -> None:
    seal(5)
    grow(ground, 1)

    with ground.db.read() as session:
        assert checkpoint.covering(session, 5).size == 5
        assert checkpoint.covering(session, 6) is None


def test_a_signer_waits_for_another_one_and_not_for_ever(
    ground: Ground, key: LogKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(ground, 3)
    monkeypatch.setattr(checkpoint, "ALONE_SECONDS_MAX", 0.1)
    with checkpoint._alone(key), pytest.raises(SigningBusy) as refused:
        sign(ground, key)
    assert refused.value.code == "log_signing_busy"
    assert not key.last.exists()

    monkeypatch.setattr(checkpoint, "ALONE_SECONDS_MAX", 30)
    other = checkpoint._alone(key)
    other.__enter__()
    ends = threading.Timer(0.2, lambda: other.__exit__(None, None, None))
    ends.start()
    assert sign(ground, key) is not None
    ends.join()
