"""OSCAL assessment results (NIST, 1.2.1) from dataclasses of our own: observations, findings, our states."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from compliance.catalog.controls import PCI, Control
from compliance.contracts.probes import Kind
from compliance.engine.rerun import Observation
from compliance.reports import evidence
from compliance.reports.document import PROPOSED, seal_at
from compliance.reports.evidence import Known
from compliance.reports.parts import Making, Reports
from compliance.states import State

VERSION: Final = "1.2.1"
SPACE: Final = "https://onepay.example/ns/oscal"
_IDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, SPACE)
_NO_TOKEN: Final = re.compile(r"[^0-9a-z.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A word of ours where OSCAL has none."""

    name: str
    value: str
    ns: str = SPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class RelevantEvidence:
    """Where evidence stands: an entry of the log."""

    href: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OscalObservation:
    """One reading of a probe."""

    uuid: str
    title: str
    description: str
    methods: tuple[str, ...]
    collected: str
    expires: str | None
    props: tuple[Property, ...]
    relevant_evidence: tuple[RelevantEvidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How an objective stands."""

    state: str
    reason: str
    remarks: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a finding is about."""

    type: str
    target_id: str
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedObservation:
    """What a finding rests on."""

    observation_uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one control stands."""

    uuid: str
    title: str
    description: str
    target: Target
    props: tuple[Property, ...]
    related_observations: tuple[RelatedObservation, ...]


def build(session: Session, making: Making, parts: Reports) -> dict[str, Any]:
    """Return the results as plain values, in the order in which OSCAL's schema names them."""
    seal = seal_at(session, making.as_of)
    rows = evidence.known(session, making, parts)
    observations = {one.id: (one, known.control) for known in rows for one in known.observations}
    judged = [one for one in rows if one.state is not State.NOT_APPLICABLE]
    apart = [one for one in rows if one.state is State.NOT_APPLICABLE]
    catalogue = _id("catalogue", parts.engine.build)
    result: dict[str, Any] = {
        "uuid": _id("result", making.id),
        "title": "Controls as OnePay sees them",
        "description": PROPOSED,
        "start": rfc3339(making.since),
        "end": rfc3339(making.as_of),
        "props": [
            _plain(Property(name="log-size", value=str(seal.size))),
            _plain(Property(name="log-root", value=seal.root or "none")),
        ],
        "reviewed-controls": {
            "control-selections": [{"include-controls": [{"control-id": token(one.control)} for one in rows]}]
        },
    }
    if observations:
        result["observations"] = [_plain(_observation(seen, control, parts)) for seen, control in observations.values()]
    if judged:
        result["findings"] = [_plain(_finding(one, making)) for one in judged]
    if apart:
        listed = ", ".join(f"{token(one.control)} ({one.reason or 'no reason'})" for one in apart)
        result["remarks"] = f"Not applicable, and so without a finding: {listed}."
    company = parts.registers.settings.controller_name
    return {
        "assessment-results": {
            "uuid": _id("report", making.id),
            "metadata": {
                "title": "OnePay: proposed assessment results",
                "last-modified": rfc3339(making.as_of),
                "version": parts.engine.build,
                "oscal-version": VERSION,
                "parties": [{"uuid": _id("party", "onepay"), "type": "organization", "name": company}],
                "remarks": PROPOSED,
            },
            "import-ap": {"href": f"#{catalogue}"},
            "results": [result],
            "back-matter": {
                "resources": [
                    {
                        "uuid": catalogue,
                        "title": "Catalogue of controls that OnePay judges itself by",
                        "description": "Ids of PCI DSS v4.0.1 and GDPR with words of our own, judged without a plan of "
                        "their own: each probe runs at its pace.",
                    }
                ]
            },
        }
    }


def token(control: Control) -> str:
    """Return how OSCAL names a control: a token."""
    framework = "pci" if control.framework == PCI else "gdpr-art"
    return f"{framework}-{_NO_TOKEN.sub('-', control.key.lower()).strip('-')}"


def _observation(seen: Observation, control: Control, parts: Reports) -> OscalObservation:
    probe = parts.engine.probes.get(seen.probe)
    is_tested = probe is not None and probe.kind is Kind.LIVE
    number = evidence.number(seen)
    return OscalObservation(
        uuid=_id("observation", seen.id),
        title=f"{seen.probe}, {number}",
        description=(probe.asks if probe is not None else seen.probe) or seen.probe,
        methods=("TEST",) if is_tested else ("EXAMINE",),
        collected=rfc3339(seen.ended_at),
        expires=rfc3339(_expires(seen, control)),
        props=(
            Property(name="state", value=seen.state),
            Property(name="population", value=str(seen.counted)),
            Property(name="violations", value=str(seen.total)),
            Property(name="canary", value=seen.canary or "never"),
            Property(name="code-sha256", value=seen.code_hash),
        ),
        relevant_evidence=(
            (
                RelevantEvidence(
                    href=f"onepay:log:{seen.sequence}", description=f"Leaf of the log, row SHA-256 {seen.sha256}"
                ),
            )
            if seen.sequence is not None
            else ()
        ),
    )


def _expires(seen: Observation, control: Control) -> datetime:
    assert control.fresh is not None, "a control with probes says how old their readings may be"
    return seen.ended_at + control.fresh


def _finding(one: Known, making: Making) -> Finding:
    state = one.state.oscal
    assert state is not None, "what does not apply has no finding"
    return Finding(
        uuid=_id("finding", making.id, one.control.framework, one.control.key),
        title=one.control.name,
        description=f"{one.control.title}. Proposed finding: {one.state.finding}.",
        target=Target(
            type="objective-id",
            target_id=token(one.control),
            status=Status(
                state=state,
                reason="pass" if one.state.is_in_place else "fail" if one.state is State.FAIL else "other",
                remarks=one.reason or None,
            ),
        ),
        props=(
            Property(name="state", value=one.state.value),
            Property(name="owner-role", value=one.control.owner_role),
            Property(name="requirement-ids", value=" ".join(one.control.ids)),
        ),
        related_observations=tuple(
            RelatedObservation(observation_uuid=_id("observation", seen.id)) for seen in one.observations
        ),
    )


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_IDS, "/".join(parts)))


def _plain(value: Any) -> Any:  # a dataclass of this module, or what stands in one
    """Return a dataclass as OSCAL writes it: names with hyphens, nothing that is empty."""
    if is_dataclass(value):
        pairs = ((field.name.replace("_", "-"), getattr(value, field.name)) for field in fields(value))
        return {name: _plain(item) for name, item in pairs if item not in (None, ())}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
