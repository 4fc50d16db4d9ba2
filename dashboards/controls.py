"""How controls are said: states with their shapes, numbers of requirements, strips of days, tallies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from dash import html

from compliance.catalog.controls import GDPR, PCI, Control
from compliance.posture import Day
from compliance.states import REASON_WORDS, Reason, State
from dashboards import figures
from dashboards.kit import Part, counted_words, dated_text, mark, ok, span

_SHAPES: Final[Mapping[State, tuple[str, str]]] = {
    State.FAIL: ("cross", "bad"),
    State.EXPIRED: ("clock", "medium"),
    State.STALE: ("clock", "medium"),
    State.EXCEPTED: ("exception", "accent"),
}
SHORT: Final[Mapping[State, str]] = {
    State.FAIL: "FAIL",
    State.EXPIRED: "EXPIRED",
    State.STALE: "STALE",
    State.NOT_EVALUABLE: "NOT_EVALUABLE",
    State.EXCEPTED: "EXCEPTED",
    State.ATTESTED: "ATTESTED",
    State.INHERITED: "INHERITED",
    State.PASS: "PASS",
    State.NOT_APPLICABLE: "NOT_APPLICABLE",
}
KINDS: Final[Mapping[State, str]] = {
    State.FAIL: "fail",
    State.EXPIRED: "stale",
    State.STALE: "stale",
    State.NOT_EVALUABLE: "none",
    State.EXCEPTED: "excepted",
    State.ATTESTED: "ok",
    State.INHERITED: "ok",
    State.PASS: "ok",
    State.NOT_APPLICABLE: "na",
}
_ROMAN: Final = {2: "II", 3: "III", 4: "IV", 5: "V"}


def state(value: State, more: str = "") -> Part:
    """Return a state: shape, word and colour; what is in place shows its colour in the shape alone."""
    words = SHORT[value] + more
    if value.is_in_place:
        return ok(words)
    if value in _SHAPES:
        return mark(words, *_SHAPES[value])
    return html.Span(words, className="mark quiet i-dash c-info")


def why(reason: Reason | None) -> str:
    """Return the reason in words."""
    return REASON_WORDS[reason] if reason is not None else ""


def number(framework: str, group: int) -> str:
    """Return the number of a requirement or chapter."""
    if framework == PCI:
        return str(group) if group <= 12 else "–"
    return _ROMAN[group]


def group_id(framework: str, group: int) -> str:
    """Return how an address names a group within the list of controls."""
    return f"{'g' if framework == PCI else 'c'}{group}"


def key(control: Control) -> str:
    """Return what a control is called beside others of its framework."""
    return control.key if control.framework == PCI else f"Art. {control.key}"


def slug(control: Control) -> str:
    """Return how an address names a control."""
    return f"{'pci' if control.framework == PCI else 'gdpr'}:{control.key}"


def of_slug(words: str) -> tuple[str, str]:
    """Return framework and key of what an address names."""
    name, _, rest = words.partition(":")
    return (PCI if name == "pci" else GDPR), rest


def days(found: Sequence[Day], *, width: int = 180, height: int = 14) -> Part:
    """Return days as cells, each its worst state, and what they say in words."""
    kinds = [KINDS[one.worst or State.NOT_EVALUABLE] for one in found]
    return html.Img(
        src=figures.day_strip(kinds, width=width, height=height),
        alt=f"{len(found)} days: {days_words(found)}",
        width=width,
        height=height,
        className="c90" if width <= 180 else "wide-img",
    )


def days_words(found: Sequence[Day]) -> str:
    """Return what the days say: how they ended, in how many it was otherwise in between, and how long nobody knew."""
    judged = [one for one in found if one.last is not None]
    looked = [one for one in judged if one.last is not State.NOT_APPLICABLE]
    if not looked:
        return "not applicable" if judged else "not judged yet"
    kinds = [KINDS[one.worst] for one in looked if one.worst is not None]
    said = [f"{sum(one.ended_in_place for one in looked)} of {counted_words(len(looked), 'day')} ended in place"]
    for kind, words in (("fail", "a failure"), ("stale", "something stale"), ("excepted", "an exception")):
        if kinds.count(kind):
            said.append(f"{kinds.count(kind)} had {words}")
    unknown = sum((one.unknown for one in looked), timedelta())
    if unknown >= timedelta(minutes=1):
        said.append(f"nobody knew for {span(unknown)}")
    return ", ".join(said)


def tally(counts: Mapping[State, int]) -> Part:
    """Return the controls of a group as cells, worst first: decoration beside the words."""
    cells = [(KINDS[one], count) for one, count in counts.items() if one is not State.NOT_APPLICABLE]
    return html.Img(src=figures.tally(cells, cell=6, width=216), alt="", width=216, height=14)


def day(at: datetime) -> str:
    """Return a day with its year, and a minute."""
    return dated_text(at, seconds=False)
