"""The attacks of a running demonstration: played live against its own doors."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from app.choices import ATTACKS
from app.kernel.clock import rfc3339
from app.kernel.errors import Conflict
from app.kernel.jobs import guarded
from app.process import Running
from app.simulator import run
from app.simulator.attacks import credential_stuffing
from app.simulator.drivers.live import Live
from app.simulator.truth import Truth
from app.simulator.world import World

REPLAYS_MAX: Final = 3


class TooManyReplays(Conflict):
    """Three attacks are running already; wait for one to end."""

    code = "too_many_replays"


class Attacks:
    """The campaigns of a running demonstration: at most three at once, each in a thread that ends by itself."""

    def __init__(self, running: Running, world: World, folder: Path) -> None:
        self._running, self._world = running, world
        self._truth = Truth(folder)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._count = len(self._truth.read())

    def begin(self, after: timedelta) -> None:
        """Start the first attack after a while."""
        self._start("credential_stuffing", after)

    def replay(self, kind: str) -> str:
        """Start an attack again and say so."""
        assert kind in ATTACKS
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= REPLAYS_MAX:
            raise TooManyReplays
        self._start(kind, timedelta(seconds=2))
        return f"{kind} begins now; watch it in the console."

    def stop(self) -> None:
        """End all attacks."""
        self._stopping.set()

    def _start(self, kind: str, after: timedelta) -> None:
        system = self._running.system
        self._count += 1
        key, start = f"cmp-{self._count}", system.clock.now() + after
        stream = self._world.stream("campaign", kind, self._count)
        candidates = credential_stuffing.victims_of(self._world.people)
        if not candidates:
            raise Conflict("In this world there is nobody to attack.")
        victim = candidates[(self._count - 1) % len(candidates)]
        mule = stream.one_of([person.handle for person in self._world.people if person is not victim])
        campaign = credential_stuffing.plan(stream, key, start, victim, mule)
        self._truth.write(
            {
                "campaign": key,
                "kind": kind,
                "tier": "easy",
                "from": rfc3339(start),
                "actors": [{"kind": "address", "id": ip} for ip in (*campaign.sources, campaign.hideout)],
                "targets": [{"kind": "address_of_account", "id": victim.address}],
                "stages": [{"name": "enter", "at": rfc3339(start)}],
                "knowable": True,
            }
        )
        driver = Live(self._running.app, system.settings.url, system.clock, self._wait)
        end = start + timedelta(minutes=15)

        def attack() -> None:
            guarded(f"demo.{key}", lambda: run.run(campaign.lives, driver, until=end))

        thread = threading.Thread(target=attack, name=key, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _wait(self, to: datetime) -> None:
        seconds = (to - self._running.system.clock.now()).total_seconds()
        if seconds > 0 and self._stopping.wait(min(seconds, 900)):
            raise SystemExit
