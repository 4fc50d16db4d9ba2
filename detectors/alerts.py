"""Alerts: episodes as rows. What a later run finds belongs to an alert when the evidence intervals overlap."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import SOC_ALERT_READ, SOC_ALERT_TRIAGE, Actor
from app.kernel.clock import from_micros
from app.kernel.context import Context
from app.kernel.db import change_one, insert_once
from app.kernel.errors import NotFound, WrongState
from detectors.detector import Finding
from detectors.models import alert, alert_event, alert_revision, version
from detectors.ports import FindingSink
from detectors.sigma.ast import Level, Rule
from detectors.sigma.correlate import SYNTHETIC, Seen
from detectors.sigma.reasons import sentence
from ingest.events.detection import (
    FindingClosed,
    FindingEvent,
    FindingMerged,
    FindingRaised,
    FindingReopened,
    FindingRevised,
)
from ingest.log import outbox

EVIDENCE_IN_EVENT_MAX: Final = 100
EVIDENCE_ROWS_MAX: Final = 10_000
"""Events an alert names one by one; those beyond are told by its group, interval, version and count."""
PAGE_MAX: Final = 500
REASON_MAX: Final = 500
# What no longer holds once a closed alert is open again; who closed it, and why, stays in the log.
_REOPENED: Final[Mapping[str, str | None]] = {
    "state": "open",
    "verdict": None,
    "verdict_reason": None,
    "closed_by": None,
    "closed_at": None,
    "closed_peak": None,
}


class AlertState(StrEnum):
    """Where an alert stands."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


