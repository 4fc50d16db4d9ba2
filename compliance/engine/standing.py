"""Where a control stands, from the last readings of its probes and the papers in force: computed by who reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance import models
from compliance.catalog.controls import Control
from compliance.engine import newest, sealed
from compliance.engine.parts import Exemption, Papers, Parts
from compliance.states import Reason, State, worst

AHEAD_MAX: Final = timedelta(minutes=2)
"""So far may clocks of two machines lie apart."""


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
    is_sealed: bool = True
    """Whether state and reason are those of the newest observation that was sealed of it."""
    failing: frozenset[str] | None = None
    """The components in which it fails; None where not all violations were kept, so that nobody knows them all."""


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
    turned_at: datetime | None = None
    """When its state came about by time alone, where it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a control stands now: the worst of its legs."""

    control: Control
    state: State
    reason: Reason | None
    legs: Sequence[Leg]
    observed_at: datetime | None
    turned_at: datetime | None
    """Since when it is so by time alone: stale, expired, or failing again after an exception."""

    @property
    def name(self) -> str:
        return self.control.name


def judge(control: Control, probes: Mapping[str, ProbeRow], papers: Papers, at: datetime, parts: Parts) -> Standing:
    """Return where a control stands at an instant, from what is given alone."""
    legs = _legs(control, probes, papers, at, parts)
    state = worst(leg.state for leg in legs)
    leading = next((leg for leg in legs if leg.state is state), None)
    seen = [leg.at for leg in legs if leg.at is not None]
    turned = [leg.turned_at for leg in legs if leg.turned_at is not None and leg.state is state]
    return Standing(
        control=control,
        state=state,
        reason=leading.reason if leading else Reason.NO_PROBE,
        legs=legs,
        observed_at=min(seen) if seen else None,
        turned_at=min(turned) if turned else None,
    )


def all_of(session: Session, at: datetime, parts: Parts) -> dict[tuple[str, str], Standing]:
    """Return where every control stands; nothing needs to have run for it."""
    probes, papers = rows(session), parts.papers(session, at)
    return {key: judge(control, probes, papers, at, parts) for key, control in parts.catalogue.controls.items()}


def rows(session: Session) -> dict[str, ProbeRow]:
    """Return what every probe last saw."""
    kept = sealed.latest(session)
    intact = sealed.intact(session, list(kept.values()), are_past=False)
    newest_of = intact - {kept[name]["id"] for name in newest.overtaken(session, kept)}
    return {
        row.name: ProbeRow(
            name=row.name,
            state=State(row.state),
            reason=Reason(row.reason) if row.reason else None,
            observed_at=row.observed_at,
            observation_id=row.observation_id,
            canary=row.canary,
            canary_at=row.canary_at,
            is_sealed=_is_sealed(row, kept.get(row.name), newest_of),
            failing=_failing(kept.get(row.name)),
        )
        for row in session.execute(sa.select(models.probe))
    }


def _is_sealed(row: sa.Row[Any], seen: Mapping[str, Any] | None, newest_of: frozenset[str]) -> bool:
    """Tell whether a probe that looked stands as the newest of its own that was sealed, which lies as it was."""
    if row.observed_at is None:
        return True
    return seen is not None and seen["id"] in newest_of and (row.state, row.reason) == (seen["state"], seen["reason"])


def _failing(seen: Mapping[str, Any] | None) -> frozenset[str] | None:
    if seen is None or not seen["violations"] or len(seen["violations"]) != seen["total"]:
        return None
    return frozenset(one["component"] for one in seen["violations"])


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
    unchosen = _unchosen(control, papers, at)
    if control.mode == "A":
        return (paper, *unchosen) if paper is not None else (_unsigned(),)
    fresh = _fresh(control, papers)
    seen = tuple(
        _excepted(_seen(name, fresh, probes, at), probes.get(name), control, papers, at) for name in control.probes
    )
    if not seen:
        # Known by hand where nothing looks: shown as such, and better than a promise.
        by_hand = paper and Leg(name=paper.name, state=paper.state, reason=Reason.BY_HAND, until=paper.until)
        if by_hand is None:
            return (Leg(name="none", state=State.NOT_EVALUABLE, reason=Reason.NO_PROBE),)
        return (by_hand, *unchosen)
    return (*seen, paper or _unsigned(), *unchosen) if control.is_hybrid else (*seen, *unchosen)


def _unchosen(control: Control, papers: Papers, at: datetime) -> tuple[Leg, ...]:
    """Return a leg for each frequency that is the company's choice and that no risk analysis in force makes."""
    return tuple(
        Leg(
            name=f"risk analysis {requirement}",
            state=State.STALE,
            reason=Reason.ANALYSIS_EXPIRED,
            until=made.review_by if made else None,
            turned_at=made.review_by if made else None,
        )
        for requirement in control.chosen
        if (made := papers.chosen.get(requirement)) is None or made.review_by <= at
    )


