"""Reports and exports as a source of personal data, and when one has ended."""

from __future__ import annotations

from pathlib import Path

from app.kernel.crypto import Secret
from compliance.contracts.files import Files
from compliance.contracts.marked.owned import Ended
from compliance.contracts.tables import MarkedTables
from compliance.reports import models


def source(hashing: Secret, folder: Path) -> MarkedTables:
    """Return the tables of reports and the folder of their files: one ends as it is made or given up."""
    return MarkedTables(
        "compliance.reports",
        models.metadata,
        hashing=hashing,
        ended={
            "compliance_report": Ended(
                column="finished_at", retention=models.EVIDENCE, children={"compliance_report_file": "report_id"}
            )
        },
        files={"compliance_report": Files(name="files.reports", folder=folder, purposes=("claims",))},
    )
