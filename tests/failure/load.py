"""People who pay each other through a served process, over real connections that break."""

from __future__ import annotations

import http.client
import json
import random
import threading
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

import pyotp

from tests.failure.served import ANSWER_SECONDS_MAX, KNOCK_SECONDS, wait
from tests.support.installation import PASSWORD, Installation, Person

HANDLES = ("amber_one", "bruno_two", "clara_three", "dario_four")
EUROS = 20_000
LIFE_SECONDS_MAX = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One payment, as it is sent and sent again."""

    key: str
    payee: str
    cents: int


@dataclass(kw_only=True)
class Payer:
    """A program that pays for one customer and asks again, with the same key, until it holds an answer."""

    port: int
    person: Person
    payees: list[str]
    dice: random.Random
    acknowledged: dict[str, str] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    broken: int = 0
    replayed: int = 0
    _cookies: str = ""
    _token: str = ""
    _connection: http.client.HTTPConnection | None = None

    def sign_in(self) -> None:
        body = {"email": self.person.address, "password": PASSWORD, "code": pyotp.TOTP(self.person.secret).now()}
        status, headers, found = self._send("POST", "/sessions", body, {})
        assert status == 201, found
        cookies: SimpleCookie = SimpleCookie()
        for name, value in headers:
            if name.lower() == "set-cookie":
                cookies.load(value)
        self._cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
        self._token = found["csrf_token"]

    def reads(self, path: str) -> int:
        """Read something of one's own, on a connection of its own, and return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX)
        connection.request("GET", f"/api/v1{path}", headers={"Cookie": self._cookies, "Accept": "application/json"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def pay_until(self, stopping: threading.Event) -> None:
        """Pay one order after the other; the last one, too, to its answer."""
        while not stopping.is_set() and not self.surprises:
            self.pay(self.next_order())
        self.hang_up()

    def pay_while_served(self, stopping: threading.Event) -> None:
        """Pay one order after the other until a connection breaks; the last order may have had no answer."""
        while not (self.broken or self.surprises or stopping.is_set()):
            self.pay(self.next_order(), tries=1)
        self.hang_up()

    def next_order(self) -> Order:
        order = Order(
            key=f"{self.person.handle}-{len(self.orders)}",
            payee=self.dice.choice(self.payees),
            cents=self.dice.randint(1, 900),
        )
        self.orders[order.key] = order
        return order

    def pay(self, order: Order, tries: int = 2_000) -> None:
        amount = {"amount": f"{order.cents // 100}.{order.cents % 100:02}", "currency": "EUR"}
        body = {"payee": f"@{order.payee}", "amount": amount, "note": "for the load"}
        for _ in range(tries):
            try:
                status, headers, found = self._send("POST", "/transfers", body, {"Idempotency-Key": order.key})
            except (OSError, http.client.HTTPException, ValueError):
                self.broken += 1
                self.hang_up()
                wait(KNOCK_SECONDS)
                continue
            given = {name.lower(): value for name, value in headers}
            if status == 201:
                self.replayed += given.get("idempotent-replayed") == "true"
                self.acknowledged[order.key] = found["id"]
                return
            if status in (409, 503) and "retry-after" in given and found.get("retryable", True):
                wait(KNOCK_SECONDS)
                continue
            self.surprises.append(f"{status} {found}")
            return
        if tries > 1:
            self.surprises.append(f"{order.key} had no answer after {tries} tries")

    def _send(
        self, method: str, path: str, body: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], dict[str, Any]]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX)
        own = {"Content-Type": "application/json", "Cookie": self._cookies, "X-CSRFToken": self._token}
        self._connection.request(method, f"/api/v1{path}", json.dumps(body), {**own, **headers})
        answer = self._connection.getresponse()
        return answer.status, answer.getheaders(), json.loads(answer.read())

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(kw_only=True)
class Load:
    """People who pay each other through a process until told to stop."""

    payers: list[Payer]
    stopping: threading.Event
    threads: list[threading.Thread]

    @property
    def acknowledged(self) -> int:
        return sum(len(payer.acknowledged) for payer in self.payers)

    def until_more(self) -> None:
        """Wait until somebody was answered again, so that what follows happens under load."""
        self.until(self.acknowledged + 1)

    def until(self, answers: int) -> None:
        """Wait until people hold that many answers together, however fast the machine is."""
        for _ in range(LIFE_SECONDS_MAX * 100):
            if self.acknowledged >= answers or any(payer.surprises for payer in self.payers):
                return
            wait(0.01)
        raise AssertionError(f"{self.acknowledged} of {answers} answers within {LIFE_SECONDS_MAX} s")

    def settle(self) -> None:
        """Stop, each person only once they hold an answer to their last order."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(LIFE_SECONDS_MAX)
        assert not any(thread.is_alive() for thread in self.threads)
        assert [surprise for payer in self.payers for surprise in payer.surprises] == []


def people(house: Installation, port: int, seed: int) -> list[Payer]:
    """Open accounts and wallets with money, before the home is served."""
    return [
        Payer(
            port=port,
            person=house.customer(handle, euros=EUROS),
            payees=[other for other in HANDLES if other != handle],
            dice=random.Random(f"{seed} {handle}"),
        )
        for handle in HANDLES
    ]


def began(payers: list[Payer], *, once: bool = False) -> Load:
    """Sign everybody in and let them pay; with `once` nobody asks twice, and all end when their connection breaks."""
    for payer in payers:
        payer.sign_in()
    return resumed(payers, once=once)


def resumed(payers: list[Payer], *, once: bool = False) -> Load:
    """Let people who are signed in pay."""
    stopping = threading.Event()
    threads = []
    for payer in payers:
        payer.broken = 0
        pay = payer.pay_while_served if once else payer.pay_until
        threads.append(threading.Thread(target=pay, args=[stopping], daemon=True))
    for thread in threads:
        thread.start()
    return Load(payers=payers, stopping=stopping, threads=threads)
