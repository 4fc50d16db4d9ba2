"""Entering a scan: what was looked at, what passed, what was found; an external one stands by its file alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import COMPLIANCE_CONTROL_READ, COMPLIANCE_SCAN_WRITE, Actor
from app.kernel.context import Context
from app.kernel.db import changed
from app.kernel.errors import Conflict, Invalid, NotFound
from compliance.attest.models import evidence_use
from compliance.catalog.controls import PCI
from compliance.scans import models
from ingest.events.compliance import FindingMended, ScanImported
from ingest.log import outbox

COMPONENTS_MAX: Final = 200
FINDINGS_MAX: Final = 500
TEXT_MAX: Final = 200
_OF_SCAN: Final = (
    "id",
    "kind",
    "performed_on",
    "scanner",
    "authenticated",
    "components",
    "passed",
    "rescan_of",
    "sha256",
)
_OF_FINDING: Final = ("id", "severity", "component", "says", "opened_on")
"""What the event of a scan answers for, of its row and of each finding."""


class Kind(StrEnum):
    """What kind of look it was."""

    INTERNAL = "internal"
    ASV = "asv"
    PENETRATION_INTERNAL = "penetration_internal"
    PENETRATION_EXTERNAL = "penetration_external"
    SEGMENTATION = "segmentation"


CONTROL: Final = {
    Kind.INTERNAL: "11.3.1",
    Kind.ASV: "11.3.2",
    Kind.PENETRATION_INTERNAL: "11.4.1",
    Kind.PENETRATION_EXTERNAL: "11.4.1",
    Kind.SEGMENTATION: "11.4.5",
}
"""The PCI row each kind speaks for."""


class Severity(StrEnum):
    """How bad a finding is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


GRAVE: Final = frozenset((Severity.CRITICAL, Severity.HIGH))
"""With such a finding a component did not pass, whatever a scanner calls it (11.3.1)."""


class ScanInvalid(Invalid):
    """A scan names its day, its scanner, what it looked at, and what of that passed."""

    code = "scan_invalid"


class ScanNeedsFile(Invalid):
    """A scan by an approved vendor stands by its report: bring the file first. Absent findings are no pass."""

    code = "scan_needs_file"


