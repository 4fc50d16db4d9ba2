"""What a second person decides about papers: attestations, exceptions, risk analyses, baselines."""

from __future__ import annotations

from app.kernel.approvals import ApprovalKind
from compliance.attest import analyses, attestations, baselines, exceptions
from compliance.attest.parts import Desk


def kinds(desk: Desk) -> tuple[ApprovalKind, ...]:
    """Return the kinds to declare."""
    return (attestations.kind(desk), exceptions.kind(desk), analyses.kind(desk), baselines.kind(desk))
