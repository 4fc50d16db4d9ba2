"""The event store is away for a while: payments go on, the console says how far it lags, nothing is missing after."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import health, jobs
from app.commands import log
from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.clock import StillClock
from app.worker import Worker, run_guarded
from detectors import alerts
from detectors.runner import standings
from ingest.log import read
from ingest.models import entry
from ingest.settings import DuckSettings
from ingest.store.duck import DuckStore
from ingest.store.query import EVERYTHING, Window
from payments.models import transfer
from tests.failure.served import wait
from tests.support.installation import Browser, Installation, Person, installed
from tests.support.search import SearchServer
from tests.support.stores import FaultyStore

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SOURCE = "198.18.44.9"
ANALYST = Actor(id="acc_reader", kind=ActorKind.STAFF, permissions=roles.ROLES[roles.ANALYST])
PAYMENT_SECONDS_MAX = 5
SEARCH_SECONDS_MAX = 120


@pytest.fixture
def faulty(tmp_path: Path) -> FaultyStore:
    return FaultyStore(DuckStore(DuckSettings(folder=tmp_path / "home" / "events")))


def pay(browser: Browser, payee: Person, key: str) -> str:
    body = {"payee": f"@{payee.handle}", "amount": {"amount": "1.00", "currency": "EUR"}}
    answer = browser.api("POST", "/transfers", body, **{"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def payer_and_payee(house: Installation) -> tuple[Browser, Person]:
    payee = house.customer("payee_one")
    browser = house.browser()
    browser.sign_in(house.customer("payer_one", euros=500))
    browser.get("/wallet")
    return browser, payee


def guess(house: Installation, times: int) -> None:
    """Try passwords of people who do not exist, from one address."""
    thief = house.browser(SOURCE)
    for n in range(times):
        thief.get("/sign-in")
        thief.post("/sign-in", {"address": f"nobody{n}@onepay.example", "password": "summer-of-69-again"})


def turn(house: Installation) -> None:
    """Do once what the worker does all day; a store that is away does not stop it.

    What it does each night alone stays out: the self-test says something new to the log whenever it runs.
    """
    house.system.sequencer.drain()
    house.system.shipper.drain()
    for job in jobs.all_jobs(house.system):
        if job.every < timedelta(days=1):
            run_guarded(house.system, job)


def pass_by(house: Installation, seconds: float) -> None:
    clock = house.system.clock
    assert isinstance(clock, StillClock)
    clock.move(timedelta(seconds=seconds))


def parts(house: Installation) -> dict[str, tuple[str, bool]]:
    """Return what the console's health page says, by part."""
    return {part.name: (part.says, part.ok) for part in health.parts(house.system)}


def assert_whole(house: Installation) -> None:
    """Assert that store and rules have every event of the log once, and that log and store verify."""
    system = house.system
    with system.db.read() as session:
        head = read.head(session).size
        rules = standings(session, system.runner.rules, ANALYST, system.clock.now())
        standing = system.shipper.standing(session)
    assert (standing.done, standing.parked, standing.error, standing.failing_since) == (head, 0, None, None)
    assert system.store.coverage(0, head) == head
    assert system.store.count(EVERYTHING, Window()) == head
    assert {(rule.rule.slug, *rule.covered[0]) for rule in rules} == {(rule.rule.slug, 0, head) for rule in rules}
    assert [len(rule.covered) for rule in rules] == [1] * len(system.runner.rules)
    lines = list(log.verify(system, {}))
    assert lines[-1] == {"exit": 0}, lines


def caught_up(house: Installation) -> None:
    """Turn until what the turns themselves record has arrived and was read, too."""
    for _ in range(10):
        turn(house)
        with house.system.db.read() as session:
            head = read.head(session).size
            rules = standings(session, house.system.runner.rules, ANALYST, house.system.clock.now())
        if house.waiting_kinds() == [] and all(rule.sequence == head for rule in rules):
            return
    raise AssertionError(house.waiting_kinds())


