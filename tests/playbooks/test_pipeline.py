"""The whole way: refused sign-ins through outbox, log, store and detectors to incidents that are contained."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from app.gateway.networks import BlockNetwork, network_rule
from app.gateway.proxies import TrustedProxies
from playbooks import incidents, joining
from playbooks.engine import shipped
from playbooks.engine.execute import Executor
from playbooks.models import incident
from tests.playbooks.world import CARLA, CONTRADICTIONS, containments, metadata
from tests.support.ground import START
from tests.support.pipeline import make_pipeline


def test_a_burst_and_an_entry_become_two_incidents_that_are_contained(tmp_path) -> None:
    kept = containments() | {"network.block": BlockNetwork(TrustedProxies(("127.0.0.1",)))}
    parts = shipped.parts(kept, contradictions=CONTRADICTIONS)
    pipeline = make_pipeline(tmp_path, sink=partial(joining.accept, parts=parts))
    metadata.create_all(pipeline.ground.db.engine)
    for n in range(10):
        at = START + timedelta(seconds=6 * n)
        pipeline.record(at, "auth.login.failed", **{"source.ip": "198.18.7.9", "user.hash": f"h{n}"})
    at = START + timedelta(seconds=55)
    pipeline.record(at, "auth.login.succeeded", **{"source.ip": "198.18.7.9", "user.id": "acc_victim"})
    pipeline.ground.clock.move(timedelta(minutes=2))
    pipeline.detect()
    pipeline.detect()
    Executor(pipeline.ground.db, pipeline.ground.clock, pipeline.ground.ids, parts).run()

    with pipeline.ground.db.read() as session:
        by_key = {
            next(str(one.value) for one in page.entities if one.is_key): page
            for page in (incidents.by_id(session, id, CARLA) for id in session.scalars(sa.select(incident.c.id)))
        }
        blocked = session.execute(sa.select(network_rule.c.network, network_rule.c.author)).all()
    source, taken = by_key["198.18.7.9"], by_key["acc_victim"]
    assert len(by_key) == 2
    assert sorted(one.rule for one in source.alerts) == ["login_burst_source", "password_spray"]
    assert (source.incident.severity, source.incident.playbook) == (2, "credential_stuffing")
    assert (taken.incident.severity, taken.incident.playbook) == (1, "account_takeover")
    assert [tuple(row) for row in blocked] == [("198.18.7.9/32", "svc_playbooks")]
    assert [one.name for one in taken.actions] == ["sessions.revoke_all", "wallet.hold_outgoing"]
    assert {one.incident for one in pipeline.alerts()} == {source.incident.id, taken.incident.id}

    # The incidents' own events go the same way and raise nothing more.
    pipeline.detect()
    with pipeline.ground.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(incident)) == 2
    pipeline.close()


def test_an_attacker_who_changes_addresses_of_one_ipv6_network_is_one_and_blocked(tmp_path) -> None:
    kept = containments() | {"network.block": BlockNetwork(TrustedProxies(("127.0.0.1",)))}
    parts = shipped.parts(kept, contradictions=CONTRADICTIONS)
    pipeline = make_pipeline(tmp_path, sink=partial(joining.accept, parts=parts))
    metadata.create_all(pipeline.ground.db.engine)
    for n in range(120):
        at = START + timedelta(seconds=n)
        pipeline.record(at, "auth.login.failed", **{"source.ip": f"2001:db8:7:9::{n + 1:x}", "user.hash": f"h{n}"})
    pipeline.ground.clock.move(timedelta(minutes=3))
    pipeline.detect()
    Executor(pipeline.ground.db, pipeline.ground.clock, pipeline.ground.ids, parts).run()

    with pipeline.ground.db.read() as session:
        (only,) = session.scalars(sa.select(incident.c.id)).all()
        found = incidents.by_id(session, only, CARLA)
        blocked = session.scalars(sa.select(network_rule.c.network)).all()
    assert sorted(one.rule for one in found.alerts) == ["login_burst_source", "password_spray"]
    assert [one.value for one in found.entities if one.kind == "address"] == ["2001:db8:7:9::/64"]
    assert blocked == ["2001:db8:7:9::/64"]
    pipeline.close()


def test_detecting_again_from_the_start_opens_nothing_new(tmp_path) -> None:
    parts = shipped.parts(containments(), contradictions=CONTRADICTIONS)
    pipeline = make_pipeline(tmp_path, sink=partial(joining.accept, parts=parts))
    for n in range(12):
        at = START + timedelta(seconds=6 * n)
        pipeline.record(at, "auth.login.failed", **{"source.ip": "198.18.7.9", "user.hash": "one"})
        pipeline.detect()
    with pipeline.ground.db.read() as session:
        rows = session.execute(sa.select(incident)).all()
    # One by its address, one by the account that was tried: an identifier of nobody is watched alike.
    assert sorted(row.title for row in rows) == [
        "Burst of refused sign-ins from one address",
        "Many refused sign-ins to one account",
    ]
    pipeline.close()
