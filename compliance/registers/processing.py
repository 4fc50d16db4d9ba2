"""The record of processing (GDPR Art. 30) as one document with a hash, what changed in it, and who approved it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import PRIVACY_REGISTER_APPROVE, PRIVACY_REGISTER_WRITE
from app.kernel.approvals import ApprovalKind, Approvals, Payload, State
from app.kernel.context import Context
from app.kernel.db import change_one
from app.kernel.errors import Conflict
from compliance import told
from compliance.catalog import purposes
from compliance.contracts.personal import StoreInfo
from compliance.registers import processors
from compliance.registers.models import activity_approval
from compliance.registers.parts import Registers
from compliance.retention import policies
from ingest.events.compliance import DocumentApproved
from ingest.log import outbox

DOCUMENT: Final = "privacy.register"
APPROVAL: Final = "privacy.register"
PROPOSED, APPROVED, SUPERSEDED, REJECTED = "proposed", "approved", "superseded", "rejected"
REASON_MAX: Final = 500


class RegisterUnchanged(Conflict):
    """This register is approved already, or waits for its approval."""

    code = "register_unchanged"


class RegisterMoved(Conflict):
    """The register has changed since it was put before a second person."""

    code = "register_moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A register that a data protection officer approved."""

    id: str
    sha256: str
    body: Mapping[str, Any]
    at: datetime
    event_id: str


def document(session: Session, *, parts: Registers) -> dict[str, Any]:
    """Return the register as it is now: activities from purposes and marks, stores, processors. There is no other."""
    stores, classes = _stores(parts), policies.kept(session)
    hands = processors.listed(session)
    activities = {}
    for name, one in purposes.shipped().items():
        mine = [store for store in stores if name in store.purposes]
        if not mine:
            continue
        activities[name] = {
            "says": one.says,
            "basis": one.basis,
            "law": one.law,
            "balancing": one.balancing or "",
            "as": "controller",
            "people": "customers" if any(store.category != "staff" for store in mine) else "staff",
            "categories": sorted({store.category for store in mine}),
            "stores": sorted({store.name for store in mine}),
            "recipients": list(one.recipients),
            "processors": sorted(hand.name for hand in hands if name in hand.purposes),
            "transfers": sorted({c for hand in hands if name in hand.purposes for c in hand.outside}),
            "kept": sorted({f"{s.retention} {classes[s.retention].keep.text}" for s in mine if s.retention in classes}),
        }
    return {"controller": parts.settings.controller_name, "activities": activities}


def idle(body: Mapping[str, Any]) -> list[str]:
    """Return the purposes that people may object or consent to and that no store serves: nothing is processed so."""
    return sorted(purposes.shipped().keys() - body["activities"].keys())


def digest(body: Mapping[str, Any]) -> str:
    """Return what names a register exactly."""
    return crypto.sha256(canonical.encode(body)).hex()


def approved(session: Session) -> Approved | None:
    """Return the register that was approved last; its hash is that of what lies there now.

    One that nobody is told to have approved is none.
    """
    row = session.execute(sa.select(activity_approval).where(activity_approval.c.state == APPROVED)).one_or_none()
    if row is None:
        return None
    body = json.loads(row.body)
    says = {told.SHA256: digest(body), "onepay.compliance.document": DOCUMENT}
    stands = told.Stands(kind=DocumentApproved.kind, says=says, at=row.approved_at)
    if not told.is_told(session, row.event_id, stands):
        return None
    return Approved(id=row.id, sha256=digest(body), body=body, at=row.approved_at, event_id=row.event_id)


def waiting(session: Session) -> str | None:
    """Return the approval that a proposed register waits for."""
    query = sa.select(activity_approval.c.approval_id).where(activity_approval.c.state == PROPOSED)
    return session.execute(query).scalar_one_or_none()


