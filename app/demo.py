"""The demonstration: a seeded week of life, people to sign in as, a board, and an attack while one looks."""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import pyotp
from sqlalchemy.orm import Session

from app import health, jobs, process
from app.compose import System
from app.config import Settings
from app.identity import letters, links, mfa, role_grants, roles, signup
from app.identity.accounts import AUDITOR_GRANT_MAX, Terms
from app.kernel.access import IAM_ACCOUNT_INVITE, Acr, Actor, ActorKind, service
from app.kernel.approvals import Verdict
from app.kernel.clock import Clock, SteppedClock, SystemClock, rfc3339
from app.kernel.crypto import write_private_once
from app.kernel.errors import ConfigurationRefused, Conflict, Invalid, OnePayError
from app.kernel.ids import SeededIds
from app.kernel.jobs import guarded
from app.lock import HomeLock, MachineLacks
from app.process import Running
from app.simulator import customers, prologue, run
from app.simulator.attacks import credential_stuffing
from app.simulator.drivers.history import History
from app.simulator.drivers.live import Live
from app.simulator.office import papers, rights
from app.simulator.truth import Truth
from app.simulator.world import DAYS, Person, World, build
from app.worker import run_guarded
from ingest.events.envelope import EventClass
from ingest.log import forgotten
from payments.verification import verify as ledger

SIZES: Final = ("small", "empty")
ATTACKS: Final = ("credential_stuffing",)
FILE: Final = "demo.json"
SEEDING: Final = "seeding"
# A history steps by the hour, and a control is looked at by the minute: what nobody looked at is no evidence.
STAND_STILL: Final = ("compliance.observe", "privacy.selftest", "retention.plan")
# Nothing is delivered while a world is made, so an invitation lies behind all letters of the last days.
LETTERS_MAX: Final = 100_000
ASSESSED_BEFORE: Final = timedelta(days=120)
FREE_BYTES_MIN: Final = 500 * 2**20
REPLAYS_MAX: Final = 3
READY_SECONDS_MAX: Final = 30
ATTACK_AFTER: Final = timedelta(seconds=15)
_DATABASES: Final = tuple(f"{name}{end}" for name in ("onepay.db", "subject_keys.db") for end in ("", "-wal", "-shm"))
STAFF: Final = (
    ("administrator", roles.ADMINISTRATOR, "Ada Reed"),
    ("administrator2", roles.ADMINISTRATOR, "Basil Stone"),
    ("analyst", roles.ANALYST, "Maren Voss"),
    ("analyst2", roles.ANALYST, "Ilse Brandt"),
    ("commander", roles.INCIDENT_COMMANDER, "Tomas Aker"),
    ("commander2", roles.INCIDENT_COMMANDER, "Nora Field"),
    ("compliance", roles.COMPLIANCE_OFFICER, "Liv Osterman"),
    ("compliance2", roles.COMPLIANCE_OFFICER, "Piet Okafor"),
    ("dpo", roles.DPO, "Hanna Weiss"),
    ("dpo2", roles.DPO, "Rui Moreno"),
)
OFFICE: Final = (roles.ADMINISTRATOR, roles.COMPLIANCE_OFFICER, roles.DPO)
AUDITOR: Final = ("auditor", roles.AUDITOR, "Selma Dorn")
CUSTOMERS: Final = (
    ("customer", "Amber Finch", "amber_finch"),
    ("customer2", "Rowan Pike", "rowan_pike"),
)
"""Who a visitor signs in as: one to live, and one to be erased."""


class SeedFailed(OnePayError):
    """The seeded world does not verify."""

    code = "seed_failed"


class TooManyReplays(Conflict):
    """Three attacks are running already; wait for one to end."""

    code = "too_many_replays"


class Shows(Protocol):
    """Shows phases with progress; the command line has one."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def step(self, done: int, total: int | None = None) -> None: ...

    def done(self) -> None: ...

    def say(self, text: str) -> None: ...


class PlainProgress:
    """Progress without a terminal: one line a phase, then one every five seconds, no control codes."""

    EVERY_SECONDS = 5.0

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._name, self._total, self._unit, self._told_at = say, "", 0, "", 0.0

    def phase(self, name: str, total: int | None, unit: str = "") -> None:
        self._name, self._total, self._unit, self._told_at = name, total or 0, unit, time.monotonic()
        self._say(f"{name} …")

    def step(self, done: int, total: int | None) -> None:
        if time.monotonic() - self._told_at >= self.EVERY_SECONDS:
            self._told_at = time.monotonic()
            of = total or self._total
            said = f"{done:,} of {of:,}" if of else f"{done:,}"
            self._say(f"{self._name}: {said} {self._unit}".rstrip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person one can sign in as."""

    role: str
    address: str
    password: str
    secret: str


