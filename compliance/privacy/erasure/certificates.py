"""The certificate of an erasure: written when nothing is left, and compared with the log each time it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.access import LOG_PROOF_READ, service
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import NotFound
from compliance.catalog.retention import RetentionClass
from compliance.certificates import CertificateDiffers, completes, demand_same
from compliance.privacy import logged, moving, recipients, requests
from compliance.privacy.collecting import NOT_SEARCHED
from compliance.privacy.erasure import batches, staying
from compliance.privacy.erasure.planning import GOES
from compliance.privacy.models import erasure_certificate, request
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Request, State
from compliance.retention import policies
from ingest.events.privacy import RequestCompleted
from ingest.log import proofs, read, shredding, verify
from ingest.log.shredding import Parts as Shredding

WHY_PLANS_DIFFER: Final = (
    "Between the approval and the beginning rows came or ended, such as the letter that told of the approval; what "
    "came and had not to stay went with it."
)
LAW: Final = "GDPR Art. 17"
EPOCH_MAX: Final = timedelta(days=31)
_WORDS: Final = {"delete": "erased", "null": "erased", "shred": "erased by destroying its key", "keep": "stays"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says, its bytes as they were written, and the event that holds their hash."""

    body: Mapping[str, Any]
    data: bytes
    sha256: str
    completed: str | None


def by_link(session: Session, token: str) -> Certificate | None:
    """Return the certificate that the link of a last letter leads to; None while there is none yet.

    Raises `NotFound` for a link of no letter, and `CertificateDiffers`, also where one was written and is gone.
    """
    mine = request.c.certificate_hash == crypto.sha256(token.encode())
    row = session.execute(sa.select(request.c.id, request.c.state).where(mine)).one_or_none()
    if row is None:
        raise NotFound
    found = _certificate_of(session, row.id)
    if found is None and row.state == State.CLOSED.value:
        raise CertificateDiffers(object_id=row.id)
    return found


def by_request(session: Session, request_id: str) -> Mapping[str, Any]:
    """Return the certificate of an erasure; raises `NotFound` before there is one, and `CertificateDiffers`."""
    found = _certificate_of(session, request_id)
    if found is None:
        raise NotFound
    return found.body


def speaking(session: Session, request_id: str) -> Mapping[str, Any] | None:
    """Return the certificate of an erasure that its event says is this one and about whom; nothing else may destroy.

    None where there is none, where somebody wrote it again, and once the body of its event has ended.
    """
    try:
        found = _certificate_of(session, request_id)
    except CertificateDiffers:
        return None
    if found is None or found.completed is None or not read.documents(session, [found.completed]):
        return None
    return found.body


def why_plans_differ(body: Mapping[str, Any]) -> str | None:
    """Return why another plan was carried out than the one approved, in words; None where it was the same."""
    if body.get("approved_root", body["plan_root"]) == body["plan_root"]:
        return None
    said = body.get("why_they_differ") or WHY_PLANS_DIFFER  # the first certificates say it themselves
    went = (
        " What was to stay and went, as nothing kept it any more, is named."
        if "approved_to_stay_and_gone" in body
        else ""
    )
    return f"{said}{went}"


def with_proof(session: Session, token: str, ctx: Context, parts: Privacy) -> bytes:
    """Return a zip of the certificate that a link leads to, beside the proof of its events in the log.

    Raises what `by_link` does, `NotFound` while there is none, and `NotYetSealed`.
    """
    found = by_link(session, token)
    if found is None:
        raise NotFound
    reader = replace(ctx, actor=service("privacy", LOG_PROOF_READ))
    events = [one for one in (found.body["event"], found.completed) if one is not None]
    beside = {verify.CERTIFICATE: found.data}
    return proofs.pack(session, events, reader, policy=parts.policy(), beside=beside).data


def parsed(text: str) -> Mapping[str, Any]:
    """Return what a certificate says; one that somebody wrote over need not even be one, and says nothing."""
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _certificate_of(session: Session, request_id: str) -> Certificate | None:
    """Return a certificate, compared with what the log says of it as long as it does."""
    query = sa.select(erasure_certificate).where(erasure_certificate.c.request_id == request_id)
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    data = row.body.encode()
    sha256, body = crypto.sha256(data).hex(), parsed(row.body)
    completed = requests.event_of_state(session, request_id, State.CLOSED)
    stands = completes(RequestCompleted.kind, sha256, row.at)
    about = {"onepay.request.id": request_id, "onepay.subject.id": [body.get("subject")]}
    stands = replace(stands, says={**stands.says, **about})
    is_kept = row.sha256 == sha256 and body.get("request") == request_id
    demand_same(session, request_id, completed, stands, is_kept=is_kept)
    return Certificate(body=body, data=data, sha256=sha256, completed=completed)