def _fresh(control: Control, papers: Papers) -> timedelta:
    """Return how old a reading may be: what the risk analyses say where the company chooses."""
    assert control.fresh is not None or not control.probes, "a control with probes says how old their readings may be"
    chosen = [made.fresh for one in control.chosen if (made := papers.chosen.get(one)) is not None]
    return min(chosen, default=control.fresh or timedelta(0))


def _unsigned() -> Leg:
    return Leg(name="attestation", state=State.NOT_EVALUABLE, reason=Reason.NEVER_ATTESTED)


def _seen(name: str, fresh: timedelta, probes: Mapping[str, ProbeRow], at: datetime) -> Leg:
    row = probes.get(name)
    if row is None or row.observed_at is None:
        return Leg(name=name, state=State.NOT_EVALUABLE, reason=Reason.NOT_OBSERVED)
    if not row.is_sealed:
        return Leg(name=name, state=State.NOT_EVALUABLE, reason=Reason.NOT_AS_SEALED, at=row.observed_at)
    until = row.observed_at + fresh
    # What was seen at an instant that has not come was seen by a clock that was ahead: it says nothing about now.
    is_ahead = row.observed_at > at + AHEAD_MAX
    if (until < at or is_ahead) and row.state is not State.FAIL:
        return Leg(
            name=name,
            state=State.STALE,
            at=row.observed_at,
            until=until,
            observation_id=row.observation_id,
            turned_at=at if is_ahead else until,
        )
    return Leg(
        name=name,
        state=row.state,
        reason=row.reason,
        at=row.observed_at,
        until=until,
        observation_id=row.observation_id,
    )


def _excepted(leg: Leg, row: ProbeRow | None, control: Control, papers: Papers, at: datetime) -> Leg:
    """Return the leg with an exception laid over its failure: of the whole control, or of each component that fails."""
    known = papers.exceptions.get((control.framework, control.key), ())
    if leg.state is not State.FAIL or not known:
        return leg
    parts = row.failing if row is not None else None
    until = _covered(parts, [one for one in known if one.until_at > at])
    if until is not None:
        return replace(leg, state=State.EXCEPTED, until=until, beneath=State.FAIL)
    # It fails again since the exception ended, not since somebody looked.
    ended = [one.until_at for one in known if one.until_at <= at]
    return replace(leg, turned_at=max(ended)) if ended else leg


def _covered(parts: frozenset[str] | None, found: Sequence[Exemption]) -> datetime | None:
    """Return until when exceptions cover what fails, or None where they do not."""
    ends: dict[str | None, datetime] = {}
    for one in found:
        ends[one.component] = max(one.until_at, ends.get(one.component, one.until_at))
    if None in ends:
        return ends[None]
    if not parts or not parts <= ends.keys():
        return None
    return min(ends[part] for part in parts)


def _paper(control: Control, papers: Papers, at: datetime) -> Leg | None:
    paper = papers.attestations.get((control.framework, control.key))
    if paper is None:
        return None
    if paper.expires_at is not None and paper.expires_at <= at:
        return Leg(name=paper.id, state=State.EXPIRED, until=paper.expires_at, turned_at=paper.expires_at)
    reason = Reason.APPROVED if paper.state is State.NOT_APPLICABLE else None
    return Leg(name=paper.id, state=paper.state, reason=reason, until=paper.expires_at)
