"""Work that somebody asked for: a row with progress that survives the page, made by a worker, its files hashed.

`queued → running → done | failed | cancelled`. A worker holds a row for a while and holds it longer with each progress
it tells; where it is killed the row goes back and what it wrote is removed. After three tries it has failed.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.access import COMPLIANCE_REPORT_CREATE, COMPLIANCE_REPORT_READ, Actor, ActorKind, service
from app.kernel.context import Context
from app.kernel.db import delete_for_good
from app.kernel.errors import Conflict, Gone, NotFound, OnePayError, Unavailable
from app.kernel.jobs import guarded
from app.kernel.logs import logger
from compliance.engine.history import PERIOD_MAX, PeriodInvalid
from compliance.reports import asked, issued, models, writing
from compliance.reports.issued import File
from compliance.reports.parts import Making, Reports
from ingest.events.admin import SettingChanged
from ingest.events.compliance import ReportIssued
from ingest.log import outbox

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
OPEN: Final = (QUEUED, RUNNING)
EXPORT: Final = "audit.export"
LIST_MAX: Final = 50
NOTE_CHARS: Final = 400
SAME_WITHIN: Final = timedelta(minutes=1)
_log: Final = logger(__name__)


class KindUnknown(NotFound):
    """There is no report of this kind."""

    code = "report_kind_unknown"


class ReportNotOpen(Conflict):
    """This is made already, or is over."""

    code = "report_not_open"


class FileGone(Gone):
    """The file is not what was kept, or is not there any more."""

    code = "report_file_gone"


class Overtaken(Exception):
    """The row was cancelled, or another worker has it; what was begun is put away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report, export or verification as it stands."""

    id: str
    kind: str
    params: Mapping[str, Any]
    since: datetime
    as_of: datetime
    asked_by: str | None
    asked_at: datetime
    state: str
    done: int
    total: int
    tries: int
    finished_at: datetime | None
    note: str | None
    size: int | None
    root: str | None
    approval_id: str | None
    files: tuple[File, ...] = ()

    @property
    def is_open(self) -> bool:
        """Tell whether it is still to be made."""
        return self.state in OPEN

    @property
    def is_issued(self) -> bool:
        """Tell whether it is a report that the log names as issued, and no export or verification."""
        return "." not in self.kind


def ask(
    session: Session,
    kind: str,
    since: datetime,
    ctx: Context,
    *,
    as_of: datetime | None = None,
    parts: Reports,
) -> str:
    """Ask for a report over a period that ends now, or at an instant of the past; returns its id.

    The same again by the same person, while it has waited for less than a minute, is the one that waits. Raises
    `KindUnknown`, and `PeriodInvalid` for a period that is reversed, in the future or longer than five years.
    """
    ctx.actor.require(COMPLIANCE_REPORT_CREATE)
    if kind not in parts.makers or "." in kind:
        raise KindUnknown(object_id=kind)
    until = as_of or ctx.at
    of = models.report.c
    same = sa.select(of.id).where(
        of.kind == kind,
        of.asked_by == ctx.actor.id,
        of.state == QUEUED,
        of.since == since,
        of.as_of > until - SAME_WITHIN,
        of.as_of <= until,
        of.asked_at > ctx.at - SAME_WITHIN,
    )
    waiting: str | None = session.scalar(same.order_by(of.asked_at.desc()).limit(1))
    return waiting or put(session, kind, {}, (since, until), ctx)


def put(session: Session, kind: str, params: Mapping[str, Any], period: tuple[datetime, datetime], ctx: Context) -> str:
    """Queue work of any kind; whoever calls has demanded what it needs."""
    since, as_of = period
    if since > as_of or as_of > ctx.at or as_of - since > PERIOD_MAX:
        raise PeriodInvalid("A period begins before it ends, ends now or earlier, and is at most five years long.")
    id = ctx.new_id("rep")
    session.execute(
        sa.insert(models.report).values(
            id=id,
            kind=kind,
            params=dict(params),
            since=since,
            as_of=as_of,
            asked_by=ctx.actor.id,
            asked_at=ctx.at,
            state=QUEUED,
            done=0,
            total=0,
            tries=0,
        )
    )
    return id


def cancel(session: Session, report_id: str, ctx: Context, *, parts: Reports) -> None:
    """End work that is still to be done; raises `NotFound` and `ReportNotOpen`. Whoever ends it is named in the log."""
    found = by_id(session, report_id, ctx.actor, parts=parts)
    is_own = found.asked_by == ctx.actor.id
    if not is_own:
        ctx.actor.require(COMPLIANCE_REPORT_CREATE)
    table = models.report
    ended = session.execute(
        sa.update(table)
        .where(table.c.id == report_id, table.c.state.in_(OPEN))
        .values(
            state=CANCELLED,
            finished_at=ctx.at,
            taken_until=None,
            note=f"Ended by {'who' if is_own else 'somebody else than who'} asked for it",
        )
    )
    if ended.rowcount != 1:  # type: ignore[attr-defined]  # an update has a row count
        raise ReportNotOpen
    event = SettingChanged(object=f"report.{report_id}", field="state", before=found.state, after=CANCELLED)
    outbox.record(session, event, ctx)


def by_id(session: Session, report_id: str, actor: Actor, *, parts: Reports) -> Report:
    """Return what was asked for, with its files; what lies outside an auditor's period looks as what is not there."""
    _demand(actor)
    row = session.execute(sa.select(models.report).where(models.report.c.id == report_id)).one_or_none()
    found = None if row is None else _reports(session, [row])[0]
    if found is None or not _may_see(found, actor):
        raise NotFound(object_id=report_id)
    return found


