"""Windows are judged exactly: against a slow definition, and through log, store and runner in any order of arrival."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.models import alert_event
from detectors.sigma import correlate, parse
from detectors.sigma.ast import Rule
from ingest.store.memory import MemoryStore
from tests.support.ground import START
from tests.support.pipeline import Pipeline, make_pipeline

TRIED = """
title: Sign-in refused
name: tried
logsource: {product: onepay, service: auth}
detection:
  tried: {event.action: auth.login.failed}
  condition: tried
---
"""
OWN = """
level: high
onepay:
  owner: soc
  playbook: credential_stuffing
  reason: "{events} events of {source.ip}"
  incident: {kind: security, key: [source.ip], join_within: 4h}
  risk: [source.ip]
  tests:
    - {name: some, fires: 1, events: [{at: 0s, kind: auth.login.failed, source.ip: 198.18.7.9}]}
    - {name: none, fires: 0, events: [{at: 0s, kind: auth.login.throttled, source.ip: 198.18.7.9}]}
"""
COUNT = parse.rule(
    TRIED
    + """
title: Four in ten seconds
id: 6f0e2f0c-7f4b-4f0a-9d0e-000000000001
description: A test.
correlation: {type: event_count, rules: [tried], group-by: [source.ip], timespan: 10s, condition: {gte: 4}}
"""
    + OWN,
    "four_in_ten",
)
VALUES = parse.rule(
    TRIED
    + """
title: Three accounts in ten seconds
id: 6f0e2f0c-7f4b-4f0a-9d0e-000000000002
description: A test.
correlation:
  {type: value_count, rules: [tried], group-by: [source.ip], timespan: 10s, condition: {field: user.hash, gte: 3}}
"""
    + OWN,
    "three_accounts",
)
EVENT = st.tuples(st.integers(0, 60), st.sampled_from(["198.18.7.9", "198.18.7.10"]), st.sampled_from("abcde"))


def by_definition(rule: Rule, events: list[tuple[int, str, str]]) -> set[tuple[str, frozenset[int]]]:
    """Return the episodes as the definition says: windows ending at each event, joined while they share events."""
    outer = rule.outermost
    span = int(outer.timespan.total_seconds())
    groups = defaultdict(list)
    for n, (at, ip, account) in enumerate(events):
        groups[ip].append((at, n, account))
    found = set()
    for ip, members in groups.items():
        episodes: list[set[int]] = []
        for end in sorted({at for at, _, _ in members}):
            window = [(n, account) for at, n, account in members if end - span <= at <= end]
            figure = len(window) if outer.field is None else len({account for _, account in window})
            if figure < outer.at_least:
                continue
            inside = {n for n, _ in window}
            if episodes and episodes[-1] & inside:
                episodes[-1] |= inside
            else:
                episodes.append(inside)
        found |= {(ip, frozenset(episode)) for episode in episodes}
    return found


def document(n: int, at: int, ip: str, account: str) -> dict[str, Any]:
    moment = (START + timedelta(seconds=at)).isoformat().replace("+00:00", ".000000Z")
    return {
        "@timestamp": moment,
        "event": {"id": f"evt_{n}", "sequence": n + 1, "action": "auth.login.failed", "outcome": "failure"},
        "source": {"ip": ip},
        "user": {"hash": account},
    }


@given(st.lists(EVENT, max_size=40))
@settings(max_examples=300)
def test_episodes_are_those_of_the_definition(events: list[tuple[int, str, str]]) -> None:
    documents = [document(n, *event) for n, event in enumerate(events)]
    for rule in (COUNT, VALUES):
        found = correlate.episodes(rule, documents, correlate.predicates(rule))
        got = {(one.group[0], frozenset(int(seen.event_id[4:]) for seen in one.evidence)) for one in found}
        assert got == by_definition(rule, events)


@given(st.lists(EVENT, min_size=8, max_size=30), st.randoms(use_true_random=False), st.integers(1, 6))
@settings(max_examples=25)
def test_the_runner_finds_the_same_in_any_order_and_any_pieces(
    events: list[tuple[int, str, str]], chance: Any, pieces: int
) -> None:
    arrival = list(enumerate(events))
    chance.shuffle(arrival)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = make_pipeline(Path(folder), [COUNT, VALUES], store=MemoryStore())
        ids = {}
        size = -(-len(arrival) // pieces)
        for lo in range(0, len(arrival), size):
            for n, (at, ip, account) in arrival[lo : lo + size]:
                moment = START + timedelta(seconds=at)
                values = {"source.ip": ip, "user.hash": account}
                ids[pipeline.record(moment, "auth.login.failed", **values)] = n
            pipeline.detect()
        for rule in (COUNT, VALUES):
            got = {
                (alert.group["source.ip"], frozenset(ids[seen] for seen in evidence_of(pipeline, alert.id)))
                for alert in pipeline.alerts(slug=rule.slug)
                if alert.state.value != "merged"
            }
            assert got == by_definition(rule, events)
        pipeline.close()


def evidence_of(pipeline: Pipeline, alert_id: str) -> list[str]:
    query = sa.select(alert_event.c.event_id).where(alert_event.c.alert_id == alert_id)
    with pipeline.ground.db.read() as session:
        return list(session.scalars(query))
