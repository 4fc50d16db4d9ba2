"""Accounts: who they are, how they are found, and what state they are in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import ACCOUNT_CLASS, account, contact, login, role_grant
from app.identity.parts import Identity
from app.kernel import classify, crypto
from app.kernel.access import ActorKind
from app.kernel.context import Context
from app.kernel.db import insert_once
from app.kernel.deceiving import can_be_read, deceives
from app.kernel.errors import Conflict, Invalid, NotFound
from ingest.events.admin import RoleGranted
from ingest.log import outbox
from ingest.log.subject_keys import SubjectErased

ADDRESS_MAX: Final = 254
NAME_MAX: Final = 80
AUDITOR_GRANT_MAX: Final = timedelta(days=90)
AUDITOR_PERIOD_MAX: Final = timedelta(days=366)
# Deliberately plain: one @, no spaces, a dot in the domain. Whether it exists, the mailed link tells.
_ADDRESS: Final = re.compile(r"^[^@\s\"<>()\[\],;:\\]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+$")


class AddressInvalid(Invalid):
    """This is not an e-mail address."""

    code = "address_invalid"


class NameInvalid(Invalid):
    """Write a name of 1 to 80 characters, with a letter in it and without invisible characters."""

    code = "name_invalid"


class DutiesConflict(Conflict):
    """One person may not hold these two roles."""

    code = "duties_conflict"


class TermsInvalid(Invalid):
    """A role cannot be given on these terms."""

    code = "terms_invalid"


class AddressTaken(Conflict):
    """There is an account with this address."""

    code = "address_taken"


class State(StrEnum):
    """States of an account; lock-outs after failures are buckets, not states."""

    INVITED = "invited"
    ACTIVE = "active"
    LOCKED = "locked"
    DISABLED = "disabled"
    CLOSED = "closed"


OWNERS_LOCK: Final = "owner"
"""Why an account is locked that its owner locked: a new password with the second factor ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a role is held: until when, what an auditor may look at, and which approval agreed to it."""

    until: datetime | None = None
    period: tuple[datetime, datetime] | None = None
    approval_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account without its secrets."""

    id: str
    kind: ActorKind
    state: State
    reason: str | None
    state_before: State | None
    """What an account was that is disabled, with its reason; enabling gives it back."""
    reason_before: str | None
    state_by: str | None
    epoch: int
    created_at: datetime
    last_login_at: datetime | None


def normal_address(text: str) -> str:
    """Return the form under which an e-mail address is looked up; raises `AddressInvalid`."""
    address = unicodedata.normalize("NFC", text.strip()).casefold()
    if len(address) > ADDRESS_MAX or not _ADDRESS.match(address) or deceives(address, is_name=True):
        raise AddressInvalid(param="email")
    if classify.holds_card_number(address):
        raise AddressInvalid(param="email")
    return address


def identifier_of(text: str, *, parts: Identity) -> bytes:
    """Return the keyed hash of what was typed as an e-mail address, whether or not anybody has it."""
    normal = unicodedata.normalize("NFC", text.strip()).casefold()[:ADDRESS_MAX]
    return crypto.mac(parts.lookup, b"email|" + normal.encode("utf-8", "surrogatepass"))


def checked_name(text: str) -> str:
    """Return a name as it will be shown; raises `NameInvalid` for one that cannot be read, or not as it is written."""
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not 1 <= len(name) <= NAME_MAX or not can_be_read(name) or deceives(name, is_name=True):
        raise NameInvalid(param="name")
    if classify.holds_card_number(name):
        raise NameInvalid("This looks like a card number; please write your name.", param="name")
    return name


def create(
    session: Session,
    kind: ActorKind,
    address: str,
    name: str | None,
    state: State,
    ctx: Context,
    *,
    parts: Identity,
    verified: bool,
) -> str:
    """Insert an account with its address; a second login of one kind for one address is `AddressTaken`."""
    account_id = ctx.new_id("acc")
    lookup = identifier_of(address, parts=parts)
    if find(session, kind, lookup) is not None:
        raise AddressTaken
    session.execute(
        sa.insert(account).values(
            id=account_id,
            kind=kind.value,
            state=state.value,
            name_ct=_sealed_name(account_id, name, parts) if name else None,
            epoch=1,
            created_at=ctx.at,
        )
    )
    contact_id = ctx.new_id("con")
    value_ct = parts.subject_keys.seal_value(address, account_id, ACCOUNT_CLASS, f"app_contact.value_ct.{contact_id}")
    row = {
        "id": contact_id,
        "account_id": account_id,
        "account_kind": kind.value,
        "kind": "email",
        "value_ct": value_ct,
        "lookup": lookup,
        "verified_at": ctx.at if verified else None,
    }
    if not insert_once(session, contact, row):  # somebody else came first, at the same instant
        raise AddressTaken
    return account_id


