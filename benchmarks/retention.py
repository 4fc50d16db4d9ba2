"""What forgetting costs: `python -m benchmarks.retention [--events N]`.

A month is planned, removed from store, log and archive, and looked for; its reference is deleting the same rows of the
log's table bare, in the same run. A person with 500 events and 1,000 entries is found, planned and then erased: rows,
keys, the look of another reader, the certificate; its reference is planning the same, which reads and changes nothing.
"""

from __future__ import annotations

import argparse
from datetime import timedelta

import sqlalchemy as sa

from app.kernel.access import LOG_SEGMENT_PRUNE, service
from benchmarks.filled import Spent, filled, rights_of
from compliance.contracts.walking import walk
from compliance.privacy.request import State
from compliance.retention import plan, policies
from ingest import models
from ingest.log import forgetting, units
from ingest.log.forgetting import Held
from tests.support.installation import Installation

WAIT = timedelta(hours=72)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure retention.")
    parser.add_argument("--events", type=int, default=100_000)
    chosen = parser.parse_args()
    with filled(chosen.events) as house:
        person(house)
        erasure(house)
        bare = reference(house)
        month(house, bare)


def person(house: Installation) -> None:
    system, subject = house.system, house.people["amber_one"].account
    sources = system.compliance.sources
    with system.db.read() as session:
        with Spent() as finding:
            seeds = walk(session, sources, subject)
            records = sum(1 for source in sources for _ in source.collect(session, seeds))
        with Spent() as planning:
            targets = sum(1 for source in sources for _ in source.plan(session, seeds))
    print(
        f"a person: {records} records found in {finding.wall:.2f} s, {targets} targets planned in {planning.wall:.2f} s"
    )


def reference(house: Installation) -> float:
    """Delete the bodies bare, in one statement, and take it back."""
    system = house.system
    with system.db.begin() as session, Spent() as spent:
        unit = units.every(session, ("security",))[0]
        of = models.body.c
        session.execute(sa.delete(models.body).where(of["class"] == "security", of.sequence <= unit.last))
        session.rollback()
    print(f"reference: {unit.count:,} bodies deleted by one statement in {spent.wall:.2f} s")
    return spent.wall


def month(house: Installation, bare: float) -> None:
    system = house.system
    with system.db.read() as session, Spent() as planning:
        policy = policies.in_force(session)["security"]
        made = plan.make(session, policy, system.clock.now(), parts=system.retention)
    (unit, *_) = [batch.store.split("|") for batch in made.batches]
    ctx = system.context(service("bench", LOG_SEGMENT_PRUNE))
    with Spent() as dropping:
        done = forgetting.drop(
            unit[0], unit[1], lambda lo, hi: Held(by_case={}), "ret_bench", ctx, parts=system.forgetting
        )
    with system.db.read() as session, Spent() as looking:
        left = forgetting.remaining(session, unit[0], unit[1], store=system.working_store, archive=system.archive)
    assert left.is_gone
    print(
        f"a month of {done.count:,} events: planned in {planning.wall:.2f} s, removed in {dropping.wall:.2f} s "
        f"({dropping.cpu / done.count * 1e6:.1f} µs CPU an event, {dropping.wall / bare:.1f} of the reference), "
        f"looked for in {looking.wall * 1e3:.0f} ms"
    )


def erasure(house: Installation) -> None:
    system, rights, amber = house.system, rights_of(house), house.people["amber_one"]
    request_id = rights.approved_erasure(amber, house.people["olga"], house.people["dora"])
    house.arrive()
    with system.db.read() as session, Spent() as planning:
        seeds = walk(session, system.compliance.sources, amber.account)
        for source in system.compliance.sources:
            list(source.plan(session, seeds))
    rights.clock.move(WAIT)
    with Spent() as erasing:
        rights.work()
    assert rights.get(request_id).state is State.CLOSED
    print(
        f"a person erased and certified in {erasing.wall:.2f} s, {erasing.cpu:.2f} s CPU, "
        f"{erasing.wall / planning.wall:.1f} of planning it ({planning.wall:.2f} s)"
    )


if __name__ == "__main__":
    main()
