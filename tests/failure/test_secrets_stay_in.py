"""What is secret stays in: after a day of use, right and wrong, nothing that was written holds it."""

from __future__ import annotations

import base64
import logging
import re
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from app.identity import letters
from app.kernel import logs
from payments import wallets
from tests.failure import scanner
from tests.support.installation import Browser, Installation, installed

CARD = "4027183055214006"
CARD_IN_GROUPS = "4027 1830 5521 4006"
PASSWORD = "seven herons over calm water"
NEW_PASSWORD = "eleven larks above dry stone"
WRONG = "three-wrong-geese-at-dawn"
NAME = "Wilhelmina Featherstonehaugh"
ADDRESS = "wilhelmina@onepay.example"
NOTE = "for the orchestra of glass birds"
SECRET = re.compile(r'data-secret="([A-Z2-7]+)"')


@dataclass(kw_only=True)
class Day:
    """A home after a day of use, and the words that must not stand in it."""

    home: Path
    canaries: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


@contextmanager
def logging_to(folder: Path) -> Iterator[None]:
    """Let the product log into a folder, as verbosely as it can, and give logging back as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    logs.configure("debug", folder=folder)
    try:
        yield
    finally:
        for handler in list(root.handlers):
            root.removeHandler(handler)
            handler.close()
        for handler in before:
            root.addHandler(handler)
        root.setLevel(level)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    home = tmp_path_factory.mktemp("canaries") / "home"
    made = Day(home=home)
    with logging_to(home / "log"), installed(home) as house:
        house.customer("payee_one")
        browser = house.browser("198.18.3.3")
        _sign_up(house, browser, made)
        _enrol(house, browser, made)
        _sign_in_wrongly(house, made)
        _pay_with_cards_everywhere(house, browser)
        _ask_wrongly(house, made)
        _recover(house, made)
        for cookie in browser.client._cookies.values():
            made.canaries[f"cookie {cookie.key}"] = cookie.value
        house.turn_whole()
    made.canaries |= {
        "card": CARD,
        "card in groups": CARD_IN_GROUPS,
        "password": PASSWORD,
        "new password": NEW_PASSWORD,
        "wrong password": WRONG,
        "name": NAME,
        "address": ADDRESS,
        "note": NOTE,
    }
    return made


def _sign_up(house: Installation, browser: Browser, day: Day) -> None:
    browser.get("/sign-up")
    browser.post("/sign-up", {"email": f"{CARD}@{CARD}.example"})
    browser.post("/sign-up", {"email": ADDRESS})
    token = day.links["sign-up"] = house.link_to(ADDRESS)
    house.turn_whole()
    with house.system.db.read() as session:
        assert list(letters.due(session, house.system.clock.now(), parts=house.system.identity)) == []
    scanner_of_mail(house, token)
    browser.get(f"/link/{token}", Referer=f"http://localhost:8080/link/{token}")
    # Wrong first: a card for a name and for a handle, a form without its token, a host that is not ours.
    browser.post(f"/link/{token}", {"name": CARD_IN_GROUPS, "handle": CARD, "password": PASSWORD})
    browser.post(f"/link/{token}", {"csrf_token": "", "name": NAME, "handle": "wilhelmina", "password": PASSWORD})
    browser.client.get(f"/link/{token}", headers={"Host": "elsewhere.example"})
    browser.client.delete(f"/link/{token}", headers={"Host": "localhost"})
    browser.get(f"/link/{token}")
    answer = browser.post(f"/link/{token}", {"name": NAME, "handle": "wilhelmina", "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    browser.get(f"/link/{token}")


def scanner_of_mail(house: Installation, token: str) -> None:
    """The link is in the mailbox, which is the one place for it."""
    mails = [file.read_text("utf-8") for file in (house.system.settings.home / "mail").glob("msg_*.json")]
    assert any(token in mail for mail in mails)


def _enrol(house: Installation, browser: Browser, day: Day) -> None:
    secret = day.canaries["authenticator"] = SECRET.search(browser.get("/security/factors/new").text).group(1)
    browser.post("/security/factors/new", {"code": "000000"})
    browser.post("/security/factors/new", {"code": CARD})
    assert browser.post("/security/factors/new", {"code": house.code(secret)}).status_code == 303


def _sign_in_wrongly(house: Installation, day: Day) -> None:
    stranger = house.browser("198.18.3.4")
    stranger.get("/sign-in")
    for address, password in (
        (ADDRESS, WRONG),
        (ADDRESS, CARD),
        (WRONG, ADDRESS),
        (f"{CARD}@onepay.example", WRONG),
        (CARD_IN_GROUPS, CARD_IN_GROUPS),
    ):
        stranger.post("/sign-in", {"address": address, "password": password})
    stranger.post("/sign-in", {"address": ADDRESS, "password": WRONG, "card_number": CARD, WRONG: CARD})
    stranger.api("POST", "/sessions", {"email": ADDRESS, "password": WRONG, "code": "123456"})
    stranger.api("POST", "/sessions", {"email": ADDRESS, "password": WRONG, "pan": CARD})
    stranger.api("POST", "/sessions", {"email": ADDRESS, "password": {"nested": WRONG}, "code": CARD})


def _pay_with_cards_everywhere(house: Installation, browser: Browser) -> None:
    browser.get("/wallet")
    amount = {"amount": "1.00", "currency": "EUR"}
    order = {"payee": "@payee_one", "amount": amount}

    def send(body: object, **headers: str) -> int:
        return browser.api("POST", "/transfers", body, **{"Idempotency-Key": "k", **headers}).status_code

    send({**order, "note": CARD})
    send({**order, "note": CARD_IN_GROUPS})
    send({**order, "note": "4027-1830-5521-4006"})
    send({**order, "reference": CARD})
    send({**order, "payee": CARD})
    send({**order, "source": CARD})
    send({**order, "amount": {"amount": CARD, "currency": "EUR"}})
    send({**order, "amount": {"amount": "1.00", "currency": CARD}})
    send({**order, CARD: CARD})
    send(CARD)
    send([CARD])
    send({**order, "note": NOTE}, **{"Idempotency-Key": f"key-{CARD}"})
    send({**order, "note": NOTE}, **{"Idempotency-Key": CARD})
    send({**order, "note": NOTE}, **{"X-Request-Id": CARD})
    send({**order, "note": NOTE}, **{"X-Request-Id": f"card-{CARD}"})
    send({**order, "note": NOTE}, **{"User-Agent": f"Firefox/{CARD} ({CARD_IN_GROUPS})"})
    send({**order, "note": NOTE}, **{"X-CSRFToken": WRONG, "Referer": f"http://localhost:8080/{CARD}"})
    send({**order, "note": NOTE}, **{"traceparent": f"00-{CARD}{CARD}-{CARD}-01", "X-Forwarded-For": CARD})
    house.top_up(_account(house), 50)
    assert send({**order, "note": NOTE}, **{"Idempotency-Key": "k-good"}) == 201
    browser.get("/send")
    browser.post("/send/review", {"payee": f"@{CARD}", "amount": CARD, "note": CARD})
    browser.post("/transfers", {"payee": "@payee_one", "amount": "1.00", "note": CARD_IN_GROUPS, "key": CARD})
    browser.post("/step-up", {"code": CARD, "next": f"/wallet?card={CARD}"})


def _account(house: Installation) -> str:
    with house.system.db.read() as session:
        return wallets.by_handle(session, "@wilhelmina").owner_id


def _ask_wrongly(house: Installation, day: Day) -> None:
    """Addresses that hold what they should not, from somebody without a session."""
    stranger = house.browser("198.18.3.5")
    for path in (
        f"/wallet?card={CARD}&password={WRONG}",
        f"/{CARD}",
        f"/transfers/{CARD}",
        f"/link/{WRONG}",
        f"/api/v1/transfers/{CARD}",
        f"/api/v1/transfers?reference={CARD}",
        f"/api/v1/wallets/{CARD}/activity?after={CARD}",
        f"/console/soc/incidents/{CARD}",
        f"/sign-in?next=/wallet/{CARD}",
        f"/admin/users?q={CARD}",
    ):
        stranger.get(path)
        stranger.get(path, Accept="application/json")
        stranger.get(path, Cookie=f"onepay-local={WRONG}; onepay-device={CARD}")
        stranger.get(path, Authorization=f"Bearer {WRONG}")
    stranger.client.open(f"/{CARD}", method=f"X{CARD}", headers={"Host": "localhost"})
    stranger.client.get(f"/{CARD}", headers={"Host": f"{CARD}.example"})
    report = {"document-uri": f"http://localhost/{CARD}", "effective-directive": CARD}
    stranger.client.post("/csp-report", json={"csp-report": report}, headers={"Host": "localhost"})


def _recover(house: Installation, day: Day) -> None:
    browser = house.browser("198.18.3.6")
    browser.get("/recover")
    browser.post("/recover", {"email": ADDRESS, "surface": "customer"})
    token = day.links["recovery"] = house.link_to(ADDRESS)
    browser.client.head(f"/link/{token}", headers={"Host": "localhost"})
    browser.get(f"/link/{token}", Purpose="prefetch")
    browser.get(f"/link/{token}")
    browser.post(f"/link/{token}", {"password": NEW_PASSWORD, "code": CARD})
    browser.post(f"/link/{token}", {"password": NEW_PASSWORD, "code": house.code(day.canaries["authenticator"], 1)})


def test_no_secret_no_card_and_no_name_stands_in_clear(day: Day) -> None:
    # Letters are for people: their names and addresses stand there, and the links.
    assert scanner.found(day.home, day.canaries, apart_from=frozenset({"mail"})) == set()


def test_the_token_of_a_link_stands_in_its_letter_alone(day: Day) -> None:
    assert set(day.links) == {"sign-up", "recovery"}
    assert scanner.found(day.home, day.links, apart_from=frozenset({"mail"})) == set()


def test_letters_hold_no_card_and_no_password(day: Day) -> None:
    words = {name: word for name, word in day.canaries.items() if name not in ("name", "address")}
    assert {place for place in scanner.found(day.home, words) if place[1].startswith("mail/")} == set()


def test_what_was_written_holds_what_it_should(day: Day) -> None:
    """The day left its traces: else an empty home would pass."""
    kinds = {"auth.login.failed", "access.request.denied", "access.request.blocked", "transaction.transfer.settled"}
    found = scanner.found(day.home, {kind: kind for kind in kinds})
    for kind in kinds:
        assert {place.split("/")[0].split(":")[0] for name, place in found if name == kind} >= {"onepay.db", "events"}
    logged = (day.home / "log" / "onepay.log").read_text("utf-8")
    assert logged.count("\n") > 10


def test_the_scanner_finds_what_was_planted(day: Day, tmp_path: Path) -> None:
    home, word = Path(shutil.copytree(day.home, tmp_path / "home")), "planted-canary-4711"
    assert scanner.found(home, {"planted": word}) == set()
    with closing(sqlite3.connect(home / "onepay.db")) as database:
        database.execute("UPDATE payments_idempotency SET body = ?", [zlib.compress(f'{{"x":"{word}"}}'.encode())])
        database.execute("UPDATE payments_handle SET name = ? WHERE name = 'wilhelmina'", [word])
        database.execute("UPDATE ingest_head SET holder = ?", [base64.b64encode(f"x {word} y".encode()).decode()])
        database.commit()
    (file,) = (home / "events" / "security").glob("*.duckdb")
    with duckdb.connect(str(file)) as store:
        store.execute("UPDATE event SET body = body || ?", [word])
        store.execute('UPDATE event SET "url.path" = ? WHERE "url.path" IS NOT NULL', [f"/{word}"])
    with (home / "log" / "onepay.log").open("a", encoding="utf-8") as log:
        log.write(word.encode().hex())

    places = {place for _, place in scanner.found(home, {"planted": word})}

    assert places >= {
        "onepay.db:payments_idempotency.body unpacked",
        "onepay.db:payments_handle.name",
        "onepay.db:ingest_head.holder",
        f"{file.relative_to(home)}:event.body",
        f"{file.relative_to(home)}:event.url.path",
        "log/onepay.log",
    }
