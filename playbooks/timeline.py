"""The timeline of an incident: append-only, written by what happens, read as sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import Actor, ActorKind
from app.kernel.clock import parse_rfc3339
from app.kernel.context import Context
from ingest.models import entry as log_entry
from playbooks.models import comment, timeline
from playbooks.registry import REGISTRY

PAGE_MAX: Final = 500


class Code(StrEnum):
    """Everything a timeline can say."""

    CASE_OPENED = "case.opened"
    ALERT_JOINED = "alert.joined"
    ALERT_REVISED = "alert.revised"
    SEVERITY_RAISED = "severity.raised"
    SEVERITY_LOWERED = "severity.lowered"
    CASE_TAKEN = "case.taken"
    CASE_HANDED_OVER = "case.handed_over"
    CASE_ADVANCED = "case.advanced"
    CLOSE_PROPOSED = "close.proposed"
    CLOSE_VOIDED = "close.voided"
    CASE_CLOSED = "case.closed"
    CASE_REOPENED = "case.reopened"
    FACT_WRITTEN = "fact.written"
    NOTE_ADDED = "note.added"
    PLAYBOOK_STARTED = "playbook.started"
    PLAYBOOK_PROPOSED = "playbook.proposed"
    PLAYBOOK_MISSING = "playbook.missing"
    PLAYBOOK_ENDED = "playbook.ended"
    PLAYBOOK_STOPPED = "playbook.stopped"
    STEP_COMPLETED = "step.completed"
    STEP_FAILED = "step.failed"
    STEP_BRANCHED = "step.branched"
    EVIDENCE_NAMED = "evidence.named"
    TASK_OPENED = "task.opened"
    TASK_CHECKED = "task.checked"
    TASK_DONE = "task.done"
    TASK_SKIPPED = "task.skipped"
    ACTION_PROPOSED = "action.proposed"
    ACTION_EXECUTED = "action.executed"
    ACTION_RECORDED = "action.recorded"
    ACTION_REFUSED = "action.refused"
    ACTION_UNDONE = "action.undone"
    ACTION_KEPT = "action.kept"
    ACTION_EXPIRED = "action.expired"
    ACTION_PROLONGED = "action.prolonged"
    CLOCK_STARTED = "clock.started"
    CLOCK_MOVED = "clock.moved"
    CLOCK_WARNED = "clock.warned"
    CLOCK_BREACHED = "clock.breached"
    CLOCK_MET = "clock.met"


# One sentence a code; who acted stands beside it, people's own words below it.
_SENTENCES: Final[Mapping[Code, str]] = {
    Code.CASE_OPENED: "Opened at severity {severity}: {title}.",
    Code.ALERT_JOINED: "Alert joined: {rule}; events: {events}.",
    Code.ALERT_REVISED: "Alert grew: {rule}; events: {events}.",
    Code.SEVERITY_RAISED: "Severity rose from {before} to {after}.",
    Code.SEVERITY_LOWERED: "Severity lowered from {before} to {after}.",
    Code.CASE_TAKEN: "Taken by {owner}.",
    Code.CASE_HANDED_OVER: "Handed over from {before} to {after}.",
    Code.CASE_ADVANCED: "Moved from {before} to {after}.",
    Code.CLOSE_PROPOSED: "Closing as {disposition} proposed; a second person decides.",
    Code.CLOSE_VOIDED: "Closing as {disposition} is no longer proposed: {why}",
    Code.CASE_CLOSED: "Closed as {disposition}.",
    Code.CASE_REOPENED: "Reopened from {before}.",
    Code.FACT_WRITTEN: "Written down: {fact}.",
    Code.NOTE_ADDED: "Note.",
    Code.PLAYBOOK_STARTED: "Playbook {playbook} started, version {number}.",
    Code.PLAYBOOK_PROPOSED: "A more severe alert names the playbook {playbook}; it can be started by hand.",
    Code.PLAYBOOK_MISSING: "The playbook {playbook} does not stand here; the owner works without one.",
    Code.PLAYBOOK_ENDED: "Playbook {playbook} came to its end.",
    Code.PLAYBOOK_STOPPED: "Playbook {playbook} was stopped.",
    Code.STEP_COMPLETED: "Playbook step done: {what}.",
    Code.STEP_FAILED: "Playbook step failed: {what}. {why}",
    Code.STEP_BRANCHED: "{asks} {outcome}. {because}",
    Code.EVIDENCE_NAMED: "Evidence as of sequence {sequence}, {first} to {last}; alerts: {alerts}, events: {events}.",
    Code.TASK_OPENED: "Task for {role}, due {due}: {text}",
    Code.TASK_CHECKED: "Task answered, a second person confirms: {text}",
    Code.TASK_DONE: "Task done: {text} {result}",
    Code.TASK_SKIPPED: "Task left out: {text}",
    Code.ACTION_PROPOSED: "{action}, {target}: proposed. {why}",
    Code.ACTION_EXECUTED: "{action}, {target}: done.",
    Code.ACTION_RECORDED: "{action}, {target}: recorded for the drill; nothing was changed.",
    Code.ACTION_REFUSED: "{action}, {target}: refused. {why}",
    Code.ACTION_UNDONE: "{action}, {target}: undone.",
    Code.ACTION_KEPT: "{action}, {target}: not undone. {why}",
    Code.ACTION_EXPIRED: "{action}, {target}: ended. {why}",
    Code.ACTION_PROLONGED: "{action}, {target}: prolonged until {until}.",
    Code.CLOCK_STARTED: "Clock {clock} runs until {due}.",
    Code.CLOCK_MOVED: "Clock {clock} now runs until {due}.",
    Code.CLOCK_WARNED: "Clock {clock}: {percent} % of its time is gone, due {due}.",
    Code.CLOCK_BREACHED: "Clock {clock} is over: it was due {due}.",
    Code.CLOCK_MET: "Clock {clock} met, {how}.",
}


# Entries written before a sentence asked for a fact hold it under another name, and are never rewritten.
_OLDER: Final[Mapping[Code, Callable[[Mapping[str, Any]], Mapping[str, Any]]]] = {
    Code.STEP_COMPLETED: lambda params: {"what": params.get("action", "")},
    Code.STEP_FAILED: lambda params: {"what": params.get("step", "")},
    Code.STEP_BRANCHED: lambda params: {"asks": f"{params.get('condition', '')}:"},
}
_TIMES: Final = frozenset(("due", "first", "last", "until"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened: when, when it was recorded, who in which role, and where the log has its event."""

    n: int
    incident_id: str
    code: Code
    at: datetime
    recorded_at: datetime
    actor: str | None
    role: str
    ref: str | None
    event_id: str | None
    sequence: int | None
    params: Mapping[str, Any]
    text: str | None


