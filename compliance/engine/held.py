"""What a window leaves standing: the verdict of an earlier one, where the later one repairs nothing or saw nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from compliance.states import Reason, State

FAILURE_STANDS: Final = timedelta(days=1)
"""So long what a window held that was wrong is shown: no later window repairs it."""


def is_held(
    before: State, ended_at: datetime, now: State, reason: str | None, at: datetime, *, is_same_code: bool
) -> bool:
    """Tell whether a verdict that was reached by `ended_at` stands after that of a later window, begun at `at`.

    What happened in a window is not repaired by the next one, so a failure stands for a day. Where nothing happened
    nothing could be wrong: the verdict over the last window in which something did is still the newest there is.
    """
    # A probe that was changed answers for itself, and takes back no failure that was seen.
    if reason == Reason.NO_POPULATION:
        return before is State.FAIL or (before is State.PASS and is_same_code)
    return before is State.FAIL and now is State.PASS and at - ended_at < FAILURE_STANDS


def leaves(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether a kept reading leaves an earlier one of its probe standing, by the rows of both."""
    # A window that follows another begins behind it; what reads rows as they are begins at nothing.
    return after["lo"] > 0 and is_held(
        State(before["state"]),
        before["ended_at"],
        State(after["state"]),
        after["reason"],
        after["started_at"],
        is_same_code=before["code_hash"] == after["code_hash"],
    )
