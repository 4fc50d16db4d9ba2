"""Certificates of a period: what retention and erasures removed, by which law, who decided, what stays until when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from compliance.certificates import completes, logged_hashes
from compliance.engine.rerun import number_of
from compliance.privacy.models import erasure_certificate, request_step
from compliance.privacy.request import State
from compliance.reports.document import Cell, Document, Table, minute, seal_at
from compliance.reports.parts import Making, Reports
from compliance.retention import execute
from compliance.retention.models import certificate
from compliance.told import told
from ingest.events.privacy import RequestCompleted, RetentionCertified
from ingest.log import read

Body: TypeAlias = Mapping[str, Any]
_RUNS = (
    "Certificate", "Class", "Policy", "Kept for", "Ground", "Ended before", "Planned", "Removed", "Kept for cases",
    "Approvers", "Decided by", "Verified", "Irrecoverable not before", "Root of the plan", "SHA-256", "In the log",
    "Evidence",
)  # fmt: skip
_ERASURES = (
    "Request", "Law", "Received", "Erased", "Irrecoverable not before", "Decided by", "Keys destroyed",
    "Root of the plan", "SHA-256", "In the log", "Evidence",
)  # fmt: skip
SAME, OTHER, UNLOGGED = "the same", "ANOTHER", "not any more"
"""Whether a certificate hashes to what the log says of it; where its class and month ended, nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """One certificate of the period: its row, its words, its evidence number, and how it compares with the log."""

    row: sa.RowMapping
    body: Body
    evidence: str | None
    compared: str


def build(session: Session, making: Making, parts: Reports) -> Document:
    """Return the certificates written in a period, each compared with the log, with the event that proves it."""
    runs, erasures = _of_runs(session, making), _of_erasures(session, making)
    removed = sum(int(one.body["removed"]) for one in runs)
    erased = sum(int(line["entries"]) for one in erasures for line in one.body["erased"])
    differ = sum(one.compared == OTHER for one in (*runs, *erasures))
    said = f" {_counted(differ, 'certificate')} not what the log says." if differ else ""
    return Document(
        kind=making.kind,
        title="Certificates of retention and erasure",
        lead=f"{_counted(len(runs), 'retention run')} removed {_counted(removed, 'row or event', 'rows and events')}; "
        f"{_counted(len(erasures), 'erasure')} ended {_counted(erased, 'entry', 'entries')}.{said}",
        since=making.since,
        as_of=making.as_of,
        build=parts.engine.build,
        seal=seal_at(session, making.as_of),
        facts=(
            ("Retention runs certified", len(runs)),
            ("Rows and events removed", removed),
            ("Erasures certified", len(erasures)),
            ("Entries erased", erased),
            ("Certificates that are not what the log says", differ),
        ),
        tables=(
            Table(
                name="retention",
                title="Retention runs",
                says="Removed, kept for cases, and counted again by another reader; two people decided, or a "
                "standing rule.",
                columns=_RUNS,
                rows=tuple(_run(one) for one in runs),
            ),
            Table(
                name="places",
                title="Where retention removed",
                columns=("Certificate", "Store", "Removed", "Held", "Not due any more"),
                rows=_lines(runs, "certificate", "places", ("store", "removed", "held", "no_longer_due")),
            ),
            Table(
                name="erasures",
                title="Erasures",
                says="Whoever was erased stands here by the id of their request alone.",
                columns=_ERASURES,
                rows=tuple(_erasure(one) for one in erasures),
            ),
            Table(
                name="erased",
                title="What was erased",
                columns=("Request", "Store", "Category", "How", "Entries"),
                rows=_lines(erasures, "request", "erased", ("store", "category", "how", "entries")),
            ),
            Table(
                name="stays",
                title="What stays, and until when",
                says="Kept by a law or for a claim, without a name.",
                columns=("Request", "Store", "Category", "Entries", "Class", "Law", "Until"),
                rows=_lines(erasures, "request", "stays", ("store", "category", "entries", "class", "law", "until")),
            ),
        ),
        findings=differ,
    )


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _of_runs(session: Session, making: Making) -> list[Certified]:
    of = certificate.c
    query = sa.select(certificate).where(of.at >= making.since, of.at <= making.as_of).order_by(of.at, of.id)
    rows = session.execute(query).mappings().all()
    bodies = [row["body"] for row in rows]
    hashes = [execute.digest(body) for body in bodies]
    return _compared(session, RetentionCertified.kind, rows, bodies, hashes, [row["event_id"] for row in rows])


