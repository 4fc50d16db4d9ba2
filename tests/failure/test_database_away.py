"""The database does not take what a refusal leaves behind: the answer is a problem all the same, never a defect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.kernel.db import Database, DatabaseBusy
from ingest.log.outbox import LogFull
from tests.support.installation import Installation, installed


def away() -> None:
    raise DatabaseBusy(retry_after=1)


def full() -> None:
    raise LogFull(retry_after=5)


@contextmanager
def without(monkeypatch: pytest.MonkeyPatch, db: Database, refuse: Callable[[], None], *verbs: str) -> Iterator[None]:
    @contextmanager
    def refused(**_: object) -> Iterator[None]:
        refuse()
        yield

    with monkeypatch.context() as patched:
        for verb in verbs:
            patched.setattr(db, verb, refused)
        yield


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home") as made:
        yield made


@pytest.mark.parametrize("refuse", [away, full])
def test_a_request_blocked_at_the_door_is_answered(
    house: Installation, monkeypatch: pytest.MonkeyPatch, refuse: Callable[[], None]
) -> None:
    with without(monkeypatch, house.system.db, refuse, "begin"):
        answer = house.app.test_client().get("/", headers={"Host": "elsewhere.example"})
    assert (answer.status_code, answer.json["code"]) == (421, "wrong_host")
    assert answer.headers["X-Request-Id"] == answer.json["request_id"]


def test_nothing_at_all_answers_unavailable(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = house.browser()
    with without(monkeypatch, house.system.db, away, "begin", "read", "one"):
        document = browser.api("GET", "/wallets")
        page = browser.get("/wallet")
    assert (document.status_code, document.json["code"]) == (503, "unavailable")
    assert document.headers["Retry-After"] == "1"
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert page.headers["Retry-After"] == "1"
    assert "try again" in page.text
    assert "script-src" in page.headers["Content-Security-Policy"]


def test_what_cannot_be_looked_up_at_the_door_is_no_blocked_request(
    house: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = house.waiting_kinds()
    with without(monkeypatch, house.system.db, away, "read"):
        answer = house.browser().api("GET", "/wallets")
        asset = house.browser().get("/assets/base.css")
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert asset.status_code == 503, "whoever is blocked gets nothing meanwhile"
    house.system.gateway.folding.flush(house.system.db, house.system.clock.now())
    assert house.waiting_kinds() == before
    assert "blocked" not in caplog.text


@pytest.mark.parametrize(("refuse", "code"), [(away, "unavailable"), (full, "log_full")])
def test_a_refusal_that_cannot_be_recorded_is_not_given(
    house: Installation, monkeypatch: pytest.MonkeyPatch, refuse: Callable[[], None], code: str
) -> None:
    """Whether it would have been refused stays unsaid, so nobody can ask the same without leaving traces."""
    browser = house.browser()
    assert browser.api("GET", "/wallets").status_code == 401
    with without(monkeypatch, house.system.db, refuse, "begin"):
        answer = browser.api("GET", "/wallets")
    assert (answer.status_code, answer.json["code"]) == (503, code)
