"""Roles keep duties apart: what each holds, which pairs exclude each other, on what terms an auditor is one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.identity import accounts, roles
from app.identity.accounts import DutiesConflict, Terms, TermsInvalid
from app.kernel import access as may

DAY = timedelta(days=1)
DECIDING = ("approve", "decide", "release", "answer")


@pytest.mark.parametrize("other", [role for role in roles.ROLES if role != roles.AUDITOR])
def test_an_auditor_is_nothing_else(other: str) -> None:
    assert frozenset({roles.AUDITOR, other}) in roles.EXCLUDED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (roles.ADMINISTRATOR, roles.ANALYST),
        (roles.ADMINISTRATOR, roles.INCIDENT_COMMANDER),
        (roles.ADMINISTRATOR, roles.COMPLIANCE_OFFICER),
        (roles.ADMINISTRATOR, roles.DPO),
        (roles.DPO, roles.COMPLIANCE_OFFICER),
        (roles.CUSTOMER, roles.DPO),
    ],
)
def test_these_pairs_exclude_each_other(one: str, other: str) -> None:
    assert roles.excluded_in(frozenset({one, other, "else"})) == {frozenset({one, other})}


def test_an_analyst_may_also_be_a_commander() -> None:
    assert roles.excluded_in(frozenset({roles.ANALYST, roles.INCIDENT_COMMANDER})) == frozenset()


def test_an_auditor_decides_nothing_and_changes_nothing_but_requests() -> None:
    acts = {permission.name.rpartition(":")[2] for permission in roles.ROLES[roles.AUDITOR] - {may.SECURITY_OWN_MANAGE}}
    assert acts == {"read", "verify", "export", "draw", "write"}
    writes = {p for p in roles.ROLES[roles.AUDITOR] if p.name.endswith(":write")}
    assert writes == {may.AUDIT_REQUEST_WRITE}
    assert may.PERSON_FIELD_REVEAL not in roles.ROLES[roles.AUDITOR]


def test_an_administrator_sees_no_data_of_privacy() -> None:
    areas = {permission.name.partition(":")[0] for permission in roles.ROLES[roles.ADMINISTRATOR]}
    assert areas == {"iam", "person", "security"}
    assert may.PERSON_FIELD_REVEAL not in roles.ROLES[roles.ADMINISTRATOR]


def test_who_sees_names_and_addresses_masked_is_said_by_a_permission() -> None:
    seeing = (roles.INCIDENT_COMMANDER, roles.COMPLIANCE_OFFICER, roles.DPO, roles.ADMINISTRATOR)
    assert set(roles.holders_of(may.PERSON_FIELD_SEE)) == set(seeing)


def test_who_prepares_an_erasure_does_not_approve_it() -> None:
    assert may.PRIVACY_REQUEST_HANDLE in roles.ROLES[roles.COMPLIANCE_OFFICER]
    assert roles.holders_of(may.PRIVACY_REQUEST_APPROVE) == (roles.DPO,)
    assert may.PRIVACY_RUN_PROPOSE not in roles.ROLES[roles.DPO]


def test_a_customer_has_their_own_privacy_and_no_staff_permission() -> None:
    own = {p.name for p in roles.ROLES[roles.CUSTOMER] if p.name.startswith("privacy:")}
    assert own == {f"privacy:self:{act}" for act in ("request", "consent", "history", "download")}
    for role in roles.STAFF_ROLES:
        assert not any(p.name.startswith("privacy:self:") for p in roles.ROLES[role])


def test_every_permission_to_decide_has_a_holder() -> None:
    deciding = [p for p in may.PERMISSIONS if p.name.rpartition(":")[2] in DECIDING]
    assert deciding
    assert [p.name for p in deciding if not roles.holders_of(p)] == []


def test_an_excluded_role_is_refused(people) -> None:
    account = people.sign_up("amber@example.org", "amber_finch")
    with pytest.raises(DutiesConflict), people.ground.db.begin() as session:
        accounts.grant(session, account, roles.DPO, "a wrong turn", people.ctx())
    assert people.events("admin.role.granted") == []


@pytest.mark.parametrize(
    ("role", "until", "period"),
    [
        (roles.AUDITOR, None, (-90, 0)),
        (roles.AUDITOR, 91, (-90, 0)),
        (roles.AUDITOR, 90, None),
        (roles.AUDITOR, 90, (0, 0)),
        (roles.AUDITOR, 90, (0, -1)),
        (roles.AUDITOR, 90, (-367, 0)),
        (roles.AUDITOR, -1, (-90, 0)),
        (roles.ANALYST, 0, None),
        (roles.ANALYST, 90, (-90, 0)),
    ],
)
def test_terms_that_no_role_is_given_on(people, role, until, period) -> None:
    at = people.ground.clock.now()
    terms = Terms(
        until=None if until is None else at + until * DAY,
        period=None if period is None else (at + period[0] * DAY, at + period[1] * DAY),
    )
    with pytest.raises(TermsInvalid), people.ground.db.begin() as session:
        accounts.grant(session, "acc_other", role, "an assessment", people.ctx(), terms=terms)


def test_an_auditor_holds_role_and_period_for_ninety_days(people) -> None:
    at = people.ground.clock.now()
    period = (at - 90 * DAY, at)
    with people.ground.db.begin() as session:
        terms = Terms(until=at + 90 * DAY, period=period)
        accounts.grant(session, "acc_auditor", roles.AUDITOR, "an assessment", people.ctx(), terms=terms)
    with people.ground.db.read() as session:
        assert accounts.auditor_period(session, "acc_auditor", at) == period
        assert accounts.auditor_period(session, "acc_other", at) is None
        assert accounts.auditor_period(session, "acc_auditor", at + 90 * DAY) is None
        assert accounts.roles_of(session, "acc_auditor", at + 90 * DAY) == frozenset()
