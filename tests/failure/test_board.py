"""The board: what stands on it can be pasted as it is."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pyotp
import pytest

from app.config import Settings
from app.demo.accounts import code_of
from app.demo.attacks import Attacks
from app.demo.board import board
from app.kernel.errors import Invalid
from app.process import Running
from app.simulator.world import build
from tests.support.installation import installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SECRET = base64.b32encode(b"no secret, a test one").decode().rstrip("=")


def facts(world: str = "small") -> dict[str, Any]:
    account = {"role": "customer", "address": "customer@onepay.example", "password": "ab12-cd34", "secret": SECRET}
    return {"seed": 1, "world": world, "start": "2026-11-02T09:00:00Z", "handles": ["tern"], "accounts": [account]}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "a home"
    folder.mkdir()
    (folder / "demo.json").write_text(json.dumps(facts()), "utf-8")
    return folder


def test_the_code_of_an_account_is_printed_alone(home: Path) -> None:
    # The code may change between the two looks at the clock.
    before = pyotp.TOTP(SECRET).now()
    found = code_of(home, "customer")
    assert found in (before, pyotp.TOTP(SECRET).now())
    with pytest.raises(Invalid, match="there are customer"):
        code_of(home, "nobody")


def test_the_sign_in_by_curl_asks_for_its_code_itself(home: Path) -> None:
    told = board(Settings(home=home, port=8099), facts(), 1.0)
    line = next(line for line in told.splitlines() if "/api/v1/sessions" in line)
    command = line.partition("$(curl")[2].partition("$(")[2].partition(")")[0]
    assert shlex.split(command) == [".venv/bin/onepay", "demo", "code", "customer", "--home", str(home)]
    body = line.partition("-d '")[2].replace(f"'$({command})'", "123456").partition("' http")[0]
    assert json.loads(body) == {"email": "customer@onepay.example", "password": "ab12-cd34", "code": "123456"}
    assert f"ONEPAY_HOME={shlex.quote(str(home))} make reset" in told


def test_commands_of_the_usual_home_name_none(tmp_path: Path) -> None:
    told = board(Settings(), facts(), 1.0)
    assert "--home" not in told
    assert "ONEPAY_HOME" not in told


def test_an_empty_world_promises_no_attack() -> None:
    assert "attack" in board(Settings(), facts(), 1.0)
    assert "attack" not in board(Settings(), facts("empty"), 1.0)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ('{"id": "ses_1", "csrf_token": "abc-1_2", "expires_at": "2026"}', "token=abc-1_2"),
        ('{"code": "code_repeated", "detail": "This code was used."}', "This code was used"),
    ],
)
def test_the_sign_in_by_curl_keeps_the_token_or_shows_why_there_is_none(
    tmp_path: Path, answer: str, shown: str
) -> None:
    curl = tmp_path / "curl"
    curl.write_text(f"#!/bin/sh\nprintf '%s' '{answer}'\n", "utf-8")
    curl.chmod(0o700)
    told = board(Settings(), facts(), 1.0)
    line = next(line for line in told.splitlines() if "/api/v1/sessions" in line)
    script = f'{line.strip()}\necho "token=$TOKEN"\n'
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True)
    assert shown in done.stdout
    assert ("code_repeated" in done.stdout) == ("token=\n" in done.stdout)


# What is stopped ends its thread by SystemExit, which a thread is silent about.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_attack_that_is_started_again_is_told_in_words(tmp_path: Path) -> None:
    with installed(tmp_path / "home", demo=True) as house:
        running = Running(
            system=house.system, app=house.app, server=None, admin_server=None, worker=None, stopping=Event()
        )
        attacks = Attacks(running, build(1, "small", START), tmp_path)
        assert attacks.replay("credential_stuffing") == "credential_stuffing begins now; watch it in the console."
        attacks.stop()
        for thread in attacks._threads:
            thread.join(30)
            assert not thread.is_alive()
