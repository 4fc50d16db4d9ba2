"""A search server that takes connections and answers nothing: it holds no payment, and a page only for a moment."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.identity import roles
from ingest.store.elastic_client import Answer, Impatient
from ingest.store.port import StoreUnavailable
from tests.support.installation import Installation, installed

START_SECONDS_MAX = 10
PAGE_SECONDS_MAX = 8
AT_ONCE_SECONDS_MAX = 2


@contextmanager
def silent_server() -> Iterator[str]:
    """Listen, and read nothing: the kernel takes connections for us."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(128)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with silent_server() as url:
        began = time.monotonic()
        with installed(tmp_path / "home", store="elastic", store_urls=url) as made:
            assert time.monotonic() - began < START_SECONDS_MAX
            yield made


def test_people_wait_a_moment_once_and_payments_never(house: Installation) -> None:
    payee = house.customer("payee_one")
    payer = house.browser()
    payer.sign_in(house.customer("payer_one", euros=50))
    analyst = house.browser()
    analyst.sign_in(house.staff("analyst", roles.ANALYST), surface="staff")

    body = {"payee": f"@{payee.handle}", "amount": {"amount": "1.00", "currency": "EUR"}}
    began = time.monotonic()
    answer = payer.api("POST", "/transfers", body, **{"Idempotency-Key": "frozen-store-1"})
    assert (answer.status_code, time.monotonic() - began < AT_ONCE_SECONDS_MAX) == (201, True)

    # The receipt shows the payment without its place in the log; the console says what does not answer.
    began = time.monotonic()
    receipt = payer.get(f"/transfers/{answer.json['id']}")
    assert receipt.status_code == 200
    feed = analyst.get("/console/api/events", Accept="application/json")
    assert (feed.status_code, feed.json["code"]) == (503, "store_unavailable")
    assert time.monotonic() - began < PAGE_SECONDS_MAX

    # Once it is known to be silent, nobody waits again.
    began = time.monotonic()
    for _ in range(5):
        assert payer.get(f"/transfers/{answer.json['id']}").status_code == 200
        assert analyst.get("/console/api/events", Accept="application/json").status_code == 503
    assert time.monotonic() - began < 2 * AT_ONCE_SECONDS_MAX


class Server:
    """Answers or is silent, and counts how often it was asked."""

    def __init__(self) -> None:
        self.is_silent, self.asked = True, 0

    def request(self, method: str, path: str, params: object = None, body: object = None) -> tuple[int, Answer]:
        self.asked += 1
        if self.is_silent:
            raise StoreUnavailable("no answer")
        return 200, {}

    def close(self) -> None: ...


def test_after_a_silence_one_asks_now_and_then_until_it_answers() -> None:
    server, now = Server(), [0.0]
    asking = Impatient(server, rest_seconds=5.0, elapsed=lambda: now[0])
    for _ in range(10):
        with pytest.raises(StoreUnavailable, match="no answer"):
            asking.request("GET", "/")
    assert server.asked == 1
    now[0] = 5.0
    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            asking.request("GET", "/")
    assert server.asked == 2
    server.is_silent = False
    now[0] = 10.0
    assert [asking.request("GET", "/")[0] for _ in range(10)] == [200] * 10
    assert server.asked == 12
