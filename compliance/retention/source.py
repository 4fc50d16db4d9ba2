"""The tables of retention as a source of personal data, and when versions, holds and runs have ended."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.crypto import Secret
from compliance.contracts.marked.owned import Ended, replaced_at
from compliance.contracts.tables import MarkedTables
from compliance.retention import models, policies, runs


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of retention: what it removed is proven by its certificate, kept as long as its run."""
    policy, run = models.policy.c, models.run.c
    return MarkedTables(
        "compliance.retention",
        models.metadata,
        hashing=hashing,
        ended={
            "compliance_retention_policy": Ended(
                column=sa.case(
                    (policy.state == policies.REJECTED, policy.proposed_at),
                    else_=replaced_at(models.policy, ("class",), "in_force_at"),
                ),
                retention=models.GOVERNANCE,
                where=policy.state.in_((policies.SUPERSEDED, policies.REJECTED)),
            ),
            "compliance_hold": Ended(
                column="released_at", retention=models.GOVERNANCE, children={"compliance_hold_item": "hold_id"}
            ),
            "compliance_retention_run": Ended(
                column=sa.func.coalesce(run.certified_at, run.executed_at, run.planned_at),
                retention=models.GOVERNANCE,
                children={"compliance_retention_target": "run_id", "compliance_certificate": "run_id"},
                where=run.state.not_in(runs.OPEN),
            ),
        },
    )
