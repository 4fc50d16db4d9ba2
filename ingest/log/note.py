"""Signed notes and the checkpoints in them (C2SP signed-note, tlog-checkpoint), Ed25519."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from app.kernel import crypto
from app.kernel.crypto import Secret
from app.kernel.errors import ConfigurationRefused

ED25519: Final = 0x01
KEY_ID_BYTES: Final = 4
NOTE_BYTES_MAX: Final = 65_536
_NAME: Final = re.compile(r"[^\s+]+")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteRefused(ValueError):
    """The text is no note, or no signature on it holds."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under the name it signs with; its text form is the `vkey` of a trust policy."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that tell keys of one name apart."""
        return hashlib.sha256(f"{self.name}\n".encode() + bytes([ED25519]) + self.public).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_text(bytes([ED25519]) + self.public)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """What a checkpoint says: this log had this root at this size."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The signed lines; there are no extensions."""
        return f"{self.origin}\n{self.size}\n{_text(self.root)}\n"


def verifier_key(origin: str, seed: Secret) -> VerifierKey:
    """Return the public side of a log's signing key; the name must be fit to stand in a note."""
    if not _NAME.fullmatch(origin):
        raise ConfigurationRefused(f"The origin {origin!r} of the log must have neither spaces nor a plus sign.")
    return VerifierKey(origin, crypto.public_key(seed))


def sign(text: str, key: VerifierKey, seed: Secret) -> str:
    """Return the note of a text ending in a newline, with one signature."""
    assert text.endswith("\n"), "a note's text ends with a newline"
    return f"{text}\n— {key.name} {_text(key.id + crypto.sign(seed, text.encode()))}\n"


def open_note(note: str, key: VerifierKey) -> str:
    """Return the text of a note that the key signed; raises `NoteRefused` otherwise."""
    if len(note) > NOTE_BYTES_MAX:
        raise NoteRefused("the note is too long")
    text, gap, signatures = note.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise NoteRefused("the note has no signatures")
    text += "\n"
    for line in signatures[:-1].split("\n"):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "—":
            raise NoteRefused("a signature line does not have its form")
        name, data = parts[1], _bytes(parts[2])
        if name == key.name and data[:KEY_ID_BYTES] == key.id:
            if crypto.verify(key.public, text.encode(), data[KEY_ID_BYTES:]):
                return text
            raise NoteRefused("the signature does not hold")
    raise NoteRefused("the note is not signed by this key")


def parse_tree_head(text: str) -> TreeHead:
    """Read the lines of a checkpoint; raises `NoteRefused` for any other form."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise NoteRefused("not a checkpoint of origin, size and root")
    root = _bytes(lines[2])
    if len(root) != 32:
        raise NoteRefused("the root is not 32 bytes long")
    return TreeHead(origin=lines[0], size=int(lines[1]), root=root)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteRefused("not base64") from error
    if _text(data) != text:
        raise NoteRefused("not base64 in its one form")
    return data