def differences(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return (activity, field, before, now) of what changed since a register; all is new where there was none."""
    earlier = dict(before["activities"]) if before is not None else {}
    changed = []
    for name in sorted(earlier.keys() | now["activities"].keys()):
        was, is_ = earlier.get(name), now["activities"].get(name)
        if was is None or is_ is None:
            changed.append((name, "the activity", *(("there", "gone") if is_ is None else ("not there", "new"))))
            continue
        for field in sorted(was.keys() | is_.keys()):
            if was.get(field) != is_.get(field):
                changed.append((name, field, _shown(was.get(field)), _shown(is_.get(field))))
    return changed


def undocumented(session: Session, *, parts: Registers) -> list[tuple[str, str]]:
    """Return (store, why) of what holds personal data and stands in no activity of the register."""
    body = document(session, parts=parts)
    named = {store for one in body["activities"].values() for store in one["stores"]}
    return sorted({(store.name, "stands in no activity") for store in _stores(parts) if store.name not in named})


def propose(session: Session, reason: str, ctx: Context, *, parts: Registers) -> str:
    """Put the register as it is now before the data protection officer; returns the approval's id."""
    ctx.actor.require(PRIVACY_REGISTER_WRITE)
    said = words.reason(reason, longest=REASON_MAX)
    body = document(session, parts=parts)
    sha256, last = digest(body), approved(session)
    if waiting(session) is not None or (last is not None and last.sha256 == sha256):
        raise RegisterUnchanged
    id_ = ctx.new_id("rop")
    session.execute(
        sa.insert(activity_approval).values(
            id=id_,
            sha256=sha256,
            body=canonical.encode(body).decode(),
            reason=said,
            state=PROPOSED,
            proposed_by=ctx.actor.id,
            proposed_at=ctx.at,
        )
    )
    payload = _payload(id_, sha256, differences(last.body if last else None, body))
    approval = parts.approvals.ask(session, APPROVAL, payload, ctx, object_id=id_, reason=said)
    session.execute(sa.update(activity_approval).where(activity_approval.c.id == id_).values(approval_id=approval))
    return approval


def kind(approvals: Approvals, parts: Registers) -> ApprovalKind:
    """Return what a data protection officer decides about the register."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        of, last = activity_approval.c, approved(session)
        body = document(session, parts=parts)
        changed = differences(last.body if last else None, body)
        approvals.take(session, id, APPROVAL, _payload(str(payload["register"]), digest(body), changed), ctx)
        number = sa.select(sa.func.count()).select_from(activity_approval).where(of.state != REJECTED)
        version = session.execute(number).scalar_one()
        session.execute(sa.update(activity_approval).where(of.state == APPROVED).values(state=SUPERSEDED))
        event = DocumentApproved(document=DOCUMENT, version=version, sha256=digest(body))
        event_id = outbox.record(session, event, ctx)
        change_one(
            session,
            sa.update(activity_approval)
            .where(of.id == str(payload["register"]), of.state == PROPOSED)
            .values(state=APPROVED, approved_at=ctx.at, event_id=event_id),
            otherwise=RegisterMoved,
        )
        return f"version {version} is approved"

    def closed(session: Session, id: str, state: State, ctx: Context) -> None:
        of = activity_approval.c
        is_this = (of.approval_id == id) & (of.state == PROPOSED)
        session.execute(sa.update(activity_approval).where(is_this).values(state=REJECTED))

    return ApprovalKind(
        name=APPROVAL,
        title="Approve the record of processing",
        asks=PRIVACY_REGISTER_WRITE,
        decides=PRIVACY_REGISTER_APPROVE,
        render=_rendered,
        run=run,
        closed=closed,
    )


def _stores(parts: Registers) -> list[StoreInfo]:
    return [store for source in parts.sources for store in source.stores()]


def _payload(id_: str, sha256: str, changed: Sequence[tuple[str, str, str, str]]) -> dict[str, Any]:
    return {"register": id_, "sha256": sha256, "changes": [list(one) for one in changed]}


def _rendered(payload: Payload) -> list[str]:
    changes = [f"{name}, {field}: {before or '–'} → {now or '–'}" for name, field, before, now in payload["changes"]]
    count = f"{len(changes)} change{'' if len(changes) == 1 else 's'}" if changes else "nothing changed"
    return [f"The record of processing as it is now: {count}.", *changes, f"SHA-256 {payload['sha256']}."]


def _shown(value: Any) -> str:  # a field of an activity
    return ", ".join(value) if isinstance(value, list) else str(value or "")
