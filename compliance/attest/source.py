"""What people sign as a source of personal data, and when a paper has ended: as the next one takes its place."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.crypto import Secret
from compliance.attest import models
from compliance.attest.parts import IN_FORCE, PROPOSED
from compliance.contracts.tables import Ended, MarkedTables, replaced_at


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of papers; one that was never in force ends by the day it was to hold until."""
    attestation, exception, analysis, baseline = (
        models.attestation.c,
        models.exception.c,
        models.risk_analysis.c,
        models.baseline.c,
    )
    stands = (PROPOSED, IN_FORCE)
    follows = replaced_at(models.attestation, ("framework", "key", "kind"), "signed_at")
    renewed = replaced_at(models.risk_analysis, ("requirement",), "approved_at")
    return MarkedTables(
        "compliance.papers",
        models.metadata,
        hashing=hashing,
        ended={
            "compliance_attestation": Ended(
                column=sa.func.coalesce(follows, attestation.expires_at),
                retention=models.EVIDENCE,
                where=attestation.state.not_in(stands),
            ),
            "compliance_exception": Ended(
                column=sa.func.coalesce(exception.ended_at, exception.until_at),
                retention=models.EVIDENCE,
                where=exception.state.not_in(stands),
            ),
            "compliance_risk_analysis": Ended(
                column=sa.func.coalesce(renewed, analysis.review_by),
                retention=models.EVIDENCE,
                where=analysis.state.not_in(stands),
            ),
            "compliance_baseline": Ended(
                column=replaced_at(models.baseline, ("name",), "approved_at"),
                retention=models.EVIDENCE,
                where=baseline.state.not_in(stands),
            ),
        },
    )
