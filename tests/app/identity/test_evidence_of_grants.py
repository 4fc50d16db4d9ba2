"""Roles are held by somebody else's approval of that very grant, whoever wrote the row (7.2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import mfa, role_grants, roles, signup
from app.identity.accounts import Terms
from app.identity.models import approval, approval_vote, role_grant
from app.kernel.access import Acr, Actor, ActorKind, service
from app.kernel.approvals import Verdict
from app.kernel.clock import StillClock
from app.kernel.context import Context
from compliance.states import State
from tests.support.installation import PASSWORD, Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
HELD, GIVEN = "identity.grants_held", "identity.grants"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        yield made


def first(house: Installation, name: str) -> str:
    """Invite one of the first two administrators from the command line, and accept."""
    system, address = house.system, f"{name}@onepay.example"
    with system.db.begin() as session:
        ctx = system.context(service("command"))
        account = signup.bootstrap(session, address, name.title(), ctx, parts=system.identity)
    accept(house, account, address)
    return account


def accept(house: Installation, account: str, address: str) -> None:
    system, token = house.system, house.link_to(address)
    own = system.context(Actor(id=account, kind=ActorKind.STAFF))
    with system.db.begin() as session:
        secret = mfa.offer(session, account, "lnk_test", address, parts=system.identity).secret
        mfa.take(session, account, "lnk_test", house.code(secret, -1), own, parts=system.identity)
        signup.accept(session, token, system.identity.hasher.hash(PASSWORD), own, parts=system.identity)


def as_administrator(house: Installation, account: str) -> Context:
    actor = Actor(
        id=account,
        kind=ActorKind.STAFF,
        roles=frozenset({roles.ADMINISTRATOR}),
        permissions=roles.ROLES[roles.ADMINISTRATOR],
        acr=Acr.MFA,
        authenticated_at=house.system.clock.now(),
        session_id=f"ses_{account}",
    )
    return house.system.context(actor)


def given(house: Installation, asker: str, decider: str, role: str, terms: Terms | None = None) -> str:
    """Invite somebody, ask for a role and let another administrator agree."""
    system = house.system
    with system.db.begin() as session:
        ctx = as_administrator(house, asker)
        account = signup.invite(session, "olga@onepay.example", "Olga", role, ctx, parts=system.identity)
        asked = role_grants.ask(
            session, account, role, terms or Terms(), "For the office", ctx, approvals=system.approvals
        )
    with system.db.begin() as session:
        system.approvals.decide(session, asked, Verdict.APPROVED, "", as_administrator(house, decider))
    return account


def said(house: Installation, name: str) -> tuple[State, list[str]]:
    house.arrive()
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes[name], is_test_due=True)
    assert seen is not None
    assert (seen.error, seen.tested.canary) == (None, "caught")
    return seen.verdict.state, [one.says for one in seen.reading.violations]


def test_the_first_two_and_whoever_two_agreed_on_hold_their_roles_lawfully(house: Installation) -> None:
    ada, alan = first(house, "ada"), first(house, "alan")
    given(house, ada, alan, roles.COMPLIANCE_OFFICER)
    assert said(house, GIVEN) == (State.PASS, [])
    house.system.clock.move(timedelta(hours=1))  # type: ignore[attr-defined]  # it is a still one
    assert said(house, HELD) == (State.PASS, [])


@pytest.mark.parametrize("role", [roles.ADMINISTRATOR, roles.COMPLIANCE_OFFICER])
def test_a_role_that_was_written_into_the_database_is_seen(house: Installation, role: str) -> None:
    first(house, "ada"), first(house, "alan")
    house.arrive()
    with house.system.db.begin() as session:
        values = {"account_id": "acc_eve", "role": role, "from_at": START, "given_by": "svc_command"}
        session.execute(sa.insert(role_grant).values(id="rol_eve", reason="invitation", **values))
    house.system.clock.move(timedelta(hours=1))  # type: ignore[attr-defined]  # it is a still one
    assert said(house, HELD) == (State.FAIL, ["is held without an approval"])


def test_an_approval_of_another_grant_or_by_nobody_else_is_seen(house: Installation) -> None:
    ada, alan = first(house, "ada"), first(house, "alan")
    olga = given(house, ada, alan, roles.COMPLIANCE_OFFICER)
    house.arrive()
    of = role_grant.c
    for changed, says in (
        ({"role": roles.DPO}, "its approval is of another grant"),
        ({"approval_id": "apr_none"}, "names an approval that there is not"),
    ):
        with house.system.db.begin() as session:
            before = session.execute(sa.select(role_grant).where(of.account_id == olga)).mappings().one()
            session.execute(sa.update(role_grant).where(of.account_id == olga).values(**changed))
        assert said(house, HELD) == (State.FAIL, [says])
        with house.system.db.begin() as session:
            session.execute(sa.update(role_grant).where(of.account_id == olga).values(**before))
    with house.system.db.begin() as session:
        session.execute(sa.update(approval_vote).values(account_id=ada))
    assert said(house, HELD) == (State.FAIL, ["nobody else than who asked, or who holds it, agreed to it"])


def test_a_role_that_is_held_from_another_day_or_longer_than_was_agreed_is_seen(house: Installation) -> None:
    ada, alan = first(house, "ada"), first(house, "alan")
    begin, end = START - timedelta(days=90), START - timedelta(days=1)
    terms = Terms(until=START + timedelta(days=30), period=(begin, end))
    auditor = given(house, ada, alan, roles.AUDITOR, terms)
    house.system.clock.move(timedelta(days=20))  # type: ignore[attr-defined]  # it is a still one
    assert said(house, HELD) == (State.PASS, [])
    of, later = role_grant.c, timedelta(days=10)
    other_day, other_grant = "is held from another day than it was given", "its approval is of another grant"
    for changed, says in (
        ({"from_at": of.from_at}, other_day),
        ({"until_at": of.until_at}, other_grant),
        ({"period_from": of.period_from}, other_grant),
        ({"period_until": of.period_until}, other_grant),
    ):
        (column,) = changed
        with house.system.db.begin() as session:
            before = session.execute(sa.select(changed[column]).where(of.account_id == auditor)).scalar_one()
            session.execute(sa.update(role_grant).where(of.account_id == auditor).values({column: before + later}))
        assert said(house, HELD) == (State.FAIL, [says]), column
        with house.system.db.begin() as session:
            session.execute(sa.update(role_grant).where(of.account_id == auditor).values({column: before}))


def test_a_role_that_ran_out_is_given_again_at_the_instant_that_ends_it(house: Installation) -> None:
    ada, alan = first(house, "ada"), first(house, "alan")
    olga = given(house, ada, alan, roles.ANALYST, Terms(until=START + timedelta(days=1)))
    system = house.system
    system.clock.move(timedelta(days=2))  # type: ignore[attr-defined]  # it is a still one
    with system.db.begin() as session:
        ctx, why = as_administrator(house, ada), "They came back"
        asked = role_grants.ask(session, olga, roles.ANALYST, Terms(), why, ctx, approvals=system.approvals)
    with system.db.begin() as session:
        system.approvals.decide(session, asked, Verdict.APPROVED, "", as_administrator(house, alan))
    assert said(house, HELD) == (State.PASS, [])


def test_a_vote_that_was_written_into_the_database_is_nobodys(house: Installation) -> None:
    """One administrator with the database at hand makes no second one of themselves."""
    ada, alan = first(house, "ada"), first(house, "alan")
    system, now = house.system, house.system.clock.now()
    with system.db.begin() as session:
        ctx = as_administrator(house, ada)
        account = signup.invite(session, "olga@onepay.example", "Olga", roles.DPO, ctx, parts=system.identity)
        asked = role_grants.ask(session, account, roles.DPO, Terms(), "For the office", ctx, approvals=system.approvals)
    vote = {"approval_id": asked, "account_id": alan, "verdict": Verdict.APPROVED.value, "reason": "", "at": now}
    grant = {"id": "rol_x", "account_id": account, "role": roles.DPO, "from_at": now, "given_by": ada}
    with system.db.begin() as session:
        session.execute(sa.insert(approval_vote).values(vote))
        session.execute(sa.update(approval).where(approval.c.id == asked).values(state="executed", decided_at=now))
        session.execute(sa.insert(role_grant).values(**grant, approval_id=asked, reason="For the office"))
    state, says = said(house, HELD)
    assert state is State.FAIL
    assert "nobody else than who asked, or who holds it, agreed to it" in says


def test_a_service_that_gives_a_role_is_not_exempt(house: Installation) -> None:
    house.staff("olga", roles.COMPLIANCE_OFFICER)  # given by a service, without an approval
    assert said(house, GIVEN) == (State.FAIL, ["a role was given without an approval"])


def test_a_role_that_was_taken_away_and_stands_again_is_seen(house: Installation) -> None:
    system, clock = house.system, house.system.clock
    assert isinstance(clock, StillClock)
    ada, bert = first(house, "ada"), first(house, "bert")
    olga = given(house, ada, bert, roles.ANALYST)
    clock.move(timedelta(hours=1))
    assert said(house, HELD) == (State.PASS, [])
    with system.db.begin() as session:
        role_grants.end(
            session, olga, roles.ANALYST, "Has left the team", as_administrator(house, ada), approvals=system.approvals
        )
    clock.move(timedelta(hours=1))
    assert said(house, HELD) == (State.PASS, [])
    mine = role_grant.c.account_id == olga
    with system.db.begin() as session:
        session.execute(sa.update(role_grant).where(mine).values(ended_at=None, from_at=clock.now()))
    state, says = said(house, HELD)
    assert (state, len(says)) == (State.FAIL, 1)
    with system.db.begin() as session:
        session.execute(sa.update(role_grant).where(mine).values(ended_at=clock.now()))
        asked = role_grants.ask(
            session,
            olga,
            roles.ANALYST,
            Terms(),
            "Is back in the team",
            as_administrator(house, ada),
            approvals=system.approvals,
        )
    with system.db.begin() as session:
        system.approvals.decide(session, asked, Verdict.APPROVED, "", as_administrator(house, bert))
    clock.move(timedelta(hours=1))
    assert said(house, HELD) == (State.PASS, [])
