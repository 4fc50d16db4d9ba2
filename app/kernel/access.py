"""Permissions and the actor who holds them: deny by default, demanded by services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.kernel.errors import Forbidden, SignInRequired, StepUpRequired


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing that may be allowed, named `area:resource:action`; `sensitive` uses are always events."""

    name: str
    meaning: str
    sensitive: bool = False

    def __str__(self) -> str:
        return self.name


AUDIT_REQUEST_ANSWER: Final = Permission(
    "audit:request:answer", "Answer what an auditor asks, and decide what they may take away."
)
AUDIT_REQUEST_WRITE: Final = Permission("audit:request:write", "Ask an officer a question or for a sample.")
AUDIT_SAMPLE_DRAW: Final = Permission("audit:sample:draw", "Draw a sample of the trail by a seed.")
AUDIT_TRAIL_EXPORT: Final = Permission("audit:trail:export", "Take a part of the trail away with its proofs.")
AUDIT_TRAIL_READ: Final = Permission("audit:trail:read", "Search the trail of events, masked.")
AUDIT_TRAIL_VERIFY: Final = Permission("audit:trail:verify", "Recompute the log and compare it with what was signed.")
COMPLIANCE_ATTESTATION_APPROVE: Final = Permission(
    "compliance:attestation:approve", "Approve an attestation somebody else proposed."
)
COMPLIANCE_ATTESTATION_PROPOSE: Final = Permission("compliance:attestation:propose", "Propose an attestation.")
COMPLIANCE_BASELINE_APPROVE: Final = Permission(
    "compliance:baseline:approve", "Approve a baseline somebody else proposed."
)
COMPLIANCE_BASELINE_PROPOSE: Final = Permission("compliance:baseline:propose", "Propose a baseline.")
COMPLIANCE_CONTROL_READ: Final = Permission("compliance:control:read", "See controls, their states and their history.")
COMPLIANCE_CONTROL_RUN: Final = Permission("compliance:control:run", "Run the probe of a control now.")
COMPLIANCE_EVIDENCE_READ: Final = Permission("compliance:evidence:read", "See evidence and what it rests on.")
COMPLIANCE_EVIDENCE_UPLOAD: Final = Permission("compliance:evidence:upload", "Add a file as evidence.")
COMPLIANCE_EXCEPTION_APPROVE: Final = Permission(
    "compliance:exception:approve", "Approve an exception somebody else proposed."
)
COMPLIANCE_EXCEPTION_PROPOSE: Final = Permission("compliance:exception:propose", "Propose an exception, or end one.")
COMPLIANCE_REPORT_CREATE: Final = Permission("compliance:report:create", "Make a report.")
COMPLIANCE_REPORT_READ: Final = Permission("compliance:report:read", "Read reports.")
COMPLIANCE_REVIEW_DECIDE: Final = Permission("compliance:review:decide", "Keep or end an access that is under review.")
COMPLIANCE_RISK_APPROVE: Final = Permission(
    "compliance:risk:approve", "Approve a risk analysis somebody else proposed."
)
COMPLIANCE_RISK_PROPOSE: Final = Permission("compliance:risk:propose", "Propose a risk analysis.")
COMPLIANCE_SCAN_WRITE: Final = Permission("compliance:scan:write", "Enter a scan and what it found.")
COMPLIANCE_SCOPE_APPROVE: Final = Permission(
    "compliance:scope:approve", "Approve a change of scope somebody else proposed."
)
COMPLIANCE_SCOPE_WRITE: Final = Permission(
    "compliance:scope:write", "Describe components and flows, and propose their scope."
)
EVENT_IMPORT_RUN: Final = Permission("event:import:run", "Read a log of another system into ours.")
EVENT_PERSONAL_READ: Final = Permission(
    "event:personal:read", "Decrypt the personal fields of an event.", sensitive=True
)
EVENT_RECORD_READ: Final = Permission("event:record:read", "Search and read events.")
IAM_ACCOUNT_DISABLE: Final = Permission(
    "iam:account:disable", "Disable an account, enable one another disabled, or end a lock-out early."
)
IAM_ACCOUNT_INVITE: Final = Permission("iam:account:invite", "Invite a colleague with a role.")
IAM_ACCOUNT_READ: Final = Permission("iam:account:read", "See accounts, their state, factors and roles.")
IAM_APPROVAL_READ: Final = Permission(
    "iam:approval:read",
    "See every approval: kind, people, times and state; its content where one may ask for it or decide it.",
)
IAM_FACTOR_DECIDE: Final = Permission("iam:factor:decide", "Remove a factor of somebody who lost it.")
IAM_ROLE_ASK: Final = Permission("iam:role:ask", "Ask that a colleague gets a role or loses it.")
IAM_ROLE_DECIDE: Final = Permission("iam:role:decide", "Decide whether a colleague gets a role.")
IAM_SESSION_READ: Final = Permission("iam:session:read", "See the sessions of an account.")
IAM_SESSION_REVOKE: Final = Permission("iam:session:revoke", "End sessions of an account.")
LEDGER_ENTRY_READ: Final = Permission("ledger:entry:read", "Read entries, explain balances, print the trial balance.")
LEDGER_VERIFY_RUN: Final = Permission("ledger:verify:run", "Replay the ledger and compare it with the log.")
LOG_PROOF_READ: Final = Permission("log:proof:read", "Read checkpoints, proofs and packs of the log.")
LOG_SEGMENT_PRUNE: Final = Permission("log:segment:prune", "Drop bodies of the log that a retention run covers.")
OPS_RECONCILE_IMPORT: Final = Permission("ops:reconcile:import", "Read what the bank says arrived.")
PAYMENT_TRANSFER_CREATE: Final = Permission("payment:transfer:create", "Send money from one's own wallet.")
PAYMENT_TRANSFER_READ: Final = Permission("payment:transfer:read", "See one's own transfers.")
PERSON_FIELD_REVEAL: Final = Permission(
    "person:field:reveal", "See a masked field of a person in clear, with a reason.", sensitive=True
)
PERSON_FIELD_SEE: Final = Permission("person:field:see", "See name and address of a person, masked.")
PERSON_RECORD_FIND: Final = Permission("person:record:find", "Find a person and open their record.")
PRIVACY_BREACH_DECIDE: Final = Permission("privacy:breach:decide", "Decide whether a breach is notified.")
PRIVACY_BREACH_WRITE: Final = Permission("privacy:breach:write", "Enter a breach and assess it.")
PRIVACY_CONSENT_READ: Final = Permission("privacy:consent:read", "See what people consented to.")
PRIVACY_HOLD_PLACE: Final = Permission("privacy:hold:place", "Place a legal hold.")
PRIVACY_HOLD_RELEASE: Final = Permission("privacy:hold:release", "Release a legal hold, or approve its release.")
PRIVACY_POLICY_APPROVE: Final = Permission(
    "privacy:policy:approve", "Approve a retention policy somebody else proposed."
)
PRIVACY_POLICY_PROPOSE: Final = Permission("privacy:policy:propose", "Propose a retention policy.")
PRIVACY_REGISTER_APPROVE: Final = Permission("privacy:register:approve", "Approve the register of processing.")
PRIVACY_REGISTER_WRITE: Final = Permission(
    "privacy:register:write", "Keep the register of processing and of processors."
)
PRIVACY_REQUEST_APPROVE: Final = Permission(
    "privacy:request:approve", "Approve what was prepared for a request of a person."
)
PRIVACY_REQUEST_HANDLE: Final = Permission("privacy:request:handle", "Enter requests of people and work on them.")
PRIVACY_REQUEST_READ: Final = Permission("privacy:request:read", "See requests of people and their clocks.")
PRIVACY_RUN_APPROVE: Final = Permission("privacy:run:approve", "Approve a retention run somebody else proposed.")
PRIVACY_RUN_PROPOSE: Final = Permission("privacy:run:propose", "Plan and propose a retention run.")
PRIVACY_SELF_CONSENT: Final = Permission("privacy:self:consent", "Give and withdraw one's own consent.")
PRIVACY_SELF_DOWNLOAD: Final = Permission("privacy:self:download", "Download one's own package of data.")
PRIVACY_SELF_HISTORY: Final = Permission("privacy:self:history", "See who looked at one's own data.")
PRIVACY_SELF_REQUEST: Final = Permission("privacy:self:request", "Ask about one's own data, or to be forgotten.")
SECURITY_OWN_MANAGE: Final = Permission("security:own:manage", "Change one's own ways to sign in.")
SECURITY_OWN_READ: Final = Permission("security:own:read", "See one's own sessions, factors and security events.")
SOC_ACTION_APPROVE: Final = Permission("soc:action:approve", "Approve or prolong containment somebody else asked for.")
SOC_ACTION_PROPOSE: Final = Permission("soc:action:propose", "Preview and propose containment.")
SOC_ACTION_RUN: Final = Permission("soc:action:run", "Run containment.")
SOC_ACTION_UNDO: Final = Permission("soc:action:undo", "Undo containment.")
SOC_ALERT_READ: Final = Permission("soc:alert:read", "See alerts and their evidence.")
SOC_ALERT_TRIAGE: Final = Permission("soc:alert:triage", "Close or reopen an alert with a verdict.")
SOC_HEALTH_READ: Final = Permission("soc:health:read", "See whether the pipeline is whole.")
SOC_INCIDENT_ASSIGN: Final = Permission("soc:incident:assign", "Take an incident or hand it over.")
SOC_INCIDENT_CLOSE: Final = Permission("soc:incident:close", "Close or reopen an incident.")
SOC_INCIDENT_READ: Final = Permission("soc:incident:read", "See incidents, their timeline and playbooks.")
SOC_INCIDENT_WRITE: Final = Permission("soc:incident:write", "Work an incident: tasks, notes, states.")
SOC_OVERVIEW_READ: Final = Permission("soc:overview:read", "See what needs attention now.")
SOC_RULE_READ: Final = Permission("soc:rule:read", "See detection rules, their coverage and lag.")
WALLET_OWN_OPEN: Final = Permission("wallet:own:open", "Open a wallet and choose its handle.")
WALLET_OWN_READ: Final = Permission("wallet:own:read", "See one's own balance and activity.")
WALLET_TOPUP_CREATE: Final = Permission("wallet:topup:create", "Add money to one's own wallet.")

