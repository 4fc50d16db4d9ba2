"""Roles are given by two, ended by one, never one's own; what duties keep apart is refused and searched for."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.identity import accounts, approvers, role_grants, roles
from app.identity.accounts import State as AccountState
from app.identity.accounts import Terms, TermsInvalid
from app.identity.approvals import Outcome
from app.identity.models import role_grant
from app.identity.role_grants import NoSecondApprover, OwnRole
from app.kernel.access import AUDIT_REQUEST_ANSWER, AUDIT_TRAIL_EXPORT
from app.kernel.approvals import ApprovalKind, State, Verdict
from app.kernel.errors import Conflict, NotFound, OnePayError, Traced, WrongState
from tests.app.identity.conftest import People
from tests.app.identity.desk import Desk
from tests.app.identity.test_approval_races import BOTH

DAY = timedelta(days=1)


class Office(Desk):
    """The desk where administrators give and end roles."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.book.declare(*role_grants.kinds(self.book, parts=self.people.parts))

    def ask_for(self, asker: str, account: str, role: str, terms: Terms | None = None) -> str:
        ctx = self.as_(asker)
        return self._traced(
            lambda session: role_grants.ask(
                session, account, role, terms or Terms(), "Needed for the work", ctx, approvals=self.book
            ),
            ctx,
        )

    def end(self, by: str, account: str, role: str) -> None:
        ctx = self.as_(by)
        self._traced(
            lambda session: role_grants.end(session, account, role, "Has left the team", ctx, approvals=self.book), ctx
        )

    def lapse(self) -> int:
        with self.people.ground.db.begin() as session:
            return role_grants.lapse(session, self.people.ctx())

    def roles(self, account: str) -> frozenset[str]:
        with self.people.ground.db.read() as session:
            return accounts.roles_of(session, account, self.people.ctx().at)

    def grants(self, account: str):
        with self.people.ground.db.read() as session:
            return session.execute(sa.select(role_grant).where(role_grant.c.account_id == account)).all()

    def told(self, kind: str) -> list[tuple[str, list[str], str | None]]:
        return [
            (body["user"]["target"]["id"], body["user"]["target"]["roles"], body["event"].get("reason"))
            for body in self.people.events(f"admin.role.{kind}")
        ]

    def _traced(self, act, ctx):
        try:
            with self.people.ground.db.begin() as session:
                return act(session)
        except OnePayError as error:
            if isinstance(error, Traced):
                with self.people.ground.db.begin() as session:
                    error.trace(session, ctx)
            raise


@pytest.fixture
def office(people: People) -> Office:
    return Office(people=people)


@pytest.fixture
def two(office: Office) -> tuple[str, str]:
    return office.administrator("ada"), office.administrator("basil")


@pytest.fixture
def maren(office: Office) -> str:
    return office.administrator("maren", roles.ANALYST)


def test_nothing_happens_until_a_second_administrator_agrees(office: Office, two, maren: str) -> None:
    ada, basil = two
    id = office.ask_for(ada, maren, roles.INCIDENT_COMMANDER)
    assert office.roles(maren) == {roles.ANALYST}
    assert office.told("requested") == [(maren, [roles.INCIDENT_COMMANDER], None)]
    outcome = office.decide(basil, id)
    assert (outcome.state, outcome.result) == (State.EXECUTED, "The role was given.")
    assert office.roles(maren) == {roles.ANALYST, roles.INCIDENT_COMMANDER}
    given = office.grants(maren)[-1]
    assert (given.given_by, given.approval_id, given.reason) == (ada, id, "Needed for the work")
    told = office.people.events("admin.role.granted")[-1]
    assert told["onepay"]["approval"]["id"] == id
    assert told["user"]["id"] == ada
    with pytest.raises(Conflict) as used:
        office.decide(office.administrator("cleo"), id)
    assert used.value.code == "approval_used"


def test_who_asks_sees_what_will_happen_in_words(office: Office, two, maren: str) -> None:
    now = office.people.ground.clock.now()
    id = office.ask_for(two[0], maren, roles.INCIDENT_COMMANDER, Terms(until=now + 30 * DAY))
    with office.people.ground.db.begin() as session:
        lines = office.book.show(session, id, office.as_(two[1])).lines
    assert lines == (
        f"{maren} becomes incident commander.",
        "They get every permission of that role.",
        "It ends by itself on 2 December 2026, 09:00 UTC.",
        "Their sessions end; they sign in again with the role.",
    )


