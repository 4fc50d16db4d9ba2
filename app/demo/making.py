"""Making a world beside the home: months before, a week of life, what waits for people, and the proof of it all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from app import jobs, process
from app.compose import System
from app.config import FOLDERS, Settings
from app.demo import staffing, visitors
from app.demo.accounts import FILE, Account, Made, kept
from app.kernel.clock import Clock, SteppedClock, SystemClock, rfc3339
from app.kernel.crypto import write_private_once
from app.kernel.errors import ConfigurationRefused, OnePayError
from app.kernel.ids import SeededIds
from app.simulator import customers, prologue, run
from app.simulator.drivers.history import History
from app.simulator.office import papers, rights
from app.simulator.world import DAYS, World, build
from app.terminal import Shows
from app.worker import run_guarded
from ingest.events.envelope import EventClass
from ingest.log import forgotten
from payments.verification import verify as ledger

SEEDING: Final = "seeding"
# A history steps by the hour, and a control is looked at by the minute: what nobody looked at is no evidence.
REMOVED: Final = (EventClass.OPERATIONS.value, "session", "message.sent")
"""What the office of the demonstration removed once, so that usual runs of rows need nobody any more."""
STAND_STILL: Final = ("compliance.observe", "privacy.selftest", "retention.plan")
_DATABASES: Final = tuple(f"{name}{end}" for name in ("onepay.db", "subject_keys.db") for end in ("", "-wal", "-shm"))


class SeedFailed(OnePayError):
    """The seeded world does not verify."""

    code = "seed_failed"


def make(settings: Settings, size: str, seed: int, show: Shows) -> None:
    """Seed a new world beside the home, prove it, and move it in: a crash at any point leaves no half world."""
    if (settings.home / "keys").exists() and not (settings.home / SEEDING).exists():
        raise ConfigurationRefused(
            f"{settings.home}/ holds an installation that is no demonstration; choose another --home, or make reset."
        )
    building = settings.home / SEEDING
    shutil.rmtree(building, ignore_errors=True)
    _clear(settings.home)
    inside = replace(settings, home=building, public_url=settings.url)
    process.prepare(inside)
    real = SystemClock()
    start = _first_instant(real, size)
    world = build(seed, size, start)
    clock = SteppedClock(world.dawn, real)
    ids = SeededIds(world.stream("ids").generator)
    made = Made()
    with process.opened(inside, clock=clock, ids=ids) as system:
        driver = History(system, clock, lambda at: _jobs_of_history(system, at, besides=STAND_STILL), dense=start)
        secrets = _months_before(system, world, driver, made, show)
        staffing.people(system, made, [one for one in staffing.STAFF if one not in made.office])
        for turn in range(rights.TURNS if world.founders else 0):
            driver.meet(start + timedelta(days=turn, hours=9 + 2 * turn), partial(_agree, system, driver, turn))
        total = max(1, world.days)
        show.phase("A week of life" if world.days else "An empty world", total)
        run.run(
            [
                *(customers.live(person, world) for person in world.people),
                *(customers.stay(person, world, secrets) for person in world.founders),
                *visitors.visitors(world, made),
            ],
            driver,
            until=real.now() - timedelta(seconds=1),
            progress=lambda at, count: show.step(min(total, (at - start).days), total),
        )
        show.step(total, total)
        clock.release()
        auditor = staffing.auditor(system, made)
        _office_now(system, world, driver, made)
        settled(system)
        system.rounds.sample(system.clock.now())
        _jobs_of_history(system, system.clock.now())
        if world.founders:
            papers.assess(system, made.staff, system.context(prologue.auditor(system, auditor)))
        made.handles = [person.handle for person in world.people[:2]]
        show.phase("Proving the world")
        _prove(system)
        show.done()
    facts = {
        "seed": seed,
        "world": size,
        "start": rfc3339(start),
        "handles": made.handles,
        "accounts": [kept(account) for account in sorted(made.accounts, key=_on_the_board)],
    }
    for child in sorted(building.iterdir()):
        child.rename(settings.home / child.name)
    # This file says that the world is whole; a start that finds the folder beside it and not the file begins anew.
    write_private_once(settings.home / FILE, json.dumps(facts).encode())
    building.rmdir()


def _months_before(system: System, world: World, driver: History, made: Made, show: Shows) -> dict[str, str | None]:
    """Live the months before the week: founders, a bastion's log, an office that removes what is due."""
    secrets: dict[str, str | None] = {}
    if not world.founders:
        return secrets
    opens = world.start + timedelta(days=world.days) - prologue.OFFICE_OPENS
    months = prologue.months(world, world.start)

    def office() -> None:
        made.office = tuple(one for one in staffing.STAFF if one[1] in staffing.OFFICE)
        staffing.people(system, made, made.office)

    for at in months:
        driver.meet(at, partial(prologue.read_bastion, system, system.settings.home, at))
    driver.meet(world.dawn + timedelta(days=12), lambda: staffing.builder(system))
    driver.meet(opens, office)

    def due() -> None:
        for class_ in REMOVED:
            prologue.remove_what_is_due(system, made.staff, class_, lambda: settled(system))

    driver.meet(opens + timedelta(hours=5), due)
    total = (world.start - world.dawn).days
    show.phase("The months before", total)
    run.run(
        [customers.found(person, world, world.start, secrets) for person in world.founders],
        driver,
        until=world.start,
        progress=lambda at, count: show.step(min(total, (at - world.dawn).days), total),
    )
    show.step(total, total)
    return secrets