def listed(session: Session, actor: Actor, *, kinds: Sequence[str] = (), limit: int = LIST_MAX) -> list[Report]:
    """Return what was asked for, newest first; of an auditor's period alone where the actor is one."""
    _demand(actor)
    table = models.report
    query = sa.select(table).order_by(table.c.asked_at.desc(), table.c.id.desc()).limit(limit)
    if kinds:
        query = query.where(table.c.kind.in_(kinds))
    if actor.period is not None:
        begin, end = actor.period
        within = sa.and_(table.c.since >= begin, table.c.as_of <= end)
        query = query.where(sa.or_(within, table.c.asked_by == actor.id))
    return [found for found in _reports(session, session.execute(query).all()) if _may_see(found, actor)]


def read(session: Session, report_id: str, name: str, actor: Actor, *, parts: Reports) -> bytes:
    """Return a kept file; raises `NotFound`, and `FileGone` where it is not the one that was kept, or issued.

    Of an export, `ExportUndecided` where the log knows of another asker or of none.
    """
    found = by_id(session, report_id, actor, parts=parts)
    _demand_asked(session, found)
    kept = next((one for one in found.files if one.name == name), None)
    if kept is None or Path(name).name != name:
        raise NotFound(object_id=name)
    try:
        data = (parts.folder / found.id / kept.name).read_bytes()
    except OSError as error:
        raise FileGone from error
    if crypto.sha256(data).hex() != kept.sha256:
        raise FileGone("The file in the folder is not the one that was kept; make the report again.")
    period = issued.span(found.since, found.as_of)
    if found.is_issued and not issued.is_told(session, found.id, found.kind, period, found.files, found.finished_at):
        raise FileGone("The log does not say that these files were issued as this report; make it again.")
    return data


def carry_on(ctx: Context, *, parts: Reports) -> str | None:
    """Give back what a killed worker held, and make the oldest that waits."""
    _give_back(parts)
    found = _claim(parts)
    if found is None:
        return None
    error = guarded(f"report {found.kind}", lambda: _make(found, ctx, parts))
    if error is not None:
        _put_away(parts, found.id, found.tries)
        if not isinstance(error, Overtaken):
            _missed(found, error, parts)
    return f"{found.kind} {'made' if error is None else 'not made'}"


