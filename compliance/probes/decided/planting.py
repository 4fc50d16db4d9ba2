"""What is planted for each part of the probe: something that nobody decided, or that began and is nowhere.

An event that ended may vouch for any row of its instant, so some plants are of a day that is still to come: no event of
it can have ended. None takes a number, a name or a place that somebody else waits for.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from app.kernel import canonical
from app.kernel.clock import rfc3339
from compliance import models
from compliance.attest import exceptions
from compliance.attest.models import exception
from compliance.attest.parts import IN_FORCE
from compliance.contracts.probes import Look
from compliance.engine import sealed
from compliance.privacy import consent, selftest
from compliance.privacy.models import consent_receipt, consent_same, objection, request, request_step, restriction
from compliance.privacy.request import Kind, State
from compliance.probes.decided import begun
from compliance.probes.planted import PLANTED
from compliance.registers import breaches
from compliance.registers.models import breach, selftest_run
from compliance.retention import binding, holds, policies, runs
from compliance.retention.models import hold, policy, run
from compliance.reviews.campaigns import Decision
from compliance.reviews.models import line
from compliance.scans.models import scan
from compliance.scans.register import Kind as Scan
from ingest import models as log
from ingest.events.envelope import Event, render
from ingest.events.privacy import BreachAssessed, RequestReceived

Row: TypeAlias = dict[str, Any]  # the columns of a table
FAR: Final = 2**61
"""A number far from all that are given: nobody who takes the next one waits for it."""
_AHEAD: Final = timedelta(days=400)
_HASH: Final = "0" * 64


def _to_come(look: Look) -> datetime:
    return look.at + _AHEAD


def _put(look: Look, table: sa.Table, **values: Any) -> None:  # as `Row`
    look.session.execute(sa.insert(table).values(**values))


def _say(look: Look, number: int, event: Event) -> str:
    """Plant an event that waits for its number, with which a row is compared; returns its id."""
    id_ = look.ctx.new_id("evt")
    said = render(event, look.ctx, event_id=id_, origin="live", version="0", environment="fence").document
    values: Row = {"n": FAR + number, "id": id_, "kind": event.kind, "class": PLANTED, "at": look.at, "salt": b""}
    _put(look, log.outbox, **values, body=canonical.encode(said))
    return id_


def paper(look: Look) -> str:
    """Plant an exception that nobody agreed to."""
    id_ = look.ctx.new_id("exc")
    _put(
        look,
        exception,
        id=id_,
        framework="pci-4.0.1",
        key="8.4.1",
        kind=exceptions.Kind.ACCEPTED_RISK.value,
        why=PLANTED,
        proposed_by=PLANTED,
        from_at=look.at,
        until_at=look.at + timedelta(days=1),
        state=IN_FORCE,
    )
    return id_


def period(look: Look) -> str:
    """Plant a period that nobody agreed to, in force instead of the one of a class of which nothing is wrong."""
    wrong = binding.troubles(look.session)
    class_ = min(policies.in_force(look.session), key=lambda name: name in wrong)
    of = policy.c
    stands = sa.and_(of["class"] == class_, of.state == policies.IN_FORCE)
    look.session.execute(sa.update(policy).where(stands).values(state=policies.SUPERSEDED))
    values: Row = {"id": look.ctx.new_id("pol"), "class": class_, "version": 10**6, "keep": "P99Y", "ground": PLANTED}
    values |= {"reason": PLANTED, "hash": _HASH, "state": policies.IN_FORCE}
    _put(look, policy, **values, proposed_at=look.at, in_force_at=_to_come(look))
    return class_


def legal_hold(look: Look) -> str:
    """Plant a hold that nobody placed."""
    id_ = look.ctx.new_id("hld")
    values: Row = {"id": id_, "case": id_, "reason": PLANTED, "authority": PLANTED, "state": holds.ACTIVE}
    _put(look, hold, **values, review_on=look.at.date().isoformat(), placed_at=_to_come(look))
    return id_


def retention_run(look: Look) -> str:
    """Plant a run that was carried out, and that nobody approved."""
    id_ = look.ctx.new_id("ret")
    values: Row = {
        "id": id_,
        "class": PLANTED,
        "version": 1,
        "policy_hash": _HASH,
        "root": _HASH,
        "facts": {"asks": []},
    }
    values |= {"total": 1, "done": 1, "skipped": 0, "looked": 0, "state": runs.CERTIFIED}
    _put(look, run, **values, before=look.at, planned_at=look.at, approved_at=look.at)
    return id_


def request_(look: Look) -> frozenset[str]:
    """Plant a request that was closed, and to which nobody did anything, and others whose days are not as was said."""
    ids, day = [look.ctx.new_id("req") for _ in range(3)], look.at.date().isoformat()
    closed, received, due = ids
    ends = datetime.combine(look.at.date() + timedelta(days=1), time(), tzinfo=UTC)
    values: Row = {"kind": Kind.ACCESS.value, "subject": PLANTED, "channel": PLANTED, "received_at": look.at}
    values |= {"received_on": day, "due": day, "internal_due": day, "rules": 1, "paused_days": 0}
    values |= {"is_verified": True, "is_extended": False, "is_incomplete": False}
    _put(look, request, **values, id=closed, state=State.CLOSED.value, due_at=ends)
    _put(look, request, **values, id=received, state=State.IDENTITY.value, due_at=ends)
    _put(look, request, **values, id=due, state=State.IDENTITY.value, due_at=_to_come(look))
    said = RequestReceived(request=received, right=Kind.ACCESS.value, received_on=PLANTED, about=(PLANTED,))
    for id_, event_id in ((received, _say(look, 1, said)), (due, None)):
        step: Row = {"request_id": id_, "state": State.IDENTITY.value, "at": look.at, "role": PLANTED}
        _put(look, request_step, **step, event_id=event_id)
    return frozenset(ids)


def restriction_(look: Look) -> str:
    """Plant a restriction that nobody lifted."""
    id_ = look.ctx.new_id("rst")
    _put(look, restriction, id=id_, subject=PLANTED, ground=PLANTED, from_at=look.at, lifted_at=_to_come(look))
    return id_


def receipt(look: Look) -> str:
    """Plant a consent that nobody gave."""
    values: Row = {"n": FAR, "subject": PLANTED, "purpose": PLANTED, "version": 1, "language": "en", "sha256": _HASH}
    values |= {"action": consent.GIVEN, "channel": PLANTED, "event_id": look.ctx.new_id("evt")}
    _put(look, consent_receipt, **values, at=look.at)
    return f"{PLANTED} {PLANTED} {FAR}"


def wording(look: Look) -> str:
    """Plant two texts that nobody agreed to be the same."""
    before, now = "planted0", "planted1"
    values: Row = {"purpose": PLANTED, "before": before, "now": now, "approval_id": look.ctx.new_id("apr")}
    _put(look, consent_same, **values, at=_to_come(look))
    return f"{PLANTED} {before} {now}"


def objection_(look: Look) -> str:
    """Plant an objection that nobody decided."""
    id_ = look.ctx.new_id("obj")
    values: Row = {"id": id_, "subject": PLANTED, "purpose": PLANTED, "decision": "upheld"}
    _put(look, objection, **values, at=look.at, decided_at=_to_come(look))
    return id_


def breach_(look: Look) -> frozenset[str]:
    """Plant a breach that nobody decided to keep from the authority, and one that was assessed otherwise."""
    kept, assessed = look.ctx.new_id("brc"), look.ctx.new_id("brc")
    values: Row = {"title": PLANTED, "aware_at": look.at, "recorded_at": look.at, "due_at": look.at}
    values |= {"hours": breaches.HOURS, "categories": []}
    decided: Row = {"state": breaches.KEEP, "decision": breaches.KEEP, "decided_at": _to_come(look)}
    _put(look, breach, **values, **decided, id=kept)
    _put(look, breach, **values, state=breaches.ASSESSING, id=assessed)
    _say(look, 0, BreachAssessed(breach=assessed, due_at=rfc3339(look.at), high_risk=True, sha256=_HASH))
    return frozenset((kept, assessed))


def scan_(look: Look) -> str:
    """Plant a scan that nobody entered."""
    id_ = look.ctx.new_id("scn")
    values: Row = {
        "id": id_,
        "kind": Scan.INTERNAL.value,
        "performed_on": look.at.date().isoformat(),
        "scanner": PLANTED,
    }
    values |= {"authenticated": True, "components": ["web"], "passed": ["web"], "entered_by": PLANTED}
    _put(look, scan, **values, entered_at=_to_come(look), event_id=look.ctx.new_id("evt"))
    return id_


def review_line(look: Look) -> str:
    """Plant a grant that nobody let be kept."""
    id_ = look.ctx.new_id("rev")
    values: Row = {"review_id": id_, "source": PLANTED, "grant_ref": id_, "holder": PLANTED, "what": PLANTED}
    values |= {"since": look.at, "decision": Decision.KEEP.value, "decided_at": _to_come(look)}
    _put(look, line, **values)
    return f"{id_} {PLANTED} {id_}"


def night(look: Look) -> str:
    """Plant a night of the self-test that never was."""
    id_ = look.ctx.new_id("slf")
    values: Row = {
        "id": id_,
        "night": look.at.date().isoformat(),
        "subject": PLANTED,
        "event_id": look.ctx.new_id("evt"),
    }
    values |= {"stores": 1, "planted": 1, "found": 1, "left": 0, "held": [], "problems": []}
    values |= {"result": selftest.PASSED, "started_at": look.at, "ended_at": look.at}
    _put(look, selftest_run, **values)
    return id_


def beginnings(look: Look) -> frozenset[str]:
    """Plant the beginning of something of each kind that has no row."""
    event_ids = []
    for number, kind in enumerate(begun.RESTING_KINDS):
        event_ids.append(look.ctx.new_id("evt"))
        values: Row = {"sequence": FAR + number, "event_id": event_ids[-1], "kind": kind, "class": PLANTED}
        _put(look, log.entry, **values, at=look.at, ingested=look.at, commitment=b"")
    return frozenset(event_ids)


def interval(look: Look) -> str:
    """Plant that a control which does not exist passes, which no event says."""
    id_ = look.ctx.new_id("int")
    _put(look, models.interval, id=id_, framework=PLANTED, key=id_, state="PASS", from_at=_to_come(look))
    return f"{PLANTED} {id_}"


def reading(look: Look) -> str:
    """Plant a reading that was never sealed."""
    id_ = look.ctx.new_id("obs")
    row: Row = {"id": id_, "probe": PLANTED, "code_hash": _HASH, "build": PLANTED, "host": PLANTED, "state": "PASS"}
    row |= {"controls": [], "asked": {}, "population": {}, "violations": [], "lo": 0, "hi": 0, "total": 0}
    row |= {"started_at": look.at, "ended_at": look.at, "reason": None, "canary": None, "canary_at": None}
    _put(look, models.observation, **row, sha256=sealed.row_hash(row), event_id=look.ctx.new_id("evt"))
    return id_
