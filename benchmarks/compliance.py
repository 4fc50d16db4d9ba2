"""What judging controls costs: `python -m benchmarks.compliance [--events N]`.

All probes are asked once, each with its planted violation. Their reference is a bare SHA-256 over every body of the log
in the same run. Then the matrix as it is drawn, and as of a day of the past over two years of intervals; a sample of 60
events; the copy of a person with 500 events and 1,000 entries, whose reference is finding the same records bare.
"""

from __future__ import annotations

import argparse
import hashlib
from datetime import timedelta

import sqlalchemy as sa

from app.identity import roles
from app.kernel.access import COMPLIANCE_CONTROL_READ, Actor, ActorKind, service
from benchmarks.filled import Spent, filled, rights_of
from compliance import models
from compliance.audit import sample as audit
from compliance.audit.filters import Filter
from compliance.contracts.walking import walk
from compliance.engine import history, standing
from ingest.log import read
from tests.support.installation import Installation

READER = service("bench", COMPLIANCE_CONTROL_READ)
YEARS = 2
DRAWN = 60


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure controls.")
    parser.add_argument("--events", type=int, default=100_000)
    chosen = parser.parse_args()
    with filled(chosen.events) as house:
        bare = hashed(house)
        probes(house, bare)
        matrix(house)
        sample(house)
        package(house)


def hashed(house: Installation) -> float:
    """The reference: every body read and hashed."""
    with house.system.db.read() as session, Spent() as spent:
        size = read.head(session).size
        for lo in range(0, size, read.SLICE_MAX):
            for body in read.bodies(session, lo, min(lo + read.SLICE_MAX, size)):
                hashlib.sha256(body.body).digest()
    print(f"reference: {size:,} bodies read and hashed in {spent.wall:.2f} s")
    return spent.wall


def probes(house: Installation, bare: float) -> None:
    controls, total, cpu, slowest = house.system.controls, 0.0, 0.0, []
    for name in sorted(controls.parts.probes):
        with Spent() as spent:
            seen = controls.observe(controls.parts.probes[name], is_test_due=True)
        assert seen is not None, name
        slowest.append((spent.wall, name, seen.verdict.state.value))
        total, cpu = total + spent.wall, cpu + spent.cpu
    ratio = total / bare
    print(f"all {len(slowest)} probes with canaries: {total:.1f} s, {cpu:.1f} s CPU, {ratio:.1f} of the reference")
    for wall, name, state in sorted(slowest, reverse=True)[:6]:
        print(f"    {name}: {wall * 1e3:.0f} ms, {state}")


def matrix(house: Installation) -> None:
    system = house.system
    now = system.clock.now()
    with system.db.begin() as session:
        session.execute(sa.delete(models.interval))
        rows = [
            {
                "id": f"int_{place}_{week}",
                "framework": framework,
                "key": key,
                "state": "PASS" if week % 9 else "FAIL",
                "from_at": now - timedelta(weeks=week + 1),
                "to_at": now - timedelta(weeks=week),
            }
            for place, (framework, key) in enumerate(system.controls.parts.catalogue.controls)
            for week in range(1, 52 * YEARS)
        ]
        session.execute(sa.insert(models.interval), rows)
    with system.db.read() as session:
        with Spent() as drawing:
            for _ in range(20):
                standing.all_of(session, now, system.controls.parts)
        past = now - timedelta(days=200)
        with Spent() as looking:
            for _ in range(20):
                history.as_of(session, READER, past, system.controls.parts.catalogue)
    print(
        f"matrix {drawing.wall * 50:.1f} ms; as of a past day over {len(rows):,} intervals {looking.wall * 50:.1f} ms"
    )


def sample(house: Installation) -> None:
    system = house.system
    actor = Actor(id="acc_bench", kind=ActorKind.STAFF, permissions=roles.ROLES[roles.COMPLIANCE_OFFICER])
    with system.db.begin() as session, Spent() as spent:
        drawn = audit.draw(session, "7", Filter(), DRAWN, system.context(actor), parts=system.reports)
    told = f"{spent.wall:.2f} s, {spent.cpu:.2f} s CPU"
    print(f"a sample of {len(drawn.events)} from {drawn.population:,} events: {told}")


def package(house: Installation) -> None:
    rights, amber = rights_of(house), house.people["amber_one"]
    sources = house.system.compliance.sources
    with house.system.db.read() as session, Spent() as finding:
        seeds = walk(session, sources, amber.account)
        records = sum(1 for source in sources for _ in source.collect(session, seeds))
    request_id = rights.ask(amber)
    house.arrive()
    with Spent() as packing:
        rights.work()
    copy = rights.fetch(amber, request_id)
    print(
        f"a copy of {records:,} records, {len(copy):,} bytes: {packing.wall:.2f} s, {packing.cpu:.2f} s CPU, "
        f"{packing.wall / finding.wall:.1f} of finding them ({finding.wall:.2f} s)"
    )


if __name__ == "__main__":
    main()
