"""Whether the process may take traffic, and how far each consumer is behind."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from app.compose import System
from app.identity import letters
from app.kernel.clock import rfc3339
from app.kernel.errors import OnePayError
from app.migrations import run
from dashboards.ports import Part
from ingest.log import archive, checkpoint, pressure, read, rounds, witness
from ingest.log.pressure import Limits, State

LIMITS: Final = Limits()
DISK_FREE_MIN: Final = 512 * 2**20
_PRESSURE: Final = {
    State.OK.value: "state {state}",
    State.DEGRADED.value: "behind, so imports wait",
    State.INCIDENT.value: "far behind",
    State.FULL.value: "full, so nothing is taken: {disk_free_percent} % of the disk is free",
}


def ready(system: System) -> dict[str, str]:
    """Return what keeps this process from taking traffic, by part; empty when nothing does.

    It does not depend on the event store: a lost store must not stop payments (OPS-35).
    """
    problems: dict[str, str] = {}
    if system.is_draining:
        problems["draining"] = "the process is stopping: it answers what has begun, and takes nothing new"
    try:
        with system.db.read() as session:
            head = read.head(session)
        if head.state != "ok":
            problems["log"] = head.state
    except OnePayError as error:
        problems["database"] = str(error)
    for name, db in (("main", system.db), ("keys", system.keys_db)):
        try:
            with db.read() as session:
                run.check_on(session.connection(), name)
        except (OnePayError, sa.exc.SQLAlchemyError) as error:
            problems[f"schema {name}"] = type(error).__name__
    if shutil.disk_usage(system.settings.home).free < DISK_FREE_MIN:
        problems["disk"] = "less than 512 MB free"
    return problems


def lag(system: System) -> dict[str, Any]:
    """Return how far each part is behind, with a limit and whether it is kept."""
    now = system.clock.now()
    with system.db.read() as session:
        head = read.head(session)
        usage = shutil.disk_usage(system.settings.home)
        waiting = pressure.measure(session, now, LIMITS, disk_free_percent=usage.free * 100 // usage.total)
        shipped = system.shipper.standing(session)
        signed = checkpoint.signing(session, now)
        fresh, broken = rounds.freshness(session, now), rounds.broken_since_sound(session)
        kept, seen = archive.archived(session)[0], witness.standing(session)
        waits = read.entries(session, kept, kept + 1) if kept < head.size else []
        detection = system.runner.behind(session, now)
        mail = letters.standing(session, now)
        lacking = system.approvals.lacking(session, now)
    system.metrics.log_head.set(head.size)
    system.metrics.log_unsequenced.set(waiting.rows)
    system.metrics.store_parked.set(shipped.parked)
    system.metrics.consumer_lag_events.labels(consumer="store").set(shipped.head - shipped.done)
    failing = system.failing.episodes.copy()
    return {
        "failing": {name: rfc3339(episode.since) for name, episode in sorted(failing.items())},
        "log": {
            "head": head.size,
            "state": head.state,
            "unsequenced": waiting.rows,
            "pressure": waiting.state.value,
            "disk_free_percent": waiting.disk_free_percent,
            "oldest_seconds": round(waiting.age.total_seconds(), 3),
            "ok": head.state == "ok" and waiting.state is State.OK,
        },
        "store": {
            "target": shipped.target,
            "done": shipped.done,
            "behind": shipped.head - shipped.done,
            "parked": shipped.parked,
            "error": shipped.error,
            "ok": shipped.health.value == "ok",
        },
        "detection": {
            "behind": detection.events,
            "late_seconds": round(detection.late.total_seconds(), 3),
            "ok": not detection.is_late,
        },
        "checkpoint": {
            "size": signed.size,
            "age_seconds": round((now - signed.at).total_seconds(), 1) if signed.at else None,
            "unsigned_seconds": round(signed.waits.total_seconds(), 1),
            "limit_seconds": checkpoint.UNSIGNED_MAX.total_seconds(),
            "ok": not signed.is_late,
        },
        "archive": {
            "done": kept,
            "behind": head.size - kept,
            "ok": not waits or now - waits[0].ingested <= checkpoint.UNSIGNED_MAX,
        },
        "monitor": {
            "sample_seconds": _seconds(fresh.sample),
            "full_seconds": _seconds(fresh.full),
            "mismatches": broken[0].mismatches if broken else 0,
            "ok": not broken,
        },
        "witness": {
            "seen_seconds": _seconds(fresh.witness),
            "rating": fresh.witness_rating,
            "error": seen.error if seen is not None else None,
            "ok": seen is None or seen.missed_since is None,
        },
        "letters": {
            "waiting": mail.letters,
            "overdue_seconds": round(mail.overdue.total_seconds(), 1),
            "failing": mail.failing,
            "lost": mail.lost,
            "ok": mail.is_well,
        },
        "approvals": {
            "lacking": [lack.kind for lack in lacking],
            "says": [f"{lack.title}: {lack.eligible} of {lack.needed}" for lack in lacking],
            "ok": not lacking,
        },
    }


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else round(age.total_seconds(), 1)


def _ago(seconds: float | None) -> str:
    return "none yet" if seconds is None else f"{seconds:.0f} s old"


def _behind(events: int) -> str:
    return f"{events:,} {'event' if events == 1 else 'events'} behind" if events else "up to date"


def _unsigned(seconds: float) -> str:
    return f", an event has waited {seconds:.0f} s for a signature" if seconds else ""


def parts(system: System, found: Mapping[str, Any] | None = None) -> list[Part]:
    """Return the parts of the pipeline as lines a person reads; `found` is what `lag` said, where it was asked."""
    found = lag(system) if found is None else found
    log, store, signed, detection = found["log"], found["store"], found["checkpoint"], found["detection"]
    mail, approvals = found["letters"], found["approvals"]
    return [
        Part(
            name="Sequencer",
            says=f"{log['unsequenced']} waiting, oldest {log['oldest_seconds']:.1f} s",
            ok=log["ok"],
            detail=f"head {log['head']:,}, {_PRESSURE[log['pressure']].format(**log)}",
        ),
        Part(
            name="Shipper",
            says=_behind(store["behind"]),
            ok=store["ok"],
            detail=store["error"] or f"{store['target']}, {store['done']:,} shipped",
        ),
        Part(name="Parked", says=f"{store['parked']} documents", ok=store["parked"] == 0),
        Part(
            name="Detectors",
            says=_behind(detection["behind"]),
            ok=detection["ok"],
            detail=f"the oldest waits for {detection['late_seconds']:.0f} s" if detection["behind"] else "",
        ),
        Part(
            name="Jobs",
            says=f"{len(found['failing'])} failing" if found["failing"] else "none failing",
            ok=not found["failing"],
            detail=", ".join(f"{name} since {since}" for name, since in found["failing"].items()),
        ),
        Part(
            name="Checkpoint",
            says="none yet" if signed["age_seconds"] is None else f"{signed['age_seconds']:.0f} s old",
            ok=signed["ok"],
            detail=f"signed size {signed['size']:,}{_unsigned(signed['unsigned_seconds'])}",
        ),
        Part(
            name="Archive",
            says=_behind(found["archive"]["behind"]),
            ok=found["archive"]["ok"],
            detail=f"{found['archive']['done']:,} in files",
        ),
        Part(
            name="Monitor",
            says=f"{found['monitor']['mismatches']} findings" if found["monitor"]["mismatches"] else "sound",
            ok=found["monitor"]["ok"],
            detail=f"sample {_ago(found['monitor']['sample_seconds'])}, whole {_ago(found['monitor']['full_seconds'])}",
        ),
        Part(
            name="Witness",
            says=_ago(found["witness"]["seen_seconds"]),
            ok=found["witness"]["ok"],
            detail=found["witness"]["error"] or f"a folder, rated {found['witness']['rating'] or 'nothing yet'}",
        ),
        Part(
            name="Letters",
            says=", ".join(
                f"{mail[word]} {word}" for word in ("waiting", "failing", "lost") if mail[word] or word == "waiting"
            ),
            ok=mail["ok"],
            detail=f"one is due for {mail['overdue_seconds']:.0f} s" if mail["overdue_seconds"] else "",
        ),
        Part(
            name="Approvers",
            says=f"too few for {len(approvals['says'])}" if approvals["says"] else "enough for each kind",
            ok=approvals["ok"],
            detail=", ".join(approvals["says"]),
        ),
        *(Part(name=f"Ready: {name}", says=said, ok=False) for name, said in ready(system).items()),
    ]
