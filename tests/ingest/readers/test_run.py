"""Importing a file: each event once, however often, in whatever order and pieces it is read."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.kernel import canonical
from app.kernel.access import EVENT_IMPORT_RUN, EVENT_PERSONAL_READ, ActorKind
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.crypto import Secret
from app.kernel.errors import SignInRequired
from ingest import models
from ingest.events.external import EventRecorded
from ingest.log import read as log
from ingest.log.outbox import LogFull
from ingest.readers import authlog, cutting, run
from ingest.readers.run import FileUnreadable, FormatUnmatched, ImportOrder, Report, SourceInvalid, Told
from tests.support import sealing
from tests.support.ground import Ground, somebody

KEY = Secret(b"i" * 32)
DATES = authlog.dates(year=2017, file_time=datetime(2018, 1, 1, tzinfo=UTC))
SHARED = Path(__file__).parents[4] / "shared" / "data" / "OpenSSH_2k.log"


def line(second: int, user: str = "root", port: int = 40022) -> str:
    return f"Dec 10 06:55:{second:02d} edge sshd[7]: Failed password for {user} from 203.0.113.9 port {port} ssh2\n"


def importer(ground: Ground) -> Context:
    return ground.ctx(somebody(ActorKind.SERVICE, "svc_import", EVENT_IMPORT_RUN, EVENT_PERSONAL_READ))


def read_file(ground: Ground, file: Path, *, source: str = "edge", dry: bool = False, **options: Any) -> Report:
    order = ImportOrder(file=file, source=source, is_dry_run=dry)
    return run.read_file(ground.db, order, authlog.parser(DATES), importer(ground), key=KEY, **options)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(*lines: str | bytes, name: str = "auth.log") -> Path:
        file = tmp_path / name
        file.write_bytes(b"".join(text.encode() if isinstance(text, str) else text for text in lines))
        return file

    return written


def bodies(ground: Ground) -> list[dict[str, Any]]:
    sealing.sequencer(ground).drain()
    with ground.db.read() as session:
        size = log.head(session).size
        slices = [(lo, min(lo + log.SLICE_MAX, size)) for lo in range(0, size, log.SLICE_MAX)]
        return [canonical.decode(body.body) for lo, hi in slices for body in log.bodies(session, lo, hi)]


def kinds(ground: Ground) -> Counter[str]:
    found = Counter(body["event"]["action"] for body in bodies(ground))
    del found["health.import.completed"]
    return found


def test_an_imported_line_is_an_event_of_its_own_time_and_source(ground: Ground, write: Callable[..., Path]) -> None:
    report = read_file(ground, write(line(46)))

    imported, completed = bodies(ground)
    assert (report.lines, report.events, report.repeats, report.skipped) == (1, 1, 0, 0)
    assert imported["@timestamp"] == "2017-12-10T06:55:46.000000Z"
    assert imported["event"] | {"id": ""} == {
        "action": "external.login.failed",
        "category": ["authentication"],
        "dataset": "onepay.external",
        "id": "",
        "kind": "event",
        "outcome": "failure",
        "provider": "sshd",
        "type": ["start"],
    }
    assert imported["source"] == {"ip": "203.0.113.9", "port": 40022}
    assert (imported["onepay"]["origin"], imported["onepay"]["class"]) == ("import", "external")
    assert completed["event"]["action"] == "health.import.completed"
    assert completed["onepay"]["health"]["events"] == 1


def test_name_and_line_are_sealed_and_open_for_those_who_may(ground: Ground, write: Callable[..., Path]) -> None:
    read_file(ground, write(line(46, user="anna.smith")))

    imported = bodies(ground)[0]
    assert "anna.smith" not in json.dumps(imported)
    assert imported["message"] == "Failed password for [user] from 203.0.113.9 port 40022 ssh2"
    (subject,) = imported["onepay"]["subject"]["id"]
    assert subject.startswith("ext_")
    revealed = ground.subject_keys.reveal(imported, importer(ground))
    assert revealed == {subject: {"user_name": "anna.smith", "line": line(46, user="anna.smith").rstrip("\n")}}


def test_one_name_is_one_pseudonym_and_another_name_another(ground: Ground, write: Callable[..., Path]) -> None:
    read_file(ground, write(line(1), line(2), line(3, user="ana")))

    first, second, third, _ = bodies(ground)
    assert first["user"]["hash"] == second["user"]["hash"] != third["user"]["hash"]
    assert first["onepay"]["subject"] == second["onepay"]["subject"] != third["onepay"]["subject"]


def test_an_erased_person_does_not_come_back_by_importing_again(ground: Ground, write: Callable[..., Path]) -> None:
    file = write(line(46, user="anna.smith"))
    read_file(ground, file)
    with ground.keys_db.begin() as session:
        session.execute(sa.update(models.subject_key).values(wrapped=None))
    read_file(ground, file, source="again")

    known, again = (body for body in bodies(ground) if body["event"]["action"] == "external.login.failed")
    assert "personal" not in again["onepay"]
    assert again["onepay"]["truncated"] == ["personal"]
    assert ground.subject_keys.reveal(known, importer(ground)) == {}


def test_equal_lines_in_one_second_are_events_each(ground: Ground, write: Callable[..., Path]) -> None:
    assert read_file(ground, write(line(1), line(1), line(1))).events == 3
    assert kinds(ground) == {"external.login.failed": 3}


def test_a_file_read_twice_adds_nothing(either_ground: Ground, write: Callable[..., Path]) -> None:
    ground = either_ground
    file = write(*[line(n % 60, port=n) for n in range(100)])
    read_file(ground, file)
    waiting = read_file(ground, file)
    sealing.sequencer(ground).drain()
    sequenced = read_file(ground, file)

    assert (waiting.events, waiting.repeats) == (0, 100)
    assert (sequenced.events, sequenced.repeats) == (0, 100)
    assert kinds(ground) == {"external.login.failed": 100}


def test_overlapping_and_shuffled_files_add_only_what_is_new(ground: Ground, write: Callable[..., Path]) -> None:
    lines = [line(n % 60, port=n % 40) for n in range(120)]
    read_file(ground, write(*lines[:80], name="monday.log"))
    shuffled = lines[40:]
    random.Random(3).shuffle(shuffled)
    overlap = read_file(ground, write(*lines[:80], *lines[80:], name="tuesday.log"))
    whole = read_file(ground, write(*sorted(lines, reverse=True), name="sorted.log"))

    assert (overlap.events, overlap.repeats) == (40, 80)
    assert (whole.events, whole.repeats) == (0, 120)


def test_another_source_or_year_is_another_event(ground: Ground, write: Callable[..., Path]) -> None:
    file = write(line(1))
    read_file(ground, file)
    other_year = authlog.parser(authlog.dates(year=2016, file_time=datetime(2018, 1, 1, tzinfo=UTC)))
    run.read_file(ground.db, ImportOrder(file=file, source="edge"), other_year, importer(ground), key=KEY)

    assert read_file(ground, file, source="other").events == 1
    assert kinds(ground) == {"external.login.failed": 3}


def test_an_interrupted_import_goes_on_and_loses_and_doubles_nothing(
    ground: Ground, write: Callable[..., Path]
) -> None:
    # Equal lines before and after the interruption: the count of equal ones must survive it.
    file = write(*[line(n % 7, port=n % 3) for n in range(3_500)])
    turns = iter(range(100))

    def admit() -> None:
        if next(turns) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        read_file(ground, file, admit=admit)
    report = read_file(ground, file)

    assert report.resumed_at == 2_000
    assert (report.lines, report.events, report.repeats) == (3_500, 3_500, 0)
    assert kinds(ground) == {"external.login.failed": 3_500}
    with ground.db.read() as session:
        assert session.execute(sa.select(models.imported.c.state, models.imported.c.next_line)).all() == [
            ("done", 3_500)
        ]


def test_a_full_log_interrupts_and_the_rest_follows_later(ground: Ground, write: Callable[..., Path]) -> None:
    file = write(*[line(n % 60, port=n) for n in range(2_000)])

    def fill(progress: run.Progress) -> None:
        ground.recording.is_full = True

    with pytest.raises(LogFull):
        read_file(ground, file, progress=fill)
    ground.recording.is_full = False

    assert read_file(ground, file).events == 2_000
    assert kinds(ground) == {"external.login.failed": 2_000}


def test_progress_reaches_the_end_of_the_file(ground: Ground, write: Callable[..., Path]) -> None:
    file = write(*[line(n % 60, port=n) for n in range(2_500)])
    steps: list[run.Progress] = []
    read_file(ground, file, progress=steps.append)

    assert [step.lines for step in steps] == [0, 1_000, 2_000, 2_500]
    assert steps[-1].bytes_done == steps[-1].bytes_total == file.stat().st_size


def test_a_dry_run_says_what_would_be_and_records_nothing(ground: Ground, write: Callable[..., Path]) -> None:
    file = write(line(1), line(2), "Dec 10 06:55:46 edge CRON[1]: x\n")
    dry = read_file(ground, file, dry=True)

    assert (dry.lines, dry.events, dry.skipped, dry.is_dry_run) == (3, 2, 1, True)
    assert bodies(ground) == []
    with ground.db.read() as session:
        assert session.execute(sa.select(models.imported)).all() == []


def test_skipped_lines_are_counted_by_reason_and_pattern_with_an_example(
    ground: Ground, write: Callable[..., Path]
) -> None:
    report = read_file(
        ground,
        write(
            *[line(n) for n in range(20)],
            "\n",
            b"Dec 10 06:55:46 edge sshd[7]: \xff\n",
            f"Dec 10 06:55:46 edge sshd[7]: {'x' * 70_000}\n",
            *["Dec 10 06:55:46 edge sshd[7]: Invalid user ana from 203.0.113.9 with password=hunter22\r\n"] * 5,
            "Feb 29 06:55:46 edge sshd[7]: x\n",
            "nothing of the kind",
        ),
    )

    assert (report.lines, report.events, report.skipped) == (30, 20, 10)
    assert report.skipped_by_pattern == {
        "empty line": 1,
        "not UTF-8": 1,
        "line too long": 1,
        "Invalid user": 5,
        "no valid date": 1,
        "not a syslog line": 1,
    }
    assert report.skipped_by_reason == {
        "empty line": 1,
        "not UTF-8": 1,
        "line too long": 1,
        "neither a sign-in nor a session": 5,
        "no valid date": 1,
        "not a syslog line": 1,
    }
    assert report.samples["Invalid user"].startswith("Dec 10 06:55:46 edge sshd[7]: Invalid user ana")
    assert "hunter22" not in str(report.samples)
    assert (report.first_at, report.last_at) == (
        datetime(2017, 12, 10, 6, 55, 0, tzinfo=UTC),
        datetime(2017, 12, 10, 6, 55, 19, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("stamp", "is_taken"),
    [
        ("1969-12-31T23:59:59.999999Z", False),
        ("1970-01-01T00:30:00+01:00", False),
        ("1970-01-01T00:00:00Z", True),
        ("9998-12-31T23:59:59.999999Z", True),
        ("9998-12-31T23:59:59-01:00", False),
        ("9999-12-31T23:59:59Z", False),
    ],
)
def test_an_instant_that_no_store_takes_is_no_date(
    ground: Ground, write: Callable[..., Path], stamp: str, is_taken: bool
) -> None:
    report = read_file(ground, write(f"{stamp} edge sshd[7]: Failed password for root from 203.0.113.9 port 22 ssh2\n"))
    assert report.skipped_by_reason == ({} if is_taken else {"no valid date": 1})
    if is_taken:
        found = [body["@timestamp"] for body in bodies(ground) if body["event"]["action"] == "external.login.failed"]
        assert found == [rfc3339(datetime.fromisoformat(stamp))]


def test_a_day_that_lies_before_1970_only_in_utc_is_no_date(ground: Ground, write: Callable[..., Path]) -> None:
    tokyo = authlog.dates(zone="Asia/Tokyo", year=1970, file_time=datetime(2018, 1, 1, tzinfo=UTC))
    said = "edge sshd[7]: Failed password for root from 203.0.113.9 port 22 ssh2\n"
    order = ImportOrder(file=write(f"Jan  1 00:00:01 {said}", f"Jan  1 09:00:00 {said}"), source="edge")
    report = run.read_file(ground.db, order, authlog.parser(tokyo), importer(ground), key=KEY)
    assert (report.events, report.skipped_by_reason) == (1, {"no valid date": 1})


def test_ends_of_lines_do_not_matter(ground: Ground, write: Callable[..., Path]) -> None:
    read_file(ground, write(line(1), line(2), name="unix.log"))
    crlf = read_file(ground, write(line(1).replace("\n", "\r\n"), line(2).rstrip("\n"), name="windows.log"))

    assert (crlf.events, crlf.repeats) == (0, 2)


@pytest.mark.parametrize(
    ("good", "bad", "is_refused"),
    [(0, 1, True), (10, 10, False), (10, 11, True), (1_500, 0, False), (500, 500, False), (499, 600, True)],
)
def test_a_file_of_another_form_stops_with_a_hint_and_records_nothing(
    ground: Ground, write: Callable[..., Path], good: int, bad: int, is_refused: bool
) -> None:
    file = write(*[line(n % 60, port=n) for n in range(good)], *["not sshd\n"] * bad)

    if not is_refused:
        assert read_file(ground, file).events == good
        return
    with pytest.raises(FormatUnmatched, match="--format"):
        read_file(ground, file)
    assert bodies(ground) == []


def test_an_empty_file_is_read_to_its_end(ground: Ground, write: Callable[..., Path]) -> None:
    assert read_file(ground, write()).lines == 0


def test_a_file_that_cannot_be_read_is_named(ground: Ground, tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match=r"absent\.log"):
        read_file(ground, tmp_path / "absent.log")
    with pytest.raises(FileUnreadable):
        read_file(ground, tmp_path)


def test_what_has_no_end_is_refused_at_once(ground: Ground, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(FileUnreadable, match=f"{place} is a folder, a device or a pipe") as refused:
            read_file(ground, place)
        assert refused.value.code == "import_file_unreadable"
    with pytest.raises(FileUnreadable, match="null byte"):
        read_file(ground, Path("a\0b"))


@pytest.mark.parametrize("source", ["", "a b", "ä", "x" * 65, "a\0b", "a/b"])
def test_a_source_needs_a_plain_name(ground: Ground, write: Callable[..., Path], source: str) -> None:
    with pytest.raises(SourceInvalid):
        read_file(ground, write(line(1)), source=source)


def test_importing_needs_its_permission(ground: Ground, write: Callable[..., Path]) -> None:
    with pytest.raises(SignInRequired):
        run.read_file(
            ground.db, ImportOrder(file=write(line(1)), source="edge"), authlog.parser(DATES), ground.ctx(), key=KEY
        )


def test_a_secret_in_a_line_is_masked_and_told_once(ground: Ground, write: Callable[..., Path]) -> None:
    file = write(line(1, user="x password=hunter22 4111111111111111"))
    key_line = line(2).replace("ssh2", "ssh2: token=abcdef0123456789")
    file.write_text(file.read_text() + key_line)
    read_file(ground, file)
    read_file(ground, file)

    text = json.dumps(bodies(ground))
    assert "hunter22" not in text
    assert "4111111111111111" not in text
    assert "abcdef0123456789" not in text
    assert kinds(ground)["health.secret.found"] == 1


def test_a_repeated_line_makes_as_many_events_with_ids_of_their_own(ground: Ground, write: Callable[..., Path]) -> None:
    repeated = line(1).replace("Failed", "message repeated 5 times: [ Failed").replace("ssh2", "ssh2]")
    file = write(line(1), repeated)

    assert read_file(ground, file).events == 6
    assert read_file(ground, file).repeats == 6
    assert kinds(ground) == {"external.login.failed": 6}


@pytest.mark.parametrize(
    ("host", "method", "user", "after"),
    [
        ("edge", "password", "n" * 60_000, ""),
        ("edge", "password", "\x01" * 2_900, ""),
        ("edge", "password", '"\\' * 30_000, ""),
        ("h" * 60_000, "password", "root", ""),
        ("edge", "m" * 60_000, "root", ""),
        ("é" * 10_000, "é" * 10_000, "é" * 10_000, ""),
        ("\x01" * 9_000, "\x01" * 9_000, "\x01" * 9_000, ": " + "pwd=\x01 " * 5_000),
        ("edge", "password", "root", ": " + "pwd=x " * 10_000),  # each becomes longer when it is masked
    ],
)
def test_a_line_of_any_words_fits_an_event_and_so_do_those_behind_it(
    ground: Ground, write: Callable[..., Path], host: str, method: str, user: str, after: str
) -> None:
    said = f"Dec 10 06:55:46 {host} sshd[7]: Failed {method} for {user} from 203.0.113.9 port 22 ssh2{after}\n"
    report = read_file(ground, write(said, line(1)))

    assert (report.events, report.skipped) == (2, 0)
    assert kinds(ground)["external.login.failed"] == 2


def test_a_line_that_no_event_holds_is_skipped_and_stops_no_file(ground: Ground, write: Callable[..., Path]) -> None:
    def parse(text: str) -> Told:
        is_wide = "wide" in text
        event = EventRecorded(provider="other", given_type=("word" * 9,) * 1_000 if is_wide else ("info",))
        return Told(at=datetime(2017, 12, 10, tzinfo=UTC), event=event, user="", times=3 if is_wide else 1)

    order = ImportOrder(file=write("narrow\n", "wide line\n", "narrow\n"), source="edge")
    reports = [run.read_file(ground.db, order, parse, importer(ground), key=KEY) for _ in range(2)]

    assert [(each.lines, each.events, each.repeats, each.skipped) for each in reports] == [(3, 2, 0, 1), (3, 0, 2, 1)]
    assert reports[0].skipped_by_reason == {"more than an event holds": 1}
    assert reports[0].samples == {"more than an event holds": "wide line"}


@pytest.mark.parametrize(
    ("text", "bytes_max", "kept"),
    [
        ("", 0, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("\x01\x01", 12, "\x01\x01"),
        ("\x01\x01", 11, "\x01"),
        ('a"b', 3, 'a"'),
        ("é€", 4, "é"),
        ("a\u2028", 3, "a"),
    ],
)
def test_a_text_is_cut_by_what_it_takes_in_a_body(text: str, bytes_max: int, kept: str) -> None:
    assert cutting.cut(text, bytes_max) == kept


@pytest.fixture
def published() -> Path:
    if not SHARED.exists():
        pytest.skip(f"the shared data set {SHARED.name} is not here")
    return SHARED


def test_the_published_log_holds_528_failures_1_success_and_4_probes(ground: Ground, published: Path) -> None:
    first, second = read_file(ground, published), read_file(ground, published)

    assert kinds(ground) == {
        "external.login.failed": 528,
        "external.login.succeeded": 1,
        "external.event.recorded": 4,
        "external.session.opened": 1,
        "external.session.closed": 1,
    }
    assert (first.lines, first.events, first.repeats) == (2_000, 535, 0)
    assert (second.events, second.repeats) == (0, 535)
    failed = [body for body in bodies(ground) if body["event"]["action"] == "external.login.failed"]
    assert len({body["source"]["ip"] for body in failed}) == 23
    assert sealing.assert_sound(ground) == 537


def test_the_published_log_shuffled_gives_the_same_events(
    ground: Ground, published: Path, write: Callable[..., Path]
) -> None:
    lines = published.read_bytes().splitlines(keepends=True)
    random.Random(11).shuffle(lines)
    read_file(ground, write(*[raw.rstrip(b"\r\n") + b"\n" for raw in lines]))

    assert read_file(ground, published).events == 0
    assert kinds(ground)["external.login.failed"] == 528
