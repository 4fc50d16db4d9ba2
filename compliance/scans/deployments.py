"""Deployments by the log: the first start of each release, followed by a scan within 30 days (PCI DSS 11.3.1.3).

Significant is a release of which the first or second number is new; a third number mends what runs. The release that an
installation began with is no change of anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from compliance.scans.quarters import passed
from compliance.scans.register import Scan
from ingest.events.envelope import at_path
from ingest.store.port import EventStore, walk
from ingest.store.query import Eq, Order, Search

STARTED: Final = "health.process.started"
WITHIN: Final = timedelta(days=30)
COUNTED: Final = timedelta(days=365)
"""So long a deployment counts, as four closed quarters do."""
_PAGE: Final = 1_000
_RELEASE: Final = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The first start of a release: its version as it said it then, and when."""

    version: str
    at: datetime

    @property
    def scanned_until(self) -> date:
        """The last day for the scan that follows."""
        return self.at.date() + WITHIN


def significant(store: EventStore) -> list[Deployment]:
    """Return the significant deployments, the oldest first; asked of the starts that the log tells of."""
    fields = ("@timestamp", "service.version")
    starts = Search(where=Eq("event.action", STARTED), order=Order.SEQUENCE, limit=_PAGE, fields=fields)
    found: dict[str, Deployment] = {}
    for document in walk(store, starts):
        version = str(at_path(document, "service.version") or "")
        at = datetime.fromisoformat(str(at_path(document, "@timestamp")))
        known = found.get(release(version))
        if known is None or at < known.at:
            found[release(version)] = Deployment(version=version, at=at)
    return sorted(found.values(), key=lambda one: (one.at, one.version))[1:]


def release(version: str) -> str:
    """Return the release that a version belongs to: its first two numbers, or all of what is no such version."""
    numbers = _RELEASE.match(version)
    return version if numbers is None else f"{numbers[1]}.{numbers[2]}"


def lacking(one: Deployment, scans: Sequence[Scan]) -> tuple[str, ...]:
    """Return the components that no scan passed in the days after a deployment; `anything` where none is known."""
    begin, end = one.at.date(), one.scanned_until + timedelta(days=1)
    known = sorted({name for scan in scans if scan.performed_on < end for name in scan.components})
    return tuple(name for name in known if passed(name, scans, begin, end) is None) if known else ("anything",)
