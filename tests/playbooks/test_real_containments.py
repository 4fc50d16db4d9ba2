"""The real acts of the others: a taken account loses its sessions and keeps its money, and gets both ways back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.gateway.networks import BlockNetwork
from app.gateway.proxies import TrustedProxies
from app.identity import accounts, contradictions, mfa, sessions
from app.identity.containment import LockAccount, RevokeSessions
from app.identity.signin import Step
from ingest.events.detection import FindingRaised
from payments import wallets
from payments.containment import HoldOutgoing
from playbooks import actions, incidents, joining, registry, tasks, undoing
from playbooks.acting import OwnAction
from playbooks.engine import shipped
from playbooks.engine.execute import Executor
from tests.app.identity import conftest as identity
from tests.app.identity.conftest import People
from tests.playbooks.world import ANNA, CARLA, CHEN

ADDRESS = "amber@example.com"
people = identity.people  # the fixture of identity's own tests


def test_an_account_that_was_entered_is_contained_locked_and_given_back(people: People) -> None:
    ground = people.ground
    acts = (RevokeSessions(people.parts), LockAccount(people.parts), HoldOutgoing(), BlockNetwork(TrustedProxies(())))
    parts = shipped.parts({act.name: act for act in acts}, contradictions=contradictions.KNOWN)
    executor = Executor(ground.db, ground.clock, ground.ids, parts)
    account = people.sign_up(ADDRESS, "amber")
    assert people.try_in(ADDRESS).step is Step.DONE

    with ground.db.begin() as session:
        found = joining.accept(
            session,
            finding_of(account, people),
            ground.ctx(),
            kind="security",
            keys=[("user.id", account)],
            join_within=timedelta(hours=4),
            playbook="account_takeover",
            title="Sign-in after a burst of refused ones",
            reason="entered",
            entities={"user.id": [account], "source.ip": ["198.18.7.9"]},
            synthetic=None,
            parts=parts,
        )
    executor.run()

    assert (live(people, account), held(people, account)) == (0, True)
    with ground.db.begin() as session:
        (ask,) = incidents.by_id(session, found, CARLA).tasks
        tasks.finish(session, ask.id, {"answer": "not_mine"}, ground.ctx(ANNA), parts=parts)
    executor.run()
    with ground.db.begin() as session:
        lock = actions.run(session, found, "account.lock", {"account": account}, ground.ctx(CARLA), parts=parts)
    assert state(people, account) == "locked"
    with pytest.raises(OwnAction), ground.db.begin() as session:
        undoing.undo(session, lock.id, "her own again", ground.ctx(CARLA), parts=parts)

    with ground.db.begin() as session:
        report = undoing.undo_all(session, found, "her own again", ground.ctx(CHEN), parts=parts)
    assert [(one.action.name, one.why) for one in report] == [("account.lock", None), ("wallet.hold_outgoing", None)]
    assert (state(people, account), held(people, account)) == ("active", False)
    previewed = {registry.named(name).customer_is_told for name in ("sessions.revoke_all", "account.lock")}
    assert {*previewed, "Your account is open again"} <= set(people.letters_to(ADDRESS))
    # Whoever got in knew the password: it opens nothing any more, and the owner sets another.
    assert people.try_in(ADDRESS).step is Step.REFUSED


def test_factors_are_those_of_before_only_once_what_the_thief_added_is_gone(people: People) -> None:
    ground = people.ground
    account = people.sign_up(ADDRESS, "amber")
    people.enrol(account)
    people.move(hours=1)
    began = ground.clock.now()
    people.enrol(account)
    people.move(minutes=5)
    given_back = ground.clock.now()
    people.enrol(account)  # by the owner, who is back

    def found(until: datetime) -> str | None:
        with ground.db.read() as session:
            return contradictions.factors_added(session, account, began, until)

    added = f"{began:%Y-%m-%d %H:%M} UTC"
    said = found(given_back)
    assert said is not None
    assert said.startswith(f"A second factor added since the incident began ({added}) still opens the account.")
    with ground.db.begin() as session:
        (_, thiefs, _) = mfa.factors_of(session, account)
        mfa.take_away(session, account, thiefs.id, "not the owner's", ground.ctx(CARLA))
    assert found(given_back) is None


def finding_of(account: str, people: People) -> FindingRaised:
    at = people.ground.clock.now()
    return FindingRaised(
        about=(account,),
        finding="alr_1",
        revision=1,
        entity="source.ip=198.18.7.9",
        severity="critical",
        count=11,
        first_at=at,
        last_at=at,
        evidence=("evt_1",),
        rule="burst_then_success",
        rule_version="v1",
        rule_name="Sign-in after a burst of refused ones",
    )


def live(people: People, account: str) -> int:
    with people.ground.db.read() as session:
        return len(sessions.list_of(session, account, None, people.ground.clock.now()))


def state(people: People, account: str) -> str:
    with people.ground.db.read() as session:
        return accounts.get(session, account).state.value


def held(people: People, account: str) -> bool:
    with people.ground.db.read() as session:
        return wallets.restraint_on(session, people.actor(account)) is not None
