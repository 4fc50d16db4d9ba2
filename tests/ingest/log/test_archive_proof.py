"""An archive proves its bodies by itself, under the head that was signed: nothing that was put into it since."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.events.health import HeartbeatSent
from ingest.log import archive_proof, checkpoint
from ingest.log.archive import CHECKPOINT_NAME, Archive
from ingest.log.checkpoint import LogKey, Signer
from ingest.log.read import Body
from ingest.settings import ArchiveSettings
from tests.support import sealing
from tests.support.ground import Ground

CLASS = HeartbeatSent.event_class.value


@pytest.fixture
def archive(ground: Ground, key: LogKey, tmp_path: Path) -> Archive:
    made = Archive(ArchiveSettings(folder=tmp_path / "archive", segment_bytes_max=2**20), ids=ground.ids)
    for count in (300, 41):
        sealing.record(ground, *[HeartbeatSent(component="web") for _ in range(count)])
        sealing.sequencer(ground).drain()
        Signer(db=ground.db, key=key, archive=made).sign(ground.clock.now())
    return made


def proven(archive: Archive, policy: str, *bodies: Body) -> Iterator[int]:
    head = archive_proof.signed_head(archive, policy)
    assert head is not None
    return (one.sequence for one in bodies if archive_proof.is_proven(archive, head, one))


def test_every_body_is_proven_under_the_head_that_was_signed(archive: Archive, key: LogKey) -> None:
    policy = checkpoint.policy_text(key.verifier)
    bodies = list(archive.bodies(CLASS, 0))
    assert list(proven(archive, policy, *bodies)) == list(range(1, 342))


def test_what_was_changed_is_not(archive: Archive, key: LogKey) -> None:
    policy, (first, second, *_, last) = checkpoint.policy_text(key.verifier), list(archive.bodies(CLASS, 0))
    wrong = (
        replace(first, body=second.body),
        replace(first, salt=second.salt),
        replace(first, sequence=second.sequence),
        replace(first, class_="privacy"),
        replace(last, sequence=last.sequence + 1),
        replace(first, sequence=0),
    )
    assert list(proven(archive, policy, *wrong)) == []


def test_a_tree_that_was_written_again_leads_to_no_head_that_was_signed(
    archive: Archive, key: LogKey, tmp_path: Path, ground: Ground
) -> None:
    policy, (first, *_) = checkpoint.policy_text(key.verifier), list(archive.bodies(CLASS, 0))
    tile = archive.folder / "tile" / "0" / "000"
    data = tile.read_bytes()
    tile.write_bytes(data[32:64] + data[32:])
    assert list(proven(archive, policy, first)) == [1], "its own leaf is that of its entry"
    (second,) = [one for one in archive.bodies(CLASS, 0) if one.sequence == 2]
    assert list(proven(archive, policy, second)) == []
    shutil.rmtree(archive.folder / "tile" / "0")
    assert list(proven(archive, policy, first)) == []


def test_no_head_is_believed_but_one_that_the_policy_names(archive: Archive, key: LogKey) -> None:
    policy, note = checkpoint.policy_text(key.verifier), archive.folder / CHECKPOINT_NAME
    assert archive_proof.signed_head(archive, policy) is not None
    assert archive_proof.signed_head(archive, "quorum none\n") is None
    text = note.read_text()
    note.write_text(text.replace("\n341\n", "\n340\n"))
    assert archive_proof.signed_head(archive, policy) is None
    note.unlink()
    assert archive_proof.signed_head(archive, policy) is None
