"""The tables of identity. Look-ups are keyed hashes.

Of the `_ct` columns, those of accounts and contacts are sealed under the subject's key; secrets of factors, letters and
the addresses of links, which belong to no account yet, under keys of the installation.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import NOBODY, personal, technical, written

metadata = sa.MetaData()
ACCOUNT_CLASS = "account"
"""The class of the key under which names and addresses are sealed."""
PROFILE, CONTACT, CREDENTIAL, SESSION, DEVICE = "account.profile", "account.contact", "credential", "session", "device"

_T = technical("governance")
_OWN = personal("account.id", "account_id", retention=PROFILE, on_erase="keep_to_class_end", origin="observed")
_CREDENTIAL = personal("credential", "account_id", retention=CREDENTIAL, export="never", purposes=("security",))
_ADDRESS = personal("network.address", "account_id", retention=SESSION, origin="observed", purposes=("security",))
_AGENT = personal("device.id", "account_id", retention=SESSION, origin="observed", purposes=("security",))
_REASON = personal(
    "free_text", "id", retention="governance", on_erase="keep_to_class_end", export="never", purposes=("security",)
)
_USE = personal("behaviour", "account_id", retention=SESSION, origin="observed", purposes=("security",))

account = sa.Table(
    "app_account",
    metadata,
    sa.Column(
        "id",
        sa.Text,
        primary_key=True,
        info=personal("account.id", "id", retention=PROFILE, on_erase="keep_to_class_end", origin="observed"),
    ),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("reason", sa.Text, nullable=True, info=_REASON),
    sa.Column("state_before", sa.Text, nullable=True, info=_T),
    sa.Column("reason_before", sa.Text, nullable=True, info=_REASON),
    sa.Column("state_by", sa.Text, nullable=True, info=personal("staff", "state_by", retention="governance")),
    sa.Column(
        "name_ct",
        sa.LargeBinary,
        nullable=True,
        info=personal("name", "id", retention=PROFILE, on_erase="null", export="reveal"),
    ),
    sa.Column("epoch", sa.Integer, nullable=False, info=_T),
    sa.Column("created_at", UtcDateTime, nullable=False, info=_T),
    sa.Column(
        "last_login_at",
        UtcDateTime,
        nullable=True,
        info=personal("behaviour", "id", retention=PROFILE, on_erase="null", origin="observed", purposes=("security",)),
    ),
    sa.CheckConstraint("kind IN ('customer', 'merchant', 'staff', 'probe')", name="app_account_kind"),
    sa.CheckConstraint("state IN ('invited', 'active', 'locked', 'disabled', 'closed')", name="app_account_state"),
    sa.CheckConstraint("(state = 'disabled') = (state_before IS NOT NULL)", name="app_account_state_before"),
    sa.CheckConstraint("state_before <> 'disabled'", name="app_account_before_disabled"),
)
contact = sa.Table(
    "app_contact",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("account_id", sa.Text, nullable=False, index=True, info=_OWN),
    sa.Column("account_kind", sa.Text, nullable=False, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column(
        "value_ct",
        sa.LargeBinary,
        nullable=False,
        info=personal("contact", "account_id", retention=CONTACT, export="reveal"),
    ),
    sa.Column(
        "lookup",
        sa.LargeBinary,
        nullable=False,
        info=personal("contact", "account_id", retention=CONTACT, export="never"),
    ),
    sa.Column("verified_at", UtcDateTime, nullable=True, info=_T),
)
sa.Index(
    "app_contact_one_login",
    contact.c.kind,
    contact.c.account_kind,
    contact.c.lookup,
    unique=True,
)
password = sa.Table(
    "app_password",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True, info=_OWN),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False, info=_T),
    sa.Column("hash", sa.Text, nullable=False, info=_CREDENTIAL),
    sa.Column("pepper_id", sa.Text, nullable=False, info=_T),
    sa.Column("set_at", UtcDateTime, nullable=False, info=_T),
)
factor = sa.Table(
    "app_factor",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("account_id", sa.Text, nullable=False, index=True, info=_OWN),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column(
        "label",
        sa.Text,
        nullable=False,
        info=personal("behaviour", "account_id", retention="governance", purposes=("security",)),
    ),
    sa.Column("secret_ct", sa.LargeBinary, nullable=False, info=_CREDENTIAL),
    sa.Column("last_step", sa.BigInteger, nullable=False, info=_T),
    sa.Column("enrolled_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("removed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("removed_by", sa.Text, nullable=True, info=personal("staff", "removed_by", retention="governance")),
    sa.Column(
        "removed_reason",
        sa.Text,
        nullable=True,
        info=personal("free_text", "account_id", retention="governance", export="never", purposes=("security",)),
    ),
)
_DEVICE = personal("device.id", "account_id", retention=DEVICE, origin="observed", purposes=("security",))
_SEEN = personal("behaviour", "account_id", retention=DEVICE, origin="observed", purposes=("security",))
device = sa.Table(
    "app_device",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_DEVICE),
    sa.Column("account_id", sa.Text, nullable=False, index=True, info=_OWN),
    sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True, info=_CREDENTIAL),
    sa.Column("label", sa.Text, nullable=False, info=_DEVICE),
    sa.Column("first_seen_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("last_seen_at", UtcDateTime, nullable=False, index=True, info=_SEEN),
)
login = sa.Table(
    "app_login",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True, info=_CREDENTIAL),
    sa.Column("account_id", sa.Text, nullable=False, info=_OWN),
    sa.Column("identifier", sa.LargeBinary, nullable=False, info=_CREDENTIAL),
    sa.Column("surface", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True, info=_T),
)
attempts = sa.Table(
    "app_attempts",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True, info=_T),
    sa.Column(
        "key",
        sa.Text,
        primary_key=True,
        info=personal("network.address", NOBODY, retention="operations", export="never", purposes=("security",)),
    ),
    sa.Column("failures", sa.Integer, nullable=False, info=_T),
    sa.Column("first_at", UtcDateTime, nullable=False, index=True, info=_T),
    sa.Column("not_before", UtcDateTime, nullable=True, info=_T),
    sa.Column("locked_until", UtcDateTime, nullable=True, info=_T),
)
session = sa.Table(
    "app_session",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True, info=_CREDENTIAL),
    sa.Column("account_id", sa.Text, nullable=False, index=True, info=_OWN),
    sa.Column("surface", sa.Text, nullable=False, info=_T),
    sa.Column("epoch", sa.Integer, nullable=False, info=_T),
    sa.Column("acr", sa.Text, nullable=False, info=_T),
    sa.Column("factor", sa.Text, nullable=True, info=_USE),
    sa.Column("csrf", sa.Text, nullable=False, info=_CREDENTIAL),
    sa.Column("created_at", UtcDateTime, nullable=False, info=_USE),
    sa.Column("proved_at", UtcDateTime, nullable=False, info=_USE),
    sa.Column("seen_at", UtcDateTime, nullable=False, info=_USE),
    sa.Column("idle_seconds", sa.Integer, nullable=False, info=_T),
    sa.Column("expires_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("device_id", sa.Text, nullable=True, info=_AGENT),
    sa.Column("ip", sa.Text, nullable=True, info=_ADDRESS),
    sa.Column("agent", sa.Text, nullable=True, info=_AGENT),
    sa.Column("ended_at", UtcDateTime, nullable=True, index=True, info=_USE),
    sa.Column("end_reason", sa.Text, nullable=True, info=_USE),
)
role_grant = sa.Table(
    "app_role_grant",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("account_id", sa.Text, nullable=False, index=True, info=_OWN),
    sa.Column("role", sa.Text, nullable=False, info=_T),
    sa.Column("from_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("until_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("given_by", sa.Text, nullable=True, info=personal("staff", "given_by", retention="governance")),
    sa.Column(
        "reason",
        sa.Text,
        nullable=False,
        info=written("given_by", retention="governance", purposes=("security",)),
    ),
    sa.Column("ended_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, info=_T),
    sa.Column("period_from", UtcDateTime, nullable=True, info=_T),
    sa.Column("period_until", UtcDateTime, nullable=True, info=_T),
)
sa.Index(
    "app_role_grant_one_live",
    role_grant.c.account_id,
    role_grant.c.role,
    unique=True,
    sqlite_where=role_grant.c.ended_at.is_(None),
    postgresql_where=role_grant.c.ended_at.is_(None),
)
approval = sa.Table(
    "app_approval",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column(
        "payload_ct",
        sa.LargeBinary,
        nullable=False,
        info=personal("free_text", "subject_id", retention="governance", on_erase="shred", export="never"),
    ),
    sa.Column(
        "subject_id",
        sa.Text,
        nullable=True,
        info=personal("account.id", "subject_id", retention="governance", on_erase="keep_to_class_end"),
    ),
    sa.Column("digest", sa.Text, nullable=False, info=_T),
    sa.Column("object_id", sa.Text, nullable=True, info=_T),
    sa.Column("requested_by", sa.Text, nullable=False, info=personal("staff", "requested_by", retention="governance")),
    sa.Column(
        "reason",
        sa.Text,
        nullable=False,
        info=personal("free_text", "subject_id", retention="governance", on_erase="keep_to_class_end", export="never"),
    ),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("asked_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("expires_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("decided_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("executed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("result", sa.Text, nullable=True, info=_T),
    sa.CheckConstraint(
        "state IN ('requested', 'approved', 'executed', 'failed', 'rejected', 'withdrawn', 'expired')",
        name="app_approval_state",
    ),
)
sa.Index("app_approval_by_state", approval.c.state, approval.c.expires_at)
sa.Index("app_approval_by_requester", approval.c.requested_by, approval.c.id)
sa.Index(
    "app_approval_one_open",
    approval.c.kind,
    approval.c.digest,
    unique=True,
    sqlite_where=approval.c.state == "requested",
    postgresql_where=approval.c.state == "requested",
)
approval_vote = sa.Table(
    "app_approval_vote",
    metadata,
    sa.Column("approval_id", sa.Text, primary_key=True, info=_T),
    sa.Column("account_id", sa.Text, primary_key=True, info=personal("staff", "account_id", retention="governance")),
    sa.Column("verdict", sa.Text, nullable=False, info=_T),
    sa.Column(
        "reason",
        sa.Text,
        nullable=False,
        info=personal("free_text", "account_id", retention="governance", on_erase="keep_to_class_end", export="never"),
    ),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("session_id", sa.Text, nullable=True, info=_T),
)
link = sa.Table(
    "app_link",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True, info=_CREDENTIAL),
    sa.Column("purpose", sa.Text, nullable=False, info=_T),
    sa.Column("account_id", sa.Text, nullable=True, info=_OWN),
    sa.Column(
        "address_ct",
        sa.LargeBinary,
        nullable=True,
        info=personal("contact", NOBODY, retention="operations", export="never"),
    ),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True, info=_T),
    sa.Column("used_at", UtcDateTime, nullable=True, info=_T),
)
message = sa.Table(
    "app_message",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("account_id", sa.Text, nullable=True, info=_OWN),
    sa.Column("channel", sa.Text, nullable=False, info=_T),
    sa.Column("template", sa.Text, nullable=False, info=_T),
    sa.Column(
        "content_ct",
        sa.LargeBinary,
        nullable=False,
        info=personal("communication", "account_id", retention="message.sent", export="reveal"),
    ),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("tries", sa.Integer, nullable=False, info=_T),
    sa.Column("unended", sa.Integer, nullable=False, info=_T),
    sa.Column("created_at", UtcDateTime, nullable=False, index=True, info=_T),
    sa.Column("not_before", UtcDateTime, nullable=False, info=_T),
    sa.Column("expires_at", UtcDateTime, nullable=False, info=_T),
)
sa.Index("app_message_state", message.c.state, message.c.id)
restraint = sa.Table(
    "app_restraint",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, info=_T),
    sa.Column("account_id", sa.Text, nullable=False, info=_OWN),
    sa.Column("action", sa.Text, nullable=False, info=_T),
    sa.Column(
        "detail",
        sa.Text,
        nullable=False,
        info=personal(
            "behaviour",
            "account_id",
            retention="incident",
            on_erase="keep_to_class_end",
            origin="derived",
            export="never",
            purposes=("security",),
        ),
    ),
    sa.Column("is_past", sa.Boolean, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("by", sa.Text, nullable=True, info=personal("staff", "by", retention="governance")),
    sa.Column("undone_at", UtcDateTime, nullable=True, info=_T),
)
