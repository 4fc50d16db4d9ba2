"""A person's record, for staff who say why they look: found, masked by role, revealed field by field with a reason.

Each of these leaves its event before the answer, and the person sees it among who looked at their data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.identity import accounts
from app.identity.accounts import State
from app.identity.parts import Identity
from app.kernel import crypto, words
from app.kernel.access import PERSON_FIELD_REVEAL, PERSON_FIELD_SEE, PERSON_RECORD_FIND, ActorKind
from app.kernel.context import Context
from app.kernel.errors import Invalid, NotFound
from ingest.events.access import DataRead, FieldRevealed, SearchExecuted
from ingest.log import outbox
from ingest.log.subject_keys import SubjectErased

VIEW: Final = "record"
REASON_MAX: Final = 200
PURPOSES: Final[Mapping[str, str]] = {
    "request": "Answer what somebody asked of their data",
    "incident": "Look into an incident",
    "support": "Help a customer who asked for help",
    "control": "Examine a control",
}
FIELDS: Final = {"name": "Name", "email": "E-mail address"}


class PurposeMissing(Invalid):
    """Say what you need the record for."""

    code = "purpose_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What staff see of a customer: `fields` are masked, or None for who may not see them at all."""

    account_id: str
    state: State
    created_at: datetime
    last_login_at: datetime | None
    fields: Mapping[str, str | None]
    may_reveal: bool


def find(session: Session, typed: str, purpose: str, ctx: Context, *, parts: Identity) -> str:
    """Return the account that has an id or a whole e-mail address, or nothing where nobody has.

    The search is recorded whatever it finds, so an error that would take its event back is none of its answers.
    """
    ctx.actor.require(PERSON_RECORD_FIND)
    ctx = for_purpose(purpose, ctx)
    asked = typed.strip()
    lookup = accounts.identifier_of(asked, parts=parts)
    try:
        found = accounts.get(session, asked)
    except NotFound:
        by_address = accounts.find(session, ActorKind.CUSTOMER, lookup)
        hits = 0 if by_address is None else 1
    else:
        by_address, hits = (found, 1) if found.kind is ActorKind.CUSTOMER else (None, 0)
    hashed = crypto.mac(parts.lookup, b"search|" + lookup).hex()
    outbox.record(session, SearchExecuted(view=VIEW, query_hash=hashed, hits=hits), ctx)
    return by_address.id if by_address is not None else ""


def read(session: Session, account_id: str, purpose: str, ctx: Context, *, parts: Identity) -> Record:
    """Return a customer's record for a purpose; raises `PurposeMissing` or `NotFound`."""
    ctx.actor.require(PERSON_RECORD_FIND)
    ctx = for_purpose(purpose, ctx)
    found = accounts.get(session, account_id)
    if found.kind is not ActorKind.CUSTOMER:
        raise NotFound(object_id=account_id)
    outbox.record(session, DataRead(view=VIEW, count=1, about=(account_id,)), ctx)
    sees = ctx.actor.may(PERSON_FIELD_SEE)
    return Record(
        account_id=account_id,
        state=found.state,
        created_at=found.created_at,
        last_login_at=found.last_login_at,
        fields={
            name: _masked(name, value(session, account_id, parts)) if sees else None for name, value in _VALUES.items()
        },
        may_reveal=ctx.actor.may(PERSON_FIELD_REVEAL) and found.state is not State.CLOSED,
    )


def reveal(
    session: Session, account_id: str, field: str, purpose: str, reason: str, ctx: Context, *, parts: Identity
) -> str:
    """Return one field in clear, with a reason that is kept beside it; raises `NotFound` for a field that is none."""
    ctx.actor.require(PERSON_FIELD_REVEAL)
    ctx = for_purpose(purpose, ctx)
    found = accounts.get(session, account_id)
    if field not in _VALUES or found.kind is not ActorKind.CUSTOMER:
        raise NotFound(object_id=account_id)
    why = words.reason(reason, longest=REASON_MAX)
    event = FieldRevealed(view=VIEW, field=field, reason=purpose, why=why, about=(account_id,))
    outbox.record(session, event, ctx)
    shown = _VALUES[field](session, account_id, parts)
    if shown is None:
        raise NotFound(object_id=account_id)
    return shown


def for_purpose(purpose: str, ctx: Context) -> Context:
    """Return the context that says what is read for; raises `PurposeMissing` for a purpose that is none."""
    if purpose not in PURPOSES:
        raise PurposeMissing(param="for")
    return replace(ctx, purpose=PURPOSES[purpose])


def _name(session: Session, account_id: str, parts: Identity) -> str | None:
    return accounts.name_of(session, account_id, parts=parts)


def _email(session: Session, account_id: str, parts: Identity) -> str | None:
    try:
        return accounts.address_of(session, account_id, parts=parts)
    except (NotFound, SubjectErased):
        return None


def _masked(field: str, value: str | None) -> str | None:
    if value is None:
        return None
    if field == "email":
        return accounts.masked(value)
    return " ".join(f"{word[0]}…" for word in value.split())


_VALUES: Final[Mapping[str, Callable[[Session, str, Identity], str | None]]] = {"name": _name, "email": _email}