def test_a_no_gives_nothing_and_is_told(office: Office, two, maren: str) -> None:
    ada, basil = two
    id = office.ask_for(ada, maren, roles.INCIDENT_COMMANDER)
    office.decide(basil, id, Verdict.REJECTED)
    assert office.roles(maren) == {roles.ANALYST}
    assert office.told("refused") == [(maren, [roles.INCIDENT_COMMANDER], "rejected")]


def test_nobody_asks_for_or_ends_a_role_of_their_own(office: Office, two) -> None:
    ada, _ = two
    with pytest.raises(OwnRole) as refused:
        office.ask_for(ada, ada, roles.ANALYST)
    assert refused.value.code == "own_role"
    with pytest.raises(OwnRole):
        office.end(ada, ada, roles.ADMINISTRATOR)
    assert office.told("refused") == [(ada, [roles.ANALYST], "own_role"), (ada, [roles.ADMINISTRATOR], "own_role")]
    assert office.roles(ada) == {roles.ADMINISTRATOR}


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (roles.ANALYST, roles.AUDITOR),
        (roles.ANALYST, roles.ADMINISTRATOR),
        (roles.COMPLIANCE_OFFICER, roles.DPO),
        (roles.DPO, roles.ADMINISTRATOR),
    ],
)
def test_an_excluded_role_is_not_even_asked_for(office: Office, two, held: str, wanted: str) -> None:
    account, now = office.administrator("nell", held), office.people.ground.clock.now()
    terms = Terms(until=now + DAY, period=(now - DAY, now)) if wanted == roles.AUDITOR else Terms()
    with pytest.raises(Conflict) as refused:
        office.ask_for(two[0], account, wanted, terms)
    assert refused.value.code == "duties_conflict"
    assert office.told("refused") == [(account, [wanted], "duties_conflict")]
    assert office.people.events("admin.approval.requested") == []


def test_what_excludes_it_meanwhile_stops_it(office: Office, two) -> None:
    ada, basil = two
    nell = office.administrator("nell", roles.ANALYST)
    first = office.ask_for(ada, nell, roles.COMPLIANCE_OFFICER)
    second = office.ask_for(ada, nell, roles.DPO)
    assert office.decide(basil, first).state is State.EXECUTED
    outcome: Outcome = office.decide(basil, second)
    assert (outcome.state, outcome.result) == (State.FAILED, "duties_conflict")
    assert office.roles(nell) == {roles.ANALYST, roles.COMPLIANCE_OFFICER}
    assert [reason for _, _, reason in office.told("refused")] == ["duties_conflict", "failed"]


def test_an_auditor_needs_end_and_period(office: Office, two) -> None:
    ada, basil = two
    now, selma = office.people.ground.clock.now(), office.administrator("selma", roles.ANALYST)
    office.end(ada, selma, roles.ANALYST)
    for terms in (Terms(), Terms(until=now + 91 * DAY, period=(now - DAY, now)), Terms(until=now + DAY)):
        with pytest.raises(TermsInvalid):
            office.ask_for(ada, selma, roles.AUDITOR, terms)
    period = (now - 90 * DAY, now)
    id = office.ask_for(ada, selma, roles.AUDITOR, Terms(until=now + 90 * DAY, period=period))
    office.decide(basil, id)
    with office.people.ground.db.read() as session:
        assert accounts.auditor_period(session, selma, now) == period
        asking = ApprovalKind(
            name="audit.export",
            title="Take a part of the trail away",
            asks=AUDIT_TRAIL_EXPORT,
            decides=AUDIT_REQUEST_ANSWER,
            render=lambda payload: [],
        )
        # What an auditor asked for runs within their period.
        assert approvers.acting_for(session, selma, asking, now).period == period
        assert approvers.acting_for(session, ada, asking, now) is None


def test_a_role_that_is_held_or_unknown_or_of_a_customer_is_not_asked_for(office: Office, two, maren: str) -> None:
    ada, basil = two
    with pytest.raises(WrongState):
        office.ask_for(ada, maren, roles.ANALYST)
    with pytest.raises(OnePayError) as unknown:
        office.ask_for(ada, maren, "root")
    assert unknown.value.code == "role_unknown"
    customer = office.people.sign_up("amber@example.org", "amber_finch")
    with pytest.raises(OnePayError) as wrong_kind:
        office.ask_for(ada, customer, roles.ANALYST)
    assert wrong_kind.value.code == "role_unknown"
    with pytest.raises(NotFound):
        office.ask_for(ada, "acc_nobody", roles.ANALYST)
    with office.people.ground.db.begin() as session:
        accounts.set_state(session, maren, AccountState.DISABLED, office.as_(basil), reason="left the house")
    with pytest.raises(WrongState):
        office.ask_for(ada, maren, roles.INCIDENT_COMMANDER)


