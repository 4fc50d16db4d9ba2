"""Making the copy that somebody asked for: searched, packed, sealed under a key of its own, told that it is ready."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto, words
from app.kernel.access import LOG_PROOF_READ, PRIVACY_REQUEST_APPROVE, service
from app.kernel.context import Context
from app.kernel.crypto import Secret
from app.kernel.db import Database
from app.kernel.errors import SamePerson, Unavailable, WrongState
from compliance.contracts.personal import ids_of
from compliance.privacy import (
    collecting,
    consent,
    decisions,
    history,
    letters,
    moving,
    package,
    recipients,
    requests,
    trouble,
    whose,
)
from compliance.privacy.collecting import Collected
from compliance.privacy.events import EventSource, is_own_alone
from compliance.privacy.models import PACKAGE_CLASS, redaction, request, request_item
from compliance.privacy.models import package as table
from compliance.privacy.package import Proven
from compliance.privacy.parts import PackageTooLarge, Privacy
from compliance.privacy.request import PACKED, Request, State
from compliance.registers import processors
from compliance.retention import policies
from ingest.events.access import DataRead
from ingest.events.envelope import at_path
from ingest.events.privacy import RequestApproved
from ingest.log import checkpoint, outbox, proofs
from ingest.log.proofs import PACK_EVENTS_MAX

PACKING: Final = "making the copy"
CLAIM: Final = timedelta(minutes=10)
AGAIN: Final = timedelta(minutes=1)
BYTES_MAX: Final = 512 * 1024 * 1024


class DiskFull(Unavailable):
    """The copy could not be written; it is tried again."""

    code = "package_unwritten"


def claim(session: Session, ctx: Context, *, parts: Privacy) -> Request | None:
    """Take the request whose copy is due first, to oneself for a while; the reading of the person is recorded here.

    With it processors are asked what they hold.
    """
    is_packed = request.c.kind.in_([kind.value for kind in PACKED])
    found = moving.next_free(session, ctx.at, is_packed, moving.is_asked_first(), by=request.c.due_at)
    if found is None:
        return None
    until = ctx.at + CLAIM
    session.execute(sa.update(request).where(request.c.id == found).values(claimed_until=until))
    taken = requests.get(session, found)
    read = DataRead(view="privacy_package", count=1, about=(taken.subject,))
    outbox.record(session, read, ctx)
    recipients.of_access(session, taken, ctx, parts=parts)
    return taken


def make(db: Database, taken: Request, ctx: Context, *, parts: Privacy) -> None:
    """Search, pack and seal the copy, then say that it is ready: killed anywhere, it is made anew.

    Raises `RequestDiffers` where the log does not say that this person asked and that it stands.
    """
    with db.read() as session:
        whose.demand(session, taken)
        found = collecting.collect(session, parts.sources, taken.subject)
        content = content_of(session, found, taken, ctx, parts=parts)
    data = package.build(content)
    if len(data) > BYTES_MAX:
        raise PackageTooLarge
    key = Secret(crypto.random_key())
    draft = parts.folder / f"{taken.id}.{ctx.new_id('try')}.draft"
    try:
        _write(data, key, place(taken), draft, parts)
        with db.begin() as session:
            held = requests.locked(session, taken.id)
            if held.state is not State.SCOPED:
                return  # another worker was faster, or it was called off: what lies there is not ours
            # The request is ours until the end of the transaction; a file of a try that was not kept is written over.
            draft.replace(path(taken.id, parts))
            sealed = parts.keys.seal_value(key.reveal().hex(), taken.id, PACKAGE_CLASS, place(taken))
            _keep(session, held, found, crypto.sha256(data).hex(), len(data), sealed, ctx, parts)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    for other in parts.folder.glob(f"{taken.id}.*.draft"):
        other.unlink(missing_ok=True)  # of workers that were killed, or come too late


def fail(session: Session, taken: Request, error: BaseException, ctx: Context, *, parts: Privacy) -> None:
    """Say on the request, and among the tasks, that its copy could not be made; it is tried again, the clock runs on.

    What is too large stays so: a person of ours answers it, in parts.
    """
    held = requests.locked(session, taken.id)
    if held.state is not State.SCOPED:
        return
    if isinstance(error, PackageTooLarge):
        note = f"there is more than one file holds ({error.code}): a person of ours looks how it can be answered"
        moving.move(session, held, State.IN_REVIEW, ctx, note=note)
    else:
        moving.set_aside(session, held, PACKING, error, ctx, wait=AGAIN)


def sign_incomplete(session: Session, request_id: str, reason: str, ctx: Context, *, parts: Privacy) -> None:
    """Let a copy go out in which a store is missing: a named person answers for it (PRV-6)."""
    ctx.actor.require(PRIVACY_REQUEST_APPROVE)
    found = requests.locked(session, request_id)
    if ctx.actor.id in (found.subject, found.handled_by):
        raise SamePerson
    said = words.checked(reason, param="reason")
    if found.state is not State.IN_REVIEW or not found.is_incomplete:
        raise WrongState
    whose.demand(session, found)
    session.execute(sa.update(request).where(request.c.id == request_id).values(approved_by=ctx.actor.id))
    _ready(session, found, ctx, parts, note=said)


def content_of(session: Session, found: Collected, taken: Request, ctx: Context, *, parts: Privacy) -> package.Content:
    """Return all that goes into the copy of a request."""
    documents, officer = _documents(session, found, parts), processors.appointed(session)
    proven = _proven(session, documents, found, ctx, parts)
    return package.Content(
        request=taken,
        at=ctx.at,
        collected=found,
        looks=history.looks_among(documents, taken.subject),
        consents=consent.receipts(session, taken.subject),
        processors=processors.listed(session),
        notices=recipients.of_request(session, taken.id),
        contact=officer.contact if officer is not None else parts.settings.dpo_contact,
        decisions=decisions.about(session, taken.subject, ctx.at, parts=parts),
        proven=proven,
        policy=parts.policy(),
        classes=policies.kept(session),
        settings=parts.settings,
    )


def _documents(session: Session, found: Collected, parts: Privacy) -> list[Mapping[str, Any]]:
    """Return the events about the person, none where the log could not be searched."""
    source = next((each for each in parts.sources if isinstance(each, EventSource)), None)
    if source is None or any(each.skipped and each.info.kind == "log" for each in found.searched):
        return []
    return list(source.documents(session, ids_of(found.seeds)))


def _proven(
    session: Session, documents: Sequence[Mapping[str, Any]], found: Collected, ctx: Context, parts: Privacy
) -> Proven:
    """Return the proofs of the person's events, of the newest ones where there are too many.

    What is about somebody else, too, is proven without its content.
    """
    newest = checkpoint.newest(session)
    if newest is None:
        return Proven(pack=None, entries={}, unproven=len(documents))
    own = frozenset(seed.value for seed in found.seeds)
    alone: list[str] = []
    shared: list[str] = []
    for document in documents:
        if document.get("sequence") is None or document["sequence"] > newest.size:
            continue
        event_id = str(at_path(document, "event.id"))
        body = {name: value for name, value in document.items() if name != "sequence"}
        (alone if is_own_alone(body, own) else shared).append(event_id)
    alone, shared = alone[-PACK_EVENTS_MAX:], shared[-PACK_EVENTS_MAX:]
    reader = Context(actor=service("privacy", LOG_PROOF_READ), at=ctx.at, request_id=ctx.request_id, ids=ctx.ids)
    pack = proofs.pack(session, alone, reader, policy=parts.policy()) if alone else None
    entries = {event_id: proofs.tlog_proof(session, event_id, reader) for event_id in shared}
    return Proven(pack=pack, entries=entries, unproven=len(documents) - len(alone) - len(shared))


def _write(data: bytes, key: Secret, bound: str, draft: Path, parts: Privacy) -> None:
    """Write the sealed file of one try durably; raises `DiskFull` where there is no room."""
    nonce, cipher = crypto.seal(key, data, bound.encode())
    try:
        parts.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(nonce + cipher)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise DiskFull from error


def path(request_id: str, parts: Privacy) -> Path:
    """Return where the sealed file of a request lies."""
    return parts.folder / f"{request_id}.sealed"


def place(found: Request) -> str:
    """Return what key and file of a copy are bound to: where they lie, and whom the copy is about.

    So it opens for nobody else, whomever the row of its request names when it is fetched.
    """
    return f"compliance_package.key_ct.{found.id}.{found.subject}"


def _keep(
    session: Session,
    held: Request,
    found: Collected,
    sha256: str,
    size: int,
    key_ct: bytes,
    ctx: Context,
    parts: Privacy,
) -> None:
    session.execute(sa.delete(request_item).where(request_item.c.request_id == held.id))
    session.execute(sa.delete(redaction).where(redaction.c.request_id == held.id))
    session.execute(sa.delete(table).where(table.c.request_id == held.id))
    session.execute(
        sa.insert(request_item),
        [
            {
                "request_id": held.id,
                "store": each.info.name,
                "category": each.info.category,
                "searched": each.skipped is None,
                "found": each.found,
                "held": 0,
                "skipped": each.skipped,
                "retention": each.info.retention,
                "noted_at": ctx.at,
            }
            for each in _merged(found)
        ],
    )
    rules = package.redaction_rules()
    for rule, count in sorted(found.redactions.items()):
        row = {"request_id": held.id, "rule": rule, "reason": rules.get(rule, rule), "count": count}
        session.execute(sa.insert(redaction).values(**row))
    session.execute(
        sa.insert(table).values(
            request_id=held.id,
            key_ct=key_ct,
            sha256=sha256,
            size=size,
            downloads=0,
            ready_at=ctx.at,
            expires_at=ctx.at + parts.settings.package_ttl,
        )
    )
    trouble.over(session, held.id)
    if found.is_whole:
        _ready(session, held, ctx, parts, note="approved by rule: asked with a fresh proof, every store searched")
        return
    missing = ", ".join(sorted({each.info.name for each in found.searched if each.skipped}))
    note = f"not searched: {missing}; somebody has to answer for a copy without it"
    moving.move(session, held, State.IN_REVIEW, ctx, note=note, is_incomplete=True)


def _merged(found: Collected) -> list[collecting.Searched]:
    """Return one line a store and category: sealed and plain fields of a category lie in one."""
    merged: dict[tuple[str, str], collecting.Searched] = {}
    for each in found.searched:
        merged.setdefault((each.info.name, each.info.category), each)
    return list(merged.values())


def _ready(session: Session, held: Request, ctx: Context, parts: Privacy, *, note: str) -> None:
    until = ctx.at + parts.settings.package_ttl
    if held.not_before is not None and held.not_before > ctx.at:
        # Days in which it cannot be fetched are none of its seven.
        until = held.not_before + parts.settings.package_ttl
    session.execute(sa.update(table).where(table.c.request_id == held.id).values(ready_at=ctx.at, expires_at=until))
    moving.call_off_approval(session, held, ctx, parts)  # a refusal that waits has nothing left to refuse
    event = moving.event_of(RequestApproved, held)
    moving.move(session, held, State.READY, ctx, event=event, note=note)
    letters.ready(session, held, until, ctx, parts=parts)
