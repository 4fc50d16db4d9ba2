"""From finding to incident: one open incident a key, in the transaction that keeps the finding (response.md 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.db import insert_once
from ingest.events.detection import FindingEvent
from ingest.events.incident import CaseChanged, CaseOpened
from ingest.log import outbox
from playbooks import cases, clocks, timeline
from playbooks.cases import Incident, State
from playbooks.engine import executions
from playbooks.entities import ENTITIES_MAX, Entity, entities_of, entity_of, key_of
from playbooks.models import incident, incident_alert, incident_entity, join_key, numbering
from playbooks.parts import Parts
from playbooks.timeline import Code

DRILL: Final = "drill"
EVIDENCE_MAX: Final = 1_000
_TRIES_MAX: Final = 5


def accept(
    session: Session,
    finding: FindingEvent,
    ctx: Context,
    *,
    kind: str,
    keys: Sequence[tuple[str, str]],
    join_within: timedelta,
    playbook: str,
    title: str,
    reason: str,
    entities: Mapping[str, Sequence[str]],
    synthetic: str | None,
    parts: Parts,
) -> str | None:
    """Open an incident for a finding, let it join one, or update the one it is linked to; returns the incident's id.

    A finding without a key joins nothing and returns None. An ended incident is never joined: a new one opens and names
    it. The playbook of the finding that opens starts in the same transaction; a later, more severe one is proposed.
    """
    named = entities_of(entities)
    keyed = [entity_of(path, value) for path, value in keys]
    if not keyed:
        return None
    key = key_of(DRILL if synthetic else kind, synthetic, keyed)
    linked = _linked(session, finding)
    if linked is not None and (linked.is_open or not _is_news(linked, finding)):
        updated = _update(session, linked, finding, named, ctx, parts)
        return _say(session, updated, finding, title, reason).id
    follows = linked.id if linked is not None else None
    for _ in range(_TRIES_MAX):
        holder = _holder(session, key, parts, finding, join_within)
        if holder is not None:
            joined = _join(session, holder, key, finding, named, playbook, ctx, parts)
            return _say(session, joined, finding, title, reason).id
        opened = _open(
            session,
            finding,
            ctx,
            kind=DRILL if synthetic else kind,
            key=key,
            keyed=keyed,
            named=named,
            playbook=playbook,
            title=title,
            reason=reason,
            synthetic=synthetic,
            follows=follows,
            parts=parts,
        )
        if opened is not None:
            return opened.id
    raise AssertionError("a key that is held and free in turn five times is held by a defect")


def _linked(session: Session, finding: FindingEvent) -> Incident | None:
    """Return the newest incident this alert belongs to, under its lock."""
    query = (
        sa.select(incident_alert.c.incident_id)
        .where(incident_alert.c.alert_id == finding.finding)
        .order_by(incident_alert.c.incident_id.desc())
        .limit(1)
    )
    incident_id = session.scalar(query)
    return None if incident_id is None else cases.locked(session, incident_id)


def _is_news(ended: Incident, finding: FindingEvent) -> bool:
    """Tell whether a finding of an ended incident saw something after its end; late evidence of before is none."""
    return ended.ended_at is not None and finding.last_at > ended.ended_at


def _holder(session: Session, key: str, parts: Parts, finding: FindingEvent, join_within: timedelta) -> Incident | None:
    """Return the open incident that holds a key and is near enough in time, under its lock.

    One that is too far away, or full, lets go of the key here, so that a new incident can take it.
    """
    row = session.execute(sa.select(join_key).where(join_key.c.key == key, join_key.c.is_open)).one_or_none()
    if row is None:
        return None
    found = cases.locked(session, row.incident_id)
    # Read again under the lock: it may have ended, or grown, while we waited.
    row = session.execute(
        sa.select(join_key).where(join_key.c.incident_id == found.id, join_key.c.key == key, join_key.c.is_open)
    ).one_or_none()
    if row is None:
        return None
    is_near = finding.first_at <= row.last_at + join_within and finding.last_at >= row.first_at - join_within
    alerts = session.scalar(
        sa.select(sa.func.count()).select_from(incident_alert).where(incident_alert.c.incident_id == found.id)
    )
    if is_near and (alerts or 0) < parts.settings.join_max_alerts:
        return found
    release_keys(session, found.id)
    return None


def release_keys(session: Session, incident_id: str) -> None:
    """Let go of the keys of an incident: what comes now opens another."""
    session.execute(sa.update(join_key).where(join_key.c.incident_id == incident_id).values(is_open=False))


def retake_keys(session: Session, incident_id: str) -> None:
    """Take the keys of a reopened incident again, unless a newer incident holds them."""
    held = sa.select(join_key.c.key).where(join_key.c.is_open)
    session.execute(
        sa.update(join_key)
        .where(join_key.c.incident_id == incident_id, join_key.c.key.not_in(held))
        .values(is_open=True)
    )


def void_closing(session: Session, case: Incident, why: str, ctx: Context) -> Incident:
    """Take back that somebody proposed to close an incident: the second person decides on what the first one saw."""
    if case.close_proposed_by is None:
        return case
    disposition = case.disposition
    # A new version, unlike what only grows: a click on the proposal that was is stale.
    case = cases.change(session, case, close_proposed_by=None, disposition=None)
    event = CaseChanged(**cases.told(session, case), reason="close_voided")
    event_id = outbox.record(session, event, ctx)
    timeline.add(session, case.id, Code.CLOSE_VOIDED, ctx, event_id=event_id, disposition=disposition, why=why)
    return case


def _open(
    session: Session,
    finding: FindingEvent,
    ctx: Context,
    *,
    kind: str,
    key: str,
    keyed: Sequence[Entity],
    named: Sequence[Entity],
    playbook: str,
    title: str,
    reason: str,
    synthetic: str | None,
    follows: str | None,
    parts: Parts,
) -> Incident | None:
    """Insert an incident and its key together; returns None where another worker was first with the key."""
    incident_id = ctx.new_id("inc")
    held = {
        "incident_id": incident_id,
        "key": key,
        "is_open": True,
        "first_at": finding.first_at,
        "last_at": finding.last_at,
    }
    if not insert_once(session, join_key, held):
        return None
    severity = _severity(finding)
    row = session.execute(
        sa.insert(incident)
        .values(
            id=incident_id,
            number=_next_number(session),
            title=title,
            reason=reason,
            kind=kind,
            severity=severity,
            state=State.NEW.value,
            synthetic=synthetic,
            playbook=playbook if playbook in parts.library else None,
            first_event_at=finding.first_at,
            last_event_at=finding.last_at,
            found_at=ctx.at,
            follows=follows or _ended_before(session, key, incident_id),
            version=1,
        )
        .returning(*incident.c)
    ).one()
    case = cases.of(row)
    _link(session, case, finding, ctx)
    _name(session, case, named, keyed=keyed)
    event = CaseOpened(**cases.told(session, case), finding=finding.finding, reason="finding")
    event_id = outbox.record(session, event, ctx)
    timeline.add(
        session,
        case.id,
        Code.CASE_OPENED,
        ctx,
        at=finding.first_at,
        event_id=event_id,
        severity=severity,
        title=title,
        follows=case.follows,
        alert=finding.finding,
    )
    clocks.start(
        session,
        case,
        clocks.ACKNOWLEDGE,
        ctx,
        started_at=ctx.at,
        due_at=parts.clock_rules.acknowledge_due(severity, ctx.at),
        rules_version=parts.clock_rules.version,
    )
    executions.start(session, case, playbook, ctx, parts=parts)
    return case


def _join(
    session: Session,
    case: Incident,
    key: str,
    finding: FindingEvent,
    named: Sequence[Entity],
    playbook: str,
    ctx: Context,
    parts: Parts,
) -> Incident:
    _link(session, case, finding, ctx)
    _name(session, case, named, again=True)
    _stretch(session, case, finding)
    rises = _severity(finding) < case.severity
    case = _grown(session, case, finding, ctx, parts)
    if rises and playbook != case.playbook:
        case = _kept(session, case, proposed_playbook=playbook)
        timeline.add(session, case.id, Code.PLAYBOOK_PROPOSED, ctx, playbook=playbook)
    event = CaseChanged(**cases.told(session, case), finding=finding.finding, reason="joined")
    event_id = outbox.record(session, event, ctx)
    _tell_alert(session, case, Code.ALERT_JOINED, finding, event_id, ctx)
    return void_closing(session, case, "an alert joined since.", ctx)


def _update(
    session: Session,
    case: Incident,
    finding: FindingEvent,
    named: Sequence[Entity],
    ctx: Context,
    parts: Parts,
) -> Incident:
    _link(session, case, finding, ctx)
    _name(session, case, named)
    if case.is_open:
        _stretch(session, case, finding)
        case = _grown(session, case, finding, ctx, parts)
    event = CaseChanged(**cases.told(session, case), finding=finding.finding, reason="revised")
    event_id = outbox.record(session, event, ctx)
    _tell_alert(session, case, Code.ALERT_REVISED, finding, event_id, ctx)
    return case


def _grown(session: Session, case: Incident, finding: FindingEvent, ctx: Context, parts: Parts) -> Incident:
    """Let an incident reach from the first to the last event of its alerts, and be as severe as the worst of them.

    Its version stays: what a person decided about it has not changed, so their next click is not stale.
    """
    before, after = case.severity, min(case.severity, _severity(finding))
    case = _kept(
        session,
        case,
        first_event_at=min(case.first_event_at, finding.first_at),
        last_event_at=max(case.last_event_at, finding.last_at),
        severity=after,
    )
    if after < before:
        event = CaseChanged(**cases.told(session, case), finding=finding.finding, reason="severity")
        event_id = outbox.record(session, event, ctx)
        timeline.add(session, case.id, Code.SEVERITY_RAISED, ctx, event_id=event_id, before=before, after=after)
        clocks.shorten(session, case, clocks.ACKNOWLEDGE, parts.clock_rules.acknowledge_due(after, case.found_at), ctx)
        case = void_closing(session, case, "its severity rose since.", ctx)
    return case


def _kept(session: Session, case: Incident, **values: Any) -> Incident:
    """Write what alerts say of an incident; its version stays, for nobody's decision changed."""
    done = sa.update(incident).where(incident.c.id == case.id).values(values)
    return cases.of(session.execute(done.returning(*incident.c)).one())