class FindingFixed(Conflict):
    """This finding was mended already."""

    code = "finding_fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding as a scan reports it."""

    severity: Severity
    component: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A scan as somebody enters it; `failed` are the components that did not pass."""

    kind: Kind
    performed_on: date
    scanner: str
    authenticated: bool
    components: Sequence[str]
    failed: Sequence[str] = ()
    findings: Sequence[Found] = ()
    rescan_of: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A scan as it stands in the register."""

    id: str
    kind: Kind
    performed_on: date
    scanner: str
    authenticated: bool
    components: tuple[str, ...]
    passed: tuple[str, ...]
    rescan_of: str | None
    sha256: str | None
    entered_by: str
    entered_at: datetime
    event_id: str

    @property
    def counts(self) -> bool:
        """Tell whether what passed in it counts: an internal scan signs in to what it looks at (11.3.1.2)."""
        return self.authenticated or self.kind is not Kind.INTERNAL

    @property
    def is_passed(self) -> bool:
        """Tell whether everything it looked at passed."""
        return self.counts and set(self.passed) == set(self.components)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a scan found that is not mended."""

    id: str
    scan_id: str
    severity: Severity
    component: str
    says: str
    opened_on: date


def enter(session: Session, draft: Draft, ctx: Context) -> Scan:
    """Enter a scan; raises `ScanInvalid`, `ScanNeedsFile`, and `NotFound` for a file or scan that is not there.

    What it passes is mended by its day: the grave findings there of the scans of its kind until then.
    """
    ctx.actor.require(COMPLIANCE_SCAN_WRITE)
    if not ctx.at.date() - timedelta(days=731) <= draft.performed_on <= ctx.at.date():
        raise ScanInvalid("It was done today or in the last two years.", param="performed_on")
    components = _names(draft.components)
    failed = set(_names(draft.failed)) if draft.failed else set()
    failed |= {name for one in draft.findings if one.severity in GRAVE for name in _names([one.component])}
    if not components or len(components) > COMPONENTS_MAX:
        raise ScanInvalid(f"Name 1 to {COMPONENTS_MAX} components.", param="components")
    unknown = sorted(set(_names(draft.failed or ())) - set(components))
    if unknown:
        raise ScanInvalid(f"It did not look at {unknown[0]}.", param="failed")
    if len(draft.findings) > FINDINGS_MAX:
        raise ScanInvalid(f"At most {FINDINGS_MAX} findings are entered with a scan.", param="findings")
    passed = tuple(name for name in components if name not in failed)
    _demand_file(session, draft, passed)
    _demand_scan(session, draft)
    findings = [
        {
            "id": ctx.new_id("fnd"),
            "severity": one.severity.value,
            "component": words.checked(one.component, param="findings", shortest=1, longest=TEXT_MAX),
            "says": words.checked(one.says, param="findings", shortest=3, longest=TEXT_MAX),
            "opened_on": draft.performed_on.isoformat(),
        }
        for one in draft.findings
    ]
    elsewhere = next((one["component"] for one in findings if one["component"] not in components), None)
    if elsewhere is not None:
        raise ScanInvalid(f"It did not look at {elsewhere}.", param="findings")
    scan_id = ctx.new_id("scn")
    row: dict[str, Any] = {
        "id": scan_id,
        "kind": draft.kind.value,
        "performed_on": draft.performed_on.isoformat(),
        "scanner": words.checked(draft.scanner, param="scanner", shortest=2, longest=TEXT_MAX),
        "authenticated": draft.authenticated,
        "components": list(components),
        "passed": list(passed),
        "rescan_of": draft.rescan_of,
        "sha256": draft.sha256,
    }
    digest = _hash(row, findings)
    event = ScanImported(
        scan=scan_id, scan_kind=draft.kind.value, period=row["performed_on"], findings=len(findings), sha256=digest
    )
    event_id = outbox.record(session, event, ctx)
    session.execute(
        sa.insert(models.scan).values(**row, entered_by=ctx.actor.own_id, entered_at=ctx.at, event_id=event_id)
    )
    if findings:
        session.execute(sa.insert(models.finding), [{**one, "scan_id": scan_id} for one in findings])
    made = _by_id(session, scan_id)
    assert made is not None, "it was written a moment ago"
    # One that was done before others may be entered after them: what they passed is mended all the same.
    for one in all_of(session, draft.kind):
        if one.counts and (one.id == scan_id or one.performed_on > made.performed_on):
            _mend_passed(session, one, ctx)
    return made


def fix(session: Session, finding_id: str, fixed_on: date, ctx: Context) -> None:
    """Say when a finding was mended; raises `NotFound`, `ScanInvalid` or `FindingFixed`."""
    ctx.actor.require(COMPLIANCE_SCAN_WRITE)
    table = models.finding
    row = session.execute(sa.select(table).where(table.c.id == finding_id)).one_or_none()
    if row is None:
        raise NotFound(object_id=finding_id)
    if not date.fromisoformat(row.opened_on) <= fixed_on <= ctx.at.date():
        raise ScanInvalid("It was mended between the scan and today.", param="fixed_on")
    if not _mend(session, row.id, row.scan_id, fixed_on, ctx):
        raise FindingFixed


def listed(session: Session, actor: Actor) -> list[Scan]:
    """Return every scan, the newest first; to an auditor those of their period."""
    actor.require(COMPLIANCE_CONTROL_READ)
    found = list(reversed(all_of(session, until=_end_of(actor))))
    if actor.period is None:
        return found
    return [one for one in found if one.performed_on >= actor.period[0].date()]


def findings(session: Session, actor: Actor) -> list[Finding]:
    """Return the findings that are open, the oldest first; to an auditor those that were as their period ended."""
    actor.require(COMPLIANCE_CONTROL_READ)
    table, end = models.finding, _end_of(actor)
    is_open: sa.ColumnElement[bool] = table.c.fixed_on.is_(None)
    if end is not None:
        known = sa.select(models.scan.c.id).where(models.scan.c.entered_at < end)
        is_open = table.c.scan_id.in_(known) & (is_open | (table.c.fixed_at >= end))
    columns = (table.c.scan_id, *(table.c[name] for name in _OF_FINDING))
    rows = session.execute(sa.select(*columns).where(is_open).order_by(table.c.opened_on, table.c.id)).mappings()
    return [
        Finding(
            **{
                **row,
                "severity": Severity(row["severity"]),
                "opened_on": date.fromisoformat(row["opened_on"]),
            }
        )
        for row in rows
    ]


def all_of(session: Session, *kinds: Kind, until: datetime | None = None) -> list[Scan]:
    """Return the scans of some kinds, or all, the oldest first; with `until` those that were entered before it."""
    table = models.scan
    query = sa.select(table).order_by(table.c.performed_on, table.c.entered_at, table.c.id)
    if kinds:
        query = query.where(table.c.kind.in_(kinds))
    if until is not None:
        query = query.where(table.c.entered_at < until)
    return [_scan(row) for row in session.execute(query).mappings()]


def hashes(session: Session) -> Mapping[str, tuple[str, datetime]]:
    """Return the hash of each scan with its findings as they were entered, and when that was, by its id."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in session.execute(sa.select(models.finding)).mappings():
        found.setdefault(one["scan_id"], []).append({name: one[name] for name in _OF_FINDING})
    rows = session.execute(sa.select(models.scan)).mappings()
    return {
        row["id"]: (_hash({name: row[name] for name in _OF_SCAN}, found.get(row["id"], [])), row["entered_at"])
        for row in rows
    }


