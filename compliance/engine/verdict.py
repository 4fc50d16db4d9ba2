"""From a reading to a verdict: in one order, in which a violation counts alone and a clean reading does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from compliance.contracts.probes import Reading, WhenEmpty
from compliance.states import Reason, State


class Canary(StrEnum):
    """Whether a probe named what was planted for it."""

    CAUGHT = "caught"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """When a probe was last tested by a planted violation, and how it did."""

    canary: Canary | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A state, and why where it says that nothing can be said."""

    state: State
    reason: Reason | None = None


def judge(
    reading: Reading,
    tested: Tested,
    *,
    at: datetime,
    canary_max_age: timedelta,
    empty_means: WhenEmpty,
    is_in_use: bool,
) -> Verdict:
    """Return the verdict on a reading that was made whole: violations first, then use, canary, unknowns, population.

    A program that nobody uses has operated no control, though its own parts can be looked at already.
    """
    if reading.violations:
        return Verdict(state=State.FAIL)
    if not is_in_use:
        return Verdict(state=State.NOT_EVALUABLE, reason=Reason.NOT_IN_USE)
    if tested.canary is Canary.MISSED:
        return Verdict(state=State.NOT_EVALUABLE, reason=Reason.CANARY_MISSED)
    if tested.canary is None or tested.at is None or at - tested.at > canary_max_age:
        return Verdict(state=State.NOT_EVALUABLE, reason=Reason.CANARY_OLD)
    if reading.unknown is not None:
        return Verdict(state=State.NOT_EVALUABLE, reason=Reason(reading.unknown))
    if reading.counted == 0:
        if empty_means is WhenEmpty.NOT_APPLICABLE:
            return Verdict(state=State.NOT_APPLICABLE, reason=Reason.EMPTY_REGISTER)
        return Verdict(state=State.NOT_EVALUABLE, reason=Reason.NO_POPULATION)
    return Verdict(state=State.PASS)
