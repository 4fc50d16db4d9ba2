"""The form of a playbook: steps of five kinds between an entry and the built-in end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, assert_never

END: Final = "done"


class Type(StrEnum):
    """What a variable holds."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    ACCOUNT = "account"
    ADDRESSES = "addresses"


Value = str | int | bool | list[str]

# What every execution knows of its incident from its start on; none of it changes later. A fact that may be missing
# has a claim beside it that says whether it is there.
GIVEN: Final[Mapping[str, Type]] = {
    "account": Type.ACCOUNT,
    "has_account": Type.BOOLEAN,
    "has_sources": Type.BOOLEAN,
    "severity": Type.INTEGER,
    "source_ips": Type.ADDRESSES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One answer a task asks for: a type, or one of some words."""

    type: Type
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Does an action of the registry by itself; where it cannot, `failed` goes on."""

    action: str
    params: Mapping[str, str] = field(default_factory=dict)
    next: str
    failed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Asks a person: a text, a role, a time, a form.

    `does` names the action that finishes it, `params` whom or what that is done to; `is_any` says that it counts
    whomever it is done to. `facts` are the answers that are written into the incident. `contradicted_by` names, for an
    answer, the probe that must find nothing at the account of `params`: what the system knows, nobody says otherwise.
    `other_than` names the task before it whose person does not answer this one.
    """

    text: str
    role: str
    within: timedelta
    fields: Mapping[str, Field] = field(default_factory=dict)
    does: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    is_any: bool = False
    facts: tuple[str, ...] = ()
    contradicted_by: Mapping[str, str] = field(default_factory=dict)
    other_than: str | None = None
    needs_second: bool = False
    is_required: bool = True
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """Goes one of two ways. What cannot be decided takes `failed`, or becomes the owner's decision.

    `asks` is the condition as people ask it.
    """

    condition: str
    asks: str
    then: str
    otherwise: str
    otherwise_because: str = ""
    failed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Runs another playbook within the same incident and waits for its end."""

    playbook: str
    given: Mapping[str, str] = field(default_factory=dict)
    next: str


Step = Do | Ask | Decide | Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """A playbook as written: the first step is where it begins."""

    slug: str
    title: str
    owner: str
    steps: Mapping[str, Step]
    source: str
    content_hash: str

    @property
    def entry(self) -> str:
        return next(iter(self.steps))

    def variables(self) -> dict[str, Type]:
        """Return every variable with its type: what is given and what tasks answer."""
        asked = {
            name: one.type for step in self.steps.values() if isinstance(step, Ask) for name, one in step.fields.items()
        }
        return {**GIVEN, **asked}


def targets(step: Step) -> dict[str, str]:
    """Return where a step may go on, by the name of the branch."""
    match step:
        case Do():
            return {"next": step.next} | ({"failed": step.failed} if step.failed else {})
        case Ask() | Call():
            return {"next": step.next}
        case Decide():
            return {"then": step.then, "else": step.otherwise} | ({"failed": step.failed} if step.failed else {})
        case _:
            assert_never(step)
