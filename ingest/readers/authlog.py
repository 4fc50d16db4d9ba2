"""What sshd writes to auth.log (RFC 3164 or RFC 3339 times), line by line."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.kernel.clock import parse_rfc3339
from app.kernel.context import Source
from app.kernel.errors import Invalid
from ingest.events import external
from ingest.events.envelope import AT_END, AT_MIN, Outcome
from ingest.events.external import ExternalEvent
from ingest.readers.run import UNDATED, Skipped, Told

PROGRAMS: Final = ("sshd", "sshd-session", "sshd-auth")
REPEATED_MAX: Final = 10_000
YEAR_MIN, YEAR_MAX = AT_MIN.year, AT_END.year - 1
PORT_MAX: Final = 65_535
USER_MASK: Final = "[user]"

_LINE: Final = re.compile(
    r"(?:<\d{1,3}>)?"
    r"(?:(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)"
    r"|(?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)))"
    r" (?P<host>\S+) (?P<program>[^\s\[:]+)(?:\[(?P<pid>\d{1,10})\])?: ?(?P<message>.*)",
    re.DOTALL,
)
_REPEATED: Final = re.compile(r"message repeated (?P<times>\d{1,9}) times: \[ ?(?P<message>.*)\]", re.DOTALL)
# Greedy, so that the last " from … port …" is sshd's own, whatever somebody put into a name; a name may be empty.
_LOGIN: Final = re.compile(
    r"(?P<outcome>Accepted|Failed) (?P<method>\S+) for (?P<invalid>invalid user )?(?P<user>.*)"
    r" from (?P<ip>\S+) port (?P<port>\d{1,5})(?: ssh2?(?:: .*)?)?",
    re.DOTALL,
)
_SESSION: Final = re.compile(
    r"pam_unix\([^)\s]*:session\): session (?P<what>opened|closed) for user (?P<user>\S*?)(?:\(uid=\d+\))?"
    r"(?: by (?P<by>.*?)\(uid=\d+\))?"
)
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_VALUE: Final = re.compile(r"\d+")


class ZoneUnknown(Invalid):
    """There is no such time zone."""

    code = "zone_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """How to date a line that names neither year nor zone: by a given year, else by the time of its file."""

    zone: ZoneInfo
    year: int | None
    file_time: datetime

    def instant(self, stamp: str) -> datetime | None:
        """Return the instant of `Nov  2 09:00:00`, or None where that day did not exist."""
        if self.year is not None:
            return self._in_year(stamp, self.year)
        newest = self.file_time + timedelta(days=1)
        this_year = self.file_time.astimezone(self.zone).year
        for year in (this_year, this_year - 1):
            at = self._in_year(stamp, year)
            if at is not None and at <= newest:
                return at
        return None

    def _in_year(self, stamp: str, year: int) -> datetime | None:
        if stamp[:3] not in _MONTHS:
            return None
        hour, minute, second = (int(part) for part in stamp[7:].split(":"))
        try:
            local = datetime(
                year, _MONTHS.index(stamp[:3]) + 1, int(stamp[4:6]), hour, minute, second, tzinfo=self.zone
            )
        except ValueError:
            return None
        return local.astimezone(UTC)


def dates(*, zone: str = "UTC", year: int | None = None, file_time: datetime) -> Dates:
    """Return how to date lines; raises `ZoneUnknown` for a zone that this machine does not know."""
    try:
        known = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ZoneUnknown(f"There is no time zone {zone!r}; an example is Europe/Berlin.", param="tz") from error
    if year is not None and not YEAR_MIN <= year <= YEAR_MAX:
        raise Invalid(f"The year {year} is not between {YEAR_MIN} and {YEAR_MAX}.", param="year")
    return Dates(zone=known, year=year, file_time=file_time)


def parser(dates: Dates) -> Callable[[str], Told | Skipped]:
    """Return the reader of one line."""
    return lambda text: parse(text, dates)


def parse(text: str, dates: Dates) -> Told | Skipped:
    """Return what a line tells; names are kept apart and masked in the message."""
    line = _LINE.fullmatch(text)
    if line is None:
        return Skipped(pattern="not a syslog line", is_foreign=True)
    at = dates.instant(line["stamp"]) if line["stamp"] else _instant(line["instant"])
    if at is None:
        return Skipped(pattern=UNDATED)
    if line["program"] not in PROGRAMS:
        return Skipped(pattern="another program")
    message, times = line["message"], 1
    if repeated := _REPEATED.fullmatch(message):
        message, times = repeated["message"], int(repeated["times"])
        if not 1 <= times <= REPEATED_MAX:
            return Skipped(pattern=f"repeated more than {REPEATED_MAX} times")
    told = _login(message, at) or _session(message, at)
    if told is None:
        return Skipped(pattern=_pattern(message), why="neither a sign-in nor a session")
    event = replace(
        told.event, process=line["program"], pid=int(line["pid"]) if line["pid"] else None, host=line["host"]
    )
    return replace(told, event=event, times=times)


def _instant(text: str) -> datetime | None:
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        return None


def _login(message: str, at: datetime) -> Told | None:
    found = _LOGIN.fullmatch(message)
    if found is None:
        return None
    masked = _masked(message, found, "user")
    reason = "unknown_user" if found["invalid"] else None
    event: ExternalEvent
    if found["outcome"] == "Accepted":
        event = external.LoginSucceeded(provider="sshd", message=masked, method=found["method"])
    elif found["method"] == "none":
        # A client asks which methods there are; nobody tried a password.
        event = external.EventRecorded(
            provider="sshd",
            message=masked,
            method="none",
            reason=reason,
            outcome=Outcome.UNKNOWN,
            given_category=("authentication",),
            given_type=("info",),
        )
    else:
        event = external.LoginFailed(provider="sshd", message=masked, method=found["method"], reason=reason)
    return Told(at=at, event=event, user=found["user"], source=_source(found["ip"], found["port"]))


def _session(message: str, at: datetime) -> Told | None:
    found = _SESSION.fullmatch(message)
    if found is None:
        return None
    kind = external.SessionOpened if found["what"] == "opened" else external.SessionClosed
    return Told(at=at, event=kind(provider="sshd", message=_masked(message, found, "by", "user")), user=found["user"])


def _masked(message: str, found: re.Match[str], *names: str) -> str:
    """Replace the named parts, last one first, so that places stay true."""
    for name in names:
        if found[name]:
            message = message[: found.start(name)] + USER_MASK + message[found.end(name) :]
    return message


def _source(ip: str, port: str) -> Source:
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return Source()
    return Source(ip=str(address), port=int(port) if int(port) <= PORT_MAX else None)


def _pattern(message: str) -> str:
    """Return the beginning of a message that makes no event, free of numbers and names."""
    words = _VALUE.sub("N", message).split(" ")[:2]
    return " ".join(words)[:40]
