"""Our own tables as a source of personal data: a request is in the copy that answers it."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from app.kernel.crypto import Secret
from app.kernel.errors import Gone
from compliance.contracts.marked.naming import Row
from compliance.contracts.marked.owned import Ended, replaced_at
from compliance.contracts.tables import MarkedTables
from compliance.privacy import consent, models
from compliance.privacy.gate import COMPELLING
from compliance.privacy.models import CONSENT_CLASS, REQUEST_CLASS
from compliance.retention import models as retention
from ingest.log.subject_keys import SubjectKeys

_PARTS: Final = (
    "compliance_request_step",
    "compliance_request_letter",
    "compliance_request_trouble",
    "compliance_request_item",
    "compliance_package",
    "compliance_redaction",
    "compliance_recipient_notice",
    "compliance_erasure_target",
    "compliance_erasure_certificate",
)
"""What is a part of a request and goes with it."""


def source(keys: SubjectKeys, hashing: Secret) -> MarkedTables:
    """Return the tables of privacy as a source of personal data."""

    def detail(row: Row, subject: str) -> str | None:
        place = f"compliance_request.detail_ct.{row['id']}"
        try:
            return keys.open_value(row["detail_ct"], row["subject"], REQUEST_CLASS, place)
        except Gone:
            return None

    def write(row: Row, text: str) -> bytes:
        place = f"compliance_request.detail_ct.{row['id']}"
        return keys.seal_value(text, str(row["subject"]), REQUEST_CLASS, place)

    return MarkedTables(
        "privacy",
        models.metadata,
        hashing=hashing,
        read={"compliance_request.detail_ct": detail},
        write={"compliance_request.detail_ct": write},
        ended={
            "compliance_request": Ended(
                column="closed_at", retention=REQUEST_CLASS, children=dict.fromkeys(_PARTS, "request_id")
            ),
            # An objection or a restriction outlives the request that brought it for as long as it stands.
            "compliance_consent_receipt": Ended(column=_receipt_ended(), retention=CONSENT_CLASS, where=_may_go()),
            "compliance_restriction": Ended(column="lifted_at", retention=REQUEST_CLASS),
            "compliance_objection": Ended(
                column="decided_at", retention=REQUEST_CLASS, where=models.objection.c.decision == COMPELLING
            ),
        },
        examples={
            "compliance_request.kind": "access",
            "compliance_request.received_on": "2026-01-02",
            "compliance_request.due": "2026-02-02",
            "compliance_request.internal_due": "2026-01-22",
            "compliance_request.state": "closed",
            "compliance_recipient_notice.due": "2026-02-02",
            "compliance_consent_receipt.action": "withdrawn",
            "compliance_objection.decision": "upheld",
        },
    )


def _receipt_ended() -> sa.ColumnElement[Any]:
    """Return when a receipt ended: a withdrawal as it was made, a consent as the next receipt took its place."""
    of = models.consent_receipt
    followed = replaced_at(of, ("subject", "purpose"), "at", order="n")
    return sa.case((of.c.action == consent.WITHDRAWN, of.c.at), else_=followed)


def _may_go() -> sa.ColumnElement[bool]:
    """A withdrawal stays while a consent before it is held on its own: without it that one would stand again."""
    of, hold, item = models.consent_receipt, retention.hold, retention.hold_item
    before = of.alias("before")
    kept = (
        sa.select(before.c.n)
        .join(item, item.c.value == sa.cast(before.c.n, sa.Text))
        .join(hold, hold.c.id == item.c.hold_id)
        .where(
            before.c.subject == of.c.subject,
            before.c.purpose == of.c.purpose,
            before.c.n < of.c.n,
            item.c.kind == "object",
            hold.c.state == "active",
        )
        .correlate(of)
    )
    return ~kept.exists()
