"""The nine states a control can be in, worst first, and what follows from each."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a control stands; the order of the members is the order of roll-up, worst first."""

    FAIL = "FAIL"
    EXPIRED = "EXPIRED"
    STALE = "STALE"
    NOT_EVALUABLE = "NOT_EVALUABLE"
    EXCEPTED = "EXCEPTED"
    ATTESTED = "ATTESTED"
    INHERITED = "INHERITED"
    PASS = "PASS"
    NOT_APPLICABLE = "NOT_APPLICABLE"

    @property
    def is_in_place(self) -> bool:
        """Tell whether the control counts as being in place."""
        return self in IN_PLACE

    @property
    def finding(self) -> str:
        """Return the proposed finding; an assessor decides."""
        return FINDING[self]

    @property
    def oscal(self) -> str | None:
        """Return the state of an objective in OSCAL; what does not apply has none."""
        if self is State.NOT_APPLICABLE:
            return None
        return "satisfied" if self.is_in_place else "not-satisfied"


_ORDER: Final = {state: place for place, state in enumerate(State)}
IN_PLACE: Final = frozenset({State.PASS, State.ATTESTED, State.INHERITED})
FINDING: Final = {
    State.FAIL: "Not in Place",
    State.EXPIRED: "Not Tested",
    State.STALE: "Not Tested",
    State.NOT_EVALUABLE: "Not Tested",
    State.EXCEPTED: "Not in Place",
    State.ATTESTED: "In Place",
    State.INHERITED: "In Place",
    State.PASS: "In Place",
    State.NOT_APPLICABLE: "Not Applicable",
}
WORDS: Final = {
    State.FAIL: "Fails",
    State.EXPIRED: "Expired",
    State.STALE: "Stale",
    State.NOT_EVALUABLE: "Not evaluable",
    State.EXCEPTED: "Excepted",
    State.ATTESTED: "Attested",
    State.INHERITED: "Inherited",
    State.PASS: "Passes",
    State.NOT_APPLICABLE: "Not applicable",
}


def worst(states: Iterable[State]) -> State:
    """Return the worst of some states; nothing at all is not evaluable."""
    return min(states, key=_ORDER.__getitem__, default=State.NOT_EVALUABLE)


class Reason(StrEnum):
    """Why a control could not be judged, or does not apply."""

    NO_POPULATION = "no_population"
    NOT_IN_USE = "not_in_use"
    CANARY_MISSED = "canary_missed"
    CANARY_OLD = "canary_old"
    PROBE_ERROR = "probe_error"
    TIMEOUT = "timeout"
    COVERAGE = "coverage"
    PROFILE = "profile"
    NO_PROBE = "no_probe"
    NOT_OBSERVED = "not_observed"
    NOT_AS_SEALED = "not_as_sealed"
    NEVER_ATTESTED = "never_attested"
    BASELINE_CHANGED = "baseline_changed"
    ANALYSIS_EXPIRED = "analysis_expired"
    BY_HAND = "by_hand"
    FLAG = "flag"
    EMPTY_REGISTER = "empty_register"
    APPROVED = "approved"


REASON_WORDS: Final = {
    Reason.NO_POPULATION: "there is nothing to judge by",
    Reason.NOT_IN_USE: "nobody has an account here yet: nothing has operated that could be judged",
    Reason.CANARY_MISSED: "the probe did not see a planted violation",
    Reason.CANARY_OLD: "the probe was not tested by a planted violation lately",
    Reason.PROBE_ERROR: "the probe failed",
    Reason.TIMEOUT: "the probe took too long",
    Reason.COVERAGE: "the event store does not hold the whole window",
    Reason.PROFILE: "this profile cannot show it",
    Reason.NO_PROBE: "no probe looks at it",
    Reason.NOT_OBSERVED: "not observed yet",
    Reason.NOT_AS_SEALED: "the reading does not lie as it was sealed",
    Reason.NEVER_ATTESTED: "nobody has attested it",
    Reason.BASELINE_CHANGED: "it differs from what was approved, or nothing was approved",
    Reason.ANALYSIS_EXPIRED: "the risk analysis is missing or out of date",
    Reason.BY_HAND: "attested by hand: no probe looks at it",
    Reason.FLAG: "it does not apply to this kind of company",
    Reason.EMPTY_REGISTER: "the whole register was counted and is empty",
    Reason.APPROVED: "approved as not applicable",
}
