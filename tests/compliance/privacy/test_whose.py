"""What somebody asked for is done for them and for nobody a row names instead, nor after it was taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.kernel.context import Context
from compliance.privacy import consent, identity, intake, moving, rectify, restrict, whose
from compliance.privacy import rights as services
from compliance.privacy.models import request
from compliance.privacy.request import Asked
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person

SAID = "They showed who they are."


def written(rights: Rights, request_id: str, **values: Any) -> None:
    """Write into the row of a request, as somebody who can."""
    with rights.db.begin() as session:
        session.execute(sa.update(request).where(request.c.id == request_id).values(**values))


def refused(rights: Rights, act: Callable[[Session], object]) -> None:
    with rights.db.begin() as session, pytest.raises(whose.RequestDiffers):
        act(session)


def handling(rights: Rights, request_id: str, ctx: Context) -> dict[str, Callable[[Session], object]]:
    """Return what a colleague may do at a request, by what it is called."""
    parts, approvals = rights.parts, rights.house.system.approvals
    place = ("app_account", "nobody", "name_ct", "Mallory")
    return {
        "look": lambda session: rectify.correctable(session, request_id, ctx, parts=parts),
        "correct": lambda session: rectify.rectify(session, request_id, *place, ctx, parts=parts),
        "answer": lambda session: rectify.complete(session, request_id, "It was done as asked.", ctx, parts=parts),
        "extend": lambda session: moving.extend(session, request_id, "It takes longer.", ctx, parts=parts),
        "refuse": lambda session: rectify.ask_refusal(
            session, request_id, "It is right as it is.", ctx, parts=parts, approvals=approvals
        ),
    }


@pytest.mark.parametrize("act", ["look", "correct", "answer", "refuse", "extend"])
@pytest.mark.parametrize("wrong", ["another's", "taken back"])
def test_a_correction_is_made_for_whoever_asked_and_while_they_do(
    staffed: tuple[Rights, Person, Person], act: str, wrong: str
) -> None:
    rights, officer, _ = staffed
    amber, basil = rights.house.customer("amber_asks"), rights.house.customer("basil_named")
    request_id = rights.ask(amber, "rectification", detail="my name is wrong")
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    if wrong == "taken back":
        with rights.db.begin() as session:
            services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
        written(rights, request_id, state="in_review", closed_at=None, answered_at=None)
    else:
        written(rights, request_id, subject=basil.account)
    refused(rights, handling(rights, request_id, ctx)[act])


def test_a_use_is_stopped_for_whoever_objected(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, _ = staffed
    amber, basil = rights.house.customer("amber_objects"), rights.house.customer("basil_agrees")
    ctx, purpose = rights.colleague(officer, roles.COMPLIANCE_OFFICER), "news"
    asked = Asked(kind="objection", purpose=purpose, channel="letter")
    with rights.db.begin() as session:
        consent.give(session, purpose, rights.me(basil))
        day = rights.clock.now().date()
        request_id = intake.enter(session, asked, amber.account, day, ctx, parts=rights.parts)
    written(rights, request_id, subject=basil.account)
    refused(rights, lambda session: services.answer_identity(session, request_id, SAID, ctx, parts=rights.parts))
    refused(rights, lambda session: identity.ask(session, request_id, ctx, parts=rights.parts))
    written(rights, request_id, is_verified=True, state="scoped")
    refused(rights, lambda session: services.begin(session, request_id, ctx, parts=rights.parts))


def test_an_objection_is_decided_for_whoever_objected(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, _ = staffed
    amber, basil = rights.house.customer("amber_stops"), rights.house.customer("basil_other")
    request_id = rights.ask(amber, "objection", purpose="profiling")
    written(rights, request_id, subject=basil.account)
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    decided = (request_id, "upheld", "weighed, see note", ctx)
    refused(rights, lambda session: restrict.decide_objection(session, *decided, parts=rights.parts))


def test_a_restriction_is_let_end_for_whoever_asked(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, _ = staffed
    amber, basil = rights.house.customer("amber_restricts"), rights.house.customer("basil_free")
    request_id = rights.ask(amber, "restriction")
    written(rights, request_id, subject=basil.account)
    ctx, approvals = rights.colleague(officer, roles.COMPLIANCE_OFFICER), rights.house.system.approvals
    asked = (request_id, "What they contested is settled.", ctx)
    refused(rights, lambda session: restrict.ask_lift(session, *asked, parts=rights.parts, approvals=approvals))
