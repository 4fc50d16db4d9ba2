"""A file that leaves: what it was, how large, and by which hash, told in the log."""

from __future__ import annotations

from pathlib import PurePath

from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.context import Context
from ingest.events.access import DataExported
from ingest.log import outbox


def record(session: Session, view: str, name: str, data: bytes, ctx: Context) -> None:
    """Record that somebody took a file away; its lines stand for rows, and its hash for what was asked."""
    event = DataExported(
        view=view,
        format=PurePath(name).suffix.removeprefix(".") or "file",
        rows=data.count(b"\n"),
        bytes=len(data),
        query_hash=crypto.sha256(data).hex(),
    )
    outbox.record(session, event, ctx)
