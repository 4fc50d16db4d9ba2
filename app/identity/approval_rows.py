"""Rows of approvals: the payload as it was sealed, and how each stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity.models import ACCOUNT_CLASS, approval, approval_vote
from app.identity.parts import Identity
from app.kernel import canonical, crypto
from app.kernel.approvals import ApprovalChanged, Payload, Standing, State, Verdict, digest
from app.kernel.crypto import Unreadable
from app.kernel.db import changed
from app.kernel.errors import NotFound
from ingest.events.admin import ApprovalDecided
from ingest.events.envelope import at_path
from ingest.log import read

LIST_MAX: Final = 100
PAYLOAD_BYTES_MAX: Final = 65_536
_ABOUT: Final = timedelta(seconds=1)
"""So far may the instant of a vote and that of its event lie apart."""


def sealed(payload: Payload, approval_id: str, requester: str | None, subject: str | None, *, parts: Identity) -> bytes:
    """Return a payload as its row keeps it: under the key of the person it is about, else under ours.

    It is bound to who asked: a row that names somebody else opens no more, so nobody decides about what they asked for.
    """
    text, place = canonical.encode(dict(payload)).decode(), _place(approval_id, requester)
    assert len(text) <= PAYLOAD_BYTES_MAX, "a payload names what is done; what is large lies elsewhere, by its hash"
    if subject is not None:
        return parts.subject_keys.seal_value(text, subject, ACCOUNT_CLASS, place)
    return crypto.seal_text(_key(parts), text, place)


def opened(row: Any, *, parts: Identity) -> Payload:  # a row of `approval`
    """Return the exact payload of a row; raises `ApprovalChanged` where the row is not what was asked for.

    Raises `SubjectErased` where it went with the person it is about.
    """
    try:
        try:
            text = _opened_at(row, _place(row.id, row.requested_by), parts)
        except Unreadable:
            text = _opened_at(row, _unbound(row.id), parts)  # asked for before payloads were bound to who asked
        payload: dict[str, Any] = canonical.decode(text.encode())
    except (Unreadable, ValueError) as error:
        raise ApprovalChanged(object_id=row.id) from error
    if digest(row.kind, payload) != row.digest:
        raise ApprovalChanged(object_id=row.id)
    return payload


def get(session: Session, approval_id: str, *, held: bool = False) -> Any:  # a row of `approval`
    """Return a row, `held` so that nobody else changes it until this transaction ends; raises `NotFound`."""
    query = sa.select(approval).where(approval.c.id == approval_id)
    row = session.execute(query.with_for_update() if held else query).one_or_none()
    if row is None:
        raise NotFound
    return row


def move(session: Session, approval_id: str, before: State, after: State, **values: object) -> bool:
    """Move a row from one state to another; false if it was not in the first."""
    done = changed(
        session,
        sa.update(approval)
        .where(approval.c.id == approval_id, approval.c.state == before.value)
        .values(state=after.value, **values),
    )
    return done == 1


def standings(session: Session, rows: Sequence[Any]) -> list[Standing]:  # rows of `approval`
    """Return how approvals stand, each with its votes."""
    votes = votes_of(session, [row.id for row in rows])
    return [_standing(row, votes.get(row.id, ())) for row in rows]


def votes_of(session: Session, ids: Sequence[str]) -> Mapping[str, tuple[Any, ...]]:  # rows of `approval_vote`
    """Return the votes of some approvals, the first first."""
    query = sa.select(approval_vote).where(approval_vote.c.approval_id.in_(ids))
    found: dict[str, tuple[Any, ...]] = {}
    for row in session.execute(query.order_by(approval_vote.c.at, approval_vote.c.account_id)):
        found[row.approval_id] = (*found.get(row.approval_id, ()), row)
    return found


def agreed(session: Session, ids: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Return who approved, by approval, as its votes and the log say: one that only a row knows is nobody's."""
    votes = votes_of(session, list(ids))
    if not votes:
        return {}
    told = _told(session, ids, since=min(one.at for each in votes.values() for one in each) - _ABOUT)
    return {
        id: frozenset(one.account_id for one in each if one.verdict == Verdict.APPROVED.value) & told.get(id, set())
        for id, each in votes.items()
    }


def _told(session: Session, ids: Collection[str], *, since: datetime) -> Mapping[str, set[str]]:
    """Return who the log says approved, by approval."""
    found: dict[str, set[str]] = {}
    for said in read.documents_of(session, ApprovalDecided.kind, since=since):
        id, who = str(at_path(said, "onepay.approval.id")), str(at_path(said, "user.id"))
        if id in ids and at_path(said, "onepay.approval.decision") == Verdict.APPROVED.value:
            found.setdefault(id, set()).add(who)
    return found


def _standing(row: Any, votes: Sequence[Any]) -> Standing:
    return Standing(
        id=row.id,
        kind=row.kind,
        state=State(row.state),
        digest=row.digest,
        object_id=row.object_id,
        requested_by=row.requested_by,
        reason=row.reason,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        executed_at=row.executed_at,
        result=row.result,
        votes=tuple((vote.account_id, Verdict(vote.verdict), vote.at) for vote in votes),
        subject=row.subject_id,
    )


def _opened_at(row: Any, place: str, parts: Identity) -> str:  # a row of `approval`
    if row.subject_id is not None:
        return parts.subject_keys.open_value(row.payload_ct, row.subject_id, ACCOUNT_CLASS, place)
    return crypto.open_text(_key(parts), row.payload_ct, place)


def _place(approval_id: str, requester: str | None) -> str:
    return f"{_unbound(approval_id)}.{requester or ''}"


def _unbound(approval_id: str) -> str:
    return f"app_approval.payload_ct.{approval_id}"


def _key(parts: Identity) -> crypto.Secret:
    return crypto.derive(parts.credentials, "approvals")
