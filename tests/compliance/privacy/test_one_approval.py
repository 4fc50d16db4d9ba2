"""What is decided about a request waits once: whatever is put before people again takes the place of what waited."""

from __future__ import annotations

import pytest

from app.identity import roles
from app.identity.approvals import Closed
from compliance.privacy import moving, rectify
from compliance.privacy.erasure import deciding
from compliance.privacy.request import State
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person


def test_what_is_put_before_a_second_person_again_waits_once(rights: Rights) -> None:
    book, amber = rights.house.system.approvals, rights.house.customer("amber_twice")
    one, two = (rights.house.staff(name, roles.COMPLIANCE_OFFICER) for name in ("olive.twice", "omar.twice"))
    dpo = rights.house.staff("dora.twice", roles.DPO)
    request_id = rights.ask(amber, "erasure")
    rights.work()

    def proposed(person: Person) -> str:
        ctx = rights.colleague(person, roles.COMPLIANCE_OFFICER)
        with rights.db.begin() as session:
            return deciding.propose(session, request_id, "as they asked", ctx, parts=rights.parts, approvals=book)

    def refusal(reasons: str) -> str:
        ctx = rights.colleague(two, roles.COMPLIANCE_OFFICER)
        with rights.db.begin() as session:
            return rectify.ask_refusal(session, request_id, reasons, ctx, parts=rights.parts, approvals=book)

    def waiting() -> list[str]:
        with rights.db.read() as session:
            shown = book.pending_for(session, rights.colleague(dpo, roles.DPO).actor, rights.clock.now())
        return [each.standing.id for each in shown]

    first = proposed(one)
    assert waiting() == [first]
    second = proposed(one)
    assert (first != second, waiting()) == (True, [second])
    third = proposed(two)
    assert waiting() == [third]
    with pytest.raises(Closed):
        rights.vote(first, rights.colleague(dpo, roles.DPO))
    refused = [refusal("The request repeats itself without end"), refusal("The request is nothing but a repetition")]
    assert waiting() == refused[1:]
    fourth = proposed(one)
    rights.vote(fourth, rights.colleague(dpo, roles.DPO))
    assert (rights.get(request_id).state, waiting()) == (State.WAITING, [])

    def became() -> str | None:
        with rights.db.begin() as session:
            return book.show(session, fourth, rights.colleague(dpo, roles.DPO)).became

    begins = rights.get(request_id).not_before
    assert begins is not None
    assert became() == f"It begins on {begins:%-d %B %Y at %H:%M} UTC, unless its person calls it off."
    with rights.db.begin() as session:
        moving.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    assert became() == "Its person called it off: nothing was erased."