def _hash(row: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> str:
    return crypto.sha256(canonical.encode({**row, "findings": sorted(findings, key=itemgetter("id"))})).hex()


def _mend(session: Session, finding_id: str, scan_id: str, on: date, ctx: Context) -> bool:
    """Note that a finding was mended, with the event that says so; false where it was before."""
    table = models.finding
    mine = sa.update(table).where(table.c.id == finding_id)
    if changed(session, mine.where(table.c.fixed_on.is_(None)).values(fixed_on=on.isoformat())) != 1:
        return False
    event_id = outbox.record(session, FindingMended(finding=finding_id, scan=scan_id, period=on.isoformat()), ctx)
    session.execute(mine.values(fixed_at=ctx.at, fixed_event=event_id))
    return True


def _mend_passed(session: Session, made: Scan, ctx: Context) -> None:
    """Mend what kept components from passing in scans of a kind until this one, where they pass in it."""
    table, of = models.finding.c, models.scan.c
    until = sa.and_(of.kind == made.kind.value, of.performed_on <= made.performed_on.isoformat(), of.id != made.id)
    grave = sa.and_(table.severity.in_(sorted(GRAVE)), table.fixed_on.is_(None))
    query = sa.select(table.id, table.scan_id, table.component).join(models.scan, of.id == table.scan_id)
    for row in session.execute(query.where(until, grave).order_by(table.id)).all():
        if row.component in made.passed:
            _mend(session, row.id, row.scan_id, made.performed_on, ctx)


def _end_of(actor: Actor) -> datetime | None:
    return None if actor.period is None else actor.period[1]


def _names(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words.checked(name, param="components", shortest=1, longest=TEXT_MAX) for name in given))


def _demand_file(session: Session, draft: Draft, passed: Sequence[str]) -> None:
    if draft.sha256 is None:
        if draft.kind is Kind.ASV and passed:
            raise ScanNeedsFile(param="file")
        return
    use = evidence_use.c
    mine = sa.and_(use.sha256 == draft.sha256, use.framework == PCI, use.key == CONTROL[draft.kind])
    if session.scalar(sa.select(use.sha256).where(mine)) is None:
        raise NotFound(object_id=draft.sha256)


def _demand_scan(session: Session, draft: Draft) -> None:
    if draft.rescan_of is None:
        return
    before = _by_id(session, draft.rescan_of)
    if before is None or before.kind is not draft.kind:
        raise NotFound(object_id=draft.rescan_of)
    if before.performed_on > draft.performed_on:
        raise ScanInvalid("A rescan comes after its scan.", param="rescan_of")


def _by_id(session: Session, scan_id: str) -> Scan | None:
    row = session.execute(sa.select(models.scan).where(models.scan.c.id == scan_id)).mappings().one_or_none()
    return None if row is None else _scan(row)


def _scan(row: Any) -> Scan:
    return Scan(
        **{
            **row,
            "kind": Kind(row["kind"]),
            "performed_on": date.fromisoformat(row["performed_on"]),
            "components": tuple(row["components"]),
            "passed": tuple(row["passed"]),
        }
    )
