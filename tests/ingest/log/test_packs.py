"""Packs and proofs for others: whole ones verify alone, and no changed byte of evidence goes unnamed."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.kernel.access import LOG_PROOF_READ, ActorKind
from app.kernel.context import Context
from app.kernel.crypto import KeyFolder
from app.kernel.errors import SignInRequired
from ingest import models
from ingest.log import checkpoint, merkle, note, proofs, verify
from ingest.log.checkpoint import LogKey
from ingest.log.proofs import NotYetSealed, Pack, PackEmpty, PackTooLarge
from ingest.log.read import EventUnknown
from tests.support import sealing
from tests.support.ground import Ground, somebody

Seal = Callable[[int], list[str]]


@pytest.fixture
def auditor(ground: Ground) -> Context:
    return ground.ctx(somebody(ActorKind.STAFF, "acc_auditor", LOG_PROOF_READ))


@pytest.fixture
def policy(keys: KeyFolder, key: LogKey) -> str:
    return checkpoint.read_policy(keys)


@pytest.fixture
def pack(ground: Ground, seal: Seal, auditor: Context, policy: str, tmp_path: Path) -> Path:
    ids = seal(11)
    return written(tmp_path, made(ground, ids[2:5], auditor, policy))


def made(ground: Ground, ids: list[str], auditor: Context, policy: str, since: int | None = None) -> Pack:
    with ground.db.read() as session:
        return proofs.pack(session, ids, auditor, policy=policy, since=since)


def written(folder: Path, pack: Pack) -> Path:
    file = folder / "pack.zip"
    file.write_bytes(pack.data)
    return file


def members(pack: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(pack) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(folder: Path, files: dict[str, bytes]) -> Path:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    file = folder / "changed.zip"
    file.write_bytes(out.getvalue())
    return file


def test_a_pack_verifies_alone_with_its_one_file(pack: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    (alone / "onepay_verify.py").write_bytes(members(pack)["onepay_verify.py"])
    (alone / "pack.zip").write_bytes(pack.read_bytes())

    # -I: neither this repository nor the environment is visible, only installed packages.
    done = subprocess.run(
        [sys.executable, "-I", "onepay_verify.py", "pack.zip"], cwd=alone, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "sequence 4 " in done.stdout
    assert done.stdout.endswith("SOUND: every event above is proven.\n")


def test_what_no_signature_covers_is_said(pack: Path, tmp_path: Path) -> None:
    changed = packed(tmp_path, {**members(pack), "README.txt": b"Send the money to me.", "more.txt": b"And quickly."})

    report = verify.verify_pack(changed)

    assert [line for line in report.lines if line.startswith("note")] == [
        "note        more.txt is nothing this verifier knows; it proves nothing",
        "note        README.txt is covered by no signature; it proves nothing",
        "note        onepay_verify.py is covered by no signature; it proves nothing",
    ]


@pytest.mark.parametrize("place", verify.WITHIN)
def test_a_pack_within_what_was_handed_out_is_found(pack: Path, tmp_path: Path, place: str) -> None:
    beside = {"policy": b"", "data/contact.csv": b"value"}
    report = verify.verify_pack(packed(tmp_path, {**beside, place: pack.read_bytes()}))
    assert report.code == 0
    assert report.lines[0].startswith(f"pack        {place} within")
    broken = pack.read_bytes().replace(b"entries.ndjson", b"entries.ndjsom")
    assert verify.verify_pack(packed(tmp_path, {**beside, place: broken})).code != 0


def test_the_one_file_imports_nothing_of_ours() -> None:
    source = Path(verify.__file__).read_text("utf-8")
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}

    assert imported <= {*sys.stdlib_module_names, "cryptography"}


def test_a_pack_of_every_event_under_every_size_verifies(
    ground: Ground, seal: Seal, auditor: Context, policy: str, tmp_path: Path
) -> None:
    ids: list[str] = []
    for count in (1, 1, 1, 1, 4, 9):
        ids += seal(count)
        report = verify.verify_pack(written(tmp_path, made(ground, ids, auditor, policy)))
        assert (report.code, report.failures) == (0, [])


def test_the_same_events_under_the_same_head_give_the_same_file(
    ground: Ground, seal: Seal, auditor: Context, policy: str
) -> None:
    ids = seal(5)

    assert made(ground, ids[:2], auditor, policy).data == made(ground, [*ids[1::-1], ids[0]], auditor, policy).data


EVIDENCE = ["checkpoint", "policy", "entries.ndjson", "bodies.ndjson", "proofs/3.tlog-proof"]


@pytest.mark.parametrize("name", EVIDENCE)
@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_byte_of_evidence_goes_unnoticed(pack: Path, tmp_path: Path, name: str, data: st.DataObject) -> None:
    files = members(pack)
    original = files[name]
    at = data.draw(st.integers(0, len(original) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda other: other != original[at]))
    files[name] = original[:at] + bytes([value]) + original[at + 1 :]
    if name == "policy" and original[:at].rsplit(b"\n", 1)[-1].startswith(b"#"):
        return  # a comment proves nothing

    report = verify.verify_pack(packed(tmp_path, files))

    assert report.code in ((1, 3) if name == "policy" else (1,) if name != "checkpoint" else (1, 3))
    if report.code == 1:
        assert any(name in failure or name == "checkpoint" for failure in report.failures), report.failures


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("bodies.ndjson", b"wrong_password", b"right_password", "bodies.ndjson line 1: the body is not the one"),
        ("bodies.ndjson", b'{"body"', b'{ "body"', "bodies.ndjson line 1: not canonical JSON"),
        ("entries.ndjson", b"auth.login.failed", b"auth.login.faked1", "proofs/3.tlog-proof line 2: its entry is not"),
        ("proofs/3.tlog-proof", b"index 2", b"index 3", "proofs/3.tlog-proof: it proves another sequence, 4"),
        ("proofs/3.tlog-proof", b"c2sp", b"c3sp", "proofs/3.tlog-proof line 1: not a proof"),
        ("checkpoint", b"\n11\n", b"\n12\n", "checkpoint line 5: the signature of onepay.example/log does not hold"),
        ("policy", b"quorum none", b"quorum some", "policy line 3: not a line of a policy"),
    ],
)
def test_damage_is_named_by_file_and_line(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, old: bytes, new: bytes, told: str
) -> None:
    files = members(pack)
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)

    assert verify.main([str(packed(tmp_path, files))]) == 1
    assert told in capsys.readouterr().out


def test_bytes_flipped_inside_the_zip_are_named_by_file(pack: Path) -> None:
    data = bytearray(pack.read_bytes())
    with zipfile.ZipFile(pack) as opened:
        info = opened.getinfo("bodies.ndjson")
    data[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 0x40
    pack.write_bytes(data)

    report = verify.verify_pack(pack)

    assert report.code == 1
    assert report.failures[0].startswith("bodies.ndjson: ")


@pytest.mark.parametrize("missing", ["checkpoint", "policy", "bodies.ndjson", "proofs/3.tlog-proof"])
def test_what_is_missing_makes_a_pack_incomplete(pack: Path, tmp_path: Path, missing: str) -> None:
    files = members(pack)
    del files[missing]

    assert verify.verify_pack(packed(tmp_path, files)).code == 3


def test_an_unknown_key_makes_a_pack_incomplete(pack: Path, tmp_path: Path) -> None:
    other = checkpoint.init(KeyFolder(tmp_path / "other"), "onepay.example/log")

    report = verify.verify_pack(pack, policy=checkpoint.policy_text(other.verifier).encode())

    assert report.code == 3
    assert report.gaps == ["the checkpoint is signed by no key that the policy lists"]


@pytest.mark.parametrize("content", [b"", b"PK nonsense", b"text"])
def test_what_is_no_zip_is_unreadable(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(content)

    assert verify.main([str(file)]) == 2
    assert verify.main([str(tmp_path / "absent.zip")]) == 2


def test_an_own_policy_that_cannot_be_read_is_unreadable(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "policy").write_text("log nonsense\n")

    assert verify.main([str(pack), "--policy", str(tmp_path / "policy")]) == 2


def test_an_older_checkpoint_is_extended_or_refused(
    ground: Ground, seal: Seal, auditor: Context, policy: str, tmp_path: Path, key: LogKey
) -> None:
    seal(3)
    old = key.last.read_bytes()
    ids = seal(4)
    with_proof = written(tmp_path, made(ground, ids, auditor, policy, since=3))

    assert verify.verify_pack(with_proof, older=old).code == 0
    assert verify.verify_pack(with_proof, older=key.last.read_bytes()).code == 0
    forged = note.TreeHead(origin=key.verifier.name, size=3, root=b"\1" * 32)
    other = note.sign(forged.text, key.verifier, key.seed).encode()
    refused = verify.verify_pack(with_proof, older=other)
    assert refused.failures == ["the log does not begin with your older checkpoint of size 3"]
    assert verify.verify_pack(written(tmp_path, made(ground, ids, auditor, policy)), older=old).code == 3
    later = note.TreeHead(origin=key.verifier.name, size=99, root=b"\1" * 32)
    smaller = verify.verify_pack(with_proof, older=note.sign(later.text, key.verifier, key.seed).encode())
    assert smaller.failures == ["the log had 99 entries in your older checkpoint and has 7 now"]


def test_a_quorum_of_witnesses_is_counted(pack: Path, key: LogKey, tmp_path: Path) -> None:
    files = members(pack)
    text = files["checkpoint"].decode().rsplit("\n\n", 1)[0] + "\n"
    keys = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(3)]
    named = [verify_key(f"w{n}.example", one.public_key().public_bytes_raw()) for n, one in enumerate(keys)]
    lines = [cosigned(name, one, text) for name, one in zip(named, keys, strict=True)]
    policy = "".join([f"log {key.verifier}\n", *[f"witness w{n} {name.vkey}\n" for n, name in enumerate(named)]])
    policy += "group most 2 w0 w1 w2\nquorum most\n"

    def code(*signatures: str) -> int:
        changed = {**files, "checkpoint": files["checkpoint"] + "".join(signatures).encode()}
        for proof in [name for name in files if name.startswith("proofs/")]:
            changed[proof] = files[proof] + "".join(signatures).encode()
        return verify.verify_pack(packed(tmp_path, changed), policy=policy.encode()).code

    assert code() == 3
    assert code(lines[0]) == 3
    assert code(lines[0], lines[0]) == 3
    assert code(lines[0], lines[2]) == 0
    assert code(lines[0], lines[1].replace(lines[1][-12:-8], "AAAA")) == 1


def verify_key(name: str, public: bytes) -> verify.Key:
    made = note.VerifierKey(name, public)
    id = merkle.hashlib.sha256(f"{made.name}\n".encode() + b"\x04" + public).digest()[:4]
    return verify.Key(name, 4, public, id)


def cosigned(key: verify.Key, private: Ed25519PrivateKey, text: str) -> str:
    """A cosignature of type 0x04: timestamped Ed25519 (C2SP tlog-cosignature)."""
    stamp = 1_793_610_000
    signature = private.sign(f"cosignature/v1\ntime {stamp}\n{text}".encode())
    return f"— {key.name} {base64.b64encode(key.id + stamp.to_bytes(8, 'big') + signature).decode()}\n"


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        ("quorum none\nquorum none\n", 2),
        ("log x\nquorum none\n", 1),
        ("group g 1 nobody\nquorum g\n", 1),
        ("quorum somebody\n", 1),
        ("unknown words\n", 1),
        ("log\nquorum none\n", 1),
    ],
)
def test_a_broken_policy_is_named_by_line(policy: str, line: int) -> None:
    with pytest.raises(verify.Broken, match=f"policy line {line}"):
        verify.parse_policy(policy.encode(), "policy")


def test_a_lone_proof_verifies_under_an_own_policy(
    ground: Ground, seal: Seal, auditor: Context, policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = seal(7)
    with ground.db.read() as session:
        text = proofs.tlog_proof(session, ids[4], auditor)
    file, own = tmp_path / "event.tlog-proof", tmp_path / "policy"
    file.write_text(text, "utf-8")
    own.write_text(policy)

    assert verify.main([str(file), "--policy", str(own)]) == 0
    assert "sequence 5 " in capsys.readouterr().out
    assert verify.main([str(file)]) == 2
    file.write_text(text.replace("index 4", "index 5"), "utf-8")
    assert verify.main([str(file), "--policy", str(own)]) == 1


def test_an_event_without_checkpoint_is_not_yet_proven(
    ground: Ground, seal: Seal, auditor: Context, policy: str
) -> None:
    seal(2)
    (late,) = sealing.record(ground)
    sealing.sequencer(ground).drain()

    with ground.db.read() as session:
        with pytest.raises(NotYetSealed):
            proofs.tlog_proof(session, late, auditor)
        with pytest.raises(NotYetSealed):
            proofs.pack(session, [late], auditor, policy=policy)


def test_packs_are_bounded_and_never_empty(ground: Ground, seal: Seal, auditor: Context, policy: str) -> None:
    seal(1)
    with ground.db.read() as session:
        with pytest.raises(PackEmpty):
            proofs.pack(session, [], auditor, policy=policy)
        with pytest.raises(PackTooLarge):
            proofs.pack(session, [f"evt_{n}" for n in range(5_001)], auditor, policy=policy)
        with pytest.raises(EventUnknown):
            proofs.pack(session, ["evt_unknown"], auditor, policy=policy)


def test_proofs_need_their_permission(ground: Ground, seal: Seal, policy: str) -> None:
    ids = seal(1)
    with ground.db.read() as session:
        with pytest.raises(SignInRequired):
            proofs.tlog_proof(session, ids[0], ground.ctx())
        with pytest.raises(SignInRequired):
            proofs.pack(session, ids, ground.ctx(), policy=policy)


def test_a_body_changed_in_the_database_fails_in_the_hands_of_the_auditor(
    ground: Ground, seal: Seal, auditor: Context, policy: str, tmp_path: Path
) -> None:
    ids = seal(3)
    with ground.db.begin() as session:
        body = session.scalar(sa.select(models.body.c.body).where(models.body.c.sequence == 2))
        changed = body.replace(b"wrong_password", b"right_password")
        session.execute(sa.update(models.body).where(models.body.c.sequence == 2).values(body=changed))

    report = verify.verify_pack(written(tmp_path, made(ground, ids, auditor, policy)))

    assert report.failures == ["bodies.ndjson line 2: the body is not the one the log committed to"]