PERMISSIONS: Final[tuple[Permission, ...]] = tuple(
    sorted((value for value in list(globals().values()) if isinstance(value, Permission)), key=lambda p: p.name)
)
PERMISSION_BY_NAME: Final[dict[str, Permission]] = {permission.name: permission for permission in PERMISSIONS}


class ActorKind(StrEnum):
    """What stands behind a request (`onepay.actor.kind`)."""

    CUSTOMER = "customer"
    MERCHANT = "merchant"
    STAFF = "staff"
    SERVICE = "service"
    UNKNOWN = "unknown"


class Acr(StrEnum):
    """How sure we are of a person, weakest first: nothing proven, password, two factors."""

    NONE = "none"
    PWD = "pwd"
    MFA = "mfa"

    def reaches(self, other: Acr) -> bool:
        """Tell whether this level is at least the other."""
        order = list(Acr)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, with the permissions of this very request; built by guard, worker and command line alone."""

    id: str | None
    kind: ActorKind
    roles: frozenset[str] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    acr: Acr = Acr.NONE
    authenticated_at: datetime | None = None
    session_id: str | None = None
    period: tuple[datetime, datetime] | None = None
    """What an auditor may look at, from and until (exclusive); None where nothing is locked. Services apply it."""

    def may(self, permission: Permission) -> bool:
        """Tell whether the actor holds the permission."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise `SignInRequired` for strangers and `Forbidden` for all who lack the permission."""
        if permission in self.permissions:
            return
        if self.kind is ActorKind.UNKNOWN:
            raise SignInRequired
        raise Forbidden(f"This needs the permission {permission}.", permission=permission.name)

    def sees(self, at: datetime) -> bool:
        """Tell whether what happened at an instant lies in the period that is locked to an auditor."""
        return self.period is None or self.period[0] <= at < self.period[1]

    def require_fresh(self, acr: Acr, max_age: timedelta, at: datetime) -> None:
        """Raise `StepUpRequired` unless the actor proved this level within the span (RFC 9470)."""
        recent = self.authenticated_at is not None and at - self.authenticated_at <= max_age
        if not (self.acr.reaches(acr) and recent):
            raise StepUpRequired(acr=acr.value, max_age_seconds=int(max_age.total_seconds()))

    @property
    def own_id(self) -> str:
        """Return the account id of a signed-in actor; strangers get `SignInRequired`."""
        if self.id is None:
            raise SignInRequired
        return self.id


ANONYMOUS: Final = Actor(id=None, kind=ActorKind.UNKNOWN)


def service(name: str, *permissions: Permission) -> Actor:
    """Return the actor of one of our own processes or jobs, with only the permissions it names."""
    return Actor(id=f"svc_{name}", kind=ActorKind.SERVICE, permissions=frozenset(permissions))
