"""What the log says of a report: that it was issued with exactly these files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.kernel import crypto
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


def is_told(session: Session, report_id: str, files: Sequence[File], finished_at: datetime | None) -> bool:
    """Tell whether the log says that a report was issued with exactly these files, or says so no more."""
    rows = {report_id: ((report_id, whole(files)), finished_at)}
    return bool(vouched(session, ReportIssued.kind, rows, says=_issued))


def _issued(said: Mapping[str, Any]) -> tuple[object, object]:
    return at_path(said, "onepay.report.id"), at_path(said, SHA256)