class Verdict(StrEnum):
    """What a person found an alert to be."""

    TRUE_POSITIVE = "true_positive"
    FALSE_POSITIVE = "false_positive"
    BENIGN = "benign"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert as people read it."""

    id: str
    slug: str
    rule_title: str
    rule_version: str
    rule_number: int
    group: Mapping[str, str]
    entities: Mapping[str, Sequence[str]]
    first_at: datetime
    last_at: datetime
    found_at: datetime
    as_of_sequence: int
    events: int
    peak: int
    level: Level
    revision: int
    state: AlertState
    verdict: Verdict | None
    verdict_reason: str | None
    closed_by: str | None
    incident: str | None
    merged_into: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One event of an alert."""

    event_id: str
    sequence: int
    at: datetime
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One change of an alert by the detectors."""

    revision: int
    kind: str
    at: datetime
    hi: int
    added: int


def keep(
    session: Session, rule: Rule, version_id: str, finding: Finding, hi: int, ctx: Context, *, sink: FindingSink
) -> str | None:
    """Keep a finding: open, extend or merge alerts, record the event, tell the sink; returns the alert that changed.

    A finding that adds no evidence changes nothing, so that a slice read twice leaves no trace.
    """
    episode = finding.episode
    first, last = from_micros(episode.first_ms * 1000), from_micros(episode.last_ms * 1000)
    group_hash = _hash(finding.group)
    overlapping = session.execute(
        sa.select(alert)
        .where(
            alert.c.slug == rule.slug,
            alert.c.group_hash == group_hash,
            alert.c.state != AlertState.MERGED.value,
            alert.c.first_at <= last,
            alert.c.last_at >= first,
        )
        .order_by(alert.c.id)
        .with_for_update()
    ).all()
    if not overlapping:
        return _open(session, rule, version_id, finding, group_hash, hi, ctx, sink)
    survivor, *others = overlapping
    added = _merge(session, rule, survivor.id, others, ctx, hi)
    kept = _add_evidence(session, survivor.id, episode.evidence)
    # An alert with all the rows it may have goes on by interval and count: what is newer than it was not in it.
    newer = sum(seen.sequence > survivor.as_of_sequence for seen in episode.evidence)
    beyond = max(0, newer - kept) if _rows_of(session, survivor.id) >= EVIDENCE_ROWS_MAX else 0
    added += kept + beyond
    if not added and not others:
        return None
    return _revise(session, rule, survivor, others, finding, added, hi, ctx, sink)


def hold(session: Session, incident: str) -> None:
    """Lock the open alerts of an incident before it: so do the rules, which go from their alert to its incident."""
    query = sa.select(alert.c.id).where(alert.c.incident_ref == incident, alert.c.state == AlertState.OPEN.value)
    session.execute(query.order_by(alert.c.id).with_for_update())


def close(session: Session, alert_id: str, verdict: Verdict, reason: str, ctx: Context) -> None:
    """Close an alert with a verdict and a reason."""
    ctx.actor.require(SOC_ALERT_TRIAGE)
    why = words.reason(reason, longest=REASON_MAX)
    found = _row(session, alert_id)
    change_one(
        session,
        sa.update(alert)
        .where(alert.c.id == alert_id, alert.c.state == AlertState.OPEN.value)
        .values(
            state=AlertState.CLOSED.value,
            verdict=verdict.value,
            verdict_reason=why,
            closed_by=ctx.actor.id,
            closed_at=ctx.at,
            closed_peak=alert.c.peak,
        ),
        otherwise=WrongState("This alert is not open."),
    )
    ids = [item.event_id for item in evidence(session, alert_id, ctx.actor, limit=EVIDENCE_IN_EVENT_MAX)]
    event = FindingClosed(**_told(found, found._mapping, ids), verdict=verdict.value, reason=verdict.value)
    outbox.record(session, event, ctx)


def reopen(session: Session, alert_id: str, ctx: Context) -> None:
    """Open a closed alert again."""
    ctx.actor.require(SOC_ALERT_TRIAGE)
    found = _row(session, alert_id)
    change_one(
        session,
        sa.update(alert).where(alert.c.id == alert_id, alert.c.state == AlertState.CLOSED.value).values(_REOPENED),
        otherwise=WrongState("This alert is not closed."),
    )
    ids = [item.event_id for item in evidence(session, alert_id, ctx.actor, limit=EVIDENCE_IN_EVENT_MAX)]
    outbox.record(session, FindingReopened(**_told(found, found._mapping, ids), reason="person"), ctx)


def by_id(session: Session, alert_id: str, actor: Actor) -> Alert:
    """Return an alert; raises `NotFound`."""
    actor.require(SOC_ALERT_READ)
    return _alert(_row(session, alert_id))


def list_page(
    session: Session,
    actor: Actor,
    *,
    state: AlertState | None = AlertState.OPEN,
    slug: str | None = None,
    level: Level | None = None,
    incident: str | None = None,
    outside: Collection[str] = (),
    after: str | None = None,
    limit: int = 200,
) -> Sequence[Alert]:
    """Return alerts, newest first, after an id; merged ones only where they are asked for.

    `outside` names incidents whose alerts are left out: somebody works them there.
    """
    actor.require(SOC_ALERT_READ)
    query = _SELECT
    if state is not None:
        query = query.where(alert.c.state == state.value)
    else:
        query = query.where(alert.c.state != AlertState.MERGED.value)
    for column, value in ((alert.c.slug, slug), (alert.c.level, level), (alert.c.incident_ref, incident)):
        if value is not None:
            query = query.where(column == str(value))
    if after is not None:
        query = query.where(alert.c.id < after)
    query = query.where(*_outside(outside)).order_by(alert.c.id.desc())
    return [_alert(row) for row in session.execute(query.limit(min(limit, PAGE_MAX)))]


def count(
    session: Session,
    actor: Actor,
    *,
    state: AlertState = AlertState.OPEN,
    incident: str | None = None,
    outside: Collection[str] = (),
) -> int:
    """Count alerts in a state, of one incident, or those of some incidents left out."""
    actor.require(SOC_ALERT_READ)
    query = sa.select(sa.func.count()).select_from(alert).where(alert.c.state == state.value, *_outside(outside))
    if incident is not None:
        query = query.where(alert.c.incident_ref == incident)
    return session.execute(query).scalar_one()


def evidence(
    session: Session, alert_id: str, actor: Actor, *, limit: int = PAGE_MAX, after: int = 0
) -> Sequence[Evidence]:
    """Return the events of an alert in sequence, after a sequence."""
    actor.require(SOC_ALERT_READ)
    rows = session.execute(
        sa.select(alert_event)
        .where(alert_event.c.alert_id == alert_id, alert_event.c.sequence > after)
        .order_by(alert_event.c.sequence)
        .limit(min(limit, PAGE_MAX))
    )
    return [Evidence(event_id=row.event_id, sequence=row.sequence, at=row.at, role=row.role) for row in rows]


def revisions(session: Session, alert_id: str, actor: Actor) -> Sequence[Revision]:
    """Return how an alert grew, oldest first."""
    actor.require(SOC_ALERT_READ)
    rows = session.execute(
        sa.select(alert_revision)
        .where(alert_revision.c.alert_id == alert_id)
        .order_by(alert_revision.c.revision)
        .limit(PAGE_MAX)
    )
    return [Revision(revision=row.revision, kind=row.kind, at=row.at, hi=row.hi, added=row.added) for row in rows]


def of_event(session: Session, event_id: str, actor: Actor) -> Sequence[Alert]:
    """Return the alerts an event is evidence of."""
    actor.require(SOC_ALERT_READ)
    found = sa.select(alert_event.c.alert_id).where(alert_event.c.event_id == event_id)
    query = _SELECT.where(alert.c.id.in_(found), alert.c.state != AlertState.MERGED.value)
    return [_alert(row) for row in session.execute(query.order_by(alert.c.id).limit(PAGE_MAX))]


def _outside(incidents: Collection[str]) -> Sequence[sa.ColumnElement[bool]]:
    if not incidents:
        return ()
    return (sa.or_(alert.c.incident_ref.is_(None), alert.c.incident_ref.not_in(sorted(incidents))),)


def _open(
    session: Session,
    rule: Rule,
    version_id: str,
    finding: Finding,
    group_hash: str,
    hi: int,
    ctx: Context,
    sink: FindingSink,
) -> str:
    alert_id, episode = ctx.new_id("alr"), finding.episode
    synthetic = finding.group.get(SYNTHETIC)
    first, last = from_micros(episode.first_ms * 1000), from_micros(episode.last_ms * 1000)
    entities = {path: list(values) for path, values in finding.entities.items()}
    values = {
        "id": alert_id,
        "slug": rule.slug,
        "version_id": version_id,
        "group_hash": group_hash,
        "group": dict(finding.group),
        "entities": entities,
        "synthetic": synthetic,
        "first_at": first,
        "last_at": last,
        "as_of_sequence": hi,
        "events": len(episode.evidence),
        "peak": episode.peak,
        "level": rule.level.value,
        "revision": 1,
        "state": AlertState.OPEN.value,
        "found_at": ctx.at,
        "reason": sentence(
            rule,
            events=len(episode.evidence),
            first_at=first,
            last_at=last,
            peak=episode.peak,
            group=finding.group,
            entities=entities,
        ),
    }
    session.execute(sa.insert(alert).values(values))
    _add_evidence(session, alert_id, episode.evidence)
    _note_revision(session, alert_id, 1, "opened", len(episode.evidence), hi, ctx)
    ids = tuple(seen.event_id for seen in episode.evidence)
    event = FindingRaised(**_told(rule, values, ids))
    outbox.record(session, event, ctx)
    _tell(session, rule, event, finding, values, ctx, sink)
    return alert_id


def _revise(
    session: Session,
    rule: Rule,
    survivor: Any,  # a row of `alert`
    others: Sequence[Any],  # those that are merged into it
    finding: Finding,
    added: int,
    hi: int,
    ctx: Context,
    sink: FindingSink,
) -> str:
    total, first, last = session.execute(
        sa.select(sa.func.count(), sa.func.min(alert_event.c.at), sa.func.max(alert_event.c.at)).where(
            alert_event.c.alert_id == survivor.id
        )
    ).one()
    if total >= EVIDENCE_ROWS_MAX:
        episode = finding.episode
        total = max(total, survivor.events + added)
        first = min(first, survivor.first_at, from_micros(episode.first_ms * 1000))
        last = max(last, survivor.last_at, from_micros(episode.last_ms * 1000))
    entities = survivor.entities
    for named in (*(other.entities for other in others), finding.entities):
        entities = _united(entities, named)
    peak = max(survivor.peak, finding.episode.peak, *(other.peak for other in others))
    # A verdict holds for what its person saw: not for twice as much, nor for an alert that nobody judged yet.
    is_unjudged = any(other.state == AlertState.OPEN.value for other in others)
    has_grown = peak >= 2 * max(1, survivor.closed_peak or 0)
    reopens = survivor.state == AlertState.CLOSED.value and (has_grown or is_unjudged)
    values = {
        "first_at": first,
        "last_at": last,
        "events": total,
        "peak": peak,
        "entities": entities,
        "as_of_sequence": hi,
        "revision": survivor.revision + 1,
        "reason": sentence(
            rule,
            events=total,
            first_at=first,
            last_at=last,
            peak=peak,
            group=survivor.group,
            entities=entities,
        ),
    }
    if reopens:
        values |= _REOPENED
    session.execute(sa.update(alert).where(alert.c.id == survivor.id).values(values))
    kind = "reopened" if reopens else "merged" if others else "extended"
    _note_revision(session, survivor.id, survivor.revision + 1, kind, added, hi, ctx)
    ids = tuple(seen.event_id for seen in finding.episode.evidence)
    event = FindingRevised(**_told(rule, {**survivor._mapping, **values}, ids))
    outbox.record(session, event, ctx)
    if reopens:
        why = "grew" if has_grown else "merged"
        outbox.record(session, FindingReopened(**_told(rule, {**survivor._mapping, **values}, ids), reason=why), ctx)
    _tell(session, rule, event, finding, {**survivor._mapping, **values}, ctx, sink)
    return str(survivor.id)


def _merge(session: Session, rule: Rule, survivor: str, others: Sequence[Any], ctx: Context, hi: int) -> int:
    """Move the evidence of younger alerts to the oldest; they stay readable and name it."""
    moved = 0
    for other in others:
        rows = session.execute(sa.select(alert_event).where(alert_event.c.alert_id == other.id)).all()
        moved += _insert_evidence(session, survivor, [{**row._mapping, "alert_id": survivor} for row in rows])
        session.execute(sa.delete(alert_event).where(alert_event.c.alert_id == other.id))
        session.execute(
            sa.update(alert)
            .where(alert.c.id == other.id)
            .values(state=AlertState.MERGED.value, merged_into=survivor, revision=other.revision + 1, closed_at=ctx.at)
        )
        _note_revision(session, other.id, other.revision + 1, "merged", 0, hi, ctx)
        ids = tuple(row.event_id for row in rows)
        outbox.record(session, FindingMerged(**_told(rule, other._mapping, ids), into=survivor), ctx)
    return moved


def _add_evidence(session: Session, alert_id: str, seen: Sequence[Seen]) -> int:
    rows = [
        {
            "alert_id": alert_id,
            "event_id": item.event_id,
            "sequence": item.sequence,
            "at": from_micros(item.at_ms * 1000),
            "role": item.role,
        }
        for item in seen
    ]
    return _insert_evidence(session, alert_id, rows)


def _insert_evidence(session: Session, alert_id: str, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert evidence up to the rows an alert may have, in slices, and return how much was new."""
    room = EVIDENCE_ROWS_MAX - _rows_of(session, alert_id)
    if len(rows) > room:
        known = set(session.scalars(sa.select(alert_event.c.event_id).where(alert_event.c.alert_id == alert_id)))
        rows = [row for row in rows if row["event_id"] not in known][:room]
    return sum(insert_once(session, alert_event, *rows[place : place + 200]) for place in range(0, len(rows), 200))


