"""What the detectors found, and how well they do their work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, ecs


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingEvent(Event):
    """A finding at one revision: what was seen of whom, when, how bad, and by which version of which rule."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("intrusion_detection",)
    event_kind: ClassVar[str] = "alert"
    finding: str = ecs("onepay.finding.id")
    revision: int = ecs("onepay.finding.revision", FieldType.LONG)
    entity: str = ecs("onepay.finding.entity", about="behaviour")
    severity: str = ecs("onepay.finding.severity")
    count: int = ecs("onepay.finding.count", FieldType.LONG)
    first_at: datetime = ecs("onepay.finding.first_at", FieldType.DATE)
    last_at: datetime = ecs("onepay.finding.last_at", FieldType.DATE)
    evidence: tuple[str, ...] = ecs("onepay.finding.evidence", FieldType.KEYWORDS)
    rule: str = ecs("rule.id")
    rule_version: str = ecs("rule.version")
    rule_name: str = ecs("rule.name")
    techniques: tuple[str, ...] = ecs("threat.technique.id", FieldType.KEYWORDS, default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRaised(FindingEvent):
    """Something was found."""

    kind: ClassVar[str] = "detection.finding.raised"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRevised(FindingEvent):
    """A finding grew by more evidence, late or new."""

    kind: ClassVar[str] = "detection.finding.revised"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingMerged(FindingEvent):
    """A finding turned out to be part of an older one."""

    kind: ClassVar[str] = "detection.finding.merged"
    into: str = ecs("onepay.detection.into")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingClosed(FindingEvent):
    """A person closed a finding with a verdict."""

    kind: ClassVar[str] = "detection.finding.closed"
    verdict: str = ecs("onepay.detection.verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingReopened(FindingEvent):
    """A closed finding was opened again: by a person, as it grew too much, or as one that nobody judged joined it."""

    kind: ClassVar[str] = "detection.finding.reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEvent(Event):
    """The working of a rule."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("configuration",)
    types: ClassVar[tuple[str, ...]] = ("change",)
    rule: str = ecs("rule.id")
    rule_version: str = ecs("rule.version")
    error: str | None = ecs("error.type", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFailing(RuleEvent):
    """A rule raises and stands at its cursor; it is tried again."""

    kind: ClassVar[str] = "detection.rule.failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecovered(RuleEvent):
    """A rule that failed works again and catches up."""

    kind: ClassVar[str] = "detection.rule.recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePublished(RuleEvent):
    """A version of a rule began its work."""

    kind: ClassVar[str] = "detection.rule.published"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageEvent(Event):
    """How far the detectors have read, without a hole."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("process",)
    rules: tuple[str, ...] = ecs("onepay.detection.rules", FieldType.KEYWORDS)
    lo: int = ecs("onepay.detection.lo", FieldType.LONG)
    hi: int = ecs("onepay.detection.hi", FieldType.LONG)
    present: int = ecs("onepay.detection.present", FieldType.LONG)
    dropped: int = ecs("onepay.detection.dropped", FieldType.LONG, default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageBroken(CoverageEvent):
    """The store holds fewer events than the log has: the detectors stand until it holds them all."""

    kind: ClassVar[str] = "detection.coverage.broken"


KINDS: tuple[type[Event], ...] = (
    FindingRaised,
    FindingRevised,
    FindingMerged,
    FindingClosed,
    FindingReopened,
    RuleFailing,
    RuleRecovered,
    RulePublished,
    CoverageBroken,
)
