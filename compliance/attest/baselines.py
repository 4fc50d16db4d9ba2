"""Baselines: what runs is compared with what two people approved. Proposed from what runs now, never typed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import (
    COMPLIANCE_BASELINE_APPROVE,
    COMPLIANCE_BASELINE_PROPOSE,
    COMPLIANCE_CONTROL_READ,
    Actor,
)
from app.kernel.approvals import ApprovalKind, Payload
from app.kernel.context import Context
from app.kernel.errors import Conflict, NotFound
from compliance import told
from compliance.attest import models, versions
from compliance.attest.parts import (
    IN_FORCE,
    PROPOSED,
    TEXT_MAX,
    Desk,
)
from compliance.contracts.probes import Baseline
from ingest.events.compliance import DocumentApproved

APPROVAL: Final = "compliance.baseline"
LINES_SHOWN: Final = 40


class NothingNew(Conflict):
    """What runs now is what was approved."""

    code = "nothing_new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What may be approved under a name: what runs now, what is in force, and whether somebody proposed."""

    name: str
    live_hash: str
    in_force: Baseline | None
    approved_at: datetime | None
    waits: str | None
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Tell whether what runs is what was approved."""
        return self.in_force is not None and self.in_force.sha256 == self.live_hash


def digest(body: Any) -> str:
    """Return the hash of a document: of its canonical form."""
    return crypto.sha256(canonical.encode(body)).hex()


def propose(session: Session, name: str, reason: str, ctx: Context, *, desk: Desk) -> str:
    """Propose what runs now under a name; returns the approval's id.

    Raises `NotFound`, `NothingNew` where it is in force already, and `PaperOpen` while another version waits.
    """
    ctx.actor.require(COMPLIANCE_BASELINE_PROPOSE)
    read = desk.live.get(name)
    if read is None:
        raise NotFound(object_id=name)
    body = read(session)
    before = in_force(session, name)
    if before is not None and before.sha256 == digest(body):
        raise NothingNew
    table = models.baseline
    version = versions.following(session, table, table.c.name == name)
    baseline_id = ctx.new_id("bas")
    session.execute(
        sa.insert(table).values(
            id=baseline_id,
            name=name,
            version=version,
            sha256=digest(body),
            body=body,
            proposed_by=ctx.actor.own_id,
            state=PROPOSED,
        )
    )
    approval = desk.approvals.ask(
        session,
        APPROVAL,
        _payload(session, baseline_id),
        ctx,
        object_id=baseline_id,
        reason=words.reason(reason, longest=TEXT_MAX),
    )
    session.execute(sa.update(table).where(table.c.id == baseline_id).values(approval_id=approval))
    return approval


def kind(desk: Desk) -> ApprovalKind:
    """Return what a second person decides about a baseline."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        baseline_id, table = str(payload["baseline"]), models.baseline
        desk.approvals.take(session, id, APPROVAL, _payload(session, baseline_id), ctx)
        name, version = str(payload["name"]), int(payload["version"])
        event = DocumentApproved(document=document_of(name), version=version, sha256=str(payload["sha256"]))
        same = table.c.name == name
        versions.put_in_force(session, table, baseline_id, event, ctx, at="approved_at", replaces=same)
        return f"version {version} of {name.replace('_', ' ')} is in force"

    return ApprovalKind(
        name=APPROVAL,
        title="Approve what runs as the baseline",
        asks=COMPLIANCE_BASELINE_PROPOSE,
        decides=COMPLIANCE_BASELINE_APPROVE,
        render=_rendered,
        run=run,
        ttl=timedelta(hours=72),
        closed=versions.rejecting(models.baseline),
    )


def in_force(session: Session, name: str) -> Baseline | None:
    """Return the approved document of a name; one whose body was changed since has the hash of no document.

    One that nobody is told to have approved is none.
    """
    table = models.baseline
    row = session.execute(sa.select(table).where(table.c.name == name, table.c.state == IN_FORCE)).one_or_none()
    if row is None or not told.is_told(session, row.event_id, _stands(row)):
        return None
    sha256 = row.sha256 if digest(row.body) == row.sha256 else ""
    return Baseline(name=name, version=row.version, sha256=sha256, body=row.body)


def document_of(name: str) -> str:
    """Return what names a baseline, of which one version stands."""
    return f"baseline.{name}"


def _stands(row: Any) -> told.Stands:  # a row of `baseline`
    says = {told.SHA256: row.sha256, "onepay.compliance.document": document_of(row.name)}
    return told.Stands(kind=DocumentApproved.kind, says=says, at=row.approved_at)


def documents(session: Session, actor: Actor, *, desk: Desk) -> list[Document]:
    """Return every document that can be approved, beside what was."""
    actor.require(COMPLIANCE_CONTROL_READ)
    table = models.baseline
    found = []
    for name, read in sorted(desk.live.items()):
        body, approved = read(session), in_force(session, name)
        of = sa.and_(table.c.name == name)
        found.append(
            Document(
                name=name,
                live_hash=digest(body),
                in_force=approved,
                approved_at=session.scalar(sa.select(table.c.approved_at).where(of, table.c.state == IN_FORCE)),
                waits=session.scalar(sa.select(table.c.approval_id).where(of, table.c.state == PROPOSED)),
                differences=tuple(differences(approved.body if approved else None, body)),
            )
        )
    return found


def differences(before: Any, after: Any) -> list[str]:
    """Return what was added and taken away, a line each; the first version adds everything and says how much."""
    old, new = set(_lines(before)), set(_lines(after))
    if before is None:
        return [f"The first version, of {len(new):,} lines."]
    return [*(f"+ {line}" for line in sorted(new - old)), *(f"- {line}" for line in sorted(old - new))]


def _lines(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _lines(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for part in value:
            if isinstance(part, Mapping | list | tuple):
                yield f"{path}: {canonical.encode(part).decode()}"
            else:
                yield f"{path}: {part}"
    elif value is not None:
        yield f"{path}: {value}"


def _payload(session: Session, baseline_id: str) -> dict[str, Any]:
    row = versions.row_of(session, models.baseline, baseline_id)
    before = in_force(session, row["name"])
    changed = differences(before.body if before else None, row["body"])
    more = [f"and {len(changed) - LINES_SHOWN:,} more"] if len(changed) > LINES_SHOWN else []
    return {
        "baseline": baseline_id,
        "name": row["name"],
        "version": row["version"],
        "sha256": digest(row["body"]),
        "changes": changed[:LINES_SHOWN] + more,
    }


def _rendered(payload: Payload) -> list[str]:
    return [
        f"{payload['name'].replace('_', ' ').capitalize()}, version {payload['version']}, as it runs now.",
        *payload["changes"],
        f"SHA-256 {payload['sha256']}.",
    ]
