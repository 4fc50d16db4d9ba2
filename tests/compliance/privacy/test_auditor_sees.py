"""What an auditor reads of requests is what had come of them by the end of the period that is locked to them."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.context import Context
from compliance import pressing
from compliance.privacy import identity, intake, moving, requests, trouble
from compliance.privacy.request import Asked, RequestFilter, State
from tests.compliance.privacy.rights import Rights


def auditor_of(rights: Rights, begin: datetime, end: datetime) -> Context:
    return rights.house.system.context(
        Actor(
            id="acc_audit",
            kind=ActorKind.STAFF,
            roles=frozenset({roles.AUDITOR}),
            permissions=roles.ROLES[roles.AUDITOR],
            period=(begin, end),
        )
    )


def test_what_came_of_a_request_after_the_period_is_not_told(rights: Rights) -> None:
    amber, hour = rights.house.customer("amber_seen"), timedelta(hours=1)
    rights.calm()
    at, request_id = rights.clock.now(), rights.ask(amber, "erasure")
    rights.work()
    rights.clock.move(2 * hour)
    with rights.db.begin() as session:
        moving.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    for end, state in ((at + hour, State.IN_REVIEW), (at + 3 * hour, State.WITHDRAWN)):
        auditor = auditor_of(rights, at - hour, end)
        with rights.db.begin() as session:
            (one,) = requests.listed(session, RequestFilter(), auditor)
            told = requests.story(session, request_id, auditor, parts=rights.parts)
            still_open = requests.listed(session, RequestFilter(is_open=True), auditor)
            late = requests.listed(session, RequestFilter(is_overdue=True), auditor)
            counted = pressing.requests(session, auditor.actor, rights.clock.now() + timedelta(days=90))
        assert (one.state, told.request.state, told.steps[-1].state) == (state, state, state.value)
        assert [each.id for each in still_open] == ([request_id] if state is State.IN_REVIEW else [])
        assert (one.closed_at is None) == (state is State.IN_REVIEW)
        assert all(step.at < end for step in told.steps)
        assert (counted.waiting, counted.late) == (len(still_open), 0)
        assert late == [], "nobody was late by the end of the period, whatever day it is now"


def test_the_clock_of_a_request_is_that_of_the_end_of_the_period(rights: Rights) -> None:
    amber, hour = rights.house.customer("amber_clock"), timedelta(hours=1)
    rights.calm()
    at = rights.clock.now()
    officer = rights.staff(roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        wanted = Asked(kind="rectification", detail="My name is Amber", channel="letter")
        request_id = intake.enter(session, wanted, amber.account, at.date(), officer, parts=rights.parts)
    rights.clock.move(2 * hour)
    with rights.db.begin() as session:
        identity.ask(session, request_id, rights.staff(roles.COMPLIANCE_OFFICER), parts=rights.parts)
    asked, asked_until = rights.get(request_id), rights.clock.now() + hour
    rights.clock.move(timedelta(days=5))
    said, ctx = "the codes of two channels", rights.staff(roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        identity.answer(session, request_id, said, ctx, parts=rights.parts)
    resumed, resumed_until = rights.get(request_id), rights.clock.now() + hour
    rights.clock.move(2 * hour)
    with rights.db.begin() as session:
        ctx = rights.staff(roles.COMPLIANCE_OFFICER)
        moving.extend(session, request_id, "it needs three parties to answer", ctx, parts=rights.parts)
    extended = rights.get(request_id)
    rights.clock.move(2 * hour)
    assert asked.due < resumed.due < extended.due
    ends = (asked_until, asked), (resumed_until, resumed), (rights.clock.now() - hour, extended)
    for end, was in ends:
        with rights.db.begin() as session:
            auditor = auditor_of(rights, at - hour, end)
            told = requests.story(session, request_id, auditor, parts=rights.parts).request
            (one,) = requests.listed(session, RequestFilter(), auditor)
        for found in (told, one):
            assert (found.due, found.is_extended, found.is_verified) == (was.due, was.is_extended, was.is_verified)
            assert (found.asked_at, found.paused_days) == (was.asked_at, was.paused_days)
            assert abs(found.due_at - was.due_at) <= hour


def test_nothing_that_lies_about_a_request_is_newer_than_the_period(rights: Rights) -> None:
    amber, hour = rights.house.customer("amber_lies"), timedelta(hours=1)
    rights.calm()
    at, request_id = rights.clock.now(), rights.ask(amber, "access")
    rights.clock.move(2 * hour)
    rights.work()
    with rights.db.begin() as session:
        for _ in range(2):
            trouble.note(session, request_id, "packing", ValueError("no"), rights.job())
        rights.clock.move(2 * hour)
        trouble.note(session, request_id, "packing", ValueError("no"), rights.job())
    for end, is_packed in ((at + hour, False), (at + 3 * hour, True)):
        with rights.db.begin() as session:
            told = requests.story(session, request_id, auditor_of(rights, at - hour, end), parts=rights.parts)
            assert trouble.of_request(session, request_id, before=end) is None
        assert bool(told.items) == is_packed
        assert told.letters
        assert all(one.at < end and one.fate is None for one in told.letters)
    with rights.db.begin() as session:
        now = requests.story(session, request_id, auditor_of(rights, at - hour, at + 9 * hour), parts=rights.parts)
        assert len(now.letters) > 1
        assert all(one.fate is not None for one in now.letters), "their period is not over"
        assert trouble.of_request(session, request_id, before=at + 9 * hour) is not None
