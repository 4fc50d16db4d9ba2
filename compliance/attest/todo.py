"""What a person must still sign: what ended or ends soon, what waits for a second person, what nobody ever signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.access import COMPLIANCE_CONTROL_READ, Actor
from compliance.attest import analyses, attestations, baselines, exceptions
from compliance.attest.parts import EXPIRED, IN_FORCE, PROPOSED, Desk
from compliance.catalog.controls import CHOSEN, Control
from compliance.engine.standing import Standing
from compliance.states import Reason

SOON: Final = timedelta(days=30)


class What(StrEnum):
    """What is signed."""

    ATTESTATION = "attestation"
    EXCEPTION = "exception"
    ANALYSIS = "risk analysis"
    BASELINE = "baseline"


class How(StrEnum):
    """How it stands, the most pressing first."""

    ENDED = "ended"
    SOON = "ends soon"
    CHANGED = "differs"
    WAITS = "waits"
    UNSIGNED = "never signed"
    HOLDS = "holds"


_ORDER: Final[Mapping[How, int]] = {how: place for place, how in enumerate(How)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One paper, signed or not; `control` is None for what is about no row."""

    what: What
    how: How
    name: str
    says: str
    control: Control | None = None
    ends: datetime | None = None
    id: str | None = None
    owner: str | None = None


def tasks(
    session: Session, actor: Actor, at: datetime, standings: Mapping[tuple[str, str], Standing], *, desk: Desk
) -> list[Task]:
    """Return every paper by what presses most, then by its end."""
    actor.require(COMPLIANCE_CONTROL_READ)
    found = [
        *_attestations(session, actor, at, standings, desk),
        *_exceptions(session, actor, at, desk),
        *_analyses(session, actor, at, standings),
        *_baselines(session, actor, desk),
    ]
    far = at + timedelta(days=36_500)
    return sorted(found, key=lambda one: (_ORDER[one.how], one.ends or far, one.name))


def _attestations(
    session: Session, actor: Actor, at: datetime, standings: Mapping[tuple[str, str], Standing], desk: Desk
) -> list[Task]:
    found, signed = [], set()
    for one in attestations.listed(session, actor):
        control = desk.catalogue.controls.get((one.framework, one.key))
        if control is None or one.state not in (PROPOSED, IN_FORCE, EXPIRED):
            continue
        signed.add((one.framework, one.key))
        found.append(
            Task(
                what=What.ATTESTATION,
                how=How.WAITS if one.state == PROPOSED else _how(one.expires_at, at),
                name=control.name,
                says=f"{one.kind.value.replace('_', ' ')}: {one.statement}",
                control=control,
                ends=one.expires_at,
                id=one.id,
                owner=one.owner,
            )
        )
    for key, standing in standings.items():
        if key not in signed and any(leg.reason is Reason.NEVER_ATTESTED for leg in standing.legs):
            says = standing.control.title
            control = standing.control
            found.append(Task(what=What.ATTESTATION, how=How.UNSIGNED, name=control.name, says=says, control=control))
    return found


def _exceptions(session: Session, actor: Actor, at: datetime, desk: Desk) -> list[Task]:
    return [
        Task(
            what=What.EXCEPTION,
            how=How.WAITS if one.state == PROPOSED else _how(one.until_at, at),
            name=control.name,
            says=f"{one.kind.value.replace('_', ' ')}, {one.component or 'all of it'}: {one.why}",
            control=control,
            ends=one.until_at,
            id=one.id,
            owner=one.proposed_by,
        )
        for one in exceptions.listed(session, actor)
        if one.state in (PROPOSED, IN_FORCE)
        and (control := desk.catalogue.controls.get((one.framework, one.key))) is not None
    ]


def _analyses(
    session: Session, actor: Actor, at: datetime, standings: Mapping[tuple[str, str], Standing]
) -> list[Task]:
    known = {one.requirement: one for one in analyses.listed(session, actor) if one.state in (PROPOSED, IN_FORCE)}
    lacking = {
        requirement
        for standing in standings.values()
        if any(leg.reason is Reason.ANALYSIS_EXPIRED for leg in standing.legs)
        for requirement in standing.control.chosen
    }
    found = []
    for requirement in sorted(CHOSEN):
        one = known.get(requirement)
        control = next((each.control for each in standings.values() if requirement in each.control.chosen), None)
        name = f"PCI DSS {requirement}"
        if one is not None:
            how = How.WAITS if one.state == PROPOSED else _how(one.review_by, at)
            says = f"every {one.frequency}: {one.body.get('justification', '')}"
            found.append(
                Task(
                    what=What.ANALYSIS,
                    how=how,
                    name=name,
                    says=says,
                    control=control,
                    ends=one.review_by,
                    id=one.id,
                    owner=one.proposed_by,
                )
            )
        elif requirement in lacking:
            says = "how often is the company's choice, and nobody made it"
            found.append(Task(what=What.ANALYSIS, how=How.ENDED, name=name, says=says, control=control))
    return found


def _baselines(session: Session, actor: Actor, desk: Desk) -> list[Task]:
    found = []
    for one in baselines.documents(session, actor, desk=desk):
        approved = one.in_force
        if one.waits is not None:
            how, says = How.WAITS, "a version waits for a second person"
        elif approved is None:
            how, says = How.UNSIGNED, "what runs was never approved"
        elif one.is_same:
            how, says = How.HOLDS, f"version {approved.version} is what runs"
        else:
            how, says = How.CHANGED, f"what runs differs from version {approved.version}"
        found.append(Task(what=What.BASELINE, how=how, name=one.name.replace("_", " "), says=says, id=one.name))
    return found


def _how(end: datetime, at: datetime) -> How:
    if end <= at:
        return How.ENDED
    return How.SOON if end - at <= SOON else How.HOLDS
