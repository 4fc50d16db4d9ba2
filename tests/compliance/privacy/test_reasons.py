"""Where a reason is owed, dots are none: the same rule and the same code for every right of a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.identity import roles
from app.kernel.context import Context
from app.kernel.errors import ReasonMissing
from compliance.privacy import identity, intake, moving, rectify, restrict
from compliance.privacy.parts import ReceiptInvalid
from compliance.privacy.request import Asked
from compliance.registers import breach_handling, breaches
from compliance.registers.breach_handling import LateReasonMissing
from compliance.registers.breaches import Found
from tests.compliance.privacy.rights import Rights

NONE = ("..........", "-- -- -- -- --", "aaaaaaaaaaaa", "  short  1 ", "")
Act = Callable[[Session, str, Context, Rights], Any]


def acts(request_id: str, other: str) -> dict[str, Act]:
    """Return what asks for a reason, by name; `other` is an objection."""
    return {
        "identity": lambda session, why, ctx, of: identity.answer(session, request_id, why, ctx, parts=of.parts),
        "extension": lambda session, why, ctx, of: moving.extend(session, request_id, why, ctx, parts=of.parts),
        "answer": lambda session, why, ctx, of: rectify.complete(session, request_id, why, ctx, parts=of.parts),
        "refusal": lambda session, why, ctx, of: rectify.ask_refusal(
            session, request_id, why, ctx, parts=of.parts, approvals=of.house.system.approvals
        ),
        "decision": lambda session, why, ctx, of: restrict.decide_objection(
            session, other, restrict.COMPELLING, why, ctx, parts=of.parts
        ),
    }


def test_dots_and_one_letter_are_no_reason_anywhere(rights: Rights) -> None:
    amber = rights.house.customer("reason_one")
    rights.calm()
    request_id = rights.ask(amber, "rectification", detail="My name is Amber")
    other = rights.ask(amber, "objection", purpose="profiling")
    rights.work()
    ctx = rights.staff(roles.DPO)
    for name, act in acts(request_id, other).items():
        for why in NONE:
            with pytest.raises(ReasonMissing) as refused, rights.db.begin() as session:
                act(session, why, ctx, rights)
            assert refused.value.code == "reason_missing", name


def test_a_late_receipt_and_a_late_notice_say_why_by_the_same_rule(rights: Rights) -> None:
    amber, ctx = rights.house.customer("reason_late"), rights.staff(roles.DPO)
    received = rights.clock.now().date() - timedelta(days=90)
    with rights.db.begin() as session:
        found = Found(title="A mailbox was read", aware_at=rights.clock.now() - timedelta(days=4))
        breach_id = breach_handling.open_breach(session, found, ctx, parts=rights.house.system.registers)
        breaches_state(session, breach_id)
    wanted, said = Asked(kind="access", channel="letter"), "What happened, to whom, and what is done"
    for why in NONE:
        with pytest.raises(ReceiptInvalid), rights.db.begin() as session:
            intake.enter(session, wanted, amber.account, received, ctx, parts=rights.parts, reason=why)
        with pytest.raises(LateReasonMissing), rights.db.begin() as session:
            breach_handling.notify(session, breach_id, breaches.AUTHORITY, said, ctx, late_reason=why)


def breaches_state(session: Session, breach_id: str) -> None:
    """Let the breach wait for its notice, as two people decided."""
    table = breaches.breach
    session.execute(table.update().where(table.c.id == breach_id).values(state=breaches.TO_NOTIFY))