def _agree(system: System, driver: History, turn: int) -> None:
    rights.agree(system, driver.accounts(), turn)


def _office_now(system: System, world: World, driver: History, made: Made) -> None:
    """Leave what waits for people now: a hold for a claim, and a run that is counted and not yet approved."""
    if not world.founders:
        return
    review = (system.clock.now() + timedelta(days=45)).date()
    prologue.look_up(system, made.staff, driver.account_of(world.founders[0].id))
    papers.sign(system, made.staff)
    asking = [driver.account_of(person.id) for person in world.people[-len(rights.ASKED) :]]
    rights.open_doors(system, made.staff, asking)
    prologue.hold(system, made.staff, driver.account_of(world.founders[0].id), review)
    settled(system)
    prologue.plan(system, made.staff, EventClass.OPERATIONS.value)


def settled(system: System) -> None:
    """Bring what was recorded into store and archive."""
    for _ in range(2):
        system.sequencer.drain()
        while system.shipper.step().value == "busy":
            pass
        system.signer.sign(system.clock.now())


def _jobs_of_history(system: System, at: datetime, *, besides: Collection[str] = ()) -> None:
    system.sequencer.drain()
    while system.shipper.step().value == "busy":
        pass
    for job in jobs.all_jobs(system):
        if job.name not in besides:
            run_guarded(system, job, at)
    system.sequencer.drain()


def _prove(system: System) -> None:
    """Verify ledger, log and coverage of what was made; any difference stops with its name."""
    system.sequencer.drain()
    while system.shipper.step().value == "busy":
        pass
    with system.db.read() as session:
        money = ledger.verify(session, keys=system.subject_keys)
        standing = system.shipper.standing(session)
    if not money.is_sound:
        raise SeedFailed(f"ledger: {money.differences[0]}")
    system.signer.sign(system.clock.now())
    verdict = system.rounds.full(system.clock.now())
    if verdict.mismatches:
        raise SeedFailed(f"log: {verdict.findings[0]}")
    with system.db.read() as session:
        gone = forgotten.dropped(session, 0, standing.head)
    if system.working_store.coverage(0, standing.head) + gone != standing.head:
        raise SeedFailed("coverage: the store does not hold every event")
    system.sequencer.drain()
    while system.shipper.step().value == "busy":
        pass


def _first_instant(real: Clock, size: str) -> datetime:
    start = real.now() - timedelta(days=DAYS[size])
    return start.replace(minute=0, second=0, microsecond=0)


def _on_the_board(account: Account) -> int:
    """Customers first, then staff in the order of the list, whenever each began."""
    order = [f"{name}@onepay.example" for name, _, _ in (*visitors.CUSTOMERS, *staffing.STAFF, staffing.AUDITOR)]
    return order.index(account.address)


def _clear(home: Path) -> None:
    """Remove what an interrupted seeding had moved in already; only a home without its mark gets here."""
    for name in _DATABASES:
        (home / name).unlink(missing_ok=True)
    for name in FOLDERS:
        shutil.rmtree(home / name, ignore_errors=True)