def _of_erasures(session: Session, making: Making) -> list[Certified]:
    of = erasure_certificate.c
    query = sa.select(erasure_certificate).where(of.at >= making.since, of.at <= making.as_of)
    rows = session.execute(query.order_by(of.at, of.request_id)).mappings().all()
    bodies = [json.loads(row["body"]) for row in rows]
    hashes = [crypto.sha256(row["body"].encode()).hex() for row in rows]
    step = request_step.c
    ended = sa.select(step.request_id, sa.func.max(step.event_id)).where(
        step.state == State.CLOSED.value, step.request_id.in_(query.with_only_columns(of.request_id))
    )
    completed = {row[0]: row[1] for row in session.execute(ended.group_by(step.request_id))}
    events = [completed.get(row["request_id"]) for row in rows]
    return _compared(session, RequestCompleted.kind, rows, bodies, hashes, events)


def _compared(
    session: Session,
    kind: str,
    rows: Sequence[sa.RowMapping],
    bodies: Sequence[Body],
    hashes: Sequence[str],
    events: Sequence[str | None],
) -> list[Certified]:
    """Return rows with their words; `events` of a kind hold the hash of each, `hashes` are what its words hash to."""
    numbers = read.sequences_of(session, [row["event_id"] for row in rows])
    logged = logged_hashes(session, [one for one in events if one is not None])
    stand = {
        sha256: (event, completes(kind, sha256, row["at"]))
        for row, sha256, event in zip(rows, hashes, events, strict=True)
    }
    same, found = told(session, stand), []
    for row, body, sha256, event in zip(rows, bodies, hashes, events, strict=True):
        said, number = logged.get(event or ""), numbers.get(row["event_id"])
        is_same = row["sha256"] == sha256 and sha256 in same
        found.append(
            Certified(
                row=row,
                body=body,
                evidence=None if number is None else number_of(number),
                compared=OTHER if not is_same else UNLOGGED if said is None else SAME,
            )
        )
    return found


def _run(one: Certified) -> tuple[Cell, ...]:
    body, row = one.body, one.row
    return (
        row["id"],
        body["class"],
        f"v{body['policy_version']}",
        body["keep"],
        body["ground"],
        body["before"],
        body["planned"],
        body["removed"],
        body["kept_for_cases"],
        body["approvers"],
        ", ".join(body.get("decided_by", ())) or (None if body["approvers"] else "standing rule"),
        body["verified_at"],
        minute(row["irrecoverable_from"]),
        body["plan_root"],
        row["sha256"],
        one.compared,
        one.evidence,
    )


def _erasure(one: Certified) -> tuple[Cell, ...]:
    body, row = one.body, one.row
    return (
        body["request"],
        body["law"],
        body["received_on"],
        body["erased_at"],
        minute(row["irrecoverable_from"]),
        ", ".join(map(str, body["decided_by"])) or None,
        ", ".join(map(str, body["keys_destroyed"])) or None,
        body["plan_root"],
        row["sha256"],
        one.compared,
        one.evidence,
    )


def _lines(found: Sequence[Certified], id_: str, part: str, names: Sequence[str]) -> tuple[tuple[Cell, ...], ...]:
    """Return the lines of one part of every certificate, each behind the id of the certificate it is of."""
    return tuple(
        (one.body[id_], *(_cell(line.get(name, 0 if name == "no_longer_due" else None)) for name in names))
        for one in found
        for line in one.body[part]
    )


def _cell(value: Any) -> Cell:
    return value if value is None or isinstance(value, int) else str(value)
