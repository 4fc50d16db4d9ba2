"""Verify a pack or a proof of a OnePay log, in one file: Python 3.11 and the package `cryptography` are all it needs.

    python onepay_verify.py pack.zip [--policy FILE] [--older CHECKPOINT]
    python onepay_verify.py EVENT.tlog-proof --policy FILE

The policy says whom to believe. Without your own, the one in the pack is used: then compare the key that is printed
with the one you got from the operator in another way. `--older` takes a checkpoint you kept: the log must still begin
with what it had then. Exit 0: everything is proven. 1: something is not what was sealed. 2: unreadable. 3: incomplete.

Standards: RFC 6962 and RFC 9162 (tree), C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy, tlog-proof.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import io
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SOUND, FAILED, UNREADABLE, INCOMPLETE = 0, 1, 2, 3
FILE_BYTES_MAX: Final = 256 * 2**20
SIGNATURES_MAX: Final = 64
EVENTS_PRINTED_MAX: Final = 200

CHECKPOINT, POLICY, ENTRIES, BODIES = "checkpoint", "policy", "entries.ndjson", "bodies.ndjson"
PROOF = "proofs/{sequence}.tlog-proof"
CONSISTENCY = "consistency/{old}-{new}"
CERTIFICATE = "certificate.json"
UNCHECKED: Final = ("README.txt", "onepay_verify.py")
WITHIN: Final = ("proofs/log.zip", "proofs.zip")
"""Where a pack lies in what is handed out with more beside it: somebody's copy, evidence of controls."""

_LOG_ED25519, _COSIGNATURE_ED25519 = 0x01, 0x04
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class Unreadable(Exception):
    """What was given cannot be read at all."""


class Broken(Exception):
    """A file is not what it must be; says where."""

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        place = file if line is None else f"{file} line {line}"
        super().__init__(f"{place}: {reason}")


@dataclass(frozen=True)
class Key:
    """A public key of a policy."""

    name: str
    type: int
    public: bytes
    id: bytes

    @property
    def vkey(self) -> str:
        """The text form."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.type]) + self.public).decode()}"


@dataclass(frozen=True)
class Group:
    """So many of these members must have cosigned."""

    least: int
    members: tuple[str, ...]


@dataclass
class Policy:
    """Which logs are believed, and whose cosignatures are needed."""

    logs: list[Key] = field(default_factory=list)
    witnesses: dict[str, Key] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None

    def is_met(self, name: str, cosigned: set[str]) -> bool:
        """Tell whether a witness or group has cosigned."""
        if name == "none":
            return True
        if name in self.witnesses:
            return name in cosigned
        group = self.groups[name]
        return sum(self.is_met(member, cosigned) for member in group.members) >= group.least


@dataclass(frozen=True)
class Head:
    """A checkpoint whose signatures were looked at; `trusted` is the log's key, if the policy lists it."""

    origin: str
    size: int
    root: bytes
    trusted: Key | None
    cosigned: frozenset[str]


