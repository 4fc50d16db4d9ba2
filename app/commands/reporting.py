"""The command about reports: make one here and now, and write its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from threading import Event
from typing import Final

from app.commands.lines import Arguments, Line, Run, file, leave, text
from app.compose import System
from app.kernel.access import COMPLIANCE_REPORT_CREATE, COMPLIANCE_REPORT_READ, service
from app.kernel.errors import Invalid
from compliance.reports import runs
from compliance.reports.kinds import KINDS
from compliance.reports.runs import KindUnknown

DAYS: Final = 90
FAILED: Final = 1
WAIT_SECONDS: Final = 0.2
_OPERATOR: Final = service("operator", COMPLIANCE_REPORT_CREATE, COMPLIANCE_REPORT_READ)


def make(system: System, args: Arguments) -> Iterator[Line]:
    """Make a report; the files come with their hashes."""
    kind = str(args["kind"])
    if kind == "list":
        for one in KINDS.values():
            yield text(f"{one.name:<16} {one.title}: {one.says} ({', '.join(one.formats)})")
        return
    if kind not in KINDS:
        raise KindUnknown(f"There is no report {kind}; `onepay report make list` names them.", object_id=kind)
    system.signer.sign(system.clock.now())
    ctx = system.context(_OPERATOR)
    as_of = min(_day(args.get("as_of"), ctx.at - timedelta(days=1)) + timedelta(days=1), ctx.at)
    since = _day(args.get("since"), as_of - timedelta(days=DAYS))
    with system.db.begin() as session:
        id = runs.ask(session, kind, since, ctx, as_of=as_of, parts=system.reports)
    yield from written(system, id)


def written(system: System, id: str) -> Iterator[Line]:
    """Make what was asked for, and write its files."""
    found = _done(system, id)
    if found.state != runs.DONE:
        yield text(f"{found.kind} was not made: {found.note}")
        yield leave(FAILED)
        return
    yield text(f"{found.note} (log size {found.size}, root {found.root})")
    for kept in found.files:
        with system.db.read() as session:
            data = runs.read(session, id, kept.name, _OPERATOR, parts=system.reports)
        yield text(f"{kept.sha256}  {kept.name}")
        yield file(kept.name, data)


def _done(system: System, id: str) -> runs.Report:
    """Make what waits until this one is over; another worker may take it, too."""
    waiting = Event()
    while True:
        with system.db.read() as session:
            found = runs.by_id(session, id, _OPERATOR, parts=system.reports)
        if not found.is_open:
            return found
        if runs.carry_on(system.context(service("reports")), parts=system.reports) is None:
            waiting.wait(WAIT_SECONDS)


def _day(words: object, otherwise: datetime) -> datetime:
    if not words:
        return otherwise
    try:
        return datetime.fromisoformat(f"{words}T00:00:00+00:00")
    except ValueError as error:
        raise Invalid(f"{words} is no day like 2026-11-30.") from error


COMMANDS: Final[Mapping[str, Run]] = {"report make": make}
