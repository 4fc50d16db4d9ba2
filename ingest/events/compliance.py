"""What is known of controls: readings of probes, changed states, evidence, papers that were signed, reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs, sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceEvent(Event):
    """Something about controls and how they are shown to hold."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlState(ComplianceEvent):
    """A state of the system, as a probe or the roll-up of a control saw it."""

    event_kind: ClassVar[str] = "state"
    state: str = ecs("onepay.control.state")
    previous: str | None = ecs("onepay.control.previous", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeObserved(ControlState):
    """A probe gave a reading: its figures, and the hash of the row that holds all of it."""

    kind: ClassVar[str] = "compliance.probe.observed"
    observation: str = ecs("onepay.observation.id")
    probe: str = ecs("onepay.control.probe")
    code_hash: str = ecs("onepay.control.code_hash")
    population: int = ecs("onepay.control.population", FieldType.LONG)
    violations: int = ecs("onepay.control.violations", FieldType.LONG)
    canary: str | None = ecs("onepay.control.canary", default=None)
    sha256: str = ecs("onepay.compliance.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlChanged(ControlState):
    """A control moved from one state to another; the reason says why it could not be judged, where it could not."""

    kind: ClassVar[str] = "compliance.control.changed"
    types: ClassVar[tuple[str, ...]] = ("change",)
    control: str = ecs("onepay.control.id")
    since: datetime = ecs("onepay.control.since", FieldType.DATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceContradicted(ComplianceEvent):
    """A window was read again by the same probe, and what it said then is not what it says now."""

    kind: ClassVar[str] = "compliance.evidence.contradicted"
    event_kind: ClassVar[str] = "state"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    of_event: str = ecs("onepay.compliance.of_event")
    observation: str = ecs("onepay.observation.id")
    probe: str = ecs("onepay.control.probe")
    population: int = ecs("onepay.control.population", FieldType.LONG)
    violations: int = ecs("onepay.control.violations", FieldType.LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentApproved(ComplianceEvent):
    """A baseline, a risk analysis, a scope, a register or a policy was approved by a second person."""

    kind: ClassVar[str] = "compliance.document.approved"
    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    document: str = ecs("onepay.compliance.document")
    version: int = ecs("onepay.compliance.version", FieldType.LONG)
    sha256: str = ecs("onepay.compliance.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportIssued(ComplianceEvent):
    """A report was made: the hash over the hashes and names of its files, its period, and how many findings it has."""

    kind: ClassVar[str] = "compliance.report.issued"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    report: str = ecs("onepay.report.id")
    report_kind: str = ecs("onepay.report.kind")
    sha256: str = ecs("onepay.compliance.sha256")
    period: str = ecs("onepay.report.period")
    findings: int = ecs("onepay.report.findings", FieldType.LONG)
    files: int = ecs("onepay.report.files", FieldType.LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAsked(ComplianceEvent):
    """Somebody who may asked to take a part of the trail away: the hash of filter, size and period."""

    kind: ClassVar[str] = "compliance.export.asked"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    report: str = ecs("onepay.report.id")
    sha256: str = ecs("onepay.compliance.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleDrawn(ComplianceEvent):
    """A sample of the trail was drawn: hashes of seed and filter, how many were drawn of how many that matched."""

    kind: ClassVar[str] = "compliance.sample.drawn"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    seed_hash: str = ecs("onepay.compliance.seed_hash")
    query_hash: str = ecs("onepay.access.query_hash")
    count: int = ecs("onepay.access.count", FieldType.LONG)
    hits: int = ecs("onepay.access.hits", FieldType.LONG)
    sha256: str = ecs("onepay.compliance.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper(ComplianceEvent):
    """Something that people signed about a control, by its hash, and until when it holds."""

    strict: ClassVar[bool] = True
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    control: str = ecs("onepay.control.id")
    until: datetime = ecs("onepay.compliance.until", FieldType.DATE)
    sha256: str = ecs("onepay.compliance.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationSigned(Paper):
    """A person answers for a control; where much hangs on it, a second one agreed. Of one kind the newest stands."""

    kind: ClassVar[str] = "compliance.attestation.signed"
    document: str | None = ecs("onepay.compliance.document", default=None)
    version: int | None = ecs("onepay.compliance.version", FieldType.LONG, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperWithdrawn(ComplianceEvent):
    """Somebody took back what was signed, by its hash: it says nothing of its control any more."""

    kind: ClassVar[str] = "compliance.paper.withdrawn"
    types: ClassVar[tuple[str, ...]] = ("change",)
    strict: ClassVar[bool] = True
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    document: str = ecs("onepay.compliance.document")
    sha256: str = ecs("onepay.compliance.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionGranted(Paper):
    """Two people bear that a control fails, until an instant."""

    kind: ClassVar[str] = "compliance.exception.granted"
    types: ClassVar[tuple[str, ...]] = ("change",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionEnded(Paper):
    """An exception ended, by its day or by a person: what fails shows again. Why a person ended it is sealed."""

    kind: ClassVar[str] = "compliance.exception.ended"
    types: ClassVar[tuple[str, ...]] = ("change",)
    why: str | None = sealed("why", about="free_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceUploaded(ComplianceEvent):
    """A file stands as evidence of a control: by its hash, never by its content."""

    kind: ClassVar[str] = "compliance.evidence.uploaded"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    control: str = ecs("onepay.control.id")
    sha256: str = ecs("onepay.compliance.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed(ComplianceEvent):
    """A campaign in which people look at what everybody may, and how many grants it lists."""

    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    review: str = ecs("onepay.compliance.review")
    count: int = ecs("onepay.access.count", FieldType.LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOpened(Reviewed):
    """A review of access began."""

    kind: ClassVar[str] = "compliance.review.opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewClosed(Reviewed):
    """A review of access ended: every line of it is decided."""

    kind: ClassVar[str] = "compliance.review.closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanImported(ComplianceEvent):
    """A scan was entered: its kind, its day, how much it found, and the hash of its row."""

    kind: ClassVar[str] = "compliance.scan.imported"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    scan: str = ecs("onepay.compliance.scan")
    scan_kind: str = ecs("onepay.compliance.scan_kind")
    period: str = ecs("onepay.report.period")
    findings: int = ecs("onepay.report.findings", FieldType.LONG)
    sha256: str = ecs("onepay.compliance.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingMended(ComplianceEvent):
    """What a scan found was mended on a day, as somebody says or a rescan shows."""

    kind: ClassVar[str] = "compliance.finding.mended"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    finding: str = ecs("onepay.compliance.finding")
    scan: str = ecs("onepay.compliance.scan")
    period: str = ecs("onepay.report.period")


@dataclass(frozen=True, slots=True, kw_only=True)
class SelftestCompleted(ComplianceEvent):
    """A synthetic person was planted everywhere, exported, restricted and erased: how much went wrong."""

    kind: ClassVar[str] = "compliance.selftest.completed"
    selftest: str = ecs("onepay.compliance.selftest")
    period: str = ecs("onepay.report.period")
    findings: int = ecs("onepay.report.findings", FieldType.LONG)
    sha256: str = ecs("onepay.compliance.sha256")


KINDS: tuple[type[Event], ...] = (
    ProbeObserved,
    ControlChanged,
    EvidenceContradicted,
    DocumentApproved,
    ReportIssued,
    ExportAsked,
    SampleDrawn,
    AttestationSigned,
    PaperWithdrawn,
    ExceptionGranted,
    ExceptionEnded,
    EvidenceUploaded,
    ReviewOpened,
    ReviewClosed,
    ScanImported,
    FindingMended,
    SelftestCompleted,
)
