"""Roles are code: named sets of permissions. Who holds them are rows."""

from __future__ import annotations

from itertools import combinations
from typing import Final

from app.kernel import access as may
from app.kernel.access import Permission

CUSTOMER: Final = "customer"
ANALYST: Final = "analyst"
INCIDENT_COMMANDER: Final = "incident_commander"
COMPLIANCE_OFFICER: Final = "compliance_officer"
DPO: Final = "dpo"
AUDITOR: Final = "auditor"
ADMINISTRATOR: Final = "administrator"

_OWN: Final = frozenset({may.SECURITY_OWN_READ, may.SECURITY_OWN_MANAGE})
_ANALYST: Final = _OWN | {
    may.COMPLIANCE_CONTROL_READ,
    may.EVENT_RECORD_READ,
    may.LOG_PROOF_READ,
    may.PERSON_RECORD_FIND,
    may.SOC_ACTION_PROPOSE,
    may.SOC_ALERT_READ,
    may.SOC_ALERT_TRIAGE,
    may.SOC_HEALTH_READ,
    may.SOC_INCIDENT_READ,
    may.SOC_INCIDENT_WRITE,
    may.SOC_OVERVIEW_READ,
    may.SOC_RULE_READ,
}
# What both an officer and the DPO see.
_OVERSIGHT: Final = _OWN | {
    may.AUDIT_REQUEST_ANSWER,
    may.AUDIT_TRAIL_READ,
    may.COMPLIANCE_CONTROL_READ,
    may.COMPLIANCE_EVIDENCE_READ,
    may.COMPLIANCE_REPORT_CREATE,
    may.COMPLIANCE_REPORT_READ,
    may.PERSON_FIELD_REVEAL,
    may.PERSON_FIELD_SEE,
    may.PERSON_RECORD_FIND,
    may.PRIVACY_BREACH_WRITE,
    may.PRIVACY_CONSENT_READ,
    may.PRIVACY_HOLD_PLACE,
    may.PRIVACY_HOLD_RELEASE,
    may.PRIVACY_POLICY_APPROVE,
    may.PRIVACY_POLICY_PROPOSE,
    may.PRIVACY_REGISTER_WRITE,
    may.PRIVACY_REQUEST_HANDLE,
    may.PRIVACY_REQUEST_READ,
    may.PRIVACY_RUN_APPROVE,
    may.SOC_ALERT_READ,
    may.SOC_INCIDENT_READ,
    may.SOC_RULE_READ,
}
_COMPLIANCE_APPROVALS: Final = frozenset(
    {
        may.COMPLIANCE_ATTESTATION_APPROVE,
        may.COMPLIANCE_BASELINE_APPROVE,
        may.COMPLIANCE_EXCEPTION_APPROVE,
        may.COMPLIANCE_RISK_APPROVE,
        may.COMPLIANCE_SCOPE_APPROVE,
    }
)
ROLES: Final[dict[str, frozenset[Permission]]] = {
    CUSTOMER: _OWN
    | {
        may.PAYMENT_TRANSFER_CREATE,
        may.PAYMENT_TRANSFER_READ,
        may.PRIVACY_SELF_CONSENT,
        may.PRIVACY_SELF_DOWNLOAD,
        may.PRIVACY_SELF_HISTORY,
        may.PRIVACY_SELF_REQUEST,
        may.WALLET_OWN_OPEN,
        may.WALLET_OWN_READ,
        may.WALLET_TOPUP_CREATE,
    },
    ANALYST: frozenset(_ANALYST),
    INCIDENT_COMMANDER: frozenset(
        _ANALYST
        | {
            may.PERSON_FIELD_SEE,
            may.SOC_ACTION_APPROVE,
            may.SOC_ACTION_RUN,
            may.SOC_ACTION_UNDO,
            may.SOC_INCIDENT_ASSIGN,
            may.SOC_INCIDENT_CLOSE,
        }
    ),
    COMPLIANCE_OFFICER: frozenset(
        _OVERSIGHT
        | _COMPLIANCE_APPROVALS
        | {
            may.AUDIT_SAMPLE_DRAW,
            may.AUDIT_TRAIL_EXPORT,
            may.AUDIT_TRAIL_VERIFY,
            may.COMPLIANCE_ATTESTATION_PROPOSE,
            may.COMPLIANCE_BASELINE_PROPOSE,
            may.COMPLIANCE_CONTROL_RUN,
            may.COMPLIANCE_EVIDENCE_UPLOAD,
            may.COMPLIANCE_EXCEPTION_PROPOSE,
            may.COMPLIANCE_REVIEW_DECIDE,
            may.COMPLIANCE_RISK_PROPOSE,
            may.COMPLIANCE_SCAN_WRITE,
            may.COMPLIANCE_SCOPE_WRITE,
            may.EVENT_RECORD_READ,
            may.LOG_PROOF_READ,
            may.PRIVACY_RUN_PROPOSE,
        }
    ),
    DPO: frozenset(
        _OVERSIGHT
        | _COMPLIANCE_APPROVALS
        | {may.PRIVACY_BREACH_DECIDE, may.PRIVACY_REGISTER_APPROVE, may.PRIVACY_REQUEST_APPROVE}
    ),
    AUDITOR: _OWN
    | {
        may.AUDIT_REQUEST_WRITE,
        may.AUDIT_SAMPLE_DRAW,
        may.AUDIT_TRAIL_EXPORT,
        may.AUDIT_TRAIL_READ,
        may.AUDIT_TRAIL_VERIFY,
        may.COMPLIANCE_CONTROL_READ,
        may.COMPLIANCE_EVIDENCE_READ,
        may.COMPLIANCE_REPORT_READ,
        may.LOG_PROOF_READ,
        may.PRIVACY_CONSENT_READ,
        may.PRIVACY_REQUEST_READ,
    },
    ADMINISTRATOR: _OWN
    | {
        may.IAM_ACCOUNT_DISABLE,
        may.IAM_ACCOUNT_INVITE,
        may.IAM_ACCOUNT_READ,
        may.IAM_APPROVAL_READ,
        may.IAM_FACTOR_DECIDE,
        may.IAM_ROLE_ASK,
        may.IAM_ROLE_DECIDE,
        may.IAM_SESSION_READ,
        may.IAM_SESSION_REVOKE,
        may.PERSON_FIELD_SEE,
        may.PERSON_RECORD_FIND,
    },
}
STAFF_ROLES: Final = (ANALYST, INCIDENT_COMMANDER, COMPLIANCE_OFFICER, DPO, AUDITOR, ADMINISTRATOR)


