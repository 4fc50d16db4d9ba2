"""Four eyes: asked with the exact content, decided by somebody else who is sure, done once, and every refusal told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, roles
from app.identity.accounts import State as AccountState
from app.identity.approvals import AlreadyAsked
from app.identity.models import approval, role_grant
from app.kernel import approvals as kernel
from app.kernel import crypto
from app.kernel.access import ActorKind, Permission
from app.kernel.approvals import (
    ApprovalChanged,
    ApprovalClosed,
    ApprovalExpired,
    ApprovalMissing,
    ApprovalUsed,
    State,
    Verdict,
)
from app.kernel.context import Context
from app.kernel.errors import Forbidden, NotFound, OnePayError, ReasonMissing, SamePerson, StepUpRequired
from tests.app.identity.conftest import People
from tests.app.identity.desk import DOOR, KIND, Desk


@pytest.fixture
def desk(people: People) -> Desk:
    made = Desk(people=people)
    made.declare()
    return made


@pytest.fixture
def two(desk: Desk) -> tuple[str, str]:
    return desk.administrator("ada"), desk.administrator("basil")


def end_role(desk: Desk, account: str) -> None:
    with desk.people.ground.db.begin() as session:
        session.execute(
            sa.update(role_grant)
            .where(role_grant.c.account_id == account)
            .values(ended_at=desk.people.ground.clock.now())
        )


def test_a_second_person_lets_it_happen_once_as_who_asked(desk: Desk, two) -> None:
    ada, basil = two
    id = desk.ask(ada, object_id="door_north")
    assert desk.state(id) is State.REQUESTED
    assert desk.painted == []
    outcome = desk.decide(basil, id)
    assert (outcome.state, outcome.result) == (State.EXECUTED, "painted")
    assert desk.painted == [(DOOR, ada)]
    with desk.people.ground.db.read() as session:
        standing = desk.book.state_of(session, id)
    assert standing.executed_at == desk.people.ground.clock.now()
    assert [(who, said) for who, said, _ in standing.votes] == [(basil, Verdict.APPROVED)]
    kinds = ("requested", "decided", "executed")
    told = [desk.people.events(f"admin.approval.{kind}")[0] for kind in kinds]
    assert [body["user"]["id"] for body in told] == [ada, basil, ada]
    assert {body["onepay"]["approval"]["id"] for body in told} == {id}
    assert {body["onepay"]["approval"]["payload_hash"] for body in told} == {kernel.digest(KIND, DOOR)}
    assert told[1]["onepay"]["approval"]["decision"] == "approved"
    assert "ip" not in told[2].get("source", {})  # nobody asked from where the decision came


def test_the_same_click_again_changes_nothing(desk: Desk, two) -> None:
    ada, basil = two
    id = desk.ask(ada)
    desk.decide(basil, id)
    again = desk.decide(basil, id)
    assert (again.state, again.is_repeat) == (State.EXECUTED, True)
    assert len(desk.painted) == 1
    assert len(desk.people.events("admin.approval.decided")) == 1


@pytest.mark.parametrize("verdict", list(Verdict))
def test_nobody_decides_what_they_asked_for(desk: Desk, two, verdict: Verdict) -> None:
    id = desk.ask(two[0])
    with pytest.raises(SamePerson) as refused:
        desk.decide(two[0], id, verdict)
    assert refused.value.code == "same_person"
    assert desk.refusals() == ["same_person"]
    assert desk.state(id) is State.REQUESTED


def test_nobody_decides_what_is_about_themselves(desk: Desk, two) -> None:
    ada, basil = two
    third = desk.administrator("cleo")
    id = desk.ask(ada, {**DOOR, "owners": [basil]})
    with pytest.raises(SamePerson):
        desk.decide(basil, id)
    assert desk.refusals() == ["same_person"]
    with desk.people.ground.db.read() as session:
        pending = {
            who: [one.standing.id for one in desk.book.pending_for(session, desk.as_(who).actor, desk.as_(who).at)]
            for who in (ada, basil, third)
        }
    assert pending == {ada: [], basil: [], third: [id]}
    assert desk.decide(third, id).state is State.EXECUTED


def test_who_lacks_the_permission_decides_nothing(desk: Desk, two) -> None:
    analyst = desk.administrator("maren", roles.ANALYST)
    id = desk.ask(two[0])
    with pytest.raises(Forbidden) as refused:
        desk.decide(analyst, id)
    assert refused.value.permission == "iam:role:decide"
    assert desk.refusals() == ["permission"]


def test_who_lacks_the_permission_asks_for_nothing(desk: Desk) -> None:
    analyst = desk.administrator("maren", roles.ANALYST)
    with pytest.raises(Forbidden):
        desk.ask(analyst)


def test_a_decision_needs_a_proof_of_a_minute_ago(desk: Desk, two) -> None:
    ada, basil = two
    id, now = desk.ask(ada), desk.people.ground.clock.now()
    with pytest.raises(StepUpRequired) as asked:
        desk.decide(basil, id, proved=now - timedelta(seconds=61))
    assert asked.value.max_age_seconds == 60
    assert desk.decide(basil, id, proved=now - timedelta(seconds=60)).state is State.EXECUTED


def test_a_no_ends_it_and_says_why(desk: Desk, two) -> None:
    ada, basil = two
    id = desk.ask(ada)
    with pytest.raises(ReasonMissing), desk.people.ground.db.begin() as session:
        desk.book.decide(session, id, Verdict.REJECTED, "no", desk.as_(basil))
    assert desk.decide(basil, id, Verdict.REJECTED).state is State.REJECTED
    assert desk.closed == [(id, State.REJECTED)]
    third = desk.administrator("cleo")
    with pytest.raises(ApprovalClosed):
        desk.decide(third, id)
    assert desk.refusals() == ["rejected"]
    assert desk.painted == []


def test_a_second_use_is_refused(desk: Desk, two) -> None:
    ada, basil = two
    third = desk.administrator("cleo")
    id = desk.ask(ada)
    desk.decide(basil, id)
    with pytest.raises(ApprovalUsed):
        desk.decide(third, id)
    with pytest.raises(ApprovalUsed):
        desk.take(ada, id)
    assert desk.refusals() == ["used", "used"]
    assert len(desk.painted) == 1


def test_what_lapsed_is_decided_no_more_and_is_told_once(desk: Desk, two) -> None:
    ada, basil = two
    id = desk.ask(ada)
    desk.people.move(hours=24)
    with pytest.raises(ApprovalExpired) as refused:
        desk.decide(basil, id)
    assert refused.value.code == "approval_expired"
    assert [desk.expire(), desk.expire()] == [1, 0]
    assert desk.state(id) is State.EXPIRED
    assert desk.closed == [(id, State.EXPIRED)]
    with pytest.raises(ApprovalExpired):
        desk.decide(basil, id)
    assert desk.refusals() == ["expired", "expired"]
    assert len(desk.people.events("admin.approval.expired")) == 1


def test_one_that_cannot_end_holds_up_no_other(desk: Desk, two, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = desk.ask(two[0]), desk.ask(two[0], {**DOOR, "colour": "red"})
    desk.people.move(hours=24)
    ended: list[str] = []

    def closed(session: Session, id: str, state: State, ctx: Context) -> None:
        if id == first:
            raise RuntimeError("it is being written to")
        ended.append(id)

    monkeypatch.setitem(desk.book._kinds, KIND, replace(desk.book._kinds[KIND], closed=closed))
    assert desk.expire() == 1
    assert ended == [other]
    with desk.people.ground.db.read() as session:
        assert desk.book.state_of(session, first).state is State.REQUESTED


def test_a_moment_before_its_end_it_is_decided(desk: Desk, two) -> None:
    id = desk.ask(two[0])
    desk.people.move(hours=23, minutes=59, seconds=59)
    assert desk.expire() == 0
    assert desk.decide(two[1], id).state is State.EXECUTED


@pytest.mark.parametrize("how", ["other_text", "other_digest", "other_row"])
def test_a_row_that_was_changed_is_not_done(desk: Desk, two, how: str) -> None:
    ada, basil = two
    id, other = desk.ask(ada), desk.ask(ada, {**DOOR, "colour": "red"})
    with desk.people.ground.db.begin() as session:
        mine = sa.update(approval).where(approval.c.id == id)
        key = crypto.derive(desk.people.parts.credentials, "approvals")
        place = f"app_approval.payload_ct.{id}.{ada}"
        forged = crypto.seal_text(key, '{"coats":2,"colour":"red","door":"north"}', place)
        theirs = sa.select(approval.c.payload_ct).where(approval.c.id == other).scalar_subquery()
        values = {
            "other_text": {"payload_ct": forged},
            "other_digest": {"digest": kernel.digest(KIND, {})},
            "other_row": {"payload_ct": theirs},
        }
        session.execute(mine.values(**values[how]))
    with pytest.raises(ApprovalChanged) as refused:
        desk.decide(basil, id)
    assert refused.value.code == "approval_changed"
    assert desk.refusals() == ["changed"]
    assert desk.painted == []


def test_who_asked_decides_nothing_whoever_the_row_says_asked(desk: Desk, two) -> None:
    ada, basil = two
    id = desk.ask(ada)
    with desk.people.ground.db.begin() as session:
        session.execute(sa.update(approval).where(approval.c.id == id).values(requested_by=basil))
    with pytest.raises(ApprovalChanged):
        desk.decide(ada, id)
    assert desk.refusals() == ["changed"]
    assert desk.painted == []


def test_a_service_that_would_do_something_else_is_stopped(desk: Desk, two) -> None:
    ada, basil = two
    desk.takes = {**DOOR, "coats": 3}
    id = desk.ask(ada)
    outcome = desk.decide(basil, id)
    assert (outcome.state, outcome.result) == (State.FAILED, "approval_changed")
    assert desk.painted == []
    assert desk.refusals() == ["changed"]


def test_what_cannot_be_done_has_failed_and_changed_nothing(desk: Desk, two) -> None:
    ada, basil = two
    desk.is_empty = True
    id = desk.ask(ada)
    outcome = desk.decide(basil, id)
    assert (outcome.state, outcome.error.code) == (State.FAILED, "wrong_state")
    assert desk.state(id) is State.FAILED
    assert desk.closed == [(id, State.FAILED)]
    told = desk.people.events("admin.approval.executed")
    assert [(body["event"]["outcome"], body["event"]["reason"]) for body in told] == [("failure", "wrong_state")]
    with pytest.raises(ApprovalUsed):
        desk.decide(desk.administrator("cleo"), id)


def test_a_requester_who_lost_the_right_is_not_served(desk: Desk, two) -> None:
    ada, basil = two
    id = desk.ask(ada)
    end_role(desk, ada)
    with pytest.raises(OnePayError) as refused:
        desk.decide(basil, id)
    assert refused.value.code == "requester_lost"
    assert desk.refusals() == ["requester_lost"]
    assert desk.painted == []


def test_a_requester_who_was_disabled_is_not_served(desk: Desk, two) -> None:
    ada, basil = two
    id = desk.ask(ada)
    with desk.people.ground.db.begin() as session:
        accounts.set_state(session, ada, AccountState.DISABLED, desk.as_(basil), reason="left the house")
    with pytest.raises(OnePayError):
        desk.decide(basil, id)
    assert desk.refusals() == ["requester_lost"]


def test_an_approver_who_lost_the_right_counts_no_more(people: People) -> None:
    desk = Desk(people=people)
    desk.declare(quorum=2)
    ada, basil, cleo, dana = (desk.administrator(name) for name in ("ada", "basil", "cleo", "dana"))
    id = desk.ask(ada)
    assert desk.decide(basil, id).state is State.REQUESTED
    end_role(desk, basil)
    assert desk.decide(cleo, id).state is State.REQUESTED
    assert desk.refusals() == ["approver_lost"]
    assert desk.decide(dana, id).state is State.EXECUTED
    assert len(desk.painted) == 1


def test_one_person_is_no_quorum_of_two(people: People) -> None:
    desk = Desk(people=people)
    desk.declare(quorum=2)
    ada, basil = desk.administrator("ada"), desk.administrator("basil")
    id = desk.ask(ada)
    desk.decide(basil, id)
    assert desk.decide(basil, id).state is State.REQUESTED
    with pytest.raises(ApprovalClosed):
        desk.decide(basil, id, Verdict.REJECTED)
    assert desk.painted == []


def test_who_asked_may_take_it_back_until_it_is_decided(desk: Desk, two) -> None:
    ada, basil = two
    id = desk.ask(ada)
    with pytest.raises(NotFound):
        desk.withdraw(basil, id)
    desk.withdraw(ada, id)
    desk.withdraw(ada, id)
    assert desk.closed == [(id, State.WITHDRAWN)]
    with pytest.raises(ApprovalClosed):
        desk.decide(basil, id)
    other = desk.ask(ada)
    desk.decide(basil, other)
    with pytest.raises(ApprovalUsed):
        desk.withdraw(ada, other)


def test_the_same_asked_twice_is_one(desk: Desk, two) -> None:
    ada, basil = two
    assert desk.ask(ada) == desk.ask(ada)
    assert len(desk.people.events("admin.approval.requested")) == 1
    with pytest.raises(AlreadyAsked):
        desk.ask(basil)


def test_what_lapsed_unseen_is_asked_for_anew(desk: Desk, two) -> None:
    first = desk.ask(two[0])
    desk.people.move(hours=25)
    assert desk.ask(two[0]) != first
    assert desk.state(first) is State.EXPIRED


def test_a_kind_without_run_is_repeated_by_who_asked(people: People) -> None:
    desk = Desk(people=people)
    desk.declare(run=None)
    ada, basil = desk.administrator("ada"), desk.administrator("basil")
    with pytest.raises(ApprovalMissing):
        desk.take(ada, None)
    with pytest.raises(ApprovalMissing):
        desk.take(ada, "apr_unknown")
    id = desk.ask(ada)
    with pytest.raises(ApprovalMissing):
        desk.take(ada, id)
    assert desk.decide(basil, id).state is State.APPROVED
    with pytest.raises(ApprovalMissing):
        desk.take(basil, id)
    with pytest.raises(ApprovalChanged):
        desk.take(ada, id, {**DOOR, "coats": 1})
    desk.take(ada, id)
    with pytest.raises(ApprovalUsed):
        desk.take(ada, id)
    assert desk.refusals() == ["undecided", "other_requester", "changed", "used"]


def test_an_approval_that_nobody_used_lapses(people: People) -> None:
    desk = Desk(people=people)
    desk.declare(run=None)
    ada, basil = desk.administrator("ada"), desk.administrator("basil")
    id = desk.ask(ada)
    desk.decide(basil, id)
    desk.people.move(hours=24)
    with pytest.raises(ApprovalExpired):
        desk.take(ada, id)
    assert desk.expire() == 1
    assert desk.state(id) is State.EXPIRED


def test_a_payload_about_a_person_lies_under_their_key_and_goes_with_them(desk: Desk, two) -> None:
    ada, basil = two
    person = desk.people.sign_up("amber@example.org", "amber_finch")
    id = desk.ask(ada, {**DOOR, "colour": "crimson"}, subject=person)
    ctx = desk.as_(basil)
    with desk.people.ground.db.begin() as session:
        assert b"crimson" not in session.execute(sa.select(approval.c.payload_ct)).scalar_one()
        assert desk.book.show(session, id, ctx).lines == ("Paints the north door crimson.",)
    read = desk.people.events("access.data.read")[-1]["onepay"]
    assert read["subject"]["id"] == [person]
    keys = desk.people.ground.keys_db
    with keys.begin() as session:
        session.execute(
            sa.text("UPDATE ingest_subject_key SET wrapped = NULL, destroyed_at = 1 WHERE subject = :s"), {"s": person}
        )
    with desk.people.ground.db.begin() as session:
        shown = desk.book.show(session, id, ctx)
    assert (shown.lines, shown.is_erased, shown.may_decide) == (None, True, False)


def test_what_is_shown_is_what_runs_and_only_for_who_may(people: People) -> None:
    desk = Desk(people=people)
    decides = Permission("desk:door:decide", "Decide about doors.")
    desk.declare(asks=decides, decides=decides)
    ada = desk.administrator("ada")
    clerk = desk.as_(ada).actor
    owner = people.ctx(
        type(clerk)(id="acc_owner", kind=ActorKind.STAFF, permissions=frozenset({decides}), acr=clerk.acr)
    )
    with people.ground.db.begin() as session:
        id = desk.book.ask(session, KIND, DOOR, owner)
        assert desk.book.show(session, id, owner).lines == ("Paints the north door green.",)
        # `iam:approval:read` shows that it is asked for, not what it holds.
        seen = desk.book.show(session, id, desk.as_(ada))
        assert (seen.lines, seen.may_decide) == (None, False)
        assert [one.standing.id for one in desk.book.others_for(session, clerk, owner.at)] == [id]
    analyst = desk.administrator("maren", roles.ANALYST)
    with people.ground.db.begin() as session:
        with pytest.raises(NotFound):
            desk.book.show(session, id, desk.as_(analyst))
        assert desk.book.others_for(session, desk.as_(analyst).actor, owner.at) == []
        assert desk.book.pending_for(session, desk.as_(analyst).actor, owner.at) == []


def test_a_kind_with_one_approver_is_named(desk: Desk) -> None:
    def lacking(**more):
        with desk.people.ground.db.read() as session:
            return [(one.kind, one.eligible) for one in desk.book.lacking(session, desk.people.ctx().at, **more)]

    assert lacking() == [(KIND, 0)]
    ada = desk.administrator("ada")
    assert lacking() == [(KIND, 1)]
    desk.administrator("basil")
    assert lacking() == []
    assert lacking(without=[ada]) == [(KIND, 1)]
    with desk.people.ground.db.begin() as session:
        accounts.set_state(session, ada, AccountState.DISABLED, desk.people.ctx(), reason="left the house")
    assert lacking() == [(KIND, 1)]


def test_an_owner_ends_what_is_over_and_is_not_told_of_it(desk: Desk, two) -> None:
    ada, basil = two
    id = desk.ask(ada)
    with desk.people.ground.db.begin() as session:
        assert desk.book.cancel(session, id, desk.people.ctx())
        assert not desk.book.cancel(session, id, desk.people.ctx())
    assert desk.closed == []
    with pytest.raises(ApprovalClosed):
        desk.decide(basil, id)
    assert desk.people.events("admin.approval.decided")[0]["onepay"]["approval"]["decision"] == "withdrawn"
    done = desk.ask(ada)
    desk.decide(basil, done)
    with desk.people.ground.db.begin() as session:
        assert not desk.book.cancel(session, done, desk.people.ctx())
    assert desk.state(done) is State.EXECUTED
