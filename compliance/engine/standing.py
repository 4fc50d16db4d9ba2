"""Where a control stands, from the last readings of its probes and the papers in force: pure, computed by who reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance import models
from compliance.catalog.controls import Catalogue, Control
from compliance.engine.parts import Papers, Parts
from compliance.states import Reason, State, worst


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRow:
    """What a probe last saw."""

    name: str
    state: State
    reason: Reason | None
    observed_at: datetime | None
    observation_id: str | None
    canary: str | None
    canary_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One of the two ways a control is known, and how it stands. `name` is a probe, or a paper's id."""

    name: str
    state: State
    reason: Reason | None = None
    at: datetime | None = None
    until: datetime | None = None
    observation_id: str | None = None
    beneath: State | None = None
    """What stands beneath an exception."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a control stands now: the worst of its legs. `turns_at` is when it goes stale or ends by itself."""

    control: Control
    state: State
    reason: Reason | None
    legs: Sequence[Leg]
    observed_at: datetime | None
    turned_at: datetime | None
    """Since when it is stale or expired by time alone, where it is."""

    @property
    def name(self) -> str:
        return self.control.name


def judge(control: Control, probes: Mapping[str, ProbeRow], papers: Papers, at: datetime, parts: Parts) -> Standing:
    """Return where a control stands at an instant."""
    legs = _legs(control, probes, papers, at, parts)
    state = worst(leg.state for leg in legs)
    leading = next((leg for leg in legs if leg.state is state), None)
    seen = [leg.at for leg in legs if leg.at is not None]
    turned = [leg.until for leg in legs if leg.until is not None and leg.until <= at and leg.state is state]
    return Standing(
        control=control,
        state=state,
        reason=leading.reason if leading else Reason.NO_PROBE,
        legs=legs,
        observed_at=min(seen) if seen else None,
        turned_at=min(turned) if turned and state in (State.STALE, State.EXPIRED) else None,
    )


def all_of(session: Session, at: datetime, parts: Parts) -> dict[tuple[str, str], Standing]:
    """Return where every control stands; nothing needs to have run for it."""
    probes, papers = rows(session), parts.papers(session, at)
    return {key: judge(control, probes, papers, at, parts) for key, control in parts.catalogue.controls.items()}


def rows(session: Session) -> dict[str, ProbeRow]:
    """Return what every probe last saw."""
    table = models.probe
    return {
        row.name: ProbeRow(
            name=row.name,
            state=State(row.state),
            reason=Reason(row.reason) if row.reason else None,
            observed_at=row.observed_at,
            observation_id=row.observation_id,
            canary=row.canary,
            canary_at=row.canary_at,
        )
        for row in session.execute(sa.select(table))
    }


def _legs(
    control: Control, probes: Mapping[str, ProbeRow], papers: Papers, at: datetime, parts: Parts
) -> tuple[Leg, ...]:
    flags = {"service_provider": parts.settings.service_provider, "issuer": parts.settings.issuer}
    if not flags.get(control.applies, True):
        return (Leg(name=control.applies, state=State.NOT_APPLICABLE, reason=Reason.FLAG),)
    paper = _paper(control, papers, at)
    if paper is not None and paper.state is State.NOT_APPLICABLE:
        return (paper,)
    if parts.profile not in control.profiles:
        return (Leg(name=parts.profile, state=State.NOT_EVALUABLE, reason=Reason.PROFILE),)
    if control.mode == "A":
        return (paper or _unsigned(),)
    seen = tuple(_excepted(_seen(name, control, probes, at), control, papers, at) for name in control.probes)
    if not seen:
        # Known by hand where nothing looks: shown as such, and better than a promise.
        by_hand = paper and Leg(name=paper.name, state=paper.state, reason=Reason.BY_HAND, until=paper.until)
        return (by_hand or Leg(name="none", state=State.NOT_EVALUABLE, reason=Reason.NO_PROBE),)
    return seen if control.mode == "P" else (*seen, paper or _unsigned())


def _unsigned() -> Leg:
    return Leg(name="attestation", state=State.NOT_EVALUABLE, reason=Reason.NEVER_ATTESTED)


def _seen(name: str, control: Control, probes: Mapping[str, ProbeRow], at: datetime) -> Leg:
    row = probes.get(name)
    if row is None or row.observed_at is None:
        return Leg(name=name, state=State.NOT_EVALUABLE, reason=Reason.NOT_OBSERVED)
    assert control.fresh is not None, "a control with probes says how old their readings may be"
    until = row.observed_at + control.fresh
    if until < at and row.state is not State.FAIL:
        return Leg(name=name, state=State.STALE, at=row.observed_at, until=until, observation_id=row.observation_id)
    return Leg(
        name=name,
        state=row.state,
        reason=row.reason,
        at=row.observed_at,
        until=until,
        observation_id=row.observation_id,
    )


def _excepted(leg: Leg, control: Control, papers: Papers, at: datetime) -> Leg:
    if leg.state is not State.FAIL:
        return leg
    found = [one for one in papers.exceptions.get((control.framework, control.key), ()) if one.until_at > at]
    whole = next((one for one in found if one.component is None), None)
    if whole is None:
        return leg
    return Leg(
        name=leg.name,
        state=State.EXCEPTED,
        at=leg.at,
        until=whole.until_at,
        observation_id=leg.observation_id,
        beneath=State.FAIL,
    )


def _paper(control: Control, papers: Papers, at: datetime) -> Leg | None:
    paper = papers.attestations.get((control.framework, control.key))
    if paper is None:
        return None
    if paper.expires_at is not None and paper.expires_at <= at:
        return Leg(name=paper.id, state=State.EXPIRED, until=paper.expires_at)
    return Leg(name=paper.id, state=paper.state, until=paper.expires_at)


def of_framework(catalogue: Catalogue, framework: str, standings: Mapping[tuple[str, str], Standing]) -> list[Standing]:
    """Return the standings of one framework in its order."""
    return [standings[framework, control.key] for control in catalogue.of(framework)]