@dataclass
class Report:
    """What was found, for a person, and the exit code it comes to."""

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        """The exit code."""
        if self.failures:
            return FAILED
        return INCOMPLETE if self.gaps else SOUND

    def text(self) -> str:
        """The whole report."""
        verdict = {
            SOUND: "SOUND: every event above is proven.",
            FAILED: "FAILED: something is not what was sealed. Nothing in this file should be relied on.",
            INCOMPLETE: "INCOMPLETE: nothing is wrong, but not everything could be proven.",
        }[self.code]
        failed = [f"FAILED      {text}" for text in self.failures]
        missing = [f"MISSING     {text}" for text in self.gaps]
        return "\n".join([*self.lines, *failed, *missing, verdict, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify what the command line names, print the report, return the exit code."""
    parser = argparse.ArgumentParser(description="Verify a pack or a proof of a OnePay log.")
    parser.add_argument("file", type=Path, help="pack.zip, or a .tlog-proof")
    parser.add_argument("--policy", type=Path, help="your own trust policy (C2SP tlog-policy)")
    parser.add_argument("--older", type=Path, help="a checkpoint you kept from an earlier day")
    chosen = parser.parse_args(arguments)
    try:
        policy = None if chosen.policy is None else _read(chosen.policy)
        older = None if chosen.older is None else _read(chosen.older)
        data = _read(chosen.file)
        if data[:2] == b"PK":
            report = verify_pack(chosen.file, policy=policy, older=older)
        else:
            report = verify_proof(chosen.file.name, data, policy=policy)
    except Unreadable as error:
        sys.stderr.write(f"UNREADABLE: {error}\n")
        return UNREADABLE
    sys.stdout.write(report.text())
    return report.code


def verify_pack(file: Path, *, policy: bytes | None = None, older: bytes | None = None) -> Report:
    """Check every event of a pack: body, commitment, entry, leaf, path, root, signature."""
    report = Report()
    files = _unzip(_read(file), file.name, report)
    within = next((name for name in WITHIN if name in files), None)
    if ENTRIES not in files and within is not None:
        report.lines.append(f"pack        {within} within {file.name}; what lies beside it is not checked")
        files = _unzip(files[within], within, report)
    try:
        trusted = parse_policy(files[POLICY], POLICY) if policy is None else _own_policy(policy)
        note = files[CHECKPOINT]
        head = open_checkpoint(note, trusted, CHECKPOINT)
    except Broken as error:
        report.failures.append(str(error))
        return report
    except KeyError as error:
        report.gaps.append(f"the pack has no file {error.args[0]}")
        return report
    _describe(head, trusted, report, is_own_policy=policy is not None)
    try:
        bodies = _bodies(files.get(BODIES, b""))
        _events(files, head, note, bodies, report)
        if older is not None:
            _extends(files, head, older, trusted, report)
    except Broken as error:
        report.failures.append(str(error))
    return report


def verify_proof(name: str, data: bytes, *, policy: bytes | None) -> Report:
    """Check a lone proof; the entry it proves stands in its `extra` line."""
    report = Report()
    if policy is None:
        raise Unreadable("a lone proof needs --policy, which says whose signature is believed")
    trusted = _own_policy(policy)
    try:
        extra, index, path, note = _parse_proof(data, name)
        head = open_checkpoint(note, trusted, name, data[: len(data) - len(note)].count(b"\n"))
        _describe(head, trusted, report, is_own_policy=True)
        if extra is None:
            report.gaps.append(f"{name} carries no entry, so it cannot be said what is proven")
            return report
        if not verify_inclusion(_leaf(extra), index, head.size, path, head.root):
            raise Broken(name, 3, "the path does not lead from the entry to the root")
        report.lines.append(f"proven      {_line(index + 1, _strict(extra, name, 2))}")
    except Broken as error:
        report.failures.append(str(error))
    return report


def parse_policy(data: bytes, file: str) -> Policy:
    """Read a C2SP tlog-policy; raises `Broken` with the line at fault."""
    policy = Policy()
    for number, raw in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        words = re.split(r"[ \t]+", raw.strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            continue
        try:
            _policy_line(policy, words)
        except (ValueError, IndexError) as error:
            raise Broken(file, number, f"not a line of a policy: {error}") from error
    if policy.quorum is None:
        raise Broken(file, None, "the policy names no quorum")
    return policy


def open_checkpoint(note: bytes, policy: Policy, file: str, skipped: int = 0) -> Head:
    """Read a checkpoint and check each signature by a key of the policy; a wrong one is `Broken`."""
    try:
        text, gap, signatures = note.decode("utf-8").rpartition("\n\n")
    except UnicodeDecodeError as error:
        raise Broken(file, None, "not UTF-8") from error
    lines = text.split("\n")
    if not gap or not signatures.endswith("\n"):
        raise Broken(file, None, "the checkpoint has no signatures")
    if len(lines) < 3 or not lines[0] or not _NUMBER.fullmatch(lines[1]):
        raise Broken(file, skipped + 2, "not a checkpoint of origin, size and root")
    root = _base64(lines[2], file, skipped + 3)
    if len(root) != 32 or any(not line for line in lines):
        raise Broken(file, skipped + 3, "the root is not 32 bytes long")
    signed = (text + "\n").encode()
    trusted, cosigned = None, set()
    rows = signatures[:-1].split("\n")
    if len(rows) > SIGNATURES_MAX:
        raise Broken(file, None, "too many signatures")
    for number, row in enumerate(rows, skipped + len(lines) + 2):
        parts = row.split(" ")
        if len(parts) != 3 or parts[0] != "—":
            raise Broken(file, number, "not a signature")
        data = _base64(parts[2], file, number)
        for key in policy.logs:
            if (key.name, key.id) == (parts[1], data[:4]) and key.name == lines[0] and key.type == _LOG_ED25519:
                _check(key, signed, data[4:], file, number)
                trusted = key
        for name, key in policy.witnesses.items():
            if (key.name, key.id) == (parts[1], data[:4]) and key.type == _COSIGNATURE_ED25519:
                stamp = int.from_bytes(data[4:12], "big")
                _check(key, f"cosignature/v1\ntime {stamp}\n".encode() + signed, data[12:], file, number)
                cosigned.add(name)
    return Head(lines[0], int(lines[1]), root, trusted, frozenset(cosigned))


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    place, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            value = _node(sibling, value)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            value = _node(value, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and value == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2; every tree begins with the empty one."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not proof and old_root == (hashlib.sha256(b"").digest() if old == 0 else new_root)
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = _node(sibling, first), _node(sibling, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = _node(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise Unreadable(f"{file.name} is larger than {FILE_BYTES_MAX} bytes")
        return file.read_bytes()
    except OSError as error:
        raise Unreadable(f"{file.name}: {error.strerror}") from error


def _own_policy(data: bytes) -> Policy:
    try:
        return parse_policy(data, "your policy")
    except Broken as error:
        raise Unreadable(str(error)) from error


def _unzip(data: bytes, name: str, report: Report) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as pack:
            for info in pack.infolist():
                if info.filename in files:
                    report.failures.append(f"{info.filename}: stands twice in the pack")
                if sum(map(len, files.values())) + info.file_size > FILE_BYTES_MAX:
                    raise Unreadable(f"the pack holds more than {FILE_BYTES_MAX} bytes")
                try:
                    with pack.open(info) as member:
                        # The size that the index claims is not believed.
                        files[info.filename] = member.read(info.file_size + 1)
                except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                    report.failures.append(f"{info.filename}: {error}")
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise Unreadable(f"{name} is no whole zip file: {error}") from error
    return files


def _describe(head: Head, policy: Policy, report: Report, *, is_own_policy: bool) -> None:
    report.lines += [f"log         {head.origin}", f"checkpoint  size {head.size}, root {head.root.hex()}"]
    if head.trusted is None:
        report.gaps.append("the checkpoint is signed by no key that the policy lists")
    else:
        source = "your policy" if is_own_policy else "the pack itself; compare it with the key you were given otherwise"
        report.lines += [f"signed by   {head.trusted.vkey}", f"            (believed because of {source})"]
    assert policy.quorum is not None
    if not policy.is_met(policy.quorum, set(head.cosigned)):
        report.gaps.append(f"the witnesses that the policy asks for have not cosigned (quorum {policy.quorum})")
    elif policy.quorum != "none":
        report.lines.append(f"cosigned by {', '.join(sorted(head.cosigned))}")


def _events(files: Mapping[str, bytes], head: Head, note: bytes, bodies: Mapping[int, _Body], report: Report) -> None:
    seen: set[int] = set()
    for number, raw in _ndjson(_member_or_broken(files, ENTRIES)):
        line = _strict(raw, ENTRIES, number)
        sequence, entry = _fields(line, ENTRIES, number, sequence=int, entry=dict)
        if sequence in seen:
            raise Broken(ENTRIES, number, f"sequence {sequence} stands twice")
        seen.add(sequence)
        failed = len(report.failures)
        _path(files, head, note, sequence, _canonical(entry), report)
        body = bodies.get(sequence)
        if body is None:
            report.gaps.append(f"the body of sequence {sequence} is not in the pack")
        else:
            _body_fits(entry, body, report)
        if len(report.failures) == failed and body is not None and len(seen) <= EVENTS_PRINTED_MAX:
            report.lines.append(f"proven      {_line(sequence, entry)}")
    for sequence, body in bodies.items():
        if sequence not in seen:
            report.failures.append(f"{BODIES} line {body.line}: sequence {sequence} has no entry in the pack")
    if CERTIFICATE in files:
        _certificate(files[CERTIFICATE], bodies, report)
    known = {CHECKPOINT, POLICY, ENTRIES, BODIES, CERTIFICATE, *UNCHECKED, *(PROOF.format(sequence=n) for n in seen)}
    for name in sorted(files.keys() - known):
        if not name.startswith("consistency/"):
            report.lines.append(f"note        {name} is nothing this verifier knows; it proves nothing")
    for name in (name for name in UNCHECKED if name in files):
        report.lines.append(f"note        {name} is covered by no signature; it proves nothing")
    report.lines.append(f"events      {len(seen)} in the pack, of {head.size} in the log")


def _certificate(data: bytes, bodies: Mapping[int, _Body], report: Report) -> None:
    """Compare a certificate that lies in the pack with the hash that the event of its completion holds."""
    sha256 = hashlib.sha256(data).hexdigest()
    said: dict[int, str] = {}
    for number, one in bodies.items():
        own = one.document.get("onepay")
        value = _at(own, "privacy", "sha256") if isinstance(own, dict) else None
        if isinstance(value, str):
            said[number] = value
    if not said:
        report.gaps.append(f"no body in the pack holds the hash of {CERTIFICATE}")
    elif sha256 in said.values():
        number = next(number for number, value in said.items() if value == sha256)
        report.lines.append(f"certificate {CERTIFICATE} is the one that sequence {number} names")
    else:
        report.failures.append(f"{CERTIFICATE}: it is not the certificate that the log names")


def _path(files: Mapping[str, bytes], head: Head, note: bytes, sequence: int, entry: bytes, report: Report) -> None:
    name = PROOF.format(sequence=sequence)
    if name not in files:
        report.gaps.append(f"the pack has no file {name}")
        return
    try:
        extra, index, path, proven = _parse_proof(files[name], name)
    except Broken as error:
        report.failures.append(str(error))
        return
    if index != sequence - 1:
        report.failures.append(f"{name}: it proves another sequence, {index + 1}")
    elif proven != note:
        report.failures.append(f"{name}: its checkpoint is not the one of the pack")
    elif extra is not None and extra != entry:
        report.failures.append(f"{name} line 2: its entry is not the one in {ENTRIES} of sequence {sequence}")
    elif not verify_inclusion(_leaf(entry), index, head.size, path, head.root):
        report.failures.append(f"{name}: the path does not lead from the entry of sequence {sequence} to the root")


@dataclass(frozen=True)
class _Body:
    line: int
    salt: bytes
    document: dict[str, Any]


def _bodies(data: bytes) -> dict[int, _Body]:
    found: dict[int, _Body] = {}
    for number, raw in _ndjson(data):
        line = _strict(raw, BODIES, number)
        sequence, salt, document = _fields(line, BODIES, number, sequence=int, salt=str, body=dict)
        if sequence in found:
            raise Broken(BODIES, number, f"sequence {sequence} stands twice")
        found[sequence] = _Body(number, _base64(salt, BODIES, number), document)
    return found


def _body_fits(entry: Mapping[str, Any], body: _Body, report: Report) -> None:
    place = f"{BODIES} line {body.line}"
    commitment = hashlib.sha256(body.salt + _canonical(body.document)).digest()
    if base64.b64encode(commitment).decode() != entry.get("body"):
        report.failures.append(f"{place}: the body is not the one the log committed to")
        return
    said = {
        "id": _at(body.document, "event", "id"),
        "kind": _at(body.document, "event", "action"),
        "class": _at(body.document, "onepay", "class"),
    }
    report.failures += [
        f"{place}: its {name} is {value!r}, the entry says {entry.get(name)!r}"
        for name, value in said.items()
        if value != entry.get(name)
    ]


def _extends(files: Mapping[str, bytes], head: Head, older: bytes, policy: Policy, report: Report) -> None:
    before = open_checkpoint(older, policy, "your older checkpoint")
    if before.trusted is None or before.origin != head.origin:
        report.gaps.append("your older checkpoint is not signed by a log of the policy, or belongs to another log")
        return
    name = CONSISTENCY.format(old=before.size, new=head.size)
    if before.size > head.size:
        report.failures.append(f"the log had {before.size} entries in your older checkpoint and has {head.size} now")
        return
    if before.size in (0, head.size):
        proof: list[bytes] = []
    elif name in files:
        rows = files[name].decode("ascii", "replace").splitlines()
        proof = [_base64(row, name, number) for number, row in enumerate(rows, 1)]
    else:
        report.gaps.append(f"the pack has no file {name}; ask for one made since size {before.size}")
        return
    if verify_consistency(before.size, before.root, head.size, head.root, proof):
        report.lines.append(f"extends     your older checkpoint of size {before.size}")
    else:
        report.failures.append(f"the log does not begin with your older checkpoint of size {before.size}")


def _parse_proof(data: bytes, file: str) -> tuple[bytes | None, int, list[bytes], bytes]:
    lines = data.split(b"\n")
    if lines[0] != b"c2sp.org/tlog-proof@v1":
        raise Broken(file, 1, "not a proof")
    at, extra = 1, None
    if lines[at : at + 1] and lines[at].startswith(b"extra "):
        extra, at = _base64(lines[at][6:].decode("ascii", "replace"), file, at + 1), at + 1
    index = lines[at].decode("ascii", "replace") if at < len(lines) else ""
    if not index.startswith("index ") or not _NUMBER.fullmatch(index[6:]):
        raise Broken(file, at + 1, "the index is missing")
    path: list[bytes] = []
    for number in range(at + 1, len(lines)):
        if not lines[number]:
            return extra, int(index[6:]), path, b"\n".join(lines[number + 1 :])
        sibling = _base64(lines[number].decode("ascii", "replace"), file, number + 1)
        if len(sibling) != 32 or len(path) >= 64:
            raise Broken(file, number + 1, "not a hash of the path")
        path.append(sibling)
    raise Broken(file, len(lines), "the checkpoint is missing")


def _policy_line(policy: Policy, words: list[str]) -> None:
    match words:
        case ["log", vkey, *rest] if len(rest) <= 1:
            key = _vkey(vkey)
            if any(key.public == known.public for known in policy.logs):
                raise ValueError("the log stands twice")
            policy.logs.append(key)
        case ["witness", name, vkey, *rest] if len(rest) <= 1:
            key = _vkey(vkey)
            if any(key.public == known.public for known in policy.witnesses.values()):
                raise ValueError("the witness stands twice")
            _unused(policy, name)
            policy.witnesses[name] = key
        case ["group", name, least, *members] if members:
            if len(set(members)) != len(members) or not set(members) <= policy.witnesses.keys() | policy.groups.keys():
                raise ValueError("a member is unknown or stands twice")
            count = {"all": len(members), "any": 1}.get(least) or int(least)
            if not 1 <= count <= len(members):
                raise ValueError("the number of members is impossible")
            _unused(policy, name)
            policy.groups[name] = Group(count, tuple(members))
        case ["quorum", name] if policy.quorum is None:
            if name != "none" and name not in policy.witnesses and name not in policy.groups:
                raise ValueError("the quorum is unknown")
            policy.quorum = name
        case _:
            raise ValueError(words[0])


def _unused(policy: Policy, name: str) -> None:
    if name == "none" or name in policy.witnesses or name in policy.groups:
        raise ValueError(f"the name {name} is taken")


def _vkey(text: str) -> Key:
    name, _, rest = text.partition("+")
    claimed, _, encoded = rest.partition("+")
    data = base64.b64decode(encoded, validate=True)
    if not name or len(data) < 2:
        raise ValueError("not a key")
    id = hashlib.sha256(name.encode("utf-8", "surrogateescape") + b"\n" + data).digest()[:4]
    if id.hex() != claimed:
        raise ValueError("the key id does not belong to the key")
    return Key(name, data[0], data[1:], id)


def _check(key: Key, message: bytes, signature: bytes, file: str, line: int) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise Broken(file, line, f"the signature of {key.name} does not hold") from error


def _ndjson(data: bytes) -> list[tuple[int, bytes]]:
    rows = data.split(b"\n")
    if rows[-1] == b"":
        rows.pop()
    return list(enumerate(rows, 1))


def _strict(raw: bytes, file: str, line: int) -> dict[str, Any]:
    """Read one canonical JSON object; one value has one byte string, so nothing can hide in how it is written."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_float=_refuse, parse_constant=_refuse)
        is_canonical = isinstance(value, dict) and _canonical(value) == raw
    except (ValueError, RecursionError) as error:
        raise Broken(file, line, "not canonical JSON") from error
    if not is_canonical:
        raise Broken(file, line, "not canonical JSON")
    found: dict[str, Any] = value
    return found


def _refuse(text: str) -> None:
    raise ValueError(text)


def _canonical(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def _fields(line: Mapping[str, Any], file: str, number: int, **wanted: type) -> list[Any]:
    if line.keys() != wanted.keys():
        raise Broken(file, number, f"the line must hold {', '.join(sorted(wanted))}")
    for name, kind in wanted.items():
        if type(line[name]) is not kind:
            raise Broken(file, number, f"{name} does not have its form")
    return [line[name] for name in wanted]


def _member_or_broken(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise Broken(name, None, "the file is missing")
    return files[name]


def _base64(text: str, file: str, line: int) -> bytes:
    # One value has one text: what decodes to the same bytes but is written otherwise is refused too.
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Broken(file, line, "not base64") from error
    if base64.b64encode(data).decode() != text:
        raise Broken(file, line, "not base64")
    return data


def _at(document: Mapping[str, Any], parent: str, name: str) -> object:
    place = document.get(parent)
    return place.get(name) if isinstance(place, dict) else None


def _leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _line(sequence: int, entry: Mapping[str, Any]) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(entry.get("at", 0)))
    return f"sequence {sequence}  {at:%Y-%m-%dT%H:%M:%S.%fZ}  {entry.get('kind')}  {entry.get('id')}"


if __name__ == "__main__":
    sys.exit(main())
