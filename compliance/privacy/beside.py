"""Requests of one person beside each other: the one that was proven first is answered for all of its kind."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.db import dialect_of
from compliance.privacy.models import request
from compliance.privacy.request import ANSWERED, LINKED, Kind


def hold_subject(session: Session, subject: str) -> None:
    """Wait for whoever asks for the same person; SQLite has one writer."""
    if dialect_of(session) != "sqlite":
        number = int.from_bytes(crypto.sha256(f"compliance requests {subject}".encode())[:8], signed=True)
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def first_of(session: Session, subject: str, kind: Kind, *, but: str | None = None) -> str | None:
    """Return the open request of a person whose answer answers another one of its kind, too; held until the end.

    Only one that was proven to be theirs: what a stranger asked for must not stand in the way of it.
    """
    if kind not in LINKED:
        return None
    query = sa.select(request.c.id).where(
        request.c.subject == subject,
        request.c.kind == kind.value,
        request.c.is_verified,
        request.c.linked_to.is_(None),
        request.c.state.not_in([state.value for state in ANSWERED]),
        request.c.id != (but or ""),
    )
    return session.execute(query.order_by(request.c.id).limit(1).with_for_update()).scalar_one_or_none()
