"""Commands of an installation: they say how far they are, cut nothing off, and wait for the log where it is behind."""

from __future__ import annotations

import base64
import io
import json
import os
import threading
import zipfile
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import health
from app.commands import importing, registry, working
from app.commands.lines import Line
from app.commands.working import HungUp, Stopping
from app.identity import roles, signup
from app.identity.letters import Letter
from app.identity.signup import BootstrapOver
from app.kernel.access import service
from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.kernel.errors import Invalid, NotFound
from dashboards import windows
from ingest import models
from ingest.events.health import ProcessStarted
from ingest.log import monitor, outbox, proofs, read
from ingest.log.pressure import Pressure, State
from ingest.log.proofs import PackEmpty, PackTooLarge
from ingest.readers.run import FileUnreadable
from ingest.store.query import EVERYTHING, Eq, Window
from payments import topups
from payments.models import book
from payments.money import AmountInvalid
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
WAIT_SECONDS_MAX = 20


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        yield made


def lines_of(house: Installation, command: str, **args: object) -> list[str]:
    return [str(line["text"]) for line in registry.COMMANDS[command](house.system, args) if "text" in line]


def something_about(house: Installation, object_id: str, times: int) -> None:
    ctx: Context = house.system.context(service("operator"))
    with house.system.db.begin() as session:
        outbox.record_many(session, [ProcessStarted(component="web", about=(object_id,))] * times, ctx)
    house.arrive()


def test_a_control_that_is_asked_for_beside_no_server_waits_for_log_and_store(house: Installation) -> None:
    """What was recorded and not shipped, since nobody serves the home, is no event that the store has lost."""
    with house.system.db.begin() as session:
        event_id = outbox.record(session, ProcessStarted(component="web"), house.system.context(service("operator")))
    this = Eq("event.id", event_id)
    assert not house.system.working_store.count(this, Window())
    assert lines_of(house, "control run", key="10.2.2")
    assert house.system.working_store.count(this, Window()) == 1


def test_long_work_is_told_while_it_goes_on(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "PROGRESS_SECONDS", 0.01)
    may_end = threading.Event()

    def work(note: working.Note) -> str:
        note(3, 10)
        assert may_end.wait(WAIT_SECONDS_MAX)
        return "found"

    told = working.telling(house.system, "sequences", work)
    assert next(told) == {"progress": [3, 10, "sequences"]}
    may_end.set()
    assert ending(told) == "found"


def test_work_whose_asker_hung_up_ends_at_its_next_step(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "PROGRESS_SECONDS", 0.01)
    noted: list[int] = []

    def work(note: working.Note) -> None:
        while True:
            note(len(noted), 10)
            noted.append(1)

    told = working.telling(house.system, "bytes", work)
    next(told)
    told.close()  # returns, so the work has ended
    assert noted


def test_work_ends_at_its_next_step_when_the_process_does(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "PROGRESS_SECONDS", 0.01)

    def work(note: working.Note) -> None:
        while True:
            note(1, 10)

    told = working.telling(house.system, "bytes", work)
    next(told)
    house.system.is_draining = True
    with pytest.raises(Stopping):
        list(told)


def test_what_work_raises_is_raised(house: Installation) -> None:
    def work(note: working.Note) -> None:
        raise HungUp

    with pytest.raises(HungUp):
        list(working.telling(house.system, "bytes", work))


def test_a_pack_holds_every_event_about_its_object(house: Installation) -> None:
    something_about(house, "acc_busy", 1_200)
    lines = list(registry.COMMANDS["log pack"](house.system, {"about": "acc_busy"}))
    written = next(line for line in lines if "file" in line)
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(written["content"]))) as pack:
        assert len(pack.read("entries.ndjson").splitlines()) == 1_200
    assert "onepay_verify.py acc_busy.zip" in str(lines[-1]["text"])


def test_a_pack_that_would_be_too_large_is_refused_and_made_in_parts(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "PACK_EVENTS_MAX", 5)
    something_about(house, "acc_busy", 6)
    with pytest.raises(PackTooLarge):
        lines_of(house, "log pack", about="acc_busy")
    assert lines_of(house, "log pack", about="acc_busy", first=1, last=3)[0].startswith("3 events")
    assert lines_of(house, "log pack", about="acc_busy", first=4, last=6)[0].startswith("3 events")
    with pytest.raises(PackEmpty, match="acc_nobody"):
        lines_of(house, "log pack", about="acc_nobody")


