"""What holds for every test: loopback alone, no settings from outside, and a loud word about what was not exercised."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.support import postgres
from tests.support.installation import Installation, installed
from tests.support.search import SearchServer, search_or_skip

hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("soak", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# The PostgreSQL wheel falls back to a shared folder, with a warning, where this is unset (as for root).
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="onepay-run-"))
for name in [name for name in os.environ if name.startswith("ONEPAY_") and not name.startswith("ONEPAY_TEST_")]:
    del os.environ[name]

_connect = socket.socket.connect


class NotLoopback(RuntimeError):
    """A test tried to reach beyond this machine."""


@pytest.fixture(autouse=True)
def loopback_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: socket.socket, address: object) -> object:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            if not (host.startswith("127.") or host in ("localhost", "::1")):
                raise NotLoopback(f"{host} is not this machine")
        return _connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """A PostgreSQL server of this test process."""
    with postgres.running() as running:
        yield running


@pytest.fixture(scope="session")
def search_server() -> Iterator[SearchServer]:
    """An Elasticsearch server; those who take it share one process by their `xdist_group`."""
    running = search_or_skip()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A whole installation of this module: making one costs a second, and its tests do not disturb each other."""
    with installed(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def either_house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """A whole installation of one test, on each database."""
    url = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}
    with installed(tmp_path / "home", **url) as made:
        yield made


@pytest.fixture(
    params=[
        pytest.param("embedded"),
        pytest.param("grown", marks=[pytest.mark.needs("search"), pytest.mark.xdist_group("search")]),
    ]
)
def small_or_grown(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of one process with its own files, and of PostgreSQL with Elasticsearch: the same program."""
    if request.param == "embedded":
        return {}
    search = request.getfixturevalue("search_server")
    return {
        "database_url": request.getfixturevalue("server").fresh_database(),
        "store": "elastic",
        "store_urls": search.url,
        "store_namespace": f"onepay-t{secrets.token_hex(3)}",
    }


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was not exercised, and why; where it is required, a skip is a failure (REQUIRE=postgres,chromium)."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = sorted({report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)})
    if reasons:
        terminalreporter.section("not exercised here")
        for reason in reasons:
            terminalreporter.write_line(f"  {reason.removeprefix('Skipped: ')}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    required = {part for part in os.environ.get("REQUIRE", "").split(",") if part}
    needed = {part for mark in item.iter_markers("needs") for part in mark.args}
    if report.skipped and required & needed:
        report.outcome = "failed"
        report.longrepr = f"required here: {', '.join(sorted(required & needed))}: {report.longrepr}"
    return report
