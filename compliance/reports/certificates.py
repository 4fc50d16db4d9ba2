"""Certificates of a period: what retention and erasures removed, by which law, who decided, what stays until when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.engine.rerun import number_of
from compliance.privacy.models import erasure_certificate
from compliance.reports.document import Cell, Document, Table, minute, seal_at
from compliance.reports.parts import Making, Reports
from compliance.retention.models import certificate
from ingest.log import read

Body: TypeAlias = Mapping[str, Any]


def build(session: Session, making: Making, parts: Reports) -> Document:
    """Return the certificates written in a period, each with the event that proves it."""
    runs, erasures = _of_runs(session, making), _of_erasures(session, making)
    removed = sum(int(body["removed"]) for _, body in runs)
    erased = sum(int(one["entries"]) for _, body in erasures for one in body["erased"])
    return Document(
        kind=making.kind,
        title="Certificates of retention and erasure",
        lead=f"{_counted(len(runs), 'retention run')} removed {_counted(removed, 'row or event', 'rows and events')}; "
        f"{_counted(len(erasures), 'erasure')} ended {_counted(erased, 'entry', 'entries')}.",
        since=making.since,
        as_of=making.as_of,
        build=parts.engine.build,
        seal=seal_at(session, making.as_of),
        facts=(
            ("Retention runs certified", len(runs)),
            ("Rows and events removed", removed),
            ("Erasures certified", len(erasures)),
            ("Entries erased", erased),
        ),
        tables=(_runs(session, runs), _places(runs), _erasures(session, erasures), _erased(erasures), _stays(erasures)),
    )


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _of_runs(session: Session, making: Making) -> list[tuple[sa.RowMapping, Body]]:
    of = certificate.c
    query = sa.select(certificate).where(of.at >= making.since, of.at <= making.as_of).order_by(of.at, of.id)
    return [(row, row["body"]) for row in session.execute(query).mappings()]


def _of_erasures(session: Session, making: Making) -> list[tuple[sa.RowMapping, Body]]:
    of = erasure_certificate.c
    query = sa.select(erasure_certificate).where(of.at >= making.since, of.at <= making.as_of)
    rows = session.execute(query.order_by(of.at, of.request_id)).mappings()
    return [(row, json.loads(row["body"])) for row in rows]


def _runs(session: Session, found: Sequence[tuple[sa.RowMapping, Body]]) -> Table:
    return Table(
        name="retention",
        title="Retention runs",
        says="Removed, kept for cases, and counted again by another reader; two people decided, or a standing rule.",
        columns=(
            "Certificate", "Class", "Policy", "Kept for", "Ground", "Ended before", "Planned", "Removed",
            "Kept for cases", "Approvers", "Verified", "Irrecoverable from", "Root of the plan", "SHA-256", "Evidence",
        ),
        rows=tuple(
            (
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
                body["verified_at"],
                minute(row["irrecoverable_from"]),
                body["plan_root"],
                row["sha256"],
                _evidence(session, row["event_id"]),
            )
            for row, body in found
        ),
    )  # fmt: skip


def _places(found: Sequence[tuple[sa.RowMapping, Body]]) -> Table:
    return Table(
        name="places",
        title="Where retention removed",
        columns=("Certificate", "Store", "Removed", "Held", "Not due any more"),
        rows=tuple(
            (row["id"], one["store"], one["removed"], one["held"], one.get("no_longer_due", 0))
            for row, body in found
            for one in body["places"]
        ),
    )


def _erasures(session: Session, found: Sequence[tuple[sa.RowMapping, Body]]) -> Table:
    return Table(
        name="erasures",
        title="Erasures",
        says="Whoever was erased stands here by the id of their request alone.",
        columns=(
            "Request", "Law", "Received", "Erased", "Irrecoverable from", "Decided by", "Keys destroyed",
            "Root of the plan", "SHA-256", "Evidence",
        ),
        rows=tuple(
            (
                body["request"],
                body["law"],
                body["received_on"],
                body["erased_at"],
                minute(row["irrecoverable_from"]),
                ", ".join(map(str, body["decided_by"])) or None,
                ", ".join(map(str, body["keys_destroyed"])) or None,
                body["plan_root"],
                row["sha256"],
                _evidence(session, row["event_id"]),
            )
            for row, body in found
        ),
    )  # fmt: skip


def _erased(found: Sequence[tuple[sa.RowMapping, Body]]) -> Table:
    return Table(
        name="erased",
        title="What was erased",
        columns=("Request", "Store", "Category", "How", "Entries"),
        rows=tuple(
            (body["request"], one["store"], one["category"], one["how"], one["entries"])
            for _, body in found
            for one in body["erased"]
        ),
    )


def _stays(found: Sequence[tuple[sa.RowMapping, Body]]) -> Table:
    return Table(
        name="stays",
        title="What stays, and until when",
        says="Kept by a law or for a claim, without a name.",
        columns=("Request", "Store", "Category", "Entries", "Class", "Law", "Until"),
        rows=tuple(
            (
                body["request"],
                *(_cell(one.get(name)) for name in ("store", "category", "entries", "class", "law", "until")),
            )
            for _, body in found
            for one in body["stays"]
        ),
    )


def _cell(value: Any) -> Cell:
    return value if value is None or isinstance(value, int) else str(value)


def _evidence(session: Session, event_id: str) -> str | None:
    sequence = read.sequence_of(session, event_id)
    return None if sequence is None else number_of(sequence)
