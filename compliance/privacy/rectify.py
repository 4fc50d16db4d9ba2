"""Rectification (Art. 16), a decision looked at again (Art. 22), refusals: what people of ours do with a request."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import PRIVACY_REQUEST_HANDLE
from app.kernel.approvals import Approvals
from app.kernel.context import Context
from app.kernel.errors import NotFound, SamePerson, WrongState
from compliance.contracts.personal import Change, FieldUnknown, PersonalDataSource
from compliance.contracts.walking import walk
from compliance.privacy import letters, moving, recipients, requests, restrict, whose
from compliance.privacy.parts import Privacy
from compliance.privacy.request import ANSWERED, Kind, Request, State
from ingest.events.access import DataRead
from ingest.events.privacy import RecordRectified, RequestCompleted, RequestRefused
from ingest.log import outbox

REFUSAL: Final = "privacy.refusal"
VALUE_MAX: Final = 500
OWNERS: Final = frozenset(("contact", "credential"))
"""What its person alone changes: by what somebody is reached or signs in. There it is proven, told to the old address
and waited for, and nobody who works here can lead the letters of a customer elsewhere."""


def rectify(
    session: Session, request_id: str, store: str, id: str, field: str, value: str, ctx: Context, *, parts: Privacy
) -> Change:
    """Correct a value of the person who asked, and look that it reads so.

    Raises `FieldUnknown`, also for what is theirs alone to change, `NotFound`, and what the owner of the data says of
    a text that is none.
    """
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = _handled(session, request_id, Kind.RECTIFICATION, ctx)
    outbox.record(session, DataRead(view="privacy_request", count=1, about=(found.subject,)), ctx)
    source = next((each for each in parts.sources if any(info.name == store for info in each.stores())), None)
    if source is None or not 0 < len(value) <= VALUE_MAX:
        raise FieldUnknown(param="field")
    if (store, field) in _owners(source):
        raise FieldUnknown("This is changed by its person alone, signed in, under “Security”.", param="field")
    value = unicodedata.normalize("NFC", words.checked(value, param="value", shortest=1, longest=VALUE_MAX))
    seeds = walk(session, parts.sources, found.subject)
    if not any(record.store == store and record.id == id for record in source.collect(session, seeds)):
        raise NotFound
    change = source.rectify(session, store, id, field, value, ctx)
    shown = [r.data for r in source.collect(session, seeds) if r.store == store and r.id == id and field in r.data]
    if not any(data[field] == value for data in shown):
        raise WrongState("The corrected value does not read as it was written.")
    event = RecordRectified(
        request=request_id, before_hash=change.before_hash, after_hash=change.after_hash, about=(found.subject,)
    )
    note = f"corrected: {field} in {store}"
    moving.move(session, found, State.EXECUTING, ctx, event=event, note=note, handled_by=ctx.actor.id)
    recipients.of_correction(session, found, store, field, ctx, parts=parts)
    return change


def correctable(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> Sequence[tuple[str, str, str]]:
    """Return (store, id, field) of what a person gave us and could have corrected; names of fields, no values.

    Recorded as a reading of personal data: the rows are looked at to name them.
    """
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = _handled(session, request_id, Kind.RECTIFICATION, ctx)
    outbox.record(session, DataRead(view="privacy_request", count=1, about=(found.subject,)), ctx)
    seeds = walk(session, parts.sources, found.subject)
    places: set[tuple[str, str, str]] = set()
    for source in parts.sources:
        given = {
            (info.name, info.category)
            for info in source.stores()
            if info.origin == "provided"
            and info.on_erase != "keep_to_class_end"
            and info.category not in ("account.id", "communication", *OWNERS)
        }
        for record in source.collect(session, seeds) if given else ():
            if (record.store, record.category) in given and not record.counterparty:
                places.update((record.store, record.id, field) for field in record.data)
    return sorted(places)


def complete(session: Session, request_id: str, outcome: str, ctx: Context, *, parts: Privacy) -> None:
    """Answer a correction, or a decision that was looked at again, in words for the person."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.locked(session, request_id)
    if found.kind not in (Kind.RECTIFICATION, Kind.HUMAN_REVIEW) or not found.is_verified or not found.is_open:
        raise WrongState
    if ctx.actor.id == found.subject:
        raise SamePerson
    whose.demand(session, found)
    said = words.checked(outcome, param="reason")
    letters.done(session, found, said, ctx, parts=parts)
    moving.move(session, found, State.EXECUTED, ctx, note=None, outcome=said, handled_by=ctx.actor.id)
    event = moving.event_of(RequestCompleted, found)
    moving.end(session, requests.get(session, request_id), State.CLOSED, ctx, event=event, note="answered", parts=parts)


def ask_refusal(
    session: Session, request_id: str, reasons: str, ctx: Context, *, parts: Privacy, approvals: Approvals
) -> str:
    """Ask a second person to refuse a request; nothing is told to its person before (PRV-12)."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.to_handle(session, request_id, ctx)
    if ctx.actor.id == found.approved_by:
        raise SamePerson("Whoever approved a request leaves it to somebody else to ask for its refusal.")
    if found.state in ANSWERED or found.state is State.EXECUTING:
        raise WrongState
    payload = refusal_payload(found, words.checked(reasons, param="reason"))
    approval_id = approvals.ask(session, REFUSAL, payload, ctx, object_id=request_id, subject=found.subject)
    moving.replace_approval(session, found, approval_id, ctx, parts)
    note, who = "put before a second person, who may refuse it", ctx.actor.id
    moving.move(session, found, found.state, ctx, note=note, approval_id=approval_id, handled_by=who)
    return approval_id


def refusal_payload(found: Request, reasons: str) -> dict[str, str]:
    """Return what a second person approves: the very words that the person will read."""
    return {"request": found.id, "right": found.kind.value, "reasons": reasons, "subject": found.subject}


def refuse(
    session: Session,
    request_id: str,
    reasons: str,
    ctx: Context,
    *,
    parts: Privacy,
    approvals: Approvals,
    approval_id: str,
) -> str:
    """Refuse a request by an approval, with the reasons and who can be asked about that."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.locked(session, request_id)
    approvals.take(session, approval_id, REFUSAL, refusal_payload(found, reasons), ctx)
    whose.demand_asked(session, found)
    if found.state in ANSWERED or found.state is State.EXECUTING:
        raise WrongState
    letters.refused(session, found, reasons, ctx, parts=parts)
    moving.move(session, found, found.state, ctx, note=None, outcome=reasons, handled_by=ctx.actor.id)
    event = moving.event_of(RequestRefused, found)
    moving.end(session, requests.get(session, request_id), State.REFUSED, ctx, event=event, note=reasons, parts=parts)
    if found.kind is Kind.ERASURE:
        restrict.release(session, found.subject, restrict.ERASURE, ctx, request_id=found.id)
    if found.kind is Kind.OBJECTION:
        restrict.refuse_objection(session, found, reasons, ctx)
    return "refused"


def _owners(source: PersonalDataSource) -> set[tuple[str, str]]:
    """Return the fields of an owner's stores that their person alone changes."""
    return {(info.name, field) for info in source.stores() if info.category in OWNERS for field in info.fields}


def _handled(session: Session, request_id: str, kind: Kind, ctx: Context) -> Request:
    found = requests.locked(session, request_id)
    if ctx.actor.id == found.subject:
        raise SamePerson
    if found.kind is not kind or not found.is_verified or found.state in ANSWERED:
        raise WrongState
    whose.demand(session, found)
    return found
