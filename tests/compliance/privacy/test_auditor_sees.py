"""What an auditor reads of requests is what had come of them by the end of the period that is locked to them."""

from __future__ import annotations

from datetime import timedelta

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from compliance import pressing
from compliance.privacy import moving, requests
from compliance.privacy.request import RequestFilter, State
from tests.compliance.privacy.rights import Rights


def test_what_came_of_a_request_after_the_period_is_not_told(rights: Rights) -> None:
    amber, hour = rights.house.customer("amber_seen"), timedelta(hours=1)
    rights.calm()
    at, request_id = rights.clock.now(), rights.ask(amber, "erasure")
    rights.work()
    rights.clock.move(2 * hour)
    with rights.db.begin() as session:
        moving.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    for end, state in ((at + hour, State.IN_REVIEW), (at + 3 * hour, State.WITHDRAWN)):
        auditor = rights.house.system.context(
            Actor(
                id="acc_audit",
                kind=ActorKind.STAFF,
                roles=frozenset({roles.AUDITOR}),
                permissions=roles.ROLES[roles.AUDITOR],
                period=(at - hour, end),
            )
        )
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