def find(session: Session, kind: ActorKind, lookup: bytes) -> Account | None:
    """Return the account of a kind that an address leads to."""
    row = session.execute(
        sa.select(account)
        .join(contact, contact.c.account_id == account.c.id)
        .where(contact.c.kind == "email", contact.c.account_kind == kind.value, contact.c.lookup == lookup)
    ).one_or_none()
    return _of(row) if row is not None else None


def stand_in(session: Session, kind: ActorKind) -> Account | None:
    """Return some account, for work that is tried and taken back so that an unknown address costs what a known does."""
    row = session.execute(
        sa.select(account).where(account.c.kind == kind.value, account.c.state == State.ACTIVE.value).limit(1)
    ).one_or_none()
    return _of(row) if row is not None else None


def get(session: Session, account_id: str) -> Account:
    """Return an account; raises `NotFound`."""
    row = session.execute(sa.select(account).where(account.c.id == account_id)).one_or_none()
    if row is None:
        raise NotFound
    return _of(row)


def exists(session: Session, account_id: str) -> bool:
    """Tell whether there is an account of this id, open or not."""
    return session.execute(sa.select(account.c.id).where(account.c.id == account_id)).first() is not None


def staff_among(session: Session, account_ids: Collection[str]) -> frozenset[str]:
    """Return those of some ids that are accounts of staff."""
    of = account.c
    query = sa.select(of.id).where(of.id.in_(account_ids), of.kind == ActorKind.STAFF.value)
    return frozenset(session.execute(query).scalars())


def remember(session: Session, account_id: str, state: State, reason: str | None) -> None:
    """Let an account that is disabled be given back as something else than it was."""
    is_off = sa.and_(account.c.id == account_id, account.c.state == State.DISABLED.value)
    session.execute(sa.update(account).where(is_off).values(state_before=state.value, reason_before=reason))


