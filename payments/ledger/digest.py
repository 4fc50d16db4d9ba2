"""The hash of a transaction: what the log's event holds, so that ledger and log can be compared for ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Final

from payments.ledger.model import EntryRow

VERSION: Final = 1
# `app.kernel.canonical` writes the same bytes (a test compares them); its checks are not needed for values we made.
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def transaction_hash(
    *,
    id: str,
    kind: str,
    object_id: str,
    owner_id: str,
    reference: str | None,
    reverses_id: str | None,
    at: int,
    effective_on: int,
    entries: Iterable[EntryRow],
) -> bytes:
    """Return SHA-256 of the canonical form, version 1; the entries stand by book and version."""
    return hashlib.sha256(
        canonical_text(
            id=id,
            kind=kind,
            object_id=object_id,
            owner_id=owner_id,
            reference=reference,
            reverses_id=reverses_id,
            at=at,
            effective_on=effective_on,
            entries=entries,
        ).encode("utf-8")
    ).digest()


def canonical_text(
    *,
    id: str,
    kind: str,
    object_id: str,
    owner_id: str,
    reference: str | None,
    reverses_id: str | None,
    at: int,
    effective_on: int,
    entries: Iterable[EntryRow],
) -> str:
    """Return the text that is hashed."""
    return _encode(
        {
            "v": VERSION,
            "id": id,
            "kind": kind,
            "object": object_id,
            "owner": owner_id,
            "reference": reference,
            "reverses": reverses_id,
            "at": at,
            "effective_on": effective_on,
            "legs": sorted([e.book_id, e.version, e.amount, e.held_delta, e.balance_after] for e in entries),
        }
    )