def certify(
    session: Session, found: Request, rows: Sequence[Any], ctx: Context, parts: Privacy, shreds: Shredding
) -> None:
    """Write the certificate, with its hash in the event of completion, and close the request."""
    known_classes = policies.kept(session)
    kept, classes = _kept_of(rows, known_classes, ctx), batches.classes(rows)
    leads = staying.leads(((line["category"], line["class"]) for line in kept), known_classes)
    not_before, rests_on = _irrecoverable(session, found, classes, ctx, shreds)
    event_id = requests.event_of_state(session, found.id, State.EXECUTED)
    body = {
        "certificate": "erasure",
        "request": found.id,
        "completes": found.linked_to,
        "subject": found.subject,
        "law": LAW,
        "received_on": found.received_on.isoformat(),
        "erased_at": rfc3339(ctx.at),
        "irrecoverable_not_before": rfc3339(not_before),
        "why_not_before": rests_on,
        "backups": policies.backups_said(session),
        **_by_plan(session, found),
        "erased": [
            {"store": row.store, "category": row.category, "how": _WORDS[row.action], "entries": row.done}
            for row in _summed(rows)
            if row.action in GOES
        ],
        "keys_destroyed": classes,
        "disputed": "Whether destroying a key is erasing is disputed; what can be rewritten is erased itself.",
        "stays": kept,
        "beside": _beside(known_classes),
        "recipients": [
            {"name": one.name, "told_by": one.due.isoformat()} for one in recipients.of_request(session, found.id)
        ],
        "in_clear": f"Events hold an id and network addresses until their class ends; the id {leads}.",
        "word": "pseudonymised",
        "decided_by": list(requests.deciders(session, found)),
        "event": event_id,
    }
    text = canonical.encode(body).decode()
    sha256 = crypto.sha256(text.encode()).hex()
    session.execute(
        sa.insert(erasure_certificate).values(
            request_id=found.id,
            body=text,
            sha256=sha256,
            at=ctx.at,
            irrecoverable_from=not_before,
            event_id=event_id,
        )
    )
    event = replace(moving.event_of(RequestCompleted, found), sha256=sha256)
    moving.move(session, found, State.VERIFIED, ctx, note="nothing is left, as another reader saw")
    moving.end(session, requests.get(session, found.id), State.CLOSED, ctx, event=event, note="certified", parts=parts)


def _irrecoverable(
    session: Session, found: Request, classes: Sequence[str], ctx: Context, shreds: Shredding
) -> tuple[datetime, str]:
    """Return the day before which nothing is said to be irrecoverable, and what it is that decides whether it is then.

    A certificate stands for good, so it promises nothing that is still to be done by somebody.
    """
    horizon = policies.backups_end(session, ctx.at) - ctx.at
    backups = "that backups end when they should, which is the operator's to see to"
    if not classes:
        return ctx.at + horizon, f"No key was destroyed. It rests on this: {backups}."
    with shreds.keys.db.read() as keys:
        known = shredding.irrecoverable_from(keys, found.subject, classes, horizon)
    if known is not None:
        return known, f"The keys and the key of the month that wrapped them are destroyed. It rests on this: {backups}."
    # The key of an epoch ends within a month of its beginning, and its last backup when backups end.
    month = "that the key of this month, which wrapped them in backups, is destroyed within a month"
    said = f"The keys are destroyed. It rests on what is still to come: {month}, and {backups}."
    return ctx.at + EPOCH_MAX + horizon, f"{said} Each day that one of them is late, this day is later, too."


def _summed(rows: Sequence[Any]) -> list[Any]:
    """Return one line a store, category and action, with the sums of its rows and of what was done to them."""

    @dataclass(slots=True)
    class Line:
        store: str
        category: str
        action: str
        retention: str
        rows: int
        done: int

    found: dict[tuple[str, str, str, str], Line] = {}
    for row in rows:
        key = (row.store, row.category, row.action, row.retention)
        line = found.setdefault(key, Line(*key, 0, 0))
        line.rows += row.rows
        line.done += row.done or 0
    return [found[key] for key in sorted(found)]


def _kept_of(rows: Sequence[Any], classes: Mapping[str, RetentionClass], ctx: Context) -> list[dict[str, Any]]:
    kept = []
    for line in _summed(rows):
        if line.action != "keep":
            continue
        said = staying.line(line.retention, classes, ctx)
        kept.append(
            {
                "store": line.store,
                "category": line.category,
                "entries": line.rows,
                "class": line.retention,
                "law": said.law,
                "until": said.until,
            }
        )
    return kept


def _beside(classes: Mapping[str, RetentionClass]) -> list[dict[str, str]]:
    """Return what may name somebody and no plan finds by them; the same for everybody, whatever there is of it."""
    notes = (
        "What colleagues wrote down of an incident, such as notes and why it was closed, may name the people it is "
        f"about. It stays with the incident: {classes['incident'].in_words}."
    )
    return [{"what": "notes of colleagues", "why": notes}, {"what": "mail", "why": dict(NOT_SEARCHED)["mail"]}]


def _by_plan(session: Session, found: Request) -> dict[str, Any]:
    """Return the root of the plan that was carried out, that of the one approved, and what of it stayed in that alone.

    All is told by the log; what completes an earlier erasure, or is known from the journal, was approved by no plan.
    """
    said = logged.of(session, found)
    assert said.begun is not None, "it is carried out by what the log says of its beginning"
    body: dict[str, Any] = {"plan_root": said.begun.root}
    if said.approved is not None and said.approved.root is not None:
        body["approved_root"] = said.approved.root
    if said.begun.beyond:
        pairs = (each.rpartition(" ") for each in said.begun.beyond)
        body["approved_to_stay_and_gone"] = [{"store": store, "category": category} for store, _, category in pairs]
    return body
