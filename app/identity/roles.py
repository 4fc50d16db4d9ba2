"""Roles are code: named sets of permissions. Who holds them are rows."""

from __future__ import annotations

from typing import Final

from app.kernel import access as may
from app.kernel.access import Permission

CUSTOMER: Final = "customer"
ANALYST: Final = "analyst"
INCIDENT_COMMANDER: Final = "incident_commander"
ADMINISTRATOR: Final = "administrator"

_OWN: Final = frozenset({may.SECURITY_OWN_READ, may.SECURITY_OWN_MANAGE})
_ANALYST: Final = _OWN | {
    may.EVENT_RECORD_READ,
    may.LOG_PROOF_READ,
    may.SOC_ACTION_PROPOSE,
    may.SOC_ALERT_READ,
    may.SOC_ALERT_TRIAGE,
    may.SOC_HEALTH_READ,
    may.SOC_INCIDENT_READ,
    may.SOC_INCIDENT_WRITE,
    may.SOC_OVERVIEW_READ,
    may.SOC_RULE_READ,
}
ROLES: Final[dict[str, frozenset[Permission]]] = {
    CUSTOMER: _OWN
    | {
        may.PAYMENT_TRANSFER_CREATE,
        may.PAYMENT_TRANSFER_READ,
        may.WALLET_OWN_OPEN,
        may.WALLET_OWN_READ,
        may.WALLET_TOPUP_CREATE,
    },
    ANALYST: frozenset(_ANALYST),
    INCIDENT_COMMANDER: frozenset(
        _ANALYST
        | {
            may.SOC_ACTION_APPROVE,
            may.SOC_ACTION_RUN,
            may.SOC_ACTION_UNDO,
            may.SOC_INCIDENT_ASSIGN,
            may.SOC_INCIDENT_CLOSE,
        }
    ),
    ADMINISTRATOR: _OWN
    | {
        may.IAM_ACCOUNT_DISABLE,
        may.IAM_ACCOUNT_INVITE,
        may.IAM_ACCOUNT_READ,
        may.IAM_FACTOR_DECIDE,
        may.IAM_SESSION_READ,
        may.IAM_SESSION_REVOKE,
    },
}
STAFF_ROLES: Final = (ANALYST, INCIDENT_COMMANDER, ADMINISTRATOR)
# An administrator gives rights and so may not hold those that watch people; kinds never mix.
EXCLUDED: Final = frozenset(
    {frozenset({ADMINISTRATOR, ANALYST}), frozenset({ADMINISTRATOR, INCIDENT_COMMANDER})}
    | {frozenset({CUSTOMER, role}) for role in STAFF_ROLES}
)
WORD_OF_ROLE: Final = {
    CUSTOMER: "Customer",
    ANALYST: "Analyst",
    INCIDENT_COMMANDER: "Incident commander",
    ADMINISTRATOR: "Administrator",
}


def permissions_of(roles: frozenset[str]) -> frozenset[Permission]:
    """Return what a set of roles may do together."""
    return frozenset().union(*(ROLES[role] for role in roles)) if roles else frozenset()


def holders_of(permission: Permission) -> tuple[str, ...]:
    """Return the roles that hold a permission, for the page that says why something is denied."""
    return tuple(role for role, permissions in ROLES.items() if permission in permissions)