def test_proof_of_an_object_names_the_command_for_it(house: Installation) -> None:
    with pytest.raises(Invalid, match="onepay log pack trf_1"):
        lines_of(house, "log proof", event="trf_1")


def test_amounts_have_their_currency(house: Installation) -> None:
    house.customer("payer_one", euros=12)
    assert any("posted            12.00 EUR" in line for line in lines_of(house, "ledger trial-balance"))
    assert lines_of(house, "ledger trial-balance")[-1] == "sum 0.00 EUR: balanced"
    with house.system.db.read() as session:
        wallet = session.scalar(sa.select(book.c.id).where(book.c.kind == "wallet"))
    assert " 12.00 EUR  = " in lines_of(house, "ledger explain", book=wallet)[0]


def test_a_verdict_is_told_though_the_log_takes_nothing(house: Installation) -> None:
    something_about(house, "acc_busy", 3)
    house.system.recording.is_full = True
    for command in ("log verify", "ledger verify"):
        lines = list(registry.COMMANDS[command](house.system, {}))
        assert "could not be recorded" in str(lines[0]["text"])
        assert "sound" in str(lines[1]["text"])
        assert lines[-1] == {"exit": 0}


def test_a_verdict_says_what_it_did_not_compare(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    something_about(house, "acc_busy", 5)
    with house.system.db.begin() as session:
        outbox.record(session, ProcessStarted(component="web"), house.system.context(service("operator")))
    house.system.sequencer.drain()
    (line,) = lines_of(house, "log verify")
    assert line.startswith(
        "log sound: sequences 1 to 6 of 6, 5 store documents (1 not in the store yet), 0 archive lines, 0 checkpoints"
    )

    monkeypatch.setattr(monitor, "FINDINGS_MAX", 1)
    monkeypatch.setattr(read, "SLICE_MAX", 3)
    with house.system.db.begin() as session:
        session.execute(sa.delete(models.body).where(models.body.c.sequence == 2))
    *_, ended, verdict = lines_of(house, "log verify")
    assert ended == (
        "So many findings ended it: sequences above 3 were not compared. `onepay log verify --range 4:6` goes on there."
    )
    assert verdict.startswith("log BROKEN: sequences 1 to 3 of 6")


def sshd_log(tmp_path: Path, lines: int) -> Path:
    file = tmp_path / "auth.log"
    line = (
        "Jan {day:>2} 10:{minute:02}:{second:02} edge sshd[1]: Failed password for root from 198.18.3.4 port 22 ssh2\n"
    )
    file.write_text(
        "".join(line.format(day=1 + n // 3600, minute=n // 60 % 60, second=n % 60) for n in range(lines)), "ascii"
    )
    return file


def test_an_import_says_why_lines_made_no_event_and_where_the_others_are(house: Installation, tmp_path: Path) -> None:
    file = tmp_path / "auth.log"
    head = "Dec 10 06:55:{:02} edge {}: "
    failed = "Failed password for root from 203.0.113.9 port 22 ssh2"
    file.write_text(
        head.format(46, "sshd[7]") + failed + "\n"
        + head.format(48, "sshd[7]") + f"message repeated 5 times: [ {failed}]\n"
        + (head.format(49, "sshd[7]") + "Received disconnect from 203.0.113.9: 11: Bye\n") * 3
        + head.format(50, "CRON[1]") + "x\n\n"
    )  # fmt: skip
    args = {"file": str(file), "format": "sshd", "source": "edge", "year": 2017, "tz": "UTC"}
    assert lines_of(house, "ingest", **args) == [
        "7 lines: 2 made 6 events (6 new, 0 known already), 5 were skipped.",
        'A line that says "message repeated 5 times" makes five events.',
        "  skipped      3  neither a sign-in nor a session",
        "  skipped      1  another program",
        "  skipped      1  empty line",
        "The most frequent of those by their beginning, each with an example:",
        "               3  Received disconnect                       "
        "Dec 10 06:55:49 edge sshd[7]: Received disconnect from 203.0.113.9: 11: Bye",
        "They stand at their own time: http://localhost:8080/console/soc/events"
        "?from=2017-12-10T06:55:46Z&to=2017-12-10T06:55:49Z",
    ]
    found = windows.read("2017-12-10T06:55:46Z", "2017-12-10T06:55:49Z", START)
    house.arrive()
    assert house.system.store.count(EVERYTHING, found.window()) == 6


def test_an_import_alone_does_the_work_of_the_log(house: Installation, tmp_path: Path) -> None:
    """Nobody else numbers then: an import of any size would fill the outbox and wait for itself."""
    args = {"file": str(sshd_log(tmp_path, 3_500)), "format": "sshd", "source": "edge", "year": 2017, "tz": "UTC"}
    assert lines_of(house, "ingest", **args)[0].startswith("3500 lines: 3500 made 3500 events")
    log = health.lag(house.system)["log"]
    assert log["head"] >= 3_000
    # What was imported happened long ago, and waits only since now.
    assert 0 < log["unsequenced"] <= 1_001
    assert (log["oldest_seconds"], log["ok"]) == (0.0, True)


def test_an_import_beside_a_log_that_is_behind_waits(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "WAIT_SECONDS", 0.01)
    house.system.is_served = True
    house.system.watch.newest = pressure(State.DEGRADED)
    waiting = threading.Thread(target=lambda: importing._admit(house.system, working.Note(house.system)))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    house.system.watch.newest = pressure(State.OK)
    waiting.join(WAIT_SECONDS_MAX)
    assert not waiting.is_alive()


def test_a_process_that_stops_is_not_ready(house: Installation) -> None:
    assert health.ready(house.system) == {}
    house.system.is_draining = True
    assert list(health.ready(house.system)) == ["draining"]


def ending(told: Generator[Line, None, str]) -> str:
    """Return what is returned once all is told."""
    while True:
        try:
            next(told)
        except StopIteration as ended:
            return str(ended.value)


def pressure(state: State) -> Pressure:
    return Pressure(rows=0, age=timedelta(0), disk_free_percent=50, state=state)


@pytest.mark.parametrize(
    ("typed", "credited"), [("5", "5.00 EUR"), ("5,5", "5.50 EUR"), ("1 250.00", "1250.00 EUR"), ("12.50", "12.50 EUR")]
)
def test_the_bank_is_played_with_an_amount_as_a_person_types_it(tmp_path: Path, typed: str, credited: str) -> None:
    with installed(tmp_path / "home", clock=StillClock(START), demo=True) as house:
        amber = house.customer("amber")
        arguments = {"reference": topups.reference_of(amber.account), "amount": typed}
        (line,) = lines_of(house, "demo bank-line", **arguments)
        assert line.startswith(f"Credited {credited} to wal_")
        with pytest.raises(AmountInvalid):
            lines_of(house, "demo bank-line", **{**arguments, "amount": "1,250"})


def test_the_ledger_explains_books_and_names_what_it_wants(house: Installation) -> None:
    house.customer("empty_one")
    with house.system.db.read() as session:
        wallet = session.scalar(sa.select(book.c.id).where(book.c.kind == "wallet"))
    assert lines_of(house, "ledger explain", book=wallet) == ["Nothing was posted to this book yet."]
    with pytest.raises(NotFound, match=r"no book trf_1: `onepay ledger explain` takes the id of a wallet \(wal_…\)"):
        lines_of(house, "ledger explain", book="trf_1")


def test_the_mailbox_says_how_many_letters_it_shows_of_how_many(house: Installation) -> None:
    assert lines_of(house, "mail") == ["The mailbox is empty."]
    for number in range(3):
        letter = Letter(to=f"{number % 2}@onepay.example", subject=f"letter {number}", text="words")
        at = START + timedelta(seconds=number)
        house.system.messenger.send(house.system.ids.new("msg", at), letter, at)
    newest = lines_of(house, "mail", limit=2)
    assert [line.splitlines()[1] for line in newest[:-1]] == ["letter 1", "letter 2"]
    assert newest[-1] == "The newest 2 of 3 letters; -n shows more."
    assert lines_of(house, "mail", limit=5)[-1] == "3 of 3 letters."
    assert lines_of(house, "mail", to="1@onepay.example")[-1] == "1 of 1 letters."


def told(house: Installation, command: str, **args: object) -> tuple[str, int]:
    lines = list(registry.COMMANDS[command](house.system, args))
    text = "\n".join(str(line["text"]) for line in lines if "text" in line)
    return text, next((line["exit"] for line in reversed(lines) if "exit" in line), 0)


def test_the_status_of_a_home_that_nobody_serves_says_so_first(house: Installation) -> None:
    text, code = told(house, "status")
    assert text.startswith(f"Stopped: nobody serves {house.system.settings.home}/ now.")
    assert code == 1
    found, code = told(house, "status", json=True)
    assert (json.loads(found)["served"], code) == (False, 1)
    house.system.is_served = True
    text, code = told(house, "status")
    assert (text.startswith("ok "), code) == (True, 0)
    found, code = told(house, "status", json=True)
    assert (json.loads(found)["served"], code) == (True, 0)


def test_an_invitation_says_when_its_letter_comes_and_one_too_many_says_the_way_on(house: Installation) -> None:
    text, _ = told(house, "admin invite", email="one@example.org", name="One")
    assert "is delivered once `onepay serve` runs" in text
    house.system.is_served = True
    text, _ = told(house, "admin invite", email="two@example.org", name="Two")
    assert "is delivered within a second" in text
    for number in range(signup.BOOTSTRAP_ADMINISTRATORS):
        house.staff(f"boss{number}", roles.ADMINISTRATOR)
    with pytest.raises(BootstrapOver, match=r"/admin/users.*--home or ONEPAY_HOME") as refused:
        told(house, "admin invite", email="three@example.org", name="Three")
    assert str(house.system.settings.home) in str(refused.value)


def test_an_import_says_what_it_guessed(house: Installation, tmp_path: Path) -> None:
    file = tmp_path / "auth.log"
    file.write_text("Nov  2 09:00:00 host sshd[1]: Failed password for root from 198.18.7.9 port 22 ssh2\n")
    os.utime(file, (START.timestamp(), START.timestamp()))
    order = {"file": str(file), "format": "sshd", "source": "edge", "dry_run": True}
    text, _ = told(house, "ingest", **order)
    assert "before the file was last changed, 2026-11-02. That is a guess: --year" in text
    assert "read as UTC. That is a guess: --tz" in text
    text, _ = told(house, "ingest", **order, year=2025, tz="Europe/Berlin")
    assert "guess" not in text


def test_an_import_of_the_last_instants_there_are_is_told_like_any(house: Installation, tmp_path: Path) -> None:
    file = tmp_path / "auth.log"
    said = "edge sshd[7]: Failed password for root from 203.0.113.9 port 22 ssh2\n"
    file.write_text("".join(f"{year}-12-31T23:59:59Z {said}" for year in (1969, 9998, 9999)))
    text, _ = told(house, "ingest", file=str(file), format="sshd", source="edge", year=2017, tz="UTC")
    assert text.splitlines() == [
        "3 lines: 1 made 1 events (1 new, 0 known already), 2 were skipped.",
        "  skipped      2  no valid date",
        "They stand at their own time: http://localhost:8080/console/soc/events"
        "?from=9998-12-31T23:59:59Z&to=9999-01-01T00:00:00Z",
    ]
    house.turn()
    assert house.system.store.count(Eq("event.action", "external.login.failed"), Window()) == 1
    # In a house without staff nobody could decide anything, which is no matter of an import.
    assert [part.name for part in health.parts(house.system) if not part.ok] == ["Approvers"]


@pytest.mark.parametrize("changed", [-86_400, 0, 10**12])  # file systems keep any number, or the nearest they can
def test_a_file_may_have_been_changed_at_any_time(house: Installation, tmp_path: Path, changed: int) -> None:
    file = tmp_path / "auth.log"
    file.write_text("Jan  1 09:00:00 edge sshd[7]: Failed password for root from 203.0.113.9 port 22 ssh2\n")
    os.utime(file, (changed, changed))
    text, _ = told(house, "ingest", file=str(file), format="sshd", source="edge", dry_run=True)
    assert "1 lines: 1 made 1 events" in text


def test_a_file_without_an_end_is_left_when_nobody_waits_for_it(
    house: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing lies in most of this file, and reading it to its end takes hours all the same."""
    monkeypatch.setattr(working, "PROGRESS_SECONDS", 0.01)
    file = tmp_path / "hole"
    file.touch()
    os.truncate(file, 2**43)
    order = {"file": str(file), "format": "sshd", "source": "edge", "year": 2017, "tz": "UTC"}
    left = importing.ingest(house.system, order)
    assert next(left) == {"progress": [0, 2**43, "bytes"]}
    left.close()

    stopped = importing.ingest(house.system, order)
    next(stopped)
    house.system.is_draining = True
    with pytest.raises(Stopping):
        list(stopped)


def test_a_file_that_is_not_there_is_named_whole(house: Installation, tmp_path: Path) -> None:
    missing = tmp_path / "deep" / "nope"
    with pytest.raises(FileUnreadable, match=str(missing)):
        told(house, "ingest", file=str(missing), format="sshd", source="edge")


def test_a_pack_of_one_event_is_a_pack_of_one_event(house: Installation) -> None:
    something_about(house, "acc_rare", 1)
    assert told(house, "log pack", about="acc_rare")[0].startswith("1 event, proven")
