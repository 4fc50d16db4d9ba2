"""The nightly self-test (PRV-58): a synthetic person is planted everywhere, exported, restricted, erased, looked for.

All of it happens in a transaction that is always undone, so that no job, page or report ever sees the person; what is
kept is the run. The person's keys lie in a database of their own: they are really made and really destroyed.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.access import service
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import OnePayError
from app.kernel.ids import Ids
from app.kernel.jobs import Job, guarded_alone
from compliance.catalog import purposes
from compliance.contracts.gate import ProcessingGate
from compliance.contracts.personal import PersonalDataSource, Record, Target
from compliance.engine import fences
from compliance.privacy import collecting, package, packing, portable, requests, restrict
from compliance.privacy.erasure import planning
from compliance.privacy.events import EventSource
from compliance.privacy.models import request
from compliance.privacy.parts import Privacy
from compliance.registers.models import selftest_run
from ingest.events.access import FieldRevealed
from ingest.events.compliance import SelftestCompleted
from ingest.events.envelope import Outcome
from ingest.log import outbox, shredding
from ingest.log.shredding import Parts as Shredding

PASSED: Final = "passed"
FAILED: Final = "failed"
KEPT_PROBLEMS: Final = 100
_HASHED: Final = ("night", "stores", "planted", "found", "left", "held", "problems")
"""What the event of a night answers for."""
WHY: Final = "the self-test is over"
Result = TypeVar("Result")


@runtime_checkable
class Marking(Protocol):
    """A source that tells which markers of what it planted must come back in a copy, as marked tables do."""

    def markers(self, marker: str) -> list[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong: in which leg (`access`, `portability`, `restriction`, `erasure`), where, in words."""

    leg: str
    place: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One night: how many stores held a marker, how many markers were found again, what stayed, what went wrong."""

    id: str
    night: str
    started_at: datetime
    ended_at: datetime
    stores: int
    planted: int
    found: int
    left: int
    held: Sequence[str]
    problems: Sequence[Problem]
    event_id: str

    @property
    def is_passed(self) -> bool:
        return not self.problems


@dataclass(slots=True, kw_only=True)
class _Night:
    """What is being tested, and what was seen so far."""

    parts: Privacy
    gate: ProcessingGate
    shreds: Shredding
    subject: str
    marker: str
    ctx: Context
    stores: int = 0
    planted: int = 0
    found: int = 0
    left: int = 0
    wanted: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def say(self, leg: str, place: str, says: str) -> None:
        self.problems.append(Problem(leg=leg, place=place, says=says))

    def tried(self, session: Session, leg: str, place: str, work: Callable[[], Result], without: Result) -> Result:
        """Do something that may fail: then it is undone and a problem, and the others go on."""
        found: list[Result] = []
        error = guarded_alone(session, f"selftest {leg} {place}", lambda: found.append(work()))
        if error is not None:
            self.say(leg, place, f"failed: {error.code if isinstance(error, OnePayError) else type(error).__name__}")
            return without
        return found[0]


def job(db: Database, ids: Ids, parts: Privacy, gate: ProcessingGate, shreds: Callable[[], Shredding]) -> Job:
    """Return the nightly job."""

    def work(at: datetime) -> str:
        ctx = Context(actor=service("privacy.selftest"), at=at, request_id=ids.new("run", at), ids=ids)
        done = run(db, ctx, parts=parts, gate=gate, shreds=shreds())
        return f"{done.found} of {done.planted} markers found, {done.left} left, {len(done.problems)} problems"

    return Job(name="privacy.selftest", every=timedelta(days=1), run=work)


def run(
    db: Database,
    ctx: Context,
    *,
    parts: Privacy,
    gate: ProcessingGate,
    shreds: Shredding,
    seconds: float = fences.OPEN_SECONDS_MAX,
) -> Run:
    """Test every source now, within so many seconds, and keep what was seen, with its event."""
    night = _Night(
        # What is not settled with a person keeps nothing here: as much as can be erased is.
        parts=replace(parts, obstacles=()),
        gate=gate,
        shreds=shreds,
        subject=ctx.new_id("acc"),
        marker=f"selftest-{crypto.token()[:12]}",
        ctx=ctx,
    )
    try:
        with fences.rows(db, seconds) as session:
            _plant(session, night)
            _export(session, night)
            _restrict(session, night)
            _erase(session, night)
    except fences.FenceOverran:
        # Others wait for the writer meanwhile. What was said after it ended says nothing about the stores.
        night.problems = [Problem(leg="erasure", place="fence", says="took too long, and was ended: nothing is known")]
    # Where nothing is kept the log is told of the keys afterwards; it names classes and a person who never was.
    if night.classes:
        shredding.destroy(night.subject, night.classes, WHY, ctx, parts=shreds, run=ctx.request_id)
    with db.begin() as session:
        return _keep(session, night)


def _plant(session: Session, night: _Night) -> None:
    for source in night.parts.sources:
        plant = partial(source.plant, session, night.subject, night.marker, night.ctx)
        night.planted += night.tried(session, "access", source.name, plant, 0)
        if isinstance(source, Marking):
            night.wanted += source.markers(night.marker)
    if any(isinstance(source, EventSource) for source in night.parts.sources):
        marker = f"{night.marker}.log"
        event = FieldRevealed(view="selftest", field="marker", why=marker, about=(night.subject,))
        outbox.record(session, event, night.ctx)
        night.planted += 1
        night.wanted.append(marker)
    # Each marker names the store that holds it; a store of which nothing can be marked is not counted as looked at.
    night.stores = len({one.removeprefix(f"{night.marker}.").partition(".")[0] for one in night.wanted})


def _export(session: Session, night: _Night) -> None:
    """Make the copy as it is made for anybody, and look for every marker in its files."""
    collected = collecting.collect(session, night.parts.sources, night.subject)
    for each in collected.searched:
        if each.skipped is not None:
            night.say("access", each.info.name, f"was not searched: {each.skipped}")
    none: dict[str, str] = {}
    files = night.tried(session, "access", "package", partial(_files, session, collected, night), none)
    if not files:
        return
    said = "\n".join(text for name, text in files.items() if name.startswith("data/") and name.endswith(".json"))
    for marker in night.wanted:
        if marker in said:
            night.found += 1
        else:
            night.say("access", marker.partition(".")[2], "was planted and is not in the copy")
    if night.found < night.planted:
        night.say("access", "package", f"holds {night.found} of {night.planted} markers")
    if "access_history.csv" not in files:
        night.say("access", "access_history.csv", "says who looked, and is not in the copy")
    _check_portable(files, night)


def _files(session: Session, collected: collecting.Collected, night: _Night) -> dict[str, str]:
    own = sa.select(request.c.id).where(request.c.subject == night.subject)
    taken = requests.get(session, str(session.execute(own).scalar_one()))
    content = packing.content_of(session, collected, taken, night.ctx, parts=night.parts)
    with zipfile.ZipFile(io.BytesIO(package.build(content))) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist() if name.endswith((".json", ".csv"))}


def _check_portable(files: dict[str, str], night: _Night) -> None:
    """Check what can be taken elsewhere against the schema beside it, and that nothing of it was concluded by us."""
    schema = json.loads(files["portability/art20.schema.json"])
    made = json.loads(files["portability/art20.json"])
    for says in portable.wrong(made, schema):
        night.say("portability", "art20.json", says)
    if not made["records"]:
        night.say("portability", "art20.json", "holds nothing of somebody who is everywhere")
    origins = {(one["store"], one["id"], one["category"]): one["origin"] for one in _shown(files)}
    for one in made["records"]:
        if origins.get((one["store"], one["id"], one["category"])) not in ("provided", "observed"):
            night.say("portability", one["store"], f"{one['category']} was neither provided nor observed")


def _shown(files: dict[str, str]) -> Iterator[dict[str, Any]]:
    for name, text in files.items():
        if name.startswith("data/") and name.endswith(".json"):
            category = name.removeprefix("data/").removesuffix(".json")
            for one in json.loads(text):
                yield {**one, "category": category}


def _restrict(session: Session, night: _Night) -> None:
    """Restrict the person: every use that stops then is refused, one by one and in batches, and the others go on."""
    # The planted rows say all sorts of things; what is asked here is the restriction alone.
    restrict.release(session, night.subject, "selftest", night.ctx, request_id=None)
    restrict.restrict(session, night.subject, "selftest", None, night.ctx)
    for name, purpose in purposes.shipped().items():
        ask = partial(night.gate.allowed, session, night.subject, name)
        allowed = night.tried(session, "restriction", name, ask, not purpose.when_restricted)
        if allowed and not purpose.when_restricted:
            night.say("restriction", name, "goes on for somebody who is restricted")
        if purpose.when_restricted and not purpose.may_be_objected_to and not purpose.needs_consent and not allowed:
            night.say("restriction", name, "stops, and the law or the person asks for it")
        if not purpose.when_restricted and not purpose.needs_consent:
            nobody: frozenset[str] = frozenset()
            batch = night.tried(session, "restriction", name, partial(night.gate.refused, session, name), nobody)
            if night.subject not in batch:
                night.say("restriction", name, "goes on in batches for somebody who is restricted")


def _erase(session: Session, night: _Night) -> None:
    """Erase as any person is erased, then look by another way: what is left must stay by law."""
    planned = night.tried(
        session, "erasure", "plan", partial(planning.plan, session, night.subject, parts=night.parts), None
    )
    if planned is None:
        return
    sources = {source.name: source for source in night.parts.sources}
    kept: set[tuple[str, str, str]] = set()
    for name, targets in planned.targets.items():
        for target in targets:
            if target.action == "keep":
                kept.add((target.store, target.id, target.category))
                night.held.add(f"{target.store} ({target.category}) by {target.forced_by or target.retention}")
            elif target.key_class is not None:
                night.classes.add(target.key_class)
        goes = [target for target in targets if target.action in planning.GOES]
        night.tried(session, "erasure", name, partial(_gone, session, sources[name], goes, night), 0)
    if night.classes:
        keys = night.shreds.keys
        shredding.end_keys(night.subject, night.classes, WHY, night.ctx.at, keys=keys)
        with keys.db.read() as reader:
            for class_ in shredding.remaining(reader, night.subject, night.classes):
                night.say("erasure", f"key {class_}", "is still there")
    for name, targets in planned.targets.items():
        goes = [target for target in targets if target.action in planning.GOES]
        left = night.tried(session, "erasure", name, partial(sources[name].remaining, session, goes), 0)
        if left:
            night.left += left
            night.say("erasure", name, f"{left} rows can still be read")
    _look_again(session, night, kept)


def _gone(session: Session, source: PersonalDataSource, goes: Sequence[Target], night: _Night) -> int:
    rows = [target for target in goes if target.action != "shred"]
    return sum(source.erase(session, rows, night.ctx, only_of=night.subject).values()) if rows else 0


def _look_again(session: Session, night: _Night, kept: set[tuple[str, str, str]]) -> None:
    again = collecting.collect(session, night.parts.sources, night.subject)
    for record in again.records:
        if night.marker not in _words(record):
            continue
        is_held = (record.store, record.id, record.category) in kept
        if not is_held:
            night.left += 1
            night.say("erasure", record.store, f"a marker of {record.category} is still there, and no law keeps it")


def _words(record: Record) -> str:
    return json.dumps([record.data, record.around], default=str)


def _keep(session: Session, night: _Night) -> Run:
    ctx, id_ = night.ctx, night.ctx.new_id("slf")
    problems = night.problems[:KEPT_PROBLEMS]
    body: dict[str, Any] = {
        "night": ctx.at.date().isoformat(),
        "stores": night.stores,
        "planted": night.planted,
        "found": night.found,
        "left": night.left,
        "held": sorted(night.held),
        "problems": [[one.leg, one.place, one.says] for one in problems],
    }
    event = SelftestCompleted(
        selftest=id_,
        period=body["night"],
        findings=len(night.problems),
        sha256=digest(body),
        outcome=Outcome.FAILURE if night.problems else Outcome.SUCCESS,
    )
    event_id = outbox.record(session, event, ctx)
    session.execute(
        sa.insert(selftest_run).values(
            id=id_,
            subject=night.subject,
            started_at=ctx.at,
            ended_at=ctx.at,
            result=FAILED if night.problems else PASSED,
            event_id=event_id,
            **body,
        )
    )
    found = newest(session)
    assert found is not None, "it was written a moment ago"
    return found


def digest(row: Mapping[str, Any]) -> str:
    """Return the hash of what a night found, which its event holds."""
    return crypto.sha256(canonical.encode({name: row[name] for name in _HASHED})).hex()


def newest(session: Session) -> Run | None:
    """Return the newest run."""
    of = selftest_run.c
    row = session.execute(sa.select(selftest_run).order_by(of.ended_at.desc(), of.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return Run(
        id=row.id,
        night=row.night,
        started_at=row.started_at,
        ended_at=row.ended_at,
        stores=row.stores,
        planted=row.planted,
        found=row.found,
        left=row.left,
        held=row.held,
        problems=[Problem(leg=leg, place=place, says=says) for leg, place, says in row.problems],
        event_id=row.event_id,
    )