def test_the_same_asked_twice_is_one_request(office: Office, two, maren: str) -> None:
    first = office.ask_for(two[0], maren, roles.INCIDENT_COMMANDER)
    office.people.move(seconds=1)
    assert office.ask_for(two[0], maren, roles.INCIDENT_COMMANDER) == first
    assert len(office.told("requested")) == 1


def test_an_end_takes_the_role_and_what_was_signed_in_with(office: Office, two, maren: str) -> None:
    with office.people.ground.db.read() as session:
        before = accounts.get(session, maren).epoch
    office.end(two[0], maren, roles.ANALYST)
    assert office.roles(maren) == frozenset()
    with office.people.ground.db.read() as session:
        assert accounts.get(session, maren).epoch > before
    assert office.told("revoked") == [(maren, [roles.ANALYST], "by_hand")]
    assert "Has left the team" not in str(office.people.events("admin.role.revoked")), "the words are sealed"
    with pytest.raises(NotFound):
        office.end(two[0], maren, roles.ANALYST)


def test_the_last_but_one_approver_stays(office: Office, two) -> None:
    ada, basil = two
    with pytest.raises(NoSecondApprover) as refused:
        office.end(ada, basil, roles.ADMINISTRATOR)
    assert refused.value.code == "no_second_approver"
    assert "Give a role" in str(refused.value)
    assert office.roles(basil) == {roles.ADMINISTRATOR}
    assert office.told("refused") == [(basil, [roles.ADMINISTRATOR], "no_second_approver")]
    office.administrator("cleo")
    office.end(ada, basil, roles.ADMINISTRATOR)
    assert office.roles(basil) == frozenset()


def test_a_role_that_runs_out_is_told_once_and_may_be_given_again(office: Office, two, maren: str) -> None:
    ada, basil = two
    until = office.people.ground.clock.now() + 2 * DAY
    office.decide(basil, office.ask_for(ada, maren, roles.INCIDENT_COMMANDER, Terms(until=until)))
    office.people.move(days=2, seconds=-1)
    assert office.lapse() == 0
    assert office.roles(maren) == {roles.ANALYST, roles.INCIDENT_COMMANDER}
    office.people.move(seconds=1)
    assert office.roles(maren) == {roles.ANALYST}
    # Before the job has seen that it ran out, too.
    office.decide(basil, office.ask_for(ada, maren, roles.INCIDENT_COMMANDER))
    assert office.roles(maren) == {roles.ANALYST, roles.INCIDENT_COMMANDER}
    assert office.lapse() == 0
    assert office.told("lapsed") == [(maren, [roles.INCIDENT_COMMANDER], None)]


def test_an_excluded_pair_that_is_held_is_found_however_it_came(office: Office, two, maren: str) -> None:
    def found():
        with office.people.ground.db.read() as session:
            return [(one.account_id, one.pair) for one in role_grants.excluded_held(session, office.people.ctx().at)]

    assert found() == []
    with office.people.ground.db.begin() as session:
        session.execute(
            sa.insert(role_grant).values(
                id="rol_by_hand",
                account_id=maren,
                role=roles.ADMINISTRATOR,
                from_at=office.people.ground.clock.now(),
                reason="by hand",
            )
        )
    assert found() == [(maren, (roles.ADMINISTRATOR, roles.ANALYST))]
    office.administrator("cleo")
    office.end(two[0], maren, roles.ADMINISTRATOR)
    assert found() == []


@BOTH
def test_two_who_are_ended_at_once_leave_two(request: pytest.FixtureRequest, where: str) -> None:
    office = Office(people=request.getfixturevalue(where))
    four = [office.administrator(name) for name in ("ada", "basil", "cleo")]
    gate, found = threading.Barrier(2), list[str]()

    def end(by: str, account: str) -> None:
        gate.wait()
        try:
            office.end(by, account, roles.ADMINISTRATOR)
            found.append("ended")
        except OnePayError as error:
            found.append(error.code)

    pairs = ((four[0], four[1]), (four[0], four[2]))
    threads = [threading.Thread(target=end, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["ended", "no_second_approver"]
    with office.people.ground.db.read() as session:
        assert accounts.count_active(session, roles.ADMINISTRATOR, office.people.ctx().at) == 2
