"""A probe that attacks: every rule's own canary goes the whole way, from event to incident, in a scratch (12.10.5).

Rules, runner, sink and playbooks are those of the installation; database and store are made for it and gone afterwards.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from app.kernel.access import service
from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.kernel.db import Database
from app.migrations import run as migrations
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation
from detectors.runner import Runner
from detectors.samples import expand, made
from detectors.sigma.ast import Rule, RuleTest
from ingest.log import outbox
from ingest.log.outbox import RECORDING, Recording
from ingest.log.sequencer import Sequencer
from ingest.settings import ShipperSettings
from ingest.shipper import Shipper
from ingest.store.memory import MemoryStore
from playbooks import joining
from playbooks.models import incident
from playbooks.parts import Parts

_MUTE: Final = "mute"


def probe(rules: Sequence[Rule], response: Parts) -> Probe:
    """Return the probe over all rules that are shipped."""
    return Probe(
        name="detectors.canaries",
        kind=Kind.LIVE,
        asks="Rules, each with the attack it is for; wrong is one whose attack opens no incident with its playbook.",
        read=partial(_read, rules=rules, response=response),
        plant=partial(_plant, rules=rules),
    )


def _read(look: Look, *, rules: Sequence[Rule], response: Parts) -> Reading:
    wrong = []
    with tempfile.TemporaryDirectory(prefix="onepay-canary-") as folder:
        blank = Path(folder) / "blank.db"
        migrations.upgrade(f"sqlite:///{blank}", "main")
        for place, rule in enumerate(rules):
            look.deadline.check()
            file = Path(folder) / f"{place}.db"
            file.write_bytes(blank.read_bytes())
            heard = [] if rule.slug == look.fence.get(_MUTE) else [rule]
            test = next((test for test in rule.tests if test.is_canary), None)
            says = "has no canary" if test is None else _missed(file, look, rule, test, heard, response)
            if says is not None:
                wrong.append(Violation(component="rules", object_id=rule.slug, says=says))
    return Reading(population={"rules": len(rules)}, violations=wrong)


def _missed(file: Path, look: Look, rule: Rule, test: RuleTest, heard: Sequence[Rule], response: Parts) -> str | None:
    """Return what did not happen after the attack of a rule, or None where it became an incident."""
    clock = StillClock(look.at)
    recording = Recording(seal=lambda *_: None)
    db, store = Database(f"sqlite:///{file}", info={RECORDING: recording}), MemoryStore()
    store.open()
    try:
        runner = Runner(db, store, clock, look.ctx.ids, list(heard), sink=partial(joining.accept, parts=response))
        runner.publish()
        for at, kind, values in expand(test.events, look.at):
            event, source = made(kind, values)
            ctx = Context(actor=service("canary"), at=at, request_id="canary", source=source, ids=look.ctx.ids)
            with db.begin() as session:
                outbox.record(session, event, ctx)
        sequencer = Sequencer(db, clock, holder="canary", ids=look.ctx.ids)
        sequencer.drain()
        shipper = Shipper(db, store, clock, settings=ShipperSettings(), ids=look.ctx.ids)
        shipper.drain()
        runner.drain()
        with db.read() as session:
            opened = set(session.scalars(sa.select(incident.c.playbook)))
    finally:
        db.close()
    return None if rule.playbook in opened else f"its attack opened no incident with the playbook {rule.playbook}"


def _plant(look: Look, *, rules: Sequence[Rule]) -> str:
    """Take a rule out: its attack goes by unheard."""
    look.fence[_MUTE] = rules[0].slug
    return rules[0].slug
