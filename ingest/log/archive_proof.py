"""What an archive proves by itself, beside a database that knows less: its bodies, under the head that was signed."""

from __future__ import annotations

from base64 import b64encode

from app.kernel import canonical
from app.kernel.canonical import NotCanonical
from ingest.log import entries as form
from ingest.log import merkle, tiles, verify
from ingest.log.archive import CHECKPOINT_NAME, Archive
from ingest.log.merkle import NodeMissing
from ingest.log.read import Body
from ingest.log.verify import Broken, Head


def signed_head(archive: Archive, policy: str) -> Head | None:
    """Return the head that lies beside the tiles; None where none does, or none that a trust policy believes."""
    try:
        note = (archive.folder / CHECKPOINT_NAME).read_bytes()
        head = verify.open_checkpoint(note, verify.parse_policy(policy.encode(), verify.POLICY), CHECKPOINT_NAME)
    except (OSError, Broken):
        return None
    return None if head.trusted is None else head


def is_proven(archive: Archive, head: Head, body: Body) -> bool:
    """Tell whether a body of the archive is what an entry commits to that leads to a signed head."""
    size = archive.size
    if not 0 < body.sequence <= min(size, head.size):
        return False
    number, at = divmod(body.sequence - 1, tiles.WIDTH)
    entries = tiles.read_entries(archive.folder, number, size)
    if at >= len(entries) or not _commits(entries[at], body):
        return False
    try:
        path = merkle.inclusion(tiles.read_nodes(archive.folder, size), body.sequence - 1, head.size)
    except NodeMissing:
        return False
    return merkle.verify_inclusion(form.leaf_hash(entries[at]), body.sequence - 1, head.size, path, head.root)


def _commits(encoded: bytes, body: Body) -> bool:
    try:
        entry = canonical.decode(encoded)
    except NotCanonical:
        return False
    said = b64encode(form.commitment(body.salt, body.body)).decode("ascii")
    return isinstance(entry, dict) and (entry.get("body"), entry.get("class")) == (said, body.class_)