def _say(session: Session, case: Incident, finding: FindingEvent, title: str, reason: str) -> Incident:
    """Let an open incident be called what its gravest alert says now, the first one among equals.

    Its version stays, as when it grows.
    """
    leads = session.scalar(
        sa.select(incident_alert.c.alert_id)
        .where(incident_alert.c.incident_id == case.id)
        .order_by(incident_alert.c.severity, incident_alert.c.linked_at, incident_alert.c.alert_id)
        .limit(1)
    )
    if not case.is_open or leads != finding.finding:
        return case
    return _kept(session, case, title=title, reason=reason)


def _link(session: Session, case: Incident, finding: FindingEvent, ctx: Context) -> None:
    where = (incident_alert.c.incident_id == case.id) & (incident_alert.c.alert_id == finding.finding)
    known = session.scalar(sa.select(incident_alert.c.evidence).where(where)) or []
    values = {
        "severity": _severity(finding),
        "revision": finding.revision,
        "events": finding.count,
        "first_at": finding.first_at,
        "last_at": finding.last_at,
        "evidence": list(dict.fromkeys([*known, *finding.evidence]))[:EVIDENCE_MAX],
    }
    row = {
        **values,
        "incident_id": case.id,
        "alert_id": finding.finding,
        "rule": finding.rule,
        "rule_version": finding.rule_version,
        "linked_at": ctx.at,
    }
    if not insert_once(session, incident_alert, row):
        session.execute(sa.update(incident_alert).where(where).values(values))


