"""What a person reads of the steps of their own request: a sentence of ours for each state, no word of a colleague.

What is noted with a step is for those who work on it: it may name how we are built, or why somebody was believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from compliance.privacy.request import State, Step

RECEIVED: Final = "We have your request."
EXTENDED: Final = "The time to answer was extended; the reasons stand in our letter."
SAYS: Final[Mapping[State, str]] = {
    State.IDENTITY: "Before anything is given out or changed we ask who you are.",
    State.SCOPED: "It is clear that the request is yours; what you asked for is prepared.",
    State.IN_REVIEW: "A person of ours looks at it.",
    State.WAITING: "It was approved. Until it begins you can call it off.",
    State.EXECUTING: "It is being carried out.",
    State.READY: "Your copy can be fetched here.",
    State.DELIVERED: "You fetched your copy.",
    State.EXECUTED: "It was carried out.",
    State.VERIFIED: "Another reader looked whether it was carried out.",
    State.CLOSED: "It is answered, and has ended.",
    State.REFUSED: "It was refused. The reasons, and who can be asked about them, stand in our letter.",
    State.WITHDRAWN: "You took it back.",
    State.STOPPED: "It was stopped by the link of our letter, as not yours.",
}


def told(steps: Sequence[Step], extended_at: datetime | None) -> Sequence[Step]:
    """Return the steps as their person reads them: what only repeats a state, such as a try that failed, is none.

    The first is the receipt; that the time was extended stands for itself.
    """
    found: list[Step] = []
    for step in steps:
        if not found:
            says = RECEIVED
        elif step.at == extended_at:
            says = EXTENDED
        else:
            says = SAYS[State(step.state)]
            if found[-1].state == step.state and found[-1].note != RECEIVED:
                continue
        found.append(replace(step, note=says))
    return found