def retire_exports(ctx: Context, *, parts: Reports) -> str | None:
    """Remove the files of exports that were kept long enough; the row says what was taken away, and that they went."""
    table, days = models.report, parts.settings.export_kept.days
    over = (
        sa.select(table.c.id)
        .where(table.c.kind == EXPORT, table.c.finished_at <= ctx.at - parts.settings.export_kept)
        .where(sa.exists().where(models.file.c.report_id == table.c.id))
        .order_by(table.c.finished_at)
        .limit(LIST_MAX)
    )
    with parts.db.read() as session:
        ids = list(session.scalars(over))
    for id in ids:
        # Files first: killed in between, the rows of them name it again.
        if (parts.folder / id).exists():
            shutil.rmtree(parts.folder / id)
        with parts.db.begin() as session:
            delete_for_good(session)
            session.execute(sa.delete(models.file).where(models.file.c.report_id == id))
            gone = sa.func.coalesce(table.c.note, "").concat(f"; its files went after {days} days")
            session.execute(sa.update(table).where(table.c.id == id).values(note=gone))
    return f"files of {len(ids)} exports removed" if ids else None


def _give_back(parts: Reports) -> None:
    table = models.report
    now = parts.clock.now()
    with parts.db.begin() as session:
        dead = list(
            session.execute(
                sa.select(table.c.id, table.c.tries).where(table.c.state == RUNNING, table.c.taken_until <= now)
            )
        )
        for row in dead:
            is_over = row.tries >= parts.settings.tries_max
            given = session.execute(
                sa.update(table)
                .where(table.c.id == row.id, table.c.state == RUNNING, table.c.tries == row.tries)
                .values(
                    state=FAILED if is_over else QUEUED,
                    taken_until=None,
                    done=0,
                    finished_at=now if is_over else None,
                    note="The worker was killed each time" if is_over else None,
                )
            )
            if given.rowcount == 1:  # type: ignore[attr-defined]  # an update has a row count
                # Nobody else has the row now, and its files were not taken over.
                _put_away(parts, row.id, row.tries)
                shutil.rmtree(parts.folder / row.id, ignore_errors=True)
    if dead:
        _log.warning("reports of a worker that was killed went back", extra={"onepay__reports": len(dead)})