def up(settings: Settings, *, world: str, seed: int, show: Shows) -> None:
    """Make the world if there is none, serve it, check it, print the board; serve until a signal ends it."""
    lock = HomeLock(settings.home)
    lock.take()
    try:
        _check_machine(settings)
        settings = replace(settings, port=_free_port(settings, show.say))
        began = time.monotonic()
        if not (settings.home / FILE).exists():
            _make(settings, world, seed, show)
        show.phase("Keys and schema")
        process.prepare(settings)
        show.done()
        with process.opened(settings) as system:
            running = process.start(system, lock)
            server = threading.Thread(target=lambda: process.serve_quietly(running.server), name="web", daemon=True)
            server.start()
            _self_check(system, show)
            facts = _facts(settings.home)
            live = Attacks(running, build(facts["seed"], facts["world"], _start_of(facts)), settings.home / "demo")
            system.replay = live.replay
            show.say(board(settings, facts, time.monotonic() - began))
            if facts["world"] != "empty":
                live.begin(ATTACK_AFTER)
            process.wait_for_signal(running)
            live.stop()
            process.finish(running)
    finally:
        lock.release()


def codes(home: Path) -> Iterator[str]:
    """Return passwords and present codes of the demo accounts, with the seconds they have left."""
    now = datetime.now(UTC)  # noqa: TID251 - codes follow the machine's clock, as an authenticator does
    left = 30 - int(now.timestamp()) % 30
    for account in _accounts(_facts(home)):
        code = pyotp.TOTP(account.secret).at(int(now.timestamp()))
        yield f"{account.role:<19} {account.address:<32} {account.password:<40} {code}  {left:>2} s left"


def code_of(home: Path, name: str) -> str:
    """Return the present code of one demo account, named by what stands before the @ of its address."""
    accounts = {account.address.partition("@")[0]: account for account in _accounts(_facts(home))}
    if name not in accounts:
        raise Invalid(f"There is no demo account {name}; there are {', '.join(sorted(accounts))}.")
    now = int(time.time())  # noqa: TID251 - as in `codes`
    return pyotp.TOTP(accounts[name].secret).at(now)


def board(settings: Settings, facts: dict[str, Any], seconds: float) -> str:
    """Return what a visitor needs: addresses, people, handles, a curl session, where data lies, how to stop."""
    url, accounts = settings.url, _accounts(facts)
    home, at_home, make = shlex.quote(str(settings.home)), "", "make"
    if settings.home != Settings().home:  # another home than the usual one is named to each command
        at_home, make = f" --home {home}", f"ONEPAY_HOME={home} make"
    lines = [
        "",
        f"OnePay is up after {seconds:.0f} s. Demonstration data: simulated people, no real money.",
        "",
        f"  Customers       {url}/",
        f"  Console         {url}/console/",
        f"  People          {url}/admin/users",
        f"  API             {url}/api/v1/openapi.json",
        "",
        f"  Sign in as (password, then the code of now; `{make} totp` prints fresh codes)",
    ]
    now = int(time.time())  # noqa: TID251 - as in `codes`
    for account in accounts:
        code = pyotp.TOTP(account.secret).at(now)
        lines.append(f"    {account.role:<19} {account.address:<30} {account.password:<38} {code}")
    lines.append(f"    codes change in {30 - now % 30} s")
    handles = facts.get("handles", [])
    if handles:
        lines += ["", f"  Send money to   {'  '.join('@' + handle for handle in handles)}"]
    customer = next((account for account in accounts if account.role == roles.CUSTOMER), None)
    if customer is not None:
        lines += ["", "  By curl (a code works once; after a sign-in wait for the next)"]
        lines += _curl(url, customer, handles, at_home)
    lines += [
        "",
        *(_attack(at_home) if facts["world"] != "empty" else []),
        f"  Letters to these people: `{make} mail`. The data is in {home}/; `{make} reset` removes it. Ctrl-C stops.",
        "",
    ]
    return "\n".join(lines)


