"""What identity holds about people, and how its sealed columns are read and written."""

from __future__ import annotations

import json
from collections.abc import Collection, Set
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, letters, models, notices, sessions
from app.identity.accounts import State
from app.identity.models import ACCOUNT_CLASS
from app.identity.parts import Identity
from app.kernel import crypto
from app.kernel.access import ActorKind
from app.kernel.context import Context
from app.kernel.crypto import Secret, Unreadable
from app.kernel.errors import Gone, NotFound
from compliance.contracts.marked.naming import Row
from compliance.contracts.marked.owned import Ended, Reader, Writer
from compliance.contracts.personal import Change, FieldUnknown, Seed, ids_of
from compliance.contracts.tables import MarkedTables

HASHING: Final = "rectification"
NAME: Final = ("app_account", "name_ct")
"""All that is corrected here for somebody: their address they change themselves, and a letter says what it said."""


class _Tables(MarkedTables):
    """The tables of identity: a name that is corrected is a name as any other, and addresses lead to their person."""

    def seeds(self, session: Session, seeds: Set[Seed]) -> Set[Seed]:
        """Return ids, and every address that an account has or had, as long as its key opens it."""
        of = models.contact
        rows = session.execute(sa.select(of).where(of.c.account_id.in_(ids_of(seeds)))).mappings()
        opened = (self._owned.read["app_contact.value_ct"](row, str(row["account_id"])) for row in rows)
        return super().seeds(session, seeds) | {Seed("contact", str(value)) for value in opened if value}

    def rectify(self, session: Session, store: str, id: str, field: str, value: str, ctx: Context) -> Change:
        if (store, field) != NAME:
            raise FieldUnknown(param="field")
        return super().rectify(session, store, id, field, accounts.checked_name(value), ctx)


def source(parts: Identity) -> MarkedTables:
    """Return the tables of identity as a source of personal data."""
    keys = parts.subject_keys

    def opened(column: str) -> Reader:
        def read(row: Row, subject: str) -> str | None:
            place = f"{column}.{row['id']}"
            owner = str(row.get("account_id") or row["id"])
            try:
                return keys.open_value(row[column.rpartition(".")[2]], owner, ACCOUNT_CLASS, place)
            except Gone:
                return None

        return read

    def sealed(column: str) -> Writer:
        def write(row: Row, text: str) -> bytes:
            owner = str(row.get("account_id") or row["id"])
            return keys.seal_value(text, owner, ACCOUNT_CLASS, f"{column}.{row['id']}")

        return write

    def letter(row: Row, subject: str) -> str | None:
        """Return what a letter says while it waits; once handed over its kind alone is kept."""
        if not row["content_ct"]:
            return f"A letter of the kind {row['template']}; its text went out and is not kept."
        try:
            content = json.loads(crypto.open_text(parts.messages, row["content_ct"], row["id"]))
        except Unreadable:
            return None
        return f"{content['subject']}\n{content['text']}"

    def write_letter(row: Row, text: str) -> bytes:
        content = json.dumps({"to": "", "subject": text, "text": ""})
        return crypto.seal_text(parts.messages, content, str(row["id"]))

    return _Tables(
        "identity",
        models.metadata,
        hashing=hashing(parts),
        read={
            "app_account.name_ct": opened("app_account.name_ct"),
            "app_contact.value_ct": opened("app_contact.value_ct"),
            "app_message.content_ct": letter,
        },
        write={
            "app_account.name_ct": sealed("app_account.name_ct"),
            "app_contact.value_ct": sealed("app_contact.value_ct"),
            "app_message.content_ct": write_letter,
        },
        # What lies in backups goes with the key.
        key_class={
            "app_account.name_ct": ACCOUNT_CLASS,
            "app_approval.payload_ct": ACCOUNT_CLASS,
            "app_contact.value_ct": ACCOUNT_CLASS,
        },
        ended={
            "app_session": Ended(column="ended_at", retention="session"),
            "app_device": Ended(column="last_seen_at", retention="device"),
            "app_message": Ended(
                column="created_at", retention="message.sent", where=models.message.c.state != "queued"
            ),
            # The secret of a factor goes as it is removed; who removed it and why stays.
            "app_factor": Ended(column="removed_at", retention="governance"),
            "app_role_grant": Ended(column="ended_at", retention="governance"),
            "app_approval": Ended(
                column=sa.func.coalesce(
                    models.approval.c.executed_at, models.approval.c.decided_at, models.approval.c.expires_at
                ),
                retention="governance",
                children={"app_approval_vote": "approval_id"},
                where=models.approval.c.state.not_in(("requested", "approved")),
            ),
            "app_restraint": Ended(
                column=sa.func.coalesce(models.restraint.c.undone_at, models.restraint.c.at),
                retention="incident",
                where=models.restraint.c.undone_at.is_not(None) | models.restraint.c.is_past,
            ),
        },
        examples={
            "app_account.kind": "probe",
            "app_account.state": "closed",
            "app_account.state_before": None,
            "app_approval.state": "executed",
            "app_message.state": "delivered",
        },
    )


def hashing(parts: Identity) -> Secret:
    """Return the key under which corrected values are hashed."""
    return crypto.derive(parts.lookup, HASHING)


class People:
    """What privacy asks of identity: whom a request is about, how they are reached, how their access ends."""

    def __init__(self, parts: Identity) -> None:
        self._parts = parts

    def exists(self, session: Session, subject: str) -> bool:
        try:
            return accounts.get(session, subject).kind is ActorKind.CUSTOMER
        except NotFound:
            return False

    def last_change(self, session: Session, subject: str) -> datetime | None:
        return last_change(session, subject)

    def tell(self, session: Session, subject: str, title: str, text: str, template: str, ctx: Context) -> str | None:
        kept = letters.KEPT_BY_LAW
        return notices.tell(session, subject, title, text, template, ctx, parts=self._parts, kept=kept)

    def fates(self, session: Session, messages: Collection[str], at: datetime) -> dict[str, str]:
        return letters.fates(session, messages, at)

    def roles(self, session: Session, account: str, at: datetime) -> frozenset[str]:
        return accounts.roles_of(session, account, at)

    def shut_out(self, session: Session, subject: str, ctx: Context) -> None:
        sessions.end_all(session, subject, "revoked", ctx)
        accounts.set_state(session, subject, State.CLOSED, ctx, reason="erased")


def last_change(session: Session, account_id: str) -> datetime | None:
    """Return when a password, a factor or an address of an account last changed; its first ones are no change."""
    account = sa.select(models.account.c.created_at).where(models.account.c.id == account_id)
    began = session.execute(account).scalar_one_or_none()
    if began is None:
        return None
    changes = []
    for column in (
        models.password.c.set_at,
        models.factor.c.enrolled_at,
        models.factor.c.removed_at,
        models.contact.c.verified_at,
    ):
        newest = sa.select(sa.func.max(column)).where(column.table.c.account_id == account_id)
        changes.append(session.execute(newest).scalar_one_or_none())
    return max((at for at in changes if at is not None and at > began), default=None)