def held(session: Session, account_id: str) -> Account:
    """Return an account that nobody else changes until this transaction ends; raises `NotFound`.

    Whoever moves an account to a state by what it is reads it so, before anything else that belongs to the account:
    else two at once would each decide by what the other one ends.
    """
    row = session.execute(sa.select(account).where(account.c.id == account_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound
    return _of(row)


def name_of(session: Session, account_id: str, *, parts: Identity) -> str | None:
    """Return the name of a person, or None where there is none or it was erased."""
    sealed = session.execute(sa.select(account.c.name_ct).where(account.c.id == account_id)).scalar_one_or_none()
    if sealed is None:
        return None
    try:
        return parts.subject_keys.open_value(sealed, account_id, ACCOUNT_CLASS, f"app_account.name_ct.{account_id}")
    except SubjectErased:
        return None


def name_of_staff(session: Session, account_id: str, *, parts: Identity) -> str | None:
    """Return the name of a member of staff, and None for everybody and everything else."""
    try:
        is_staff = get(session, account_id).kind is ActorKind.STAFF
    except NotFound:
        return None
    return name_of(session, account_id, parts=parts) if is_staff else None


def names_and_addresses(
    session: Session, account_ids: Sequence[str], *, parts: Identity
) -> Mapping[str, tuple[str | None, str | None]]:
    """Return the names of people and their masked addresses as pages show them; None for what is not or was erased."""
    query = (
        sa.select(account.c.id, account.c.name_ct, contact.c.id.label("contact_id"), contact.c.value_ct)
        .outerjoin(contact, (contact.c.account_id == account.c.id) & (contact.c.kind == "email"))
        .where(account.c.id.in_(account_ids))
    )

    def opened(sealed: bytes | None, account_id: str, place: str) -> str | None:
        if sealed is None:
            return None
        try:
            return parts.subject_keys.open_value(sealed, account_id, ACCOUNT_CLASS, place)
        except SubjectErased:
            return None

    found = {}
    for row in session.execute(query):
        name = opened(row.name_ct, row.id, f"app_account.name_ct.{row.id}")
        address = opened(row.value_ct, row.id, f"app_contact.value_ct.{row.contact_id}")
        found[row.id] = (name, masked(address) if address else None)
    return found


def address_of(session: Session, account_id: str, *, parts: Identity) -> str:
    """Return the e-mail address of a person in clear; only to write to them or to check their own password."""
    row = session.execute(
        sa.select(contact.c.id, contact.c.value_ct).where(contact.c.account_id == account_id, contact.c.kind == "email")
    ).one_or_none()
    if row is None:
        raise NotFound
    return parts.subject_keys.open_value(row.value_ct, account_id, ACCOUNT_CLASS, f"app_contact.value_ct.{row.id}")


def masked(address: str) -> str:
    """Return an address as pages show it: first character, bullets, domain."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}•••@{domain}"


def set_state(session: Session, account_id: str, state: State, ctx: Context, *, reason: str | None) -> None:
    """Move an account to a state; every session of an older epoch is dead at once, and every sign-in half done.

    One that is disabled remembers what it was.
    """
    is_off = state is State.DISABLED
    before = {
        "state_before": account.c.state if is_off else None,
        "reason_before": account.c.reason if is_off else None,
    }
    session.execute(
        sa.update(account)
        .where(account.c.id == account_id)
        .values(state=state.value, reason=reason, state_by=ctx.actor.id, **before)
    )
    raise_epoch(session, account_id)


def raise_epoch(session: Session, account_id: str) -> None:
    """Make every session of an account invalid in all processes at once (SES-7), and every sign-in half done."""
    session.execute(sa.update(account).where(account.c.id == account_id).values(epoch=account.c.epoch + 1))
    session.execute(
        sa.update(login).where(login.c.account_id == account_id, login.c.state == "password_ok").values(state="refused")
    )


def is_of_epoch(session: Session, found: Account) -> bool:
    """Tell whether an account is still of the epoch it was read in; it stays so until this transaction ends."""
    query = sa.select(account.c.epoch).where(account.c.id == found.id).with_for_update()
    return bool(session.execute(query).scalar_one() == found.epoch)


def grant(
    session: Session, account_id: str, role: str, reason: str, ctx: Context, *, terms: Terms | None = None
) -> None:
    """Give a role; an excluded pair is a `DutiesConflict`, a span that is not allowed `TermsInvalid`."""
    terms = terms or Terms()
    check_terms(role, terms, ctx.at)
    for other in roles_of(session, account_id, ctx.at):
        if frozenset({role, other}) in roles.EXCLUDED:
            raise DutiesConflict
    period_from, period_until = terms.period or (None, None)
    session.execute(
        sa.insert(role_grant).values(
            id=ctx.new_id("rol"),
            account_id=account_id,
            role=role,
            from_at=ctx.at,
            until_at=terms.until,
            given_by=ctx.actor.id,
            reason=reason,
            approval_id=terms.approval_id,
            period_from=period_from,
            period_until=period_until,
        )
    )
    if role != roles.CUSTOMER:
        event = RoleGranted(target=account_id, target_roles=(role,), about=(account_id,))
        outbox.record(session, event, ctx)


def check_terms(role: str, terms: Terms, at: datetime) -> None:
    """Raise `TermsInvalid` where a role cannot be given so: an auditor's ends, and has a period locked to it."""
    if terms.until is not None and terms.until <= at:
        raise TermsInvalid("The end lies in the past.", param="until")
    if role != roles.AUDITOR:
        if terms.period is not None:
            raise TermsInvalid("Only an auditor has a period to look at.", param="period_from")
        return
    if terms.until is None or terms.until - at > AUDITOR_GRANT_MAX:
        raise TermsInvalid(f"An auditor holds the role for at most {AUDITOR_GRANT_MAX.days} days.", param="until")
    if terms.period is None:
        raise TermsInvalid("Say which period the auditor may look at.", param="period_from")
    begin, end = terms.period
    if not timedelta(0) < end - begin <= AUDITOR_PERIOD_MAX:
        raise TermsInvalid(
            f"The period ends after it begins and spans at most {AUDITOR_PERIOD_MAX.days} days.", param="period_until"
        )


def auditor_period(session: Session, account_id: str, at: datetime) -> tuple[datetime, datetime] | None:
    """Return the period locked to an auditor at an instant, from and until (exclusive); None for anybody else."""
    query = sa.select(role_grant.c.period_from, role_grant.c.period_until).where(
        role_grant.c.account_id == account_id, role_grant.c.role == roles.AUDITOR, is_held(at)
    )
    row = session.execute(query).one_or_none()
    return (row.period_from, row.period_until) if row is not None else None


def roles_of(session: Session, account_id: str, at: datetime) -> frozenset[str]:
    """Return the roles an account holds at an instant."""
    return roles_by_account(session, (account_id,), at)[account_id]


def roles_by_account(session: Session, account_ids: Sequence[str], at: datetime) -> Mapping[str, frozenset[str]]:
    """Return the roles that each of some accounts holds at an instant."""
    query = sa.select(role_grant.c.account_id, role_grant.c.role)
    found: dict[str, set[str]] = {account_id: set() for account_id in account_ids}
    for row in session.execute(query.where(role_grant.c.account_id.in_(account_ids), is_held(at))):
        found[row.account_id].add(row.role)
    return {account_id: frozenset(those) for account_id, those in found.items()}


def is_held(at: datetime) -> sa.ColumnElement[bool]:
    """Return the condition under which a grant counts at an instant: begun, not ended, not run out."""
    return sa.and_(
        role_grant.c.from_at <= at,
        role_grant.c.ended_at.is_(None),
        sa.or_(role_grant.c.until_at.is_(None), role_grant.c.until_at > at),
    )


def active_with_roles(session: Session, wanted: Collection[str], at: datetime) -> Mapping[str, frozenset[str]]:
    """Return the active accounts that hold one of some roles at an instant, each with those of them it holds."""
    found: dict[str, set[str]] = {}
    query = (
        sa.select(role_grant.c.account_id, role_grant.c.role)
        .join(account, account.c.id == role_grant.c.account_id)
        .where(role_grant.c.role.in_(wanted), is_held(at), account.c.state == State.ACTIVE.value)
        .order_by(role_grant.c.account_id)
    )
    for row in session.execute(query):
        found.setdefault(row.account_id, set()).add(row.role)
    return {account_id: frozenset(those) for account_id, those in found.items()}


def count_active(session: Session, role: str, at: datetime) -> int:
    """Count the active accounts that hold a role at an instant."""
    return session.execute(
        sa.select(sa.func.count(sa.distinct(account.c.id)))
        .join(role_grant, role_grant.c.account_id == account.c.id)
        .where(account.c.state == State.ACTIVE.value, role_grant.c.role == role, is_held(at))
    ).scalar_one()


def any_held(session: Session, kind: ActorKind | None = None) -> bool:
    """Tell whether anybody, or anybody of a kind, has, or had, an account here."""
    query = sa.select(account.c.id).limit(1)
    if kind is not None:
        query = query.where(account.c.kind == kind.value)
    return session.execute(query).first() is not None


def page_of(session: Session, kind: ActorKind, *, after: str | None, limit: int) -> Sequence[Account]:
    """Return accounts of a kind, newest first, by key."""
    query = sa.select(account).where(account.c.kind == kind.value)
    if after is not None:
        query = query.where(account.c.id < after)
    return [_of(row) for row in session.execute(query.order_by(account.c.id.desc()).limit(limit))]


def _sealed_name(account_id: str, name: str, parts: Identity) -> bytes:
    return parts.subject_keys.seal_value(name, account_id, ACCOUNT_CLASS, f"app_account.name_ct.{account_id}")


def _of(row: Any) -> Account:  # a row of `account`
    return Account(
        id=row.id,
        kind=ActorKind(row.kind),
        state=State(row.state),
        reason=row.reason,
        state_before=State(row.state_before) if row.state_before else None,
        reason_before=row.reason_before,
        state_by=row.state_by,
        epoch=row.epoch,
        created_at=row.created_at,
        last_login_at=row.last_login_at,
    )
