"""Lines of sshd: what each tells, whom it hides, and which make no event."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.kernel.errors import Invalid
from ingest.events.envelope import Outcome
from ingest.readers import authlog
from ingest.readers.authlog import ZoneUnknown
from ingest.readers.run import Skipped, Told

FILE_TIME = datetime(2024, 3, 2, 12, tzinfo=UTC)
DATES = authlog.dates(year=2017, file_time=FILE_TIME)


def read(message: str, head: str = "Dec 10 06:55:46 edge sshd[24200]: ") -> Told | Skipped:
    return authlog.parse(head + message, DATES)


@pytest.mark.parametrize(
    ("message", "kind", "user", "method", "reason", "masked"),
    [
        (
            "Failed password for root from 203.0.113.9 port 40022 ssh2",
            "external.login.failed", "root", "password", None,
            "Failed password for [user] from 203.0.113.9 port 40022 ssh2",
        ),
        (
            "Failed password for invalid user web master from 203.0.113.9 port 40022 ssh2",
            "external.login.failed", "web master", "password", "unknown_user",
            "Failed password for invalid user [user] from 203.0.113.9 port 40022 ssh2",
        ),
        (
            "Failed password for invalid user  from 203.0.113.9 port 40022 ssh2",
            "external.login.failed", "", "password", "unknown_user",
            "Failed password for invalid user  from 203.0.113.9 port 40022 ssh2",
        ),
        (
            "Failed password for invalid user x from 198.51.100.1 port 22 ssh2 from 203.0.113.9 port 40022 ssh2",
            "external.login.failed", "x from 198.51.100.1 port 22 ssh2", "password", "unknown_user",
            "Failed password for invalid user [user] from 203.0.113.9 port 40022 ssh2",
        ),
        (
            "Accepted password for fztu from 203.0.113.9 port 40022 ssh2",
            "external.login.succeeded", "fztu", "password", None,
            "Accepted password for [user] from 203.0.113.9 port 40022 ssh2",
        ),
        (
            "Accepted publickey for ana from 203.0.113.9 port 40022 ssh2: ED25519 SHA256:abc+/def",
            "external.login.succeeded", "ana", "publickey", None,
            "Accepted publickey for [user] from 203.0.113.9 port 40022 ssh2: ED25519 SHA256:abc+/def",
        ),
        (
            "Failed keyboard-interactive/pam for ana from 203.0.113.9 port 40022 ssh2",
            "external.login.failed", "ana", "keyboard-interactive/pam", None,
            "Failed keyboard-interactive/pam for [user] from 203.0.113.9 port 40022 ssh2",
        ),
        (
            "Failed none for invalid user 0 from 203.0.113.9 port 40022 ssh2",
            "external.event.recorded", "0", "none", "unknown_user",
            "Failed none for invalid user [user] from 203.0.113.9 port 40022 ssh2",
        ),
    ],
)  # fmt: skip
def test_a_try_to_sign_in_is_told_with_its_name_apart(
    message: str, kind: str, user: str, method: str, reason: str | None, masked: str
) -> None:
    told = read(message)

    assert isinstance(told, Told)
    assert (told.event.kind, told.user, told.event.method, told.event.reason) == (kind, user, method, reason)
    assert told.event.message == masked
    assert (told.source.ip, told.source.port) == ("203.0.113.9", 40022)
    assert (told.event.process, told.event.pid, told.event.host) == ("sshd", 24200, "edge")
    assert told.at == datetime(2017, 12, 10, 6, 55, 46, tzinfo=UTC)


def test_a_probe_for_methods_is_no_failure() -> None:
    told = read("Failed none for invalid user 0 from 203.0.113.9 port 40022 ssh2")

    assert told.event.outcome is Outcome.UNKNOWN
    assert (told.event.given_category, told.event.given_type) == (("authentication",), ("info",))


@pytest.mark.parametrize(
    ("message", "kind", "user", "masked"),
    [
        ("opened for user fztu by (uid=0)", "opened", "fztu", "opened for user [user] by (uid=0)"),
        ("opened for user ana(uid=7) by bob(uid=0)", "opened", "ana", "opened for user [user](uid=7) by [user](uid=0)"),
        ("closed for user fztu", "closed", "fztu", "closed for user [user]"),
    ],
)
def test_sessions_open_and_close(message: str, kind: str, user: str, masked: str) -> None:
    told = read(f"pam_unix(sshd:session): session {message}")

    assert (told.event.kind, told.user) == (f"external.session.{kind}", user)
    assert told.event.message == f"pam_unix(sshd:session): session {masked}"


def test_a_repeated_line_counts_as_often_as_it_says() -> None:
    told = read("message repeated 5 times: [ Failed password for root from 203.0.113.9 port 42393 ssh2]")

    assert (told.times, told.user, told.event.kind) == (5, "root", "external.login.failed")


@pytest.mark.parametrize("times", ["0", "10001", "999999999"])
def test_a_line_repeated_beyond_reason_is_skipped(times: str) -> None:
    message = f"message repeated {times} times: [ Failed password for root from 203.0.113.9 port 42393 ssh2]"

    assert read(message) == Skipped(pattern="repeated more than 10000 times")


@pytest.mark.parametrize(
    "message",
    [
        "Invalid user webmaster from 203.0.113.9",
        "Connection closed by 203.0.113.9 [preauth]",
        "reverse mapping checking getaddrinfo for host.example [203.0.113.9] failed - POSSIBLE BREAK-IN ATTEMPT!",
        "Postponed publickey for ana from 203.0.113.9 port 40022 ssh2 [preauth]",
        "message repeated 2 times: [ Invalid user ana from 203.0.113.9]",
        "",
    ],
)
def test_other_lines_of_sshd_make_no_event(message: str) -> None:
    skipped = read(message)

    assert isinstance(skipped, Skipped)
    assert not skipped.is_foreign


@pytest.mark.parametrize(
    ("line", "is_foreign"),
    [
        ("Dec 10 06:55:46 edge CRON[1]: (root) CMD (true)", False),
        ("Dec 32 06:55:46 edge sshd[1]: x", False),
        ("Xxx 10 06:55:46 edge sshd[1]: x", False),
        ("Dec 10 25:55:46 edge sshd[1]: x", False),
        ('203.0.113.9 - - [10/Dec/2017] "GET / HTTP/1.1" 200', True),
        ('{"event": 1}', True),
        ("Dec 10", True),
    ],
)
def test_lines_of_other_programs_and_forms_are_told_apart(line: str, is_foreign: bool) -> None:
    skipped = authlog.parse(line, DATES)

    assert isinstance(skipped, Skipped)
    assert skipped.is_foreign == is_foreign


@pytest.mark.parametrize(
    ("written", "ip", "port"),
    [
        ("UNKNOWN port 65535", None, None),
        ("2001:db8::1 port 65535", "2001:db8::1", 65_535),
        ("fe80::1%eth0 port 22", "fe80::1", 22),
        ("203.0.113.9 port 65536", "203.0.113.9", None),
        ("203.0.113.999 port 22", None, None),
    ],
)
def test_only_what_is_an_address_is_taken_for_one(written: str, ip: str | None, port: int | None) -> None:
    told = read(f"Failed password for root from {written} ssh2")

    assert (told.source.ip, told.source.port) == (ip, port)


NEW_YORK = authlog.dates(zone="America/New_York", year=2019, file_time=FILE_TIME)
FAILED = "edge sshd[4211]: Failed password for root from 203.0.113.9 port 40022 ssh2"


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("2026-11-25T08:15:02.123456+01:00", datetime(2026, 11, 25, 7, 15, 2, 123456, tzinfo=UTC)),
        ("2026-11-25T07:15:03Z", datetime(2026, 11, 25, 7, 15, 3, tzinfo=UTC)),
        ("2026-11-25T07:15:03.123456789Z", datetime(2026, 11, 25, 7, 15, 3, 123456, tzinfo=UTC)),
        ("Nov 25 02:15:04", datetime(2019, 11, 25, 7, 15, 4, tzinfo=UTC)),
        ("Jul  4 02:15:04", datetime(2019, 7, 4, 6, 15, 4, tzinfo=UTC)),
    ],
)
def test_zone_and_year_serve_only_lines_that_have_none(stamp: str, at: datetime) -> None:
    assert authlog.parse(f"{stamp} {FAILED}", NEW_YORK).at == at


@pytest.mark.parametrize(
    ("year", "file_time", "at"),
    [
        (2024, FILE_TIME, datetime(2024, 2, 29, 6, 15, 1, tzinfo=UTC)),
        (2025, FILE_TIME, None),
        (None, FILE_TIME, datetime(2024, 2, 29, 6, 15, 1, tzinfo=UTC)),
        (None, datetime(2025, 3, 2, tzinfo=UTC), datetime(2024, 2, 29, 6, 15, 1, tzinfo=UTC)),
        (None, datetime(2026, 3, 2, tzinfo=UTC), None),
    ],
)
def test_the_29th_of_february_is_a_day_in_leap_years_only(
    year: int | None, file_time: datetime, at: datetime | None
) -> None:
    told = authlog.parse(f"Feb 29 06:15:01 {FAILED}", authlog.dates(year=year, file_time=file_time))

    assert told.at == at if at else told == Skipped(pattern="no valid date")


@pytest.mark.parametrize(
    ("stamp", "year"),
    [
        ("Mar  2 11:00:00", 2024),
        ("Mar  3 11:00:00", 2024),  # a day of grace for clocks that differ
        ("Mar  4 11:00:00", 2023),
        ("Dec 31 23:59:59", 2023),
    ],
)
def test_without_a_year_a_line_is_no_younger_than_its_file(stamp: str, year: int) -> None:
    assert authlog.parse(f"{stamp} {FAILED}", authlog.dates(file_time=FILE_TIME)).at.year == year


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "a" * 500])
def test_an_unknown_zone_is_refused_by_name(zone: str) -> None:
    with pytest.raises(ZoneUnknown):
        authlog.dates(zone=zone, file_time=FILE_TIME)


@pytest.mark.parametrize("year", [0, 1969, 9999])
def test_an_impossible_year_is_refused(year: int) -> None:
    with pytest.raises(Invalid):
        authlog.dates(year=year, file_time=FILE_TIME)
