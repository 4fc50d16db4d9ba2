"""What people sign as a source of personal data, and when a paper has ended: as the next one takes its place."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from app.kernel.crypto import Secret
from compliance.attest import models
from compliance.attest.parts import IN_FORCE, PROPOSED
from compliance.contracts.files import Files
from compliance.contracts.marked.owned import Ended, replaced_at
from compliance.contracts.tables import MarkedTables


def source(hashing: Secret, folder: Path) -> MarkedTables:
    """Return the tables of papers and the folder of uploads.

    A paper that was never in force ends by the day it was to hold until, an upload as it stood for a control for the
    last time; one that a paper names which is in force, or waits, has not ended.
    """
    file, use = models.evidence_file, models.evidence_use.c
    used = sa.select(sa.func.max(use.used_at)).where(use.sha256 == file.c.sha256).correlate(file).scalar_subquery()
    names = sa.cast(models.attestation.c.files, sa.Text).contains(file.c.sha256)
    is_named = sa.exists().where(names, models.attestation.c.state.in_((PROPOSED, IN_FORCE))).correlate(file)
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
            "compliance_evidence_file": Ended(
                column=sa.func.coalesce(used, file.c.uploaded_at),
                retention=models.EVIDENCE,
                children={"compliance_evidence_use": "sha256"},
                where=~is_named,
            ),
            "compliance_baseline": Ended(
                column=replaced_at(models.baseline, ("name",), "approved_at"),
                retention=models.EVIDENCE,
                where=baseline.state.not_in(stands),
            ),
        },
        files={"compliance_evidence_file": Files(name="files.evidence", folder=folder, purposes=("claims",))},
    )