def test_a_minute_without_the_store_delays_the_console_and_nothing_else(tmp_path: Path, faulty: FaultyStore) -> None:
    with installed(tmp_path / "home", clock=StillClock(START), event_store=faulty) as house:
        browser, payee = payer_and_payee(house)
        caught_up(house)
        assert parts(house)["Shipper"] == ("up to date", True)
        with house.system.db.read() as session:
            before = read.head(session).size

        faulty.is_away, since = True, house.system.clock.now()
        paid = []
        for second in range(60):
            pass_by(house, 1)
            paid.append(pay(browser, payee, f"away-{second}"))
            if second == 20:
                guess(house, 12)
            if second % 5 == 0:
                turn(house)

        # Payments went on, their pages too; the process takes traffic and says what waits, since when, and why.
        assert len(set(paid)) == 60
        assert browser.get(f"/transfers/{paid[-1]}").status_code == 200
        assert health.ready(house.system) == {}
        store = health.lag(house.system)["store"]
        with house.system.db.read() as session:
            head = read.head(session).size
            standing = house.system.shipper.standing(session)
            assert list(alerts.list_page(session, ANALYST, state=None)) == []
        assert head - before > 60
        assert (store["done"], store["behind"], store["ok"]) == (before, head - before, False)
        assert "it was taken away" in store["error"]
        assert since <= standing.failing_since <= since + timedelta(seconds=5)
        assert parts(house)["Shipper"] == (f"{head - before} events behind", False)

        faulty.is_away = False
        pass_by(house, 60)
        caught_up(house)

        assert parts(house)["Shipper"] == ("up to date", True)
        with house.system.db.read() as session:
            found = {one.slug: one for one in alerts.list_page(session, ANALYST, state=None)}
            assert session.scalar(sa.select(sa.func.count()).select_from(transfer)) == 60
            kinds = Counter(session.scalars(sa.select(entry.c.kind)))
        # However often they asked, the log says once that the store was away, and detectors and the journal of erasures
        # could not work, and once that they can.
        health_kinds = ("health.store.failed", "health.job.failed", "health.control.failed", "health.control.restored")
        assert [kinds[kind] for kind in health_kinds] == [1, 2, 3, 3]
        assert found["login_burst_source"].events == 12
        assert_whole(house)


def test_a_store_that_is_away_at_the_start_is_opened_later(tmp_path: Path, faulty: FaultyStore) -> None:
    faulty.is_away = True
    with installed(tmp_path / "home", clock=StillClock(START), event_store=faulty) as house:
        browser, payee = payer_and_payee(house)
        for n in range(5):
            pay(browser, payee, f"early-{n}")
            turn(house)
        assert health.ready(house.system) == {}
        assert health.lag(house.system)["store"]["done"] == 0

        faulty.is_away = False
        pass_by(house, 60)
        caught_up(house)

        assert_whole(house)


@contextmanager
def stopped(server: SearchServer) -> Iterator[None]:
    """Freeze a search server: connections are taken and nothing is answered."""
    if server.process is None:
        pytest.skip("the search server was given by address, so it cannot be frozen here")
    os.killpg(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(server.process.pid, signal.SIGCONT)


@contextmanager
def working(house: Installation) -> Iterator[None]:
    worker = Worker(house.system, jobs.all_jobs(house.system))
    worker.start()
    try:
        yield
    finally:
        worker.stop()


@pytest.mark.needs("search")
@pytest.mark.xdist_group("search")
def test_elasticsearch_that_stops_answering_stops_no_payment(tmp_path: Path, search_server: SearchServer) -> None:
    settings = {"store": "elastic", "store_urls": search_server.url, "store_namespace": f"onepay-f{os.getpid()}"}
    with ExitStack() as stack:
        with stopped(search_server):
            # Away at the start, too: the process waits once for an answer, and goes on without.
            house = stack.enter_context(installed(tmp_path / "home", **settings))
        stack.enter_context(working(house))
        browser, payee = payer_and_payee(house)
        until(lambda: lag(house) == 0, "it was opened later")
        with stopped(search_server):
            slowest = 0.0
            for n in range(30):
                began = time.monotonic()
                pay(browser, payee, f"frozen-{n}")
                slowest = max(slowest, time.monotonic() - began)
            assert slowest < PAYMENT_SECONDS_MAX
            assert health.ready(house.system) == {}
            assert lag(house) >= 30
            until(lambda: health.lag(house.system)["store"]["error"] is not None, "the failure was said")
        until(lambda: lag(house) == 0, "it caught up")
    with installed(tmp_path / "home", **settings) as house:
        caught_up(house)
        assert_whole(house)


def lag(house: Installation) -> int:
    found = health.lag(house.system)
    return int(found["log"]["unsequenced"]) + int(found["store"]["behind"])


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SEARCH_SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, what
        wait(0.2)
