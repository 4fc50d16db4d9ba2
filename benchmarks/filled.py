"""A whole installation filled with events of a past month: what the benchmarks of compliance stand on."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.identity import roles
from app.kernel.clock import StillClock
from ingest.events.auth import LoginFailed
from ingest.log import outbox
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Installation, installed

START = datetime(2025, 9, 2, 9, 0, tzinfo=UTC)
LATER = timedelta(days=430)
PEOPLE = 200
MOVED, SEEN = 500, 500
BATCH = 1_000


class Spent:
    """Wall and CPU time of a block, in seconds."""

    def __enter__(self) -> Spent:
        self.wall, self.cpu = -time.perf_counter(), -time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter()
        self.cpu += time.process_time()


def live(house: Installation, account: str) -> None:
    """Let money reach a person `MOVED` times (two entries each), and somebody fail at their door `SEEN` times."""
    system = house.system
    for _ in range(MOVED):
        house.top_up(account, 1)
    some = [LoginFailed(identifier=f"{0:064x}", step="password", reason="password", account=account, about=(account,))]
    with system.db.begin() as session:
        outbox.record_many(session, some * SEEN, system.job_context("bench", system.clock.now()))


def rights_of(house: Installation) -> Rights:
    """Return what asks and answers for people in a filled installation."""
    clock = house.system.clock
    assert isinstance(clock, StillClock)
    return Rights(house=house, clock=clock)


@contextmanager
def filled(events: int) -> Iterator[Installation]:
    """Open an installation with staff, a customer and so many sign-ins that were refused fourteen months ago."""
    with tempfile.TemporaryDirectory(prefix="onepay-bench-") as folder:
        clock = StillClock(START)
        with installed(Path(folder) / "home", clock=clock) as house:
            system = house.system
            for name, role in (("olga", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO), ("dirk", roles.DPO)):
                house.staff(name, role)
            amber = house.customer("amber_one", euros=20)
            live(house, amber.account)
            with Spent() as spent:
                for first in range(0, events, BATCH):
                    some = [
                        LoginFailed(
                            identifier=f"{n % PEOPLE:064x}",
                            step="password",
                            reason="password",
                            new_device=True,
                            account=f"acc_{n % PEOPLE:026d}",
                            about=(f"acc_{n % PEOPLE:026d}",),
                        )
                        for n in range(first, min(first + BATCH, events))
                    ]
                    ctx = system.job_context("bench", clock.now())
                    with system.db.begin() as session:
                        outbox.record_many(session, some, ctx)
                    if first % (50 * BATCH) == 0:
                        house.arrive()
                house.arrive()
                system.signer.sign(clock.now())
            print(f"{events:,} events recorded, numbered, stored and archived in {spent.wall:.0f} s")
            clock.move(LATER)
            for name in ("olga", "dora", "dirk"):
                house.browser().sign_in(house.people[name], surface="staff")
            house.arrive()
            system.signer.sign(clock.now())
            yield house
