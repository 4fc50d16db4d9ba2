"""What cannot start says why in one line, with its exit code, and changes nothing."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app import config, lock, process
from app.kernel.errors import ConfigurationRefused
from app.lock import AlreadyRunning, HomeLock, MachineLacks
from tests.failure.served import ROOT, Served, served
from tests.support.installation import installed


@pytest.fixture
def made(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    with installed(home) as house:
        house.customer("payer_one", euros=10)
        house.arrive()
    return home


def refused(process: Served) -> tuple[int, str]:
    """Start it, and return its exit code and the only line that it said."""
    process.start()
    assert process.process is not None
    code, said = process.process.wait(60), process.said().strip()
    assert "Traceback" not in said
    return code, said


@pytest.mark.parametrize("name", ["pepper.key", "identity.key", "epoch.key", "log.key"])
def test_a_lost_key_is_named_and_never_made_anew(made: Path, name: str) -> None:
    (made / "keys" / name).rename(made.parent / name)
    settings = config.load({}, home=made)
    with pytest.raises(ConfigurationRefused, match=name):
        process.prepare(settings)
    assert not (made / "keys" / name).exists()
    # Put back, all is as it was.
    (made.parent / name).rename(made / "keys" / name)
    process.prepare(settings)


def spoil_keys(home: Path) -> None:
    (home / "keys" / "pepper.key").write_text("not hexadecimal", "ascii")


def spoil_database(home: Path) -> None:
    (home / "onepay.db").write_bytes(b"this is no database\n" * 1_000)


def lose_key(home: Path) -> None:
    (home / "keys" / "log.key").unlink()


@pytest.mark.parametrize(
    ("spoil", "code", "line"),
    [
        (lose_key, 5, "lacks log.key"),
        (spoil_keys, 5, "The key pepper is missing or damaged."),
        (spoil_database, 2, "The database cannot be used: file is not a database"),
    ],
)
def test_a_spoilt_home_is_one_line(made: Path, spoil: Callable[[Path], None], code: int, line: str) -> None:
    spoil(made)
    with served(made) as process:
        found, said = refused(process)
        assert (found, line in said, said.count("\n")) == (code, True, 0), said


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("port", "eighty", "ONEPAY_PORT: 'eighty' is no whole number"),
        ("admin_port", "70000", "ONEPAY_ADMIN_PORT is 0 to 65535"),
        ("drain_seconds", "-1", "ONEPAY_DRAIN_SECONDS: '-1' is no whole number"),
        ("log_level", "loud", "ONEPAY_LOG_LEVEL is one of debug, info, warning, error"),
        ("hme", "here", "ONEPAY_HME is not a setting; did you mean ONEPAY_HOME?"),
        ("bind", "198.18.0.1", "ONEPAY_BIND: plain HTTP is served on a loopback address only"),
        ("config", "README.md", "ONEPAY_CONFIG: "),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: str, line: str) -> None:
    with pytest.raises(ConfigurationRefused, match=line.partition("(")[0].replace("?", r"\?")):
        config.load({f"ONEPAY_{name.upper()}": value})


def test_a_taken_port_is_said(made: Path) -> None:
    with served(made) as process, socket.socket() as other:
        other.bind(("127.0.0.1", process.port))
        other.listen()
        code, said = refused(process)
        assert (code, f"Port {process.port} cannot be served" in said) == (2, True)


@pytest.mark.parametrize("place", ["/proc/onepay", "/dev/null/home"])
def test_a_home_that_cannot_be_written_is_said(place: str) -> None:
    with pytest.raises(MachineLacks, match="cannot be written"):
        HomeLock(Path(place)).take()


def test_a_lock_whose_file_was_removed_guards_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking, the home is removed: whoever comes next would take a second lock."""
    home, flock = tmp_path / "home", lock.fcntl.flock

    def slowly(descriptor: int, how: int) -> None:
        (home / "onepay.lock").unlink()
        flock(descriptor, how)

    monkeypatch.setattr(lock.fcntl, "flock", slowly)
    with pytest.raises(AlreadyRunning):
        HomeLock(home).take()


