"""What the log says of a report: that it was issued with exactly these files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.clock import rfc3339
from compliance.told import SHA256, vouched
from ingest.events.compliance import ReportIssued
from ingest.events.envelope import at_path


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One kept file."""

    name: str
    sha256: str
    bytes: int


def whole(files: Sequence[File]) -> str:
    """Return the hash over the hashes and names of files, in the order of their names."""
    lines = [f"{one.sha256} {one.name}" for one in sorted(files, key=lambda one: one.name)]
    return crypto.sha256("\n".join(lines).encode()).hex()


def span(since: datetime, as_of: datetime) -> str:
    """Return a period as an event names it."""
    return f"{rfc3339(since)}/{rfc3339(as_of)}"


def is_told(
    session: Session, report_id: str, kind: str, period: str, files: Sequence[File], finished_at: datetime | None
) -> bool:
    """Tell whether the log says that a report was issued with exactly these files, or says so no more."""
    rows = {report_id: ((report_id, kind, period, whole(files)), finished_at)}
    return bool(vouched(session, ReportIssued.kind, rows, says=_issued, containing=report_id))


def _issued(said: Mapping[str, Any]) -> tuple[object, ...]:
    fields = ("onepay.report.id", "onepay.report.kind", "onepay.report.period", SHA256)
    return tuple(at_path(said, field) for field in fields)