def _name(
    session: Session, case: Incident, named: Sequence[Entity], *, keyed: Sequence[Entity] = (), again: bool = False
) -> None:
    """Keep what an incident is about; what another alert names again weighs more."""
    rows = session.execute(
        sa.select(incident_entity.c.kind, incident_entity.c.value).where(incident_entity.c.incident_id == case.id)
    )
    known = {Entity(row.kind, row.value) for row in rows}
    new = [one for one in dict.fromkeys((*keyed, *named)) if one not in known][: ENTITIES_MAX - len(known)]
    if new:
        session.execute(
            sa.insert(incident_entity),
            [
                {"incident_id": case.id, "kind": one.kind, "value": one.value, "weight": 1, "is_key": one in keyed}
                for one in new
            ],
        )
    for kind in {one.kind for one in named} if again else ():
        values = [one.value for one in named if one.kind == kind and one in known]
        session.execute(
            sa.update(incident_entity)
            .where(
                incident_entity.c.incident_id == case.id,
                incident_entity.c.kind == kind,
                incident_entity.c.value.in_(values),
            )
            .values(weight=incident_entity.c.weight + 1)
        )


def _stretch(session: Session, case: Incident, finding: FindingEvent) -> None:
    """Move the ends of what the keys of an incident hold together."""
    for row in session.execute(sa.select(join_key).where(join_key.c.incident_id == case.id)).all():
        session.execute(
            sa.update(join_key)
            .where(join_key.c.incident_id == case.id, join_key.c.key == row.key)
            .values(first_at=min(row.first_at, finding.first_at), last_at=max(row.last_at, finding.last_at))
        )


def _ended_before(session: Session, key: str, incident_id: str) -> str | None:
    """Return the newest incident that had this key before."""
    query = (
        sa.select(join_key.c.incident_id)
        .where(join_key.c.key == key, join_key.c.incident_id != incident_id)
        .order_by(join_key.c.incident_id.desc())
        .limit(1)
    )
    return session.scalar(query)


def _next_number(session: Session) -> int:
    taken = sa.update(numbering).values(last=numbering.c.last + 1).returning(numbering.c.last)
    return int(session.execute(taken).scalar_one())


def _tell_alert(
    session: Session, case: Incident, code: Code, finding: FindingEvent, event_id: str, ctx: Context
) -> None:
    timeline.add(
        session,
        case.id,
        code,
        ctx,
        at=finding.last_at,
        ref=finding.finding,
        event_id=event_id,
        rule=finding.rule,
        events=finding.count,
        severity=_severity(finding),
    )


def _severity(finding: FindingEvent) -> int:
    return cases.SEVERITY_OF_LEVEL.get(finding.severity, cases.LOW)
