"""Keys that are away for a while: what is sealed waits with a clear word, and works again once they are back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from app.kernel.clock import StillClock
from compliance.privacy import requests
from ingest.log.epochs import EpochAway
from tests.compliance.privacy.conftest import START
from tests.compliance.privacy.rights import Rights
from tests.support.installation import installed


@contextmanager
def away(home: Path, clock: StillClock) -> Iterator[None]:
    """Take the keys of epochs away, until what was opened before is let go of."""
    files = list((home / "keys").glob("epoch*.key"))
    assert files
    for file in files:
        shutil.move(file, home / file.name)
    clock.move(timedelta(minutes=2))
    yield
    for file in files:
        shutil.move(home / file.name, file)


def test_keys_that_are_away_are_an_outage_and_no_fault(tmp_path: Path) -> None:
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock) as house:
        rights = Rights(house=house, clock=clock)
        amber = house.customer("amber_keys", euros=5)
        rights.calm()
        browser = house.browser()
        browser.sign_in(amber)
        first = rights.ask(amber, "rectification", detail="my name is wrong")
        browser.get("/privacy/correct")
        with away(tmp_path / "home", clock):
            with rights.db.read() as session, pytest.raises(EpochAway):
                requests.get(session, first, parts=rights.parts)
            answer = browser.post("/privacy/correct", {"detail": "my street is wrong"})
            assert (answer.status_code, answer.headers.get("Content-Type", "")[:9]) == (503, "text/html")
            with pytest.raises(EpochAway) as raised:
                house.system.subject_keys.seal_value("a word", "acc_new", "account", "place")
            assert raised.value.code == "keys_away"
        assert rights.get(first).detail == "my name is wrong"
        browser.get("/privacy/correct")
        assert browser.post("/privacy/correct", {"detail": "my street is wrong"}).status_code == 303