def _attack(at_home: str) -> list[str]:
    return [
        "  An attack begins within a minute; watch it in the console. To see another, in a second terminal:",
        f"    .venv/bin/onepay demo replay credential_stuffing{at_home}",
        "",
    ]


def _curl(url: str, customer: Account, handles: list[str], at_home: str) -> list[str]:
    code = f"'$(.venv/bin/onepay demo code customer{at_home})'"
    sign_in = json.dumps({"email": customer.address, "password": customer.password, "code": "CODE"})
    sign_in = sign_in.replace("CODE", code)
    payee = f"@{handles[0]}" if handles else "@handle"
    order = json.dumps({"payee": payee, "amount": {"amount": "1.00", "currency": "EUR"}})
    kind = "-H 'Content-Type: application/json'"
    token = """TOKEN=$(printf '%s' "$ANSWER" | sed -n 's/.*csrf_token": "\\([^"]*\\)".*/\\1/p')"""
    # Without a token the answer says why: a code that was used already, or a typing error.
    told = '[ -n "$TOKEN" ] || printf "%s\\n" "$ANSWER"'
    keys = '-H "X-CSRFToken: $TOKEN" -H "Idempotency-Key: $(date +%s)"'
    return [
        f"    ANSWER=$(curl -sc jar {kind} -d '{sign_in}' {url}/api/v1/sessions); {token}; {told}",
        f"    curl -sb jar {url}/api/v1/wallets",
        f"    curl -sb jar {kind} {keys} -d '{order}' {url}/api/v1/transfers",
    ]


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


@dataclass(slots=True)
class _Made:
    """What seeding leaves for the board."""

    accounts: list[Account] = field(default_factory=list)
    administrators: list[str] = field(default_factory=list)
    staff: dict[str, str] = field(default_factory=dict)
    office: tuple[tuple[str, str, str], ...] = ()
    handles: list[str] = field(default_factory=list)


def _make(settings: Settings, size: str, seed: int, show: Shows) -> None:
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
    made = _Made()
    with process.opened(inside, clock=clock, ids=ids) as system:
        driver = History(system, clock, lambda at: _jobs_of_history(system, at, besides=STAND_STILL), dense=start)
        secrets = _months_before(system, world, driver, made, show)
        _people(system, made, [one for one in STAFF if one not in made.office])
        for turn in range(rights.TURNS if world.founders else 0):
            driver.meet(start + timedelta(days=turn, hours=9 + 2 * turn), partial(_agree, system, driver, turn))
        total = max(1, world.days)
        show.phase("A week of life" if world.days else "An empty world", total)
        run.run(
            [
                *(customers.live(person, world) for person in world.people),
                *(customers.stay(person, world, secrets) for person in world.founders),
                *_visitors(world, made),
            ],
            driver,
            until=real.now() - timedelta(seconds=1),
            progress=lambda at, count: show.step(min(total, (at - start).days), total),
        )
        show.step(total, total)
        clock.release()
        auditor = _auditor(system, made)
        _office_now(system, world, driver, made)
        _settled(system)
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
        "accounts": [_kept(account) for account in sorted(made.accounts, key=_on_the_board)],
    }
    for child in sorted(building.iterdir()):
        child.rename(settings.home / child.name)
    # This file says that the world is whole; a start that finds the folder beside it and not the file begins anew.
    write_private_once(settings.home / FILE, json.dumps(facts).encode())
    building.rmdir()


def _months_before(system: System, world: World, driver: History, made: _Made, show: Shows) -> dict[str, str | None]:
    """Live the months before the week: founders, a bastion's log, an office that removes what is due."""
    secrets: dict[str, str | None] = {}
    if not world.founders:
        return secrets
    opens = world.start + timedelta(days=world.days) - prologue.OFFICE_OPENS
    months = prologue.months(world, world.start)

    def office() -> None:
        made.office = tuple(one for one in STAFF if one[1] in OFFICE)
        _people(system, made, made.office)

    for at in months:
        driver.meet(at, partial(prologue.read_bastion, system, system.settings.home, at))
    driver.meet(world.dawn + timedelta(days=12), lambda: _builder(system))
    driver.meet(opens, office)
    driver.meet(
        opens + timedelta(hours=5),
        lambda: prologue.remove_what_is_due(system, made.staff, EventClass.OPERATIONS.value, lambda: _settled(system)),
    )
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