def test_a_damaged_demonstration_is_said(made: Path) -> None:
    process = Served(home=made)
    assert process.command("demo", "totp").returncode == 5
    for text in ("{", "{}"):
        (made / "demo.json").write_text(text, "ascii")
        done = process.command("demo", "totp")
        assert (done.returncode, "demo.json" in done.stderr, "Traceback" in done.stderr) == (5, True, False)


def test_what_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with served(tmp_path / "home") as process:
            process.start()
            process.until_ready()
            loose = [path for path in (process.home, *process.home.rglob("*")) if path.stat().st_mode & 0o077]
            process.stop()
    finally:
        os.umask(before)
    assert loose == []


def test_a_home_that_was_open_to_others_is_closed(made: Path) -> None:
    made.chmod(0o755)
    (made / "onepay.db").chmod(0o644)
    process.prepare(config.load({}, home=made))
    assert [path.stat().st_mode & 0o777 for path in (made, made / "onepay.db")] == [0o700, 0o600]


def reset(home: Path, answer: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "deploy" / "reset.sh")],
        cwd=home.parent,
        env={"PATH": os.environ["PATH"], "ONEPAY_HOME": str(home)},
        input=f"{answer}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_reset_removes_a_home_after_one_yes(made: Path) -> None:
    kept = reset(made, "no")
    assert (kept.returncode, (made / "onepay.db").exists()) == (0, True)
    assert kept.stdout.endswith("Nothing was removed.\n")
    done = reset(made, "yes")
    assert (done.returncode, made.exists()) == (0, False), done.stderr


def test_reset_knows_every_folder_of_a_home(made: Path) -> None:
    named = {
        found
        for file in (ROOT / "app").rglob("*.py")
        for found in re.findall(r'home / "([a-z_]+)"', file.read_text("utf-8"))
    }
    assert named <= set(config.FOLDERS)
    for name in config.FOLDERS:
        (made / name).mkdir(exist_ok=True)
        (made / name / "something").write_text("ours", "ascii")
    done = reset(made, "yes")
    assert (done.returncode, made.exists()) == (0, False), done.stderr


def test_reset_leaves_what_is_not_ours(made: Path, tmp_path: Path) -> None:
    (made / "thesis.txt").write_text("ten years", "ascii")
    done = reset(made, "yes")
    assert (done.returncode, "thesis.txt" in done.stderr, "Type yes" in done.stdout) == (5, True, False)
    assert (made / "onepay.db").exists()

    other = tmp_path / "photos"
    (other / "keys").mkdir(parents=True)
    done = reset(other, "yes")
    assert (done.returncode, "no home of OnePay" in done.stderr, (other / "keys").exists()) == (5, True, True)


def test_reset_asks_nothing_where_it_runs(made: Path) -> None:
    held = HomeLock(made)
    held.take()
    done = reset(made, "yes")
    held.release()
    assert (done.returncode, "Type yes" in done.stdout, "is running" in done.stderr) == (3, False, True)
    assert (made / "onepay.db").exists()


def test_nothing_starts_in_a_home_while_reset_asks(made: Path) -> None:
    asking = subprocess.Popen(
        ["sh", str(ROOT / "deploy" / "reset.sh")],
        env={"PATH": os.environ["PATH"], "ONEPAY_HOME": str(made)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert asking.stdin is not None
    assert asking.stdout is not None
    assert asking.stdout.read(6) == "Remove"
    with pytest.raises(AlreadyRunning):
        HomeLock(made).take()
    asking.communicate("no\n", timeout=60)
    with closing(sqlite3.connect(made / "onepay.db")) as database:
        assert database.execute("SELECT count(*) FROM ingest_entry").fetchone()[0] > 0
