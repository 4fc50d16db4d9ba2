"""The tables of requests, packages, consents, restrictions and erasures; marked as those of any owner."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import personal, technical

metadata = sa.MetaData()
REQUEST_CLASS: Final = "rights.request"
PACKAGE_CLASS: Final = "rights.package"
CONSENT_CLASS: Final = "consent"
_T = technical(REQUEST_CLASS)
_C = technical(CONSENT_CLASS)
_OF_REQUEST = "request_id>compliance_request.subject"


def _own(
    category: str,
    subject: str = "subject",
    *,
    export: str = "as_is",
    class_: str = REQUEST_CLASS,
    on_erase: str = "keep_to_class_end",
    origin: str = "provided",
) -> dict[str, object]:
    return personal(
        category,
        subject,
        retention=class_,
        on_erase=on_erase,
        export=export,
        origin=origin,
        purposes=("rights",),
    )


def _words(category: str = "free_text", subject: str = "subject") -> dict[str, object]:
    """Mark what colleagues wrote about a person: that something was decided is kept, their words go with the person."""
    return _own(category, subject, on_erase="null", origin="observed")


def _staff(column: str) -> dict[str, object]:
    return personal("staff", column, retention=REQUEST_CLASS, export="never", purposes=("rights",))


request = sa.Table(
    "compliance_request",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_own("behaviour")),
    sa.Column("subject", sa.Text, nullable=False, index=True, info=_own("account.id")),
    sa.Column("channel", sa.Text, nullable=False, info=_T),
    sa.Column("received_on", sa.Text, nullable=False, info=_own("behaviour")),
    sa.Column("received_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("rules", sa.Integer, nullable=False, info=_T),
    sa.Column("due", sa.Text, nullable=False, info=_own("behaviour")),
    sa.Column("internal_due", sa.Text, nullable=False, info=_T),
    sa.Column("due_at", UtcDateTime, nullable=False, index=True, info=_T),
    sa.Column("paused_days", sa.Integer, nullable=False, info=_T),
    sa.Column("asked_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("state", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("is_verified", sa.Boolean, nullable=False, info=_T),
    sa.Column("is_extended", sa.Boolean, nullable=False, info=_T),
    sa.Column("is_incomplete", sa.Boolean, nullable=False, info=_T),
    sa.Column("linked_to", sa.Text, nullable=True, info=_T),
    sa.Column("purpose", sa.Text, nullable=True, info=_own("behaviour")),
    sa.Column(
        "detail_ct",
        sa.LargeBinary,
        nullable=True,
        info=personal(
            "free_text",
            "subject",
            retention=REQUEST_CLASS,
            on_erase="keep_to_class_end",
            export="reveal",
            purposes=("rights",),
        ),
    ),
    sa.Column("outcome", sa.Text, nullable=True, info=_words("communication")),
    sa.Column("handled_by", sa.Text, nullable=True, info=_staff("handled_by")),
    sa.Column("approved_by", sa.Text, nullable=True, info=_staff("approved_by")),
    sa.Column("approval_id", sa.Text, nullable=True, info=_T),
    sa.Column("stop_hash", sa.LargeBinary, nullable=True, info=_own("credential", export="never")),
    sa.Column("certificate_hash", sa.LargeBinary, nullable=True, info=_own("credential", export="never")),
    sa.Column("not_before", UtcDateTime, nullable=True, info=_T),
    sa.Column("claimed_until", UtcDateTime, nullable=True, info=_T),
    sa.Column("plan_root", sa.Text, nullable=True, info=_T),
    sa.Column("extended_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("answered_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("closed_at", UtcDateTime, nullable=True, info=_T),
    sa.CheckConstraint("approved_by IS NULL OR approved_by <> handled_by", name="compliance_request_two_people"),
)
request_step = sa.Table(
    "compliance_request_step",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True, info=_T),
    sa.Column("request_id", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_own("behaviour", _OF_REQUEST)),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("role", sa.Text, nullable=False, info=_T),
    sa.Column("actor", sa.Text, nullable=True, info=_staff("actor")),
    sa.Column("event_id", sa.Text, nullable=True, info=_T),
    sa.Column("note", sa.Text, nullable=True, info=_words(subject=_OF_REQUEST)),
)
request_letter = sa.Table(
    "compliance_request_letter",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True, info=_T),
    sa.Column("request_id", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("template", sa.Text, nullable=False, info=_T),
    sa.Column("title", sa.Text, nullable=False, info=_own("communication", _OF_REQUEST)),
    sa.Column("sent_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("message_id", sa.Text, nullable=True, info=_T),
    sa.Column("fate", sa.Text, nullable=True, info=_T),
)
request_trouble = sa.Table(
    "compliance_request_trouble",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True, info=_T),
    sa.Column("what", sa.Text, nullable=False, info=_T),
    sa.Column("code", sa.Text, nullable=False, info=_T),
    sa.Column("first_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("last_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("tries", sa.Integer, nullable=False, info=_T),
)
request_item = sa.Table(
    "compliance_request_item",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True, info=_T),
    sa.Column("store", sa.Text, primary_key=True, info=_T),
    sa.Column("category", sa.Text, primary_key=True, info=_T),
    sa.Column("searched", sa.Boolean, nullable=False, info=_T),
    sa.Column("found", sa.BigInteger, nullable=False, info=_own("behaviour", _OF_REQUEST)),
    sa.Column("held", sa.BigInteger, nullable=False, info=_T),
    sa.Column("skipped", sa.Text, nullable=True, info=_T),
    sa.Column("action", sa.Text, nullable=True, info=_T),
    sa.Column("retention", sa.Text, nullable=True, info=_T),
    sa.Column("stays_until", sa.Text, nullable=True, info=_T),
    sa.Column("law", sa.Text, nullable=True, info=_T),
    sa.Column("noted_at", UtcDateTime, nullable=True, info=_T),
)
package = sa.Table(
    "compliance_package",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True, info=technical(PACKAGE_CLASS)),
    sa.Column("key_ct", sa.LargeBinary, nullable=True, info=technical(PACKAGE_CLASS)),
    sa.Column("sha256", sa.Text, nullable=False, info=technical(PACKAGE_CLASS)),
    sa.Column("size", sa.BigInteger, nullable=False, info=technical(PACKAGE_CLASS)),
    sa.Column("downloads", sa.Integer, nullable=False, info=technical(PACKAGE_CLASS)),
    sa.Column("last_at", UtcDateTime, nullable=True, info=technical(PACKAGE_CLASS)),
    sa.Column("ready_at", UtcDateTime, nullable=False, info=technical(PACKAGE_CLASS)),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True, info=technical(PACKAGE_CLASS)),
    sa.Column("deleted_at", UtcDateTime, nullable=True, info=technical(PACKAGE_CLASS)),
    sa.CheckConstraint("downloads <= 5", name="compliance_package_downloads"),
)
redaction = sa.Table(
    "compliance_redaction",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True, info=_T),
    sa.Column("rule", sa.Text, primary_key=True, info=_T),
    sa.Column("reason", sa.Text, nullable=False, info=_T),
    sa.Column("count", sa.BigInteger, nullable=False, info=_T),
)
recipient_notice = sa.Table(
    "compliance_recipient_notice",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("request_id", sa.Text, nullable=False, info=_T),
    sa.Column("processor_id", sa.Text, nullable=False, info=_T),
    sa.Column("turn", sa.Integer, nullable=False, info=_T),
    sa.Column("name", sa.Text, nullable=False, info=_T),
    sa.Column("categories", sa.JSON, nullable=False, info=_T),
    sa.Column("made_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("due", sa.Text, nullable=False, info=_T),
    sa.Column("due_at", UtcDateTime, nullable=False, index=True, info=_T),
    sa.Column("answer", sa.Text, nullable=True, info=_T),
    sa.Column("answered_on", sa.Text, nullable=True, info=_T),
    sa.Column("answered_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("answered_by", sa.Text, nullable=True, info=_staff("answered_by")),
    sa.Column("reference", sa.Text, nullable=True, info=_own("communication", _OF_REQUEST, origin="observed")),
    sa.Column("says", sa.Text, nullable=True, info=_words(subject=_OF_REQUEST)),
    sa.CheckConstraint("answer IN ('receipt', 'impossible')", name="compliance_recipient_notice_answer"),
    sa.CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="compliance_recipient_notice_answered"),
    sa.CheckConstraint(
        "answer IS NULL OR answer <> 'receipt' OR reference IS NOT NULL", name="compliance_recipient_notice_receipt"
    ),
    sa.UniqueConstraint("request_id", "processor_id", "turn", name="compliance_recipient_notice_once"),
)
consent_text = sa.Table(
    "compliance_consent_text",
    metadata,
    sa.Column("purpose", sa.Text, primary_key=True, info=_C),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False, info=_C),
    sa.Column("language", sa.Text, primary_key=True, info=_C),
    sa.Column("text", sa.Text, nullable=False, info=_C),
    sa.Column("sha256", sa.Text, nullable=False, info=_C),
    sa.Column("from_at", UtcDateTime, nullable=False, info=_C),
    info={"append_only": True},
)
consent_receipt = sa.Table(
    "compliance_consent_receipt",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True, info=_C),
    sa.Column("subject", sa.Text, nullable=False, info=_own("account.id", class_=CONSENT_CLASS)),
    sa.Column("purpose", sa.Text, nullable=False, info=_own("behaviour", class_=CONSENT_CLASS)),
    sa.Column("version", sa.Integer, nullable=False, info=_C),
    sa.Column("language", sa.Text, nullable=False, info=_C),
    sa.Column("sha256", sa.Text, nullable=False, info=_C),
    sa.Column("action", sa.Text, nullable=False, info=_own("behaviour", class_=CONSENT_CLASS)),
    sa.Column("channel", sa.Text, nullable=False, info=_C),
    sa.Column("at", UtcDateTime, nullable=False, info=_C),
    sa.Column("event_id", sa.Text, nullable=False, info=_C),
    sa.CheckConstraint("action IN ('given', 'withdrawn')", name="compliance_consent_action"),
    info={"append_only": True},
)
sa.Index("compliance_consent_receipt_of", consent_receipt.c.subject, consent_receipt.c.purpose, consent_receipt.c.n)
consent_same = sa.Table(
    "compliance_consent_same",
    metadata,
    sa.Column("purpose", sa.Text, primary_key=True, info=_C),
    sa.Column("before", sa.Text, primary_key=True, info=_C),
    sa.Column("now", sa.Text, primary_key=True, info=_C),
    sa.Column("approval_id", sa.Text, nullable=False, info=_C),
    sa.Column("at", UtcDateTime, nullable=False, info=_C),
    info={"append_only": True},
)
restriction = sa.Table(
    "compliance_restriction",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("subject", sa.Text, nullable=False, index=True, info=_own("account.id")),
    sa.Column("request_id", sa.Text, nullable=True, info=_T),
    sa.Column("ground", sa.Text, nullable=False, info=_own("behaviour")),
    sa.Column("from_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("lifted_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("notified_at", UtcDateTime, nullable=True, info=_T),
)
objection = sa.Table(
    "compliance_objection",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("subject", sa.Text, nullable=False, index=True, info=_own("account.id")),
    sa.Column("request_id", sa.Text, nullable=True, info=_T),
    sa.Column("purpose", sa.Text, nullable=False, info=_own("behaviour")),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("decision", sa.Text, nullable=True, info=_own("behaviour")),
    sa.Column("grounds", sa.Text, nullable=True, info=_words()),
    sa.Column("decided_at", UtcDateTime, nullable=True, info=_T),
    sa.CheckConstraint("decision IN ('upheld', 'compelling_grounds')", name="compliance_objection_decision"),
)
erasure_target = sa.Table(
    "compliance_erasure_target",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True, info=_T),
    sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False, info=_T),
    sa.Column("source", sa.Text, nullable=False, info=_T),
    sa.Column("store", sa.Text, nullable=False, info=_T),
    sa.Column("ids", sa.JSON, nullable=False, info=_T),
    sa.Column("category", sa.Text, nullable=False, info=_T),
    sa.Column("action", sa.Text, nullable=False, info=_T),
    sa.Column("retention", sa.Text, nullable=False, info=_T),
    sa.Column("fields", sa.JSON, nullable=False, info=_T),
    sa.Column("key_class", sa.Text, nullable=True, info=_T),
    sa.Column("rows", sa.BigInteger, nullable=False, info=_T),
    sa.Column("done", sa.BigInteger, nullable=True, info=_T),
    sa.Column("done_at", UtcDateTime, nullable=True, info=_T),
)
erasure_certificate = sa.Table(
    "compliance_erasure_certificate",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True, info=_T),
    sa.Column("body", sa.Text, nullable=False, info=_T),
    sa.Column("sha256", sa.Text, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("irrecoverable_from", UtcDateTime, nullable=False, info=_T),
    sa.Column("event_id", sa.Text, nullable=False, info=_T),
)