def _office_now(system: System, world: World, driver: History, made: _Made) -> None:
    """Leave what waits for people now: a hold for a claim, and a run that is counted and not yet approved."""
    if not world.founders:
        return
    review = (system.clock.now() + timedelta(days=45)).date()
    prologue.look_up(system, made.staff, driver.account_of(world.founders[0].id))
    papers.sign(system, made.staff)
    asking = [driver.account_of(person.id) for person in world.people[-len(rights.ASKED) :]]
    rights.open_doors(system, made.staff, asking)
    prologue.hold(system, made.staff, driver.account_of(world.founders[0].id), review)
    _settled(system)
    prologue.plan(system, made.staff, EventClass.OPERATIONS.value)


def _settled(system: System) -> None:
    """Bring what was recorded into store and archive."""
    for _ in range(2):
        system.sequencer.drain()
        while system.shipper.step().value == "busy":
            pass
        system.signer.sign(system.clock.now())


def _people(system: System, made: _Made, people: Sequence[tuple[str, str, str]]) -> None:
    """Make staff by their own doors: the first two from the command line, the rest by invitation."""
    for n, (name, role, full_name) in enumerate(people):
        address, password = f"{name}@onepay.example", _password()
        with system.db.begin() as session:
            if role == roles.ADMINISTRATOR:
                ctx = system.context(service("operator", IAM_ACCOUNT_INVITE))
                account = signup.bootstrap(session, address, full_name, ctx, parts=system.identity)
                made.administrators.append(account)
            else:
                ctx = system.context(_administrator(system, made.administrators[n % 2]))
                account = signup.invite(session, address, full_name, role, ctx, parts=system.identity)
                _give(
                    session,
                    system,
                    account,
                    role,
                    Terms(),
                    made.administrators if n % 2 == 0 else made.administrators[::-1],
                )
        secret = _accept(system, account, address, password)
        made.staff[name] = account
        made.accounts.append(Account(role=role, address=address, password=password, secret=secret))


def _builder(system: System) -> None:
    """Make who built the first version and has not signed in since: an account that sleeps, without any role."""
    address = "builder@onepay.example"
    with system.db.begin() as session:
        ctx = system.context(service("operator", IAM_ACCOUNT_INVITE))
        account = signup.invite(session, address, "Jule Hartmann", roles.ANALYST, ctx, parts=system.identity)
    _accept(system, account, address, _password())


def _auditor(system: System, made: _Made) -> str:
    """Invite the auditor once the world has been lived; what is locked to them reaches over what is shown after it."""
    name, role, full_name = AUDITOR
    address, password = f"{name}@onepay.example", _password()
    ctx = system.context(_administrator(system, made.administrators[0]))
    until = ctx.at + AUDITOR_GRANT_MAX
    terms = Terms(until=until, period=(ctx.at - ASSESSED_BEFORE, until))
    with system.db.begin() as session:
        account = signup.invite(session, address, full_name, role, ctx, parts=system.identity)
        _give(session, system, account, role, terms, made.administrators)
    secret = _accept(system, account, address, password)
    made.accounts.append(Account(role=role, address=address, password=password, secret=secret))
    return account


def _give(session: Session, system: System, account: str, role: str, terms: Terms, two: Sequence[str]) -> None:
    """Let the first of two administrators ask for a role, and the second agree."""
    first, second = (system.context(_administrator(system, one)) for one in two[:2])
    id = role_grants.ask(session, account, role, terms, "Needed for the work", first, approvals=system.approvals)
    outcome = system.approvals.decide(session, id, Verdict.APPROVED, "", second)
    if outcome.error is not None:
        raise outcome.error


def _accept(system: System, account: str, address: str, password: str) -> str:
    """Accept an invitation as its page does: password, authenticator, first code."""
    ctx = system.context(Actor(id=account, kind=ActorKind.STAFF))
    with system.db.read() as session:
        waiting = list(letters.due(session, ctx.at, parts=system.identity, limit=LETTERS_MAX))
    token = [letter for letter in waiting if letter.to == address][-1].text.partition("/link/")[2].split()[0]
    hashed = system.identity.hasher.hash(password)
    with system.db.begin() as session:
        holder = links.look(session, token, ctx, parts=system.identity).id
        offer = mfa.offer(session, account, holder, address, parts=system.identity)
        code = pyotp.TOTP(offer.secret).at(int(ctx.at.timestamp()))
        mfa.take(session, account, holder, code, ctx, parts=system.identity)
        signup.accept(session, token, hashed, ctx, parts=system.identity)
    return offer.secret