def add(
    session: Session,
    incident_id: str,
    code: Code,
    ctx: Context,
    *,
    at: datetime | None = None,
    ref: str | None = None,
    event_id: str | None = None,
    **params: Any,
) -> None:
    """Append an entry; `at` is when it happened where that was before now, `params` are facts and never free prose."""
    session.execute(
        sa.insert(timeline).values(
            incident_id=incident_id,
            code=code.value,
            at=at or ctx.at,
            recorded_at=ctx.at,
            actor=ctx.actor.id,
            role=role_of(ctx.actor),
            ref=ref,
            event_id=event_id,
            params=params,
        )
    )


def page(
    session: Session, incident_id: str, *, after: int | None = None, limit: int = 200, oldest_first: bool = True
) -> Sequence[Entry]:
    """Return entries in the order they were recorded, after an entry, with people's words where one names them."""
    query = (
        sa.select(timeline, comment.c.text, log_entry.c.sequence)
        .join_from(timeline, comment, comment.c.id == timeline.c.ref, isouter=True)
        .join(log_entry, log_entry.c.event_id == timeline.c.event_id, isouter=True)
        .where(timeline.c.incident_id == incident_id)
        .order_by(timeline.c.n if oldest_first else timeline.c.n.desc())
        .limit(min(limit, PAGE_MAX))
    )
    if after is not None:
        query = query.where(timeline.c.n > after if oldest_first else timeline.c.n < after)
    return [
        Entry(
            n=row.n,
            incident_id=row.incident_id,
            code=Code(row.code),
            at=row.at,
            recorded_at=row.recorded_at,
            actor=row.actor,
            role=row.role,
            ref=row.ref,
            event_id=row.event_id,
            sequence=row.sequence,
            params=row.params,
            text=row.text,
        )
        for row in session.execute(query)
    ]


def sentence(entry: Entry) -> str:
    """Return what an entry says, from its code and its facts alone."""
    facts = {**_older(entry), **entry.params}
    return _SENTENCES[entry.code].format_map({name: _said(name, value) for name, value in facts.items()}).strip()


def _older(entry: Entry) -> Mapping[str, Any]:
    found = _OLDER.get(entry.code)
    return {} if found is None else found(entry.params)


def _said(name: str, value: Any) -> str:
    if name in _TIMES:
        return f"{parse_rfc3339(value):%Y-%m-%d %H:%M} UTC"
    if name in ("action", "what") and value in REGISTRY:
        return REGISTRY[value].title
    return ", ".join(value) if isinstance(value, list) else str(value)


def role_of(actor: Actor) -> str:
    """Return in which role somebody acts: the roles of a person, the name of one of our own processes."""
    if actor.kind is ActorKind.SERVICE and actor.id is not None:
        return actor.id.removeprefix("svc_")
    return ", ".join(sorted(actor.roles)) or actor.kind.value
