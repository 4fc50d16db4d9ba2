"""Our own tables as a source of personal data: a request is in the copy that answers it."""

from __future__ import annotations

from app.kernel.crypto import Secret
from app.kernel.errors import Gone
from compliance.contracts.tables import Ended, MarkedTables, Row
from compliance.privacy import models
from compliance.privacy.models import REQUEST_CLASS
from ingest.log.subject_keys import SubjectKeys


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
        ended={"compliance_request": Ended(column="closed_at", retention="rights.request", key="request_id")},
        examples={
            "compliance_request.kind": "access",
            "compliance_request.received_on": "2026-01-02",
            "compliance_request.due": "2026-02-02",
            "compliance_request.internal_due": "2026-01-22",
            "compliance_request.state": "closed",
            "compliance_consent_receipt.action": "withdrawn",
            "compliance_objection.decision": "upheld",
        },
    )