def _pairs(role: str, *others: str) -> frozenset[frozenset[str]]:
    return frozenset(frozenset({role, other}) for other in others)


# Whoever gives rights does not hold those that watch people; whoever approves does not prepare; an auditor is nothing
# else; kinds never mix.
EXCLUDED: Final = (
    _pairs(AUDITOR, *(role for role in STAFF_ROLES if role != AUDITOR))
    | _pairs(ADMINISTRATOR, ANALYST, INCIDENT_COMMANDER, COMPLIANCE_OFFICER, DPO)
    | _pairs(DPO, COMPLIANCE_OFFICER)
    | _pairs(CUSTOMER, *STAFF_ROLES)
)
WORD_OF_ROLE: Final = {
    CUSTOMER: "Customer",
    ANALYST: "Analyst",
    INCIDENT_COMMANDER: "Incident commander",
    COMPLIANCE_OFFICER: "Compliance officer",
    DPO: "Data protection officer",
    AUDITOR: "Auditor",
    ADMINISTRATOR: "Administrator",
}


def permissions_of(roles: frozenset[str]) -> frozenset[Permission]:
    """Return what a set of roles may do together."""
    return frozenset().union(*(ROLES[role] for role in roles)) if roles else frozenset()


def holders_of(permission: Permission) -> tuple[str, ...]:
    """Return the roles that hold a permission, for the page that says why something is denied."""
    return tuple(role for role, permissions in ROLES.items() if permission in permissions)


def beside(held: frozenset[str]) -> tuple[str, ...]:
    """Return the staff roles that somebody may get who holds these."""
    before = excluded_in(held)
    return tuple(role for role in STAFF_ROLES if role not in held and excluded_in(held | {role}) == before)


def excluded_in(held: frozenset[str]) -> frozenset[frozenset[str]]:
    """Return the excluded pairs in a set of roles that one person holds."""
    return frozenset(pair for pair in map(frozenset, combinations(sorted(held), 2)) if pair in EXCLUDED)
