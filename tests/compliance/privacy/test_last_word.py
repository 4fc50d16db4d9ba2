"""What was called off, sent back or never proven stays so, whatever somebody writes into its row: the log is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.db import delete_for_good
from compliance.contracts.probes import Violation
from compliance.privacy import delivery, intake, logged, moving, requests, restrict, trouble, whose
from compliance.privacy import rights as services
from compliance.privacy.erasure import batches, certificates, deciding, execution
from compliance.privacy.models import (
    erasure_certificate,
    erasure_target,
    request,
    request_item,
    request_step,
    restriction,
)
from compliance.privacy.request import Asked, State
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_erase import emptied, token_of
from tests.compliance.privacy.test_erase_forged import contacts, live
from tests.support.installation import Person


def found_by_probe(rights: Rights) -> list[str]:
    """Return what the probe of Art. 5(2) says of requests."""
    controls = rights.house.system.controls
    seen = controls.observe(controls.parts.probes["papers.decided"], is_test_due=False)
    assert seen is not None
    violations: list[Violation] = [one for one in seen.reading.violations if one.component == "requests"]
    return [one.says for one in violations]


def set_back(rights: Rights, request_id: str, **values: Any) -> None:
    """Write into the row of a request, as somebody who can, and let the jobs work on it for a while."""
    write(rights, request_id, **values)
    rights.work()
    rights.clock.move(timedelta(minutes=11))
    rights.work()


def write(rights: Rights, request_id: str, **values: Any) -> None:
    with rights.db.begin() as session:
        session.execute(sa.update(request).where(request.c.id == request_id).values(**values))


@pytest.mark.parametrize("ends", ["withdrawn", "not_me", "refused"])
def test_an_erasure_that_was_called_off_is_not_carried_out(staffed: tuple[Rights, Person, Person], ends: str) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_off")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    with rights.db.begin() as session:
        if ends == "withdrawn":
            services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
        elif ends == "not_me":
            services.stop(session, token_of(rights, amber, request_id), rights.me(amber), parts=rights.parts)
    if ends == "refused":
        refused(rights, request_id, officer, dpo)
    there, keys = contacts(rights, amber), live(rights, amber)
    rights.clock.move(timedelta(hours=72))
    assert found_by_probe(rights) == []
    set_back(rights, request_id, state="waiting", not_before=rights.clock.now(), closed_at=None, answered_at=None)
    assert rights.get(request_id).state is State.WAITING
    set_back(rights, request_id, state="executing")
    assert (contacts(rights, amber), live(rights, amber)) == (there, keys)
    with rights.db.begin() as session:
        step = {"request_id": request_id, "state": "executing", "at": rights.clock.now(), "role": "you"}
        session.execute(sa.insert(request_step).values(step))
    assert found_by_probe(rights) == ["stands as executing, and was called off"]


def refused(rights: Rights, request_id: str, officer: Person, dpo: Person) -> None:
    """Let two people refuse a request."""
    from compliance.privacy import rectify

    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        approvals = rights.house.system.approvals
        write_off = "nobody can be erased of whom a court asks"
        approval = rectify.ask_refusal(session, request_id, write_off, ctx, parts=rights.parts, approvals=approvals)
    other = next(one for name, one in rights.house.people.items() if name.startswith("dan"))
    rights.vote(approval, rights.colleague(other, roles.DPO))


def test_an_erasure_that_was_sent_back_is_not_carried_out(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_back", euros=20), rights.house.customer("basil_back")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    emptied(rights, amber, basil)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    assert rights.get(request_id).state is State.IN_REVIEW, "what was approved to stay would go"
    assert "privacy.request.returned" in rights.kinds()
    there = contacts(rights, amber)
    set_back(rights, request_id, state="waiting", not_before=rights.clock.now())
    assert contacts(rights, amber) == there
    assert rights.get(request_id).state is State.WAITING


def test_what_nobody_proved_to_be_theirs_is_neither_planned_nor_decided(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, _ = staffed
    amber = rights.house.customer("amber_unproven")
    rights.calm()
    outside = rights.house.system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
    asked = Asked(kind="erasure", channel="form")
    with rights.db.begin() as session:
        request_id = intake.ask_from_outside(session, asked, amber.account, outside, parts=rights.parts)
    set_back(rights, request_id, state="scoped", is_verified=True)
    assert rights.get(request_id).state is State.SCOPED
    write(rights, request_id, state="in_review")
    ctx, approvals = rights.colleague(officer, roles.COMPLIANCE_OFFICER), rights.house.system.approvals
    with rights.db.begin() as session, pytest.raises(whose.RequestDiffers):
        deciding.propose(session, request_id, "as they asked", ctx, parts=rights.parts, approvals=approvals)
    write(rights, request_id, state="identity")
    with rights.db.begin() as session:
        services.answer_identity(session, request_id, "shown by a call back", ctx, parts=rights.parts)
    rights.clock.move(timedelta(minutes=11))
    rights.work()
    assert rights.get(request_id).state is State.IN_REVIEW, "now somebody has"


def test_a_copy_that_was_stopped_is_neither_made_nor_handed_out(staffed: tuple[Rights, Person, Person]) -> None:
    rights, _, _ = staffed
    amber = rights.house.customer("amber_copy")
    rights.calm()
    request_id = rights.ask(amber)
    with rights.db.begin() as session:
        moving.stop(session, token_of(rights, amber, request_id), rights.me(amber), parts=rights.parts)
    set_back(rights, request_id, state="scoped", closed_at=None, answered_at=None)
    assert rights.get(request_id).state is State.SCOPED
    write(rights, request_id, state="ready")
    with rights.db.begin() as session, pytest.raises((whose.RequestDiffers, delivery.NotFound)):
        delivery.fetch(session, request_id, rights.me(amber), parts=rights.parts)


def test_a_step_that_was_led_elsewhere_hides_no_request_from_its_person(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, _, _ = staffed
    amber = rights.house.customer("amber_hidden")
    request_id = rights.ask(amber, "erasure")
    with rights.db.begin() as session:
        session.execute(sa.update(request_step).where(request_step.c.request_id == request_id).values(event_id=None))
    with rights.db.begin() as session:
        services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    assert rights.get(request_id).state is State.WITHDRAWN


@pytest.mark.parametrize(
    ("is_called_off", "says"),
    [
        (False, "was carried out before its person's time to call it off was over"),
        (True, "stands as closed, and was called off"),
    ],
)
def test_the_probe_names_what_was_carried_out_against_the_log(
    staffed: tuple[Rights, Person, Person], is_called_off: bool, says: str
) -> None:
    """As a version of ours that did not ask the log would have done it."""
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_early")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    if is_called_off:
        with rights.db.begin() as session:
            services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    how = {"parts": rights.parts, "word": lambda *_: None}
    with rights.db.begin() as session:
        execution.begin(session, requests.get(session, request_id), rights.job(), **how)
    execution.carry_out(rights.db, request_id, rights.job(), shreds=rights.house.system.shredding, **how)
    assert rights.get(request_id).state is State.CLOSED
    assert found_by_probe(rights) == [says]


def test_nothing_shortens_the_wait_of_an_erasure(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_wait")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    there, keys = contacts(rights, amber), live(rights, amber)
    set_back(rights, request_id, not_before=rights.clock.now())
    assert rights.get(request_id).state is State.WAITING
    set_back(rights, request_id, state="executing")
    assert (contacts(rights, amber), live(rights, amber)) == (there, keys)
    write(rights, request_id, state="waiting")
    rights.clock.move(timedelta(hours=72))
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    assert found_by_probe(rights) == []


def _add_foreign(session: Session, rights: Rights, request_id: str, other: Person) -> None:
    row = {"request_id": request_id, "place": 900, "source": "identity", "store": "app_contact"}
    what = {"ids": contacts(rights, other), "category": "contact", "action": "delete", "rows": 1, "fields": []}
    session.execute(sa.insert(erasure_target).values(**row, **what, retention="account.contact"))


def _destroy_account_key(session: Session, rights: Rights, request_id: str, other: Person) -> None:
    row = {"request_id": request_id, "place": 900, "source": "identity", "store": "app_contact", "ids": []}
    what = {"category": "contact", "action": "shred", "key_class": "account", "rows": 1, "fields": []}
    session.execute(sa.insert(erasure_target).values(**row, **what, retention="account.contact"))


def _let_go_what_stays(session: Session, rights: Rights, request_id: str, other: Person) -> None:
    of = erasure_target.c
    kept = (of.request_id == request_id) & (of.action == "keep") & (of.category == "contact")
    session.execute(sa.update(erasure_target).where(kept).values(action="delete"))


def _leave_out(session: Session, rights: Rights, request_id: str, other: Person) -> None:
    session.execute(sa.delete(erasure_target).where(erasure_target.c.request_id == request_id))


@pytest.mark.parametrize("change", [_add_foreign, _destroy_account_key, _let_go_what_stays, _leave_out])
def test_nothing_is_added_to_what_an_erasure_began_with(
    staffed: tuple[Rights, Person, Person], change: Callable[[Session, Rights, str, Person], None]
) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_plan", euros=20), rights.house.customer("basil_plan")
    request_id = rights.due_erasure(amber, officer, dpo)
    with rights.db.begin() as session:
        execution.begin(session, requests.get(session, request_id), rights.job(), parts=rights.parts)
    before = [contacts(rights, amber), contacts(rights, basil), live(rights, amber)]
    with rights.db.begin() as session:
        change(session, rights, request_id, basil)
    how = {"parts": rights.parts, "shreds": rights.house.system.shredding}
    with pytest.raises(batches.PlanDiffers):
        execution.step(rights.db, request_id, rights.job(), **how)
    write(rights, request_id, state="executed")
    with pytest.raises(batches.PlanDiffers):
        execution.step(rights.db, request_id, rights.job(), **how)
    assert [contacts(rights, amber), contacts(rights, basil), live(rights, amber)] == before


def test_an_erasure_begins_by_what_was_read_when_it_was_approved(staffed: tuple[Rights, Person, Person]) -> None:
    """What was approved to stay may go once it is settled, but for nobody who rewrites what was approved."""
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_read", euros=20)
    request_id = rights.due_erasure(amber, officer, dpo)
    with rights.db.begin() as session:
        mine = (request_item.c.request_id == request_id) & (request_item.c.held > 0)
        session.execute(sa.update(request_item).where(mine).values(held=0))
    rights.work()
    assert rights.get(request_id).state is State.WAITING
    with rights.db.read() as session:
        said = trouble.of_request(session, request_id)
    assert said is not None
    assert said.code == "erasure_undecided"


def test_a_certificate_names_what_was_to_stay_and_went(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_beyond")
    request_id = rights.due_erasure(amber, officer, dpo)
    with rights.db.begin() as session:
        found = requests.get(session, request_id)
        beyond = ["app_message communication"]
        execution.begin(session, found, rights.job(), parts=rights.parts, beyond=beyond)
    approved = None
    with rights.db.begin() as session:
        approved = logged.of(session, found).approved
        session.execute(sa.update(request).values(plan_root="1" * 64))
    rights.work()
    with rights.db.read() as session:
        body = certificates.by_request(session, request_id)
    assert approved is not None
    assert body["approved_root"] == approved.root
    assert body["plan_root"] not in (approved.root, "1" * 64)
    assert body["approved_to_stay_and_gone"] == [{"store": "app_message", "category": "communication"}]
    said = certificates.why_plans_differ(body) or ""
    assert "the letter that told of the approval" in said
    assert "What was to stay and went" in said
    same = {**body, "approved_root": body["plan_root"]}
    assert certificates.why_plans_differ(same) is None
    gone = "began as the log says, and is gone"
    assert gone not in found_by_probe(rights)
    with rights.db.begin() as session:
        delete_for_good(session)
        session.execute(sa.delete(erasure_certificate).where(erasure_certificate.c.request_id == request_id))
    assert gone in found_by_probe(rights)


def test_a_restriction_ends_by_an_approval_and_by_no_row(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_kept")
    request_id = rights.ask(amber, "restriction")

    def tell_long_ago() -> None:
        with rights.db.begin() as session:
            session.execute(sa.update(restriction).values(notified_at=rights.clock.now() - timedelta(days=4)))
        rights.clock.move(timedelta(minutes=11))
        rights.work()

    tell_long_ago()
    assert rights.get(request_id).state is State.EXECUTED
    ctx, approvals = rights.colleague(officer, roles.COMPLIANCE_OFFICER), rights.house.system.approvals
    with rights.db.begin() as session:
        why = "the data was corrected"
        approval = restrict.ask_lift(session, request_id, why, ctx, parts=rights.parts, approvals=approvals)
    tell_long_ago()
    rights.vote(approval, rights.colleague(dpo, roles.DPO))
    tell_long_ago()
    assert rights.get(request_id).state is State.EXECUTED, "its person has three days"
    rights.clock.move(timedelta(days=3))
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
