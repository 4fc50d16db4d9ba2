"""What the tree is made of: the commitment to a body, the entry that carries it, the leaf that is its hash.

Bodies can be deleted and persons shredded, while no leaf changes; without the salt no leaf can be guessed back.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from datetime import datetime
from typing import Final

from app.kernel.clock import micros

ENTRY_VERSION: Final = 1
# Text that stands in JSON as it is; what does not fit has no place in an entry.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:-]+\|[a-z0-9_.]+\|[a-z]+")


class NotPlain(ValueError):
    """A word of an entry is none that could have been sealed."""


def commitment(salt: bytes, body: bytes) -> bytes:
    """Return the hash that stands for a body in the log."""
    return hashlib.sha256(salt + body).digest()


def entry_bytes(id: str, kind: str, class_: str, at: datetime, ingested: datetime, commitment: bytes) -> bytes:
    """Return the canonical bytes of an entry: what the tree hashes and a proof shows."""
    return encoded(id, kind, class_, micros(at), micros(ingested), commitment)


def encoded(id: str, kind: str, class_: str, at: int, ingested: int, commitment: bytes) -> bytes:
    """Return the same from instants counted in microseconds; RFC 8785 form, written out because it is the hot path."""
    if not _PLAIN.fullmatch(f"{id}|{kind}|{class_}"):
        raise NotPlain(f"an entry holds plain words, not {id!a}, {kind!a}, {class_!a}")
    return (
        f'{{"at":{at},"body":"{b64encode(commitment).decode("ascii")}","class":"{class_}","id":"{id}",'
        f'"in":{ingested},"kind":"{kind}","v":{ENTRY_VERSION}}}'
    ).encode("ascii")


def leaf_hash(entry: bytes) -> bytes:
    """Return the leaf of an entry (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()