def _claim(parts: Reports) -> Report | None:
    table = models.report
    with parts.db.begin() as session:
        row = session.execute(
            sa.select(table)
            .where(table.c.state == QUEUED)
            .order_by(table.c.asked_at, table.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if row is None:
            return None
        session.execute(
            sa.update(table)
            .where(table.c.id == row.id, table.c.state == QUEUED)
            .values(state=RUNNING, tries=row.tries + 1, taken_until=parts.clock.now() + parts.settings.lease)
        )
        row = session.execute(sa.select(table).where(table.c.id == row.id)).one()
        return _reports(session, [row])[0]


def _make(found: Report, ctx: Context, parts: Reports) -> None:
    with parts.db.read() as session:
        _demand_asked(session, found)
    folder = _part(parts, found.id, found.tries)
    _put_away(parts, found.id, found.tries)
    folder.mkdir(parents=True, mode=0o700)
    making = making_of(found, folder, ctx, progress=lambda done, total: _tell(found, done, total, parts))
    making.progress(0, found.total or 1)
    made = parts.makers[found.kind](making, parts)
    files = [
        File(name=one.name, sha256=sha256, bytes=size)
        for one in sorted(folder.iterdir())
        for sha256, size in [writing.hashed(one)]
    ]
    table, finished = models.report, parts.clock.now()
    with parts.db.begin() as session:
        ended = session.execute(
            _mine(found).values(
                state=DONE,
                done=table.c.total,
                finished_at=finished,
                taken_until=None,
                note=made.note or None,
                size=made.size,
                root=made.root,
            )
        )
        if ended.rowcount != 1:  # type: ignore[attr-defined]  # as above
            raise Overtaken
        # The row is this worker's until the end of the transaction: what lies there is of one that was not kept.
        shutil.rmtree(parts.folder / found.id, ignore_errors=True)
        folder.rename(parts.folder / found.id)
        if files:
            session.execute(
                sa.insert(models.file),
                [{"report_id": found.id, "name": one.name, "sha256": one.sha256, "bytes": one.bytes} for one in files],
            )
        events = list(made.events)
        if found.is_issued:
            events.append(
                ReportIssued(
                    report=found.id,
                    report_kind=found.kind,
                    sha256=issued.whole(files),
                    period=issued.span(found.since, found.as_of),
                    findings=made.findings,
                    files=len(files),
                )
            )
        # An event that ended vouches for the instant that the row names.
        outbox.record_many(session, events, _as_asker(found, replace(ctx, at=finished)))


def making_of(found: Report, folder: Path, ctx: Context, *, progress: Any = lambda done, total: None) -> Making:
    """Return what a maker is handed."""
    return Making(
        id=found.id,
        kind=found.kind,
        params=found.params,
        since=found.since,
        as_of=found.as_of,
        asked_at=found.asked_at,
        folder=folder,
        progress=progress,
        ctx=ctx,
    )


def _as_asker(found: Report, ctx: Context) -> Context:
    """Return the context in which what was made is told: it was done for whoever asked."""
    if found.asked_by is None:
        return ctx
    if found.asked_by.startswith("svc_"):
        return ctx.acting_as(service(found.asked_by.removeprefix("svc_")))
    return ctx.acting_as(Actor(id=found.asked_by, kind=ActorKind.STAFF))


def _tell(found: Report, done: int, total: int, parts: Reports) -> None:
    until = parts.clock.now() + parts.settings.lease
    with parts.db.begin() as session:
        told = session.execute(_mine(found).values(done=done, total=total, taken_until=until))
    if told.rowcount != 1:  # type: ignore[attr-defined]  # as above
        raise Overtaken


def _mine(found: Report) -> Any:  # an update of the row as this worker took it
    table = models.report
    return sa.update(table).where(table.c.id == found.id, table.c.state == RUNNING, table.c.tries == found.tries)


def _missed(found: Report, error: BaseException, parts: Reports) -> None:
    # What is refused is refused again; what broke or does not answer may go another time.
    is_refused = isinstance(error, OnePayError) and not isinstance(error, Unavailable)
    is_over = is_refused or found.tries >= parts.settings.tries_max
    note = (
        f"{error} ({error.code})" if isinstance(error, OnePayError) else "It broke off; the log of the process says why"
    )
    with parts.db.begin() as session:
        session.execute(
            _mine(found).values(
                state=FAILED if is_over else QUEUED,
                taken_until=None,
                done=0,
                finished_at=parts.clock.now() if is_over else None,
                note=note[:NOTE_CHARS],
            )
        )


def _part(parts: Reports, report_id: str, tries: int) -> Path:
    """Return where one try of a report writes: a worker that lost its row touches nothing of another's."""
    return parts.folder / f"{report_id}.{tries}.part"


def _put_away(parts: Reports, report_id: str, tries: int) -> None:
    shutil.rmtree(_part(parts, report_id, tries), ignore_errors=True)


def _demand_asked(session: Session, found: Report) -> None:
    if found.kind == EXPORT:
        asked.demand(session, found.id, found.params, found.asked_by, found.asked_at)
    elif asked.is_export(session, found.id):
        raise asked.ExportUndecided(object_id=found.id)


def _demand(actor: Actor) -> None:
    actor.require(COMPLIANCE_REPORT_READ)


def _may_see(found: Report, actor: Actor) -> bool:
    if "." in found.kind:
        # What somebody verified or takes away is their own.
        return found.asked_by == actor.id
    if actor.period is None:
        return True
    begin, end = actor.period
    return begin <= found.since and found.as_of <= end


def _reports(session: Session, rows: Sequence[sa.Row[Any]]) -> list[Report]:
    """Return the reports of some rows with their files, which one statement reads for all of them."""
    of = models.file.c
    query = sa.select(models.file).where(of.report_id.in_([row.id for row in rows])).order_by(of.report_id, of.name)
    files: dict[str, list[File]] = {}
    for one in session.execute(query):
        files.setdefault(one.report_id, []).append(File(name=one.name, sha256=one.sha256, bytes=one.bytes))
    return [_report(row, files.get(row.id, ())) for row in rows]


def _report(row: sa.Row[Any], files: Sequence[File]) -> Report:
    of = dict(row._mapping)
    of.pop("taken_until")
    return Report(**of, files=tuple(files))