def _administrator(system: System, account: str) -> Actor:
    """Return an administrator as if signed in with a factor a moment ago."""
    return Actor(
        id=account,
        kind=ActorKind.STAFF,
        roles=frozenset({roles.ADMINISTRATOR}),
        permissions=roles.ROLES[roles.ADMINISTRATOR],
        acr=Acr.MFA,
        authenticated_at=system.clock.now(),
    )


def _visitors(world: World, made: _Made) -> list[customers.Life]:
    """Return the lives of the customers a visitor signs in as, noting their authenticators' secrets for the board."""
    return [_visitor(world, made, model, *of) for model, of in zip(world.people, CUSTOMERS, strict=False)]


def _visitor(world: World, made: _Made, model: Person, name: str, full_name: str, handle: str) -> customers.Life:
    person: Person = replace(
        model,
        id=f"visitor.{name}",
        name=full_name,
        handle=handle,
        address=f"{name}@onepay.example",
        password=_password(),
        has_factor=True,
        typo_rate=0.0,
    )
    inner = customers.live(person, world)
    wish = next(inner)
    while True:
        outcome = yield wish
        if "secret" in outcome.made:
            secret = outcome.made["secret"]
            made.accounts.append(
                Account(role=roles.CUSTOMER, address=person.address, password=person.password, secret=secret)
            )
        try:
            wish = inner.send(outcome)
        except StopIteration:
            return


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


def _self_check(system: System, show: Shows) -> None:
    """Wait until the process says that it may take traffic; the board is printed after that, never before."""
    show.phase("Self-check")
    deadline = time.monotonic() + READY_SECONDS_MAX
    while problems := health.ready(system):
        if time.monotonic() > deadline:
            raise SeedFailed(f"not ready: {problems}")
        threading.Event().wait(0.2)
    show.done()


def _check_machine(settings: Settings) -> None:
    if not settings.is_loopback:
        raise ConfigurationRefused("A demonstration is served on a loopback address only.")
    free = shutil.disk_usage(settings.home if settings.home.exists() else Path.cwd()).free
    if free < FREE_BYTES_MIN:
        raise MachineLacks("Less than 500 MB of disk are free.")


def _free_port(settings: Settings, say: Callable[[str], None]) -> int:
    for port in range(settings.port, settings.port + process.PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.bind, port))
            except OSError:
                continue
        if port != settings.port:
            say(f"Port {settings.port} is taken; {port} is used.")
        return port
    raise MachineLacks(f"Ports {settings.port} to {settings.port + process.PORTS_TRIED - 1} are taken.")


def _first_instant(real: Clock, size: str) -> datetime:
    start = real.now() - timedelta(days=DAYS[size])
    return start.replace(minute=0, second=0, microsecond=0)


def _on_the_board(account: Account) -> int:
    """Customers first, then staff in the order of the list, whenever each began."""
    order = [f"{name}@onepay.example" for name, _, _ in (*CUSTOMERS, *STAFF, AUDITOR)]
    return order.index(account.address)


def _clear(home: Path) -> None:
    """Remove what an interrupted seeding had moved in already; only a home without its mark gets here."""
    for name in _DATABASES:
        (home / name).unlink(missing_ok=True)
    for name in ("archive", "events", "keys", "log", "mail", "demo", "witness"):
        shutil.rmtree(home / name, ignore_errors=True)


def _facts(home: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((home / FILE).read_text("utf-8"))
    except OSError as error:
        raise ConfigurationRefused(f"There is no demonstration in {home}/: `make up` makes one.") from error
    except ValueError as error:
        raise ConfigurationRefused(f"{home / FILE} is damaged: {error}. `make reset` removes the home.") from error
    if missing := {"seed", "world", "start", "handles", "accounts"} - found.keys():
        raise ConfigurationRefused(f"{home / FILE} lacks {', '.join(sorted(missing))}. `make reset` removes the home.")
    return found


def _accounts(facts: dict[str, Any]) -> list[Account]:
    return [Account(**account) for account in facts["accounts"]]


def _start_of(facts: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(facts["start"])


def _password() -> str:
    return "-".join(secrets.token_hex(2) for _ in range(5))


def _kept(account: Account) -> dict[str, str]:
    """Return an account as the file keeps it."""
    return {"role": account.role, "address": account.address, "password": account.password, "secret": account.secret}
