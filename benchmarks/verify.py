"""What comparing the whole log costs: `python -m benchmarks.verify [--events N]`.

Everything is compared: body, commitment, entry, leaf, tree, root, signatures, store, archive. The reference is a bare
SHA-256 over the same bodies, read in the same slices in the same run.
"""

from __future__ import annotations

import argparse

from benchmarks.compliance import hashed
from benchmarks.filled import Spent, filled
from ingest.log import monitor
from ingest.log.store_check import Copy


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the verifier.")
    parser.add_argument("--events", type=int, default=100_000)
    chosen = parser.parse_args()
    with filled(chosen.events) as house:
        bare, system = hashed(house), house.system
        with system.db.read() as session:
            standing = system.shipper.standing(session)
        copy = Copy(name=standing.target, store=system.working_store, done=standing.done)
        for label, more in (
            ("log alone", {}),
            ("log and archive", {"archive": system.archive}),
            ("log, archive and store", {"archive": system.archive, "copy": copy}),
        ):
            with Spent() as spent:
                verdict = monitor.verify(system.db, key=system.log_key, **more)
            assert verdict.exit_code == 0
            cpu, rate = spent.cpu / verdict.size * 1e6, verdict.size / spent.wall
            print(f"{label}: {rate:,.0f} events/s, {cpu:.0f} µs CPU an event, {spent.wall / bare:.1f} of the reference")


if __name__ == "__main__":
    main()
