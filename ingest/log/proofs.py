"""Proving to somebody else that an event is in the log: lone proofs, and packs that carry all a verifier needs."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.access import LOG_PROOF_READ
from app.kernel.context import Context
from app.kernel.errors import NotFound, TooLarge, Unavailable
from ingest.log import checkpoint, merkle, read, verify
from ingest.log.checkpoint import Checkpoint
from ingest.log.read import Entry, EventUnknown

PACK_EVENTS_MAX: Final = 5_000
_README: Final = """OnePay: proof of events
=======================
Needed: Python 3.11 or later and the package "cryptography". Run

    python onepay_verify.py pack.zip

on the whole zip file (take onepay_verify.py out of it first, or better: use one you already trust).

checkpoint        the signed head of the log: origin, size, root
policy            whose signature is believed; compare its key with the one the operator gave you in another way
entries.ndjson    what the tree holds of each event: its entry, without the content
bodies.ndjson     the events themselves, each with the salt of its commitment; personal fields stay encrypted
certificate.json  if it lies here: what one of the events completed; its SHA-256 is compared with the one in that event
proofs/           one C2SP tlog-proof an event: the path from its entry to the root
consistency/      if asked for: that the log begins with an older checkpoint of yours (--older FILE)

No signature covers this text and onepay_verify.py: whoever hands you the pack can have changed both.
"""


class NotYetSealed(Unavailable):
    """No signed checkpoint covers this event yet; the next one follows within seconds."""

    code = "not_yet_sealed"


class PackEmpty(NotFound):
    """There is no event to be proven."""

    code = "pack_empty"


class PackTooLarge(TooLarge):
    """A pack holds at most 5,000 events; ask for several, each with --range A:B of their sequences."""

    code = "pack_too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A zip file for a verifier, and what it proves."""

    data: bytes
    events: int
    size: int
    root: bytes


def proof(session: Session, sequence: int, size: int) -> list[bytes]:
    """Return the path from a sequence to the root at a size (RFC 6962 section 2.1.1)."""
    return merkle.inclusion(read.tree(session), sequence - 1, size)


def consistency(session: Session, old: int, new: int) -> list[bytes]:
    """Return the proof that the log of one size begins with that of another (RFC 6962 section 2.1.2)."""
    return merkle.consistency(read.tree(session), old, new)


def tlog_proof(session: Session, event_id: str, ctx: Context) -> str:
    """Return the C2SP tlog-proof of one event under the newest checkpoint, its entry in the `extra` line.

    Demands `log:proof:read`; raises `EventUnknown`, also for what lies outside of an auditor's period, and
    `NotYetSealed` until a checkpoint covers the event.
    """
    ctx.actor.require(LOG_PROOF_READ)
    entry = _seen(session, event_id, ctx)
    sealed = checkpoint.covering(session, entry.sequence)
    if sealed is None:
        raise NotYetSealed(object_id=event_id, retry_after=int(checkpoint.EVERY.total_seconds()))
    return _tlog_proof(session, entry, sealed)


def pack(
    session: Session,
    event_ids: Sequence[str],
    ctx: Context,
    *,
    policy: str,
    since: int | None = None,
    sealed: Checkpoint | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> Pack:
    """Return a zip with everything needed to verify these events offline.

    `since` adds the proof that the log begins with a checkpoint of that size. It stands under the newest checkpoint, or
    under one that is given and covers all events. Files that are given lie `beside` the proof, by their name. Demands
    `log:proof:read`; raises as `tlog_proof`, and `PackTooLarge` or `PackEmpty`.
    """
    ctx.actor.require(LOG_PROOF_READ)
    wanted = list(dict.fromkeys(event_ids))
    if not wanted:
        raise PackEmpty
    if len(wanted) > PACK_EVENTS_MAX:
        raise PackTooLarge
    entries = sorted((_seen(session, event_id, ctx) for event_id in wanted), key=lambda entry: entry.sequence)
    sealed = sealed or checkpoint.covering(session, entries[-1].sequence)
    if sealed is None or sealed.size < entries[-1].sequence:
        raise NotYetSealed(retry_after=int(checkpoint.EVERY.total_seconds()))
    files = _files(session, entries, sealed, policy)
    if since is not None and 0 < since < sealed.size:
        lines = [_text(value) for value in consistency(session, since, sealed.size)]
        files[verify.CONSISTENCY.format(old=since, new=sealed.size)] = "".join(f"{line}\n" for line in lines).encode()
    return Pack(data=_zipped({**files, **(beside or {})}), events=len(entries), size=sealed.size, root=sealed.root)


def _seen(session: Session, event_id: str, ctx: Context) -> Entry:
    entry = read.entry(session, event_id)
    if not ctx.actor.sees(entry.at):
        raise EventUnknown(object_id=event_id)
    return entry


def _files(session: Session, entries: Sequence[Entry], sealed: Checkpoint, policy: str) -> dict[str, bytes]:
    bodies = [body for entry in entries if (body := read.body(session, entry.sequence)) is not None]
    return {
        "README.txt": _README.encode(),
        "onepay_verify.py": Path(verify.__file__).read_bytes(),
        verify.CHECKPOINT: sealed.note.encode(),
        verify.POLICY: policy.encode(),
        verify.ENTRIES: _lines(
            [{"entry": canonical.decode(entry.encoded), "sequence": entry.sequence} for entry in entries]
        ),
        verify.BODIES: _lines(
            [
                {"body": canonical.decode(body.body), "salt": _text(body.salt), "sequence": body.sequence}
                for body in bodies
            ]
        ),
        **{
            verify.PROOF.format(sequence=entry.sequence): _tlog_proof(session, entry, sealed).encode()
            for entry in entries
        },
    }


def _tlog_proof(session: Session, entry: Entry, sealed: Checkpoint) -> str:
    path = proof(session, entry.sequence, sealed.size)
    lines = [
        "c2sp.org/tlog-proof@v1",
        f"extra {_text(entry.encoded)}",
        f"index {entry.sequence - 1}",
        *map(_text, path),
    ]
    return "\n".join(lines) + "\n\n" + sealed.note


def _zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            # One instant for all, so that the same events under the same checkpoint give the same file.
            made.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _lines(values: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(canonical.encode(value) + b"\n" for value in values)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