def _rows_of(session: Session, alert_id: str) -> int:
    counted = sa.select(sa.func.count()).select_from(alert_event).where(alert_event.c.alert_id == alert_id)
    return session.execute(counted).scalar_one()


def _note_revision(
    session: Session, alert_id: str, revision: int, kind: str, added: int, hi: int, ctx: Context
) -> None:
    session.execute(
        sa.insert(alert_revision).values(alert_id=alert_id, revision=revision, kind=kind, at=ctx.at, hi=hi, added=added)
    )


def _tell(
    session: Session,
    rule: Rule,
    event: FindingEvent,
    finding: Finding,
    values: Mapping[str, Any],  # of the alert's row
    ctx: Context,
    sink: FindingSink,
) -> None:
    keys = [(path, finding.entities[path][0]) for path in rule.incident.fields if finding.entities.get(path)]
    incident = sink(
        session,
        event,
        ctx,
        kind=rule.incident.kind,
        keys=keys,
        join_within=rule.incident.join_within,
        playbook=rule.playbook,
        title=rule.title,
        reason=values["reason"],
        entities=finding.entities,
        synthetic=values["synthetic"],
    )
    if incident is not None:
        session.execute(sa.update(alert).where(alert.c.id == event.finding).values(incident_ref=incident))


def _row(session: Session, alert_id: str) -> Any:  # a row of `_SELECT`
    row = session.execute(_SELECT.where(alert.c.id == alert_id)).one_or_none()
    if row is None:
        raise NotFound
    return row


