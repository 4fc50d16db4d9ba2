"""Each shipped rule keeps its own tests, through outbox, log, store and runner, however its events arrive."""

from __future__ import annotations

import random

import pytest

from detectors import catalog
from detectors.catalog import RULES
from detectors.sigma import parse
from detectors.sigma.ast import Rule, RuleTest
from detectors.sigma.lower import RuleRefused
from tests.support.ground import START
from tests.support.pipeline import expand, make_pipeline

CASES = [(rule, test) for rule in catalog.shipped() for test in rule.tests]
NAMES = [f"{rule.slug}: {test.name}" for rule, test in CASES]


def found(tmp_path, rule: Rule, test: RuleTest, *, shuffled: bool = False, batch: int | None = None) -> int:
    pipeline = make_pipeline(tmp_path, [rule])
    events = expand(test.events, START)
    if shuffled:
        random.Random(7).shuffle(events)
    for place, (at, kind, values) in enumerate(events):
        pipeline.record(at, kind, **values)
        if batch and place % batch == 0:
            pipeline.detect()
    pipeline.detect()
    alerts = pipeline.alerts()
    pipeline.close()
    return len(alerts)


@pytest.mark.parametrize(("rule", "test"), CASES, ids=NAMES)
def test_a_rule_finds_what_its_tests_say(tmp_path, rule: Rule, test: RuleTest) -> None:
    assert found(tmp_path, rule, test) == test.fires


@pytest.mark.parametrize(("rule", "test"), CASES, ids=NAMES)
def test_order_and_batches_change_nothing(tmp_path, rule: Rule, test: RuleTest) -> None:
    assert found(tmp_path / "shuffled", rule, test, shuffled=True, batch=3) == test.fires
    assert found(tmp_path / "single", rule, test, batch=1) == test.fires


def test_a_reason_names_only_what_an_alert_keeps() -> None:
    text = (RULES / "login_burst_source.yml").read_text("utf-8")
    altered = text.replace("{events} refused", "{user_agent.original} refused")
    assert altered != text
    with pytest.raises(RuleRefused, match=r"user_agent\.original"):
        parse.rule(altered, "login_burst_source")


def test_every_shipped_rule_reads_and_names_a_playbook() -> None:
    rules = catalog.shipped()
    assert {rule.slug for rule in rules} == {
        "login_burst_source",
        "login_burst_account",
        "password_spray",
        "burst_then_success",
        "control_failed",
        "customer_says_not_me",
        "log_tampered",
    }
    assert {rule.playbook for rule in rules} == {
        "account_takeover",
        "control_failure",
        "credential_stuffing",
        "record_integrity",
    }
