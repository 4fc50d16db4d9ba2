"""What goes into a report on compliance, one line for each of the 250 ids: proposed, and never such a report itself."""

from __future__ import annotations

from sqlalchemy.orm import Session

from compliance.catalog.controls import PCI
from compliance.reports import evidence
from compliance.reports.document import Document, Table, minute, seal_at
from compliance.reports.evidence import Known
from compliance.reports.parts import Making, Reports
from compliance.states import State


def build(session: Session, making: Making, parts: Reports) -> Document:
    """Return the feed; ids of one row share its finding and evidence."""
    rows = evidence.known(session, making, parts, PCI)
    lines = sorted(((id, one) for one in rows for id in one.control.ids), key=lambda pair: _order(pair[0]))
    return Document(
        kind=making.kind,
        title="Feed for a report on compliance",
        lead=f"{len(lines)} requirement ids, each with a proposed finding; an assessor writes the report.",
        since=making.since,
        as_of=making.as_of,
        build=parts.engine.build,
        seal=seal_at(session, making.as_of),
        facts=(("Ids", len(lines)),),
        findings=sum(one.state is State.FAIL for _, one in lines),
        tables=(
            Table(
                name="ids",
                title="Requirement ids",
                columns=(
                    "Id",
                    "Proposed finding",
                    "Narrative",
                    "Evidence",
                    "Population",
                    "Sample",
                    "Methods supplied",
                    "Left to interview",
                    "State",
                    "Row",
                ),
                rows=tuple(
                    (
                        id,
                        one.state.finding,
                        _narrative(one),
                        one.numbers or None,
                        one.population,
                        _sample(one),
                        one.methods,
                        "yes",
                        one.state.value,
                        one.control.key,
                    )
                    for id, one in lines
                ),
            ),
        ),
    )


def _narrative(one: Known) -> str:
    control = one.control
    said = [f"{control.title}."]
    for seen in one.observations:
        said.append(
            f"Probe {seen.probe} looked at {seen.counted:,} on {minute(seen.ended_at)}, found {seen.total:,} "
            f"violations and {evidence.tested(seen)}."
        )
    if one.reason:
        said.append(f"{one.reason.capitalize()}.")
    return " ".join(said)


def _sample(one: Known) -> str:
    """Return what of the population its readings looked at."""
    return "; ".join(dict.fromkeys(evidence.sampled(seen) for seen in one.observations))


def _order(id: str) -> tuple[object, ...]:
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in id.split("."))
