"""A OnePay process of its own on a free port of loopback: started, waited for, asked, killed, stopped."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import lock

ROOT = Path(__file__).parents[2]
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
CATCH_UP_SECONDS_MAX = 60
ANSWER_SECONDS_MAX = 30
MAIN = "from app.cli import main; main()"
# Long enough for a new process to listen again, short enough to knock often while it starts.
KNOCK_SECONDS = 0.05
_pause = threading.Event()


class NotStarted(AssertionError):
    """The process ended, or did not serve in time; carries what it said."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(seconds: float) -> None:
    """Let other processes go on for a while."""
    _pause.wait(seconds)


@dataclass(kw_only=True)
class Served:
    """The process that serves a home; every start is a new one."""

    home: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, **{f"ONEPAY_{name.upper()}": value for name, value in self.settings.items()}}

    def start(self) -> None:
        """Begin to start it, and return at once."""
        command_line = [sys.executable, "-c", MAIN, "serve", "--home", str(self.home), "--port", str(self.port)]
        self.home.parent.mkdir(parents=True, exist_ok=True)
        with self._said.open("ab") as said:
            self.process = subprocess.Popen(
                command_line, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )

    def until_ready(self) -> None:
        """Wait until it says that it may take traffic, and its pages answer."""
        assert self.process is not None
        for _ in range(int(START_SECONDS_MAX / KNOCK_SECONDS)):
            if self.process.poll() is not None:
                raise NotStarted(f"exit {self.process.returncode}\n{self.said()}")
            if self.is_ready():
                return
            wait(KNOCK_SECONDS)
        raise NotStarted(f"not ready after {START_SECONDS_MAX} s\n{self.said()}")

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return bool(self.ask("/health/ready")["ready"])
        except (OSError, http.client.HTTPException, ValueError):
            return False

    def ask(self, path: str) -> dict[str, Any]:
        """Ask the admin port of the process that has the home now."""
        assert self.process is not None
        holder = lock.holder(self.home)
        if holder is None or holder.pid != self.process.pid:
            raise ConnectionError("the process has not said where it listens")
        try:
            with urllib.request.urlopen(f"{holder.admin}{path}", timeout=ANSWER_SECONDS_MAX) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def until_caught_up(self) -> None:
        """Wait until what was recorded is numbered and shipped."""
        for _ in range(int(CATCH_UP_SECONDS_MAX / KNOCK_SECONDS)):
            lag = self.ask("/health/lag")
            if (lag["log"]["unsequenced"], lag["store"]["behind"], lag["store"]["parked"]) == (0, 0, 0):
                return
            wait(KNOCK_SECONDS)
        raise AssertionError(f"still behind: {self.ask('/health/lag')}")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self.process is not None
        self.process.kill()
        assert self.process.wait(STOP_SECONDS_MAX) == -signal.SIGKILL, self.said()

    def stop(self) -> None:
        """SIGTERM, and assert that it ends in order."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(STOP_SECONDS_MAX) == 0, self.said()

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_SECONDS_MAX)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line on this home, beside the process or without it."""
        return subprocess.run(
            [sys.executable, "-c", MAIN, *words, "--home", str(self.home)],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def said(self) -> str:
        """Return what it wrote to its standard outputs and to its own log."""
        files = [self._said, *sorted((self.home / "log").glob("*"))]
        return "\n".join(file.read_text("utf-8", errors="replace") for file in files if file.exists())

    @property
    def _said(self) -> Path:
        return self.home.with_name(f"{self.home.name}.said")


@contextmanager
def served(home: Path, **settings: str) -> Iterator[Served]:
    """Offer a process for a home, and leave none behind."""
    made = Served(home=home, settings=settings)
    try:
        yield made
    finally:
        made.end()
