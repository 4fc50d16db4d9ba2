"""A permission that roles or services hold is demanded somewhere, or it promises what it does not do."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from app.kernel import access
from app.kernel.access import Permission
from tests.architecture import tree

GRANTED_IN = ("app/kernel/access.py", "app/identity/roles.py")
# Roles hold these since compliance, privacy and audit began; each leaves this list with the service that demands it.
AWAITED = frozenset(
    (
        "AUDIT_REQUEST_ANSWER",
        "AUDIT_REQUEST_WRITE",
        "AUDIT_SAMPLE_DRAW",
        "AUDIT_TRAIL_EXPORT",
        "AUDIT_TRAIL_READ",
        "AUDIT_TRAIL_VERIFY",
        "COMPLIANCE_ATTESTATION_APPROVE",
        "COMPLIANCE_ATTESTATION_PROPOSE",
        "COMPLIANCE_BASELINE_APPROVE",
        "COMPLIANCE_BASELINE_PROPOSE",
        "COMPLIANCE_EVIDENCE_UPLOAD",
        "COMPLIANCE_EXCEPTION_APPROVE",
        "COMPLIANCE_EXCEPTION_PROPOSE",
        "COMPLIANCE_REPORT_CREATE",
        "COMPLIANCE_REPORT_READ",
        "COMPLIANCE_REVIEW_DECIDE",
        "COMPLIANCE_RISK_APPROVE",
        "COMPLIANCE_RISK_PROPOSE",
        "COMPLIANCE_SCAN_WRITE",
        "COMPLIANCE_SCOPE_APPROVE",
        "COMPLIANCE_SCOPE_WRITE",
        "PRIVACY_BREACH_DECIDE",
        "PRIVACY_BREACH_WRITE",
        "PRIVACY_CONSENT_READ",
        "PRIVACY_HOLD_PLACE",
        "PRIVACY_HOLD_RELEASE",
        "PRIVACY_POLICY_APPROVE",
        "PRIVACY_POLICY_PROPOSE",
        "PRIVACY_REGISTER_APPROVE",
        "PRIVACY_REGISTER_WRITE",
        "PRIVACY_REQUEST_APPROVE",
        "PRIVACY_REQUEST_HANDLE",
        "PRIVACY_REQUEST_READ",
        "PRIVACY_RUN_APPROVE",
        "PRIVACY_RUN_PROPOSE",
        "PRIVACY_SELF_CONSENT",
        "PRIVACY_SELF_DOWNLOAD",
        "PRIVACY_SELF_HISTORY",
        "PRIVACY_SELF_REQUEST",
    )
)


def demanded(module: ast.AST) -> Iterator[str]:
    """Yield the names a module uses in any other way than to import them or to give them to an actor."""
    for child in ast.iter_child_nodes(module):
        match child:
            case ast.Import() | ast.ImportFrom():
                continue
            case ast.Call(func=ast.Name(id="service")):
                continue
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
        yield from demanded(child)


def test_every_permission_is_demanded() -> None:
    used = {name for path, module in tree.modules().items() if path not in GRANTED_IN for name in demanded(module)}
    names = {name for name, value in vars(access).items() if isinstance(value, Permission)}
    assert names - used - AWAITED == set()


def test_what_is_awaited_is_a_permission() -> None:
    assert {name for name, value in vars(access).items() if isinstance(value, Permission)} >= AWAITED


def test_giving_it_away_is_not_demanding_it() -> None:
    given = "from app.kernel.access import A, service\nservice('jobs', A)\nctx.actor.require(B)"
    assert "A" not in set(demanded(ast.parse(given)))
    assert "B" in set(demanded(ast.parse(given)))
