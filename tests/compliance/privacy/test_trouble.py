"""What fails again and again says since when, at which step and with which code, until that step is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.errors import OnePayError, Unavailable
from compliance import pressing
from compliance.certificates import CertificateDiffers
from compliance.contracts.personal import PersonalDataSource
from compliance.privacy import jobs, moving, requests, trouble
from compliance.privacy.erasure import deciding
from compliance.privacy.erasure.batches import PlanDiffers
from compliance.privacy.erasure.decided import DecisionEnded, ErasureTooEarly, ErasureUndecided
from compliance.privacy.erasure.execution import ErasureUnfinished
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Kind, State
from compliance.privacy.restrict import LiftUndecided
from compliance.privacy.trouble import Trouble
from compliance.privacy.whose import RequestDiffers
from compliance.retention.holds import HoldNotAsPlaced
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_erase_execution import Blind

MINUTE = timedelta(minutes=1)


def begun(rights: Rights, name: str) -> str:
    """Return an erasure that is being carried out."""
    amber = rights.house.customer(name)
    officer = rights.house.staff(f"{name}_olga", roles.COMPLIANCE_OFFICER)
    dpo = rights.house.staff(f"{name}_dora", roles.DPO)
    request_id = rights.due_erasure(amber, officer, dpo)
    with rights.db.begin() as session:
        deciding.start(session, rights.job(), parts=rights.parts)
    return request_id


def blind(rights: Rights) -> Privacy:
    return replace(rights.parts, sources=tuple(cast("PersonalDataSource", Blind(one)) for one in rights.parts.sources))


def turn(rights: Rights, parts: Privacy) -> None:
    """Let the job of privacy run once."""
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    jobs.execute(rights.db, ctx, parts, rights.house.system.shredding)


def known(rights: Rights, request_id: str) -> Trouble | None:
    with rights.db.read() as session:
        return trouble.of_request(session, request_id)


def test_an_erasure_that_comes_to_no_end_is_stuck_until_it_does(rights: Rights) -> None:
    request_id, officer = begun(rights, "stuck_one"), rights.staff(roles.COMPLIANCE_OFFICER).actor
    first = rights.clock.now()
    turn(rights, blind(rights))
    once = known(rights, request_id)
    assert once is not None
    assert (once.what, once.code, once.tries, once.is_stuck) == ("erasing", "erasure_unfinished", 1, False)
    with rights.db.read() as session:
        assert trouble.stuck(session, officer) == []
        tasks = pressing.tasks(session, officer, first)
    rights.clock.move(MINUTE)
    turn(rights, blind(rights))
    with rights.db.read() as session:
        (found,) = trouble.stuck(session, officer)
        assert pressing.tasks(session, officer, first) == tasks + 1
    assert (found.request_id, found.kind, found.tries) == (request_id, Kind.ERASURE, 2)
    assert (found.first_at, found.last_at) == (first, first + MINUTE)
    assert "newest step names the store" in found.advice
    turn(rights, rights.parts)
    assert rights.get(request_id).state is State.CLOSED
    assert known(rights, request_id) is None
    with rights.db.read() as session:
        assert trouble.stuck(session, officer) == []


def test_what_is_tried_is_noted_as_it_fails_and_forgotten_as_it_is_done(rights: Rights) -> None:
    amber = rights.house.customer("stuck_two")
    rights.calm()
    request_id = rights.ask(amber, "erasure")
    ctx = rights.house.system.job_context("privacy", rights.clock.now())

    def fails(error: Exception) -> None:
        raise error

    for what, error, code, tries in (
        ("planning", Unavailable("gone"), Unavailable.code, 1),
        ("planning", ValueError("acc_1 is no number"), "ValueError", 2),
        ("beginning", ValueError("acc_1 is no number"), "ValueError", 1),
    ):
        with rights.db.begin() as session:
            found = requests.get(session, request_id)
            assert not moving.tried(session, found, what, lambda error=error: fails(error), ctx)  # type: ignore[misc]
        now = known(rights, request_id)
        assert now is not None
        assert (now.what, now.code, now.tries) == (what, code, tries)
        assert "acc_1" not in str(now), "words of a failure may name a person"
    with rights.db.begin() as session:
        assert moving.tried(session, requests.get(session, request_id), "beginning", lambda: None, ctx)
    assert known(rights, request_id) is None


def test_what_ended_is_stuck_no_more_and_an_auditor_sees_their_period(rights: Rights) -> None:
    amber = rights.house.customer("stuck_three")
    rights.calm()
    request_id, at = rights.ask(amber, "erasure"), rights.clock.now()
    ctx = rights.house.system.job_context("privacy", at)
    for _ in range(2):
        with rights.db.begin() as session:
            trouble.note(session, request_id, "planning", ValueError("no"), ctx)
    day = timedelta(days=1)
    for period, count in (((at - day, at + day), 1), ((at - 9 * day, at - day), 0)):
        auditor = Actor(
            id="acc_audit",
            kind=ActorKind.STAFF,
            roles=frozenset({roles.AUDITOR}),
            permissions=roles.ROLES[roles.AUDITOR],
            period=period,
        )
        with rights.db.read() as session:
            assert len(trouble.stuck(session, auditor)) == count
    with rights.db.begin() as session:
        moving.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    with rights.db.read() as session:
        assert trouble.stuck(session, rights.staff(roles.DPO).actor) == []
    assert known(rights, request_id) is None
    # Nor where its row was left, as older versions left it: nothing is to be done about a request that ended.
    officer = rights.staff(roles.COMPLIANCE_OFFICER).actor
    with rights.db.read() as session:
        tasks = pressing.tasks(session, officer, at)
    with rights.db.begin() as session:
        for _ in range(2):
            trouble.note(session, request_id, "planning", ValueError("no"), ctx)
    with rights.db.read() as session:
        assert trouble.stuck(session, officer) == []
        assert pressing.tasks(session, officer, at) == tasks


@pytest.mark.parametrize(
    "error",
    [
        CertificateDiffers,
        DecisionEnded,
        ErasureTooEarly,
        ErasureUndecided,
        ErasureUnfinished,
        HoldNotAsPlaced,
        LiftUndecided,
        PlanDiffers,
        RequestDiffers,
    ],
)
def test_what_somebody_has_to_look_at_has_advice_of_its_own(error: type[OnePayError]) -> None:
    assert error.code in trouble._ADVICE
