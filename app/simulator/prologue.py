"""The months before a demonstration: founders live sparsely, a bastion's log is read, old data is removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from app.compose import System
from app.identity import accounts, records, roles
from app.kernel import crypto
from app.kernel.access import EVENT_IMPORT_RUN as MAY_IMPORT
from app.kernel.access import Acr, Actor, ActorKind, service
from app.kernel.approvals import Verdict
from app.kernel.context import Context
from app.simulator.world import World
from compliance.retention import approving, holds, runs
from compliance.retention import jobs as retention_jobs
from compliance.retention.holds import Item, Order
from ingest.readers import authlog, run
from ingest.readers.run import ImportOrder

OFFICE_OPENS: Final = timedelta(days=55)
"""So long before now the first officers begin their work; sooner, and they would have slept for too long."""
LINES: Final = 12
_REASON: Final = "Technical events older than their ninety days"


def months(world: World, until: datetime) -> list[datetime]:
    """Return the tenth of each month between the dawn of a world and an instant."""
    found, day = [], world.dawn
    while day < until:
        if day.day == 10:
            found.append(day.replace(hour=9, minute=0))
        day += timedelta(days=1)
    return found


def read_bastion(system: System, folder: Path, at: datetime) -> None:
    """Read a small log of sign-ins at a bastion, as an operator does each month."""
    file = folder / f"bastion-{at:%Y-%m}.log"
    lines = []
    for place in range(LINES):
        then = at - timedelta(hours=7 * (LINES - place))
        user = ("deploy", "backup", "admin")[place % 3]
        said = "Accepted publickey" if place % 5 else "Failed password"
        who = f"sshd[{700 + place}]: {said} for {user} from 10.20.0.{5 + place} port 50{place:03d} ssh2"
        lines.append(f"{then:%Y-%m-%dT%H:%M:%SZ} bastion {who}")
    file.write_text("\n".join(lines) + "\n", "utf-8")
    try:
        run.read_file(
            system.db,
            ImportOrder(file=file, source="bastion"),
            authlog.parser(authlog.dates(zone="UTC", year=at.year, file_time=at)),
            system.context(service("operator", MAY_IMPORT)),
            key=crypto.derive(system.keys.secret("identity"), "imports"),
            progress=lambda done: None,
            admit=lambda: None,
            go_on=lambda: None,
        )
    finally:
        file.unlink()


def remove_what_is_due(system: System, people: dict[str, str], class_: str, settle: Callable[[], None]) -> None:
    """Count, propose, approve by two, carry out and certify: a run as the office makes it."""
    run_ = plan(system, people, class_)
    if run_ is None:
        return
    with system.db.begin() as session:
        approval = approving.propose(
            session, run_.id, _REASON, staff(system, people, "compliance"), parts=system.retention
        )
    for name in ("dpo", "dpo2"):
        with system.db.begin() as session:
            system.approvals.decide(session, approval, Verdict.APPROVED, "", staff(system, people, name))
    for _ in range(2):
        for job in retention_jobs.jobs(system.ids, system.retention):
            if job.name == "retention.execute":
                job.run(system.clock.now())
        settle()


def plan(system: System, people: dict[str, str], class_: str) -> runs.Run | None:
    """Count what is due of a class, or return None where nothing is, or a run of it is open."""
    parts = system.retention
    try:
        ctx = staff(system, people, "compliance")
        with system.db.begin() as session:
            return runs.keep(session, runs.count(session, class_, ctx, parts=parts), ctx, parts=parts)
    except (runs.NothingDue, runs.RunOpen):
        return None


def hold(system: System, people: dict[str, str], account: str, review_on: date) -> None:
    """Keep what a pending claim needs."""
    order = Order(
        case="claim-2026-11",
        reason="A customer disputes a payment before court",
        authority="Regional court, file 12 O 34/26",
        review_on=review_on,
        items=(Item(kind="subject", value=account),),
    )
    with system.db.begin() as session:
        holds.place(session, order, staff(system, people, "compliance2"), parts=system.retention)


def look_up(system: System, people: dict[str, str], account: str) -> None:
    """Find a customer who asked something of their data, and read the record, as an officer does."""
    with system.db.begin() as session:
        ctx = staff(system, people, "compliance")
        found = records.find(session, account, "request", ctx, parts=system.identity)
        records.read(session, found, "request", ctx, parts=system.identity)


def auditor(system: System, account: str) -> Actor:
    """Return the auditor with the period that is locked to them."""
    with system.db.read() as session:
        period = accounts.auditor_period(session, account, system.clock.now())
    return Actor(
        id=account,
        kind=ActorKind.STAFF,
        roles=frozenset({roles.AUDITOR}),
        permissions=roles.ROLES[roles.AUDITOR],
        period=period,
    )


def staff(system: System, people: dict[str, str], name: str) -> Context:
    """Return the context of somebody of the office who has just shown a second factor."""
    role = roles.DPO if name.startswith("dpo") else roles.COMPLIANCE_OFFICER
    now = system.clock.now()
    return system.context(
        Actor(
            id=people[name],
            kind=ActorKind.STAFF,
            roles=frozenset({role}),
            permissions=roles.ROLES[role],
            acr=Acr.MFA,
            authenticated_at=now,
            session_id=f"ses_{name}",
        )
    )
