"""What the log says of an export: who asked for exactly this part of the trail, by right or with an approval."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.context import Context
from app.kernel.errors import Conflict
from compliance.told import SHA256, vouched
from ingest.events.compliance import ExportAsked
from ingest.events.envelope import at_path
from ingest.log import outbox, read


class ExportUndecided(Conflict):
    """The log knows of nobody who asked for exactly this and might; ask again."""

    code = "export_undecided"


def record(session: Session, report_id: str, params: Mapping[str, Any], ctx: Context) -> None:
    """Say in the log that somebody who may asked for this; their approval, where they need one, stands beside it."""
    outbox.record(session, ExportAsked(report=report_id, sha256=_digest(params)), ctx)


def demand(session: Session, report_id: str, params: Mapping[str, Any], asker: str | None, at: datetime) -> None:
    """Raise `ExportUndecided` unless the log says that this person asked for exactly this at that moment.

    A row alone takes nothing away, and gives nothing to anybody else.
    """
    rows = {report_id: ((report_id, _digest(params), asker), at)}
    if not vouched(session, ExportAsked.kind, rows, says=_asked, containing=report_id):
        raise ExportUndecided(object_id=report_id)


def is_export(session: Session, report_id: str) -> bool:
    """Tell whether the log speaks of an export under this id, whatever its row says that it is."""
    said = read.documents_of(session, ExportAsked.kind, containing=report_id)
    return any(at_path(one, "onepay.report.id") == report_id for one in said)


def _asked(said: Mapping[str, Any]) -> tuple[object, ...]:
    return at_path(said, "onepay.report.id"), at_path(said, SHA256), at_path(said, "user.id")


def _digest(params: Mapping[str, Any]) -> str:
    return crypto.sha256(canonical.encode(dict(params))).hex()