def _told(rule: Rule | Any, values: Mapping[str, Any], evidence_ids: Sequence[str]) -> dict[str, Any]:
    """Return what every event of a finding says; `rule`, or a row of `_SELECT`, names the rule and its version."""
    subjects = tuple(values["entities"].get("user.id", ()))
    return {
        "about": subjects[:20],
        "finding": values["id"],
        "revision": values["revision"],
        "entity": _entity(values["group"]),
        "severity": values["level"],
        "count": values["events"],
        "first_at": values["first_at"],
        "last_at": values["last_at"],
        "evidence": tuple(evidence_ids[:EVIDENCE_IN_EVENT_MAX]),
        "rule": rule.slug,
        "rule_version": rule.content_hash,
        "rule_name": rule.title,
        "techniques": tuple(rule.techniques),
    }


def _entity(group: Mapping[str, str]) -> str:
    return "|".join(f"{path}={value}" for path, value in sorted(group.items()))


def _united(old: Mapping[str, Sequence[str]], new: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {path: list(dict.fromkeys([*old.get(path, ()), *new.get(path, ())]))[:100] for path in {**old, **new}}


def _hash(group: Mapping[str, str]) -> str:
    return crypto.sha256(canonical.encode(dict(group))).hex()[:32]


_SELECT: Final = sa.select(
    alert, version.c.title, version.c.techniques, version.c.content_hash, version.c.number
).join_from(alert, version, version.c.id == alert.c.version_id)


def _alert(row: Any) -> Alert:  # a row of `_SELECT`
    return Alert(
        id=row.id,
        slug=row.slug,
        rule_title=row.title,
        rule_version=row.content_hash,
        rule_number=row.number,
        group=row.group,
        entities=row.entities,
        first_at=row.first_at,
        last_at=row.last_at,
        found_at=row.found_at,
        as_of_sequence=row.as_of_sequence,
        events=row.events,
        peak=row.peak,
        level=Level(row.level),
        revision=row.revision,
        state=AlertState(row.state),
        verdict=Verdict(row.verdict) if row.verdict else None,
        verdict_reason=row.verdict_reason,
        closed_by=row.closed_by,
        incident=row.incident_ref,
        merged_into=row.merged_into,
        reason=row.reason,
    )
