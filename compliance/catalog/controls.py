"""The catalogue of controls: rows of two frameworks, and which probe speaks for which row; refused when not whole."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from app.kernel import documents
from app.kernel.documents import DocumentRefused
from compliance.catalog.periods import Period, parse

PCI: Final = "pci-4.0.1"
GDPR: Final = "gdpr"
FILES: Final = {PCI: "pci_dss_401.yaml", GDPR: "gdpr.yaml"}
CROSSWALK: Final = "crosswalk.yaml"
MODES: Final = frozenset("PHA")
APPLIES: Final = frozenset({"all", "service_provider", "issuer"})
LEGS: Final = frozenset({"configuration", "records", "observation"})
BY_RECORD: Final = "record"
CHOSEN: Final = frozenset(("5.2.3.1", "5.3.2.1", "7.2.5.1", "8.6.3", "10.4.2.1", "11.3.1.1", "11.6.1", "12.10.4.1"))
"""Requirements of PCI DSS whose frequency the company chooses, by a targeted risk analysis."""
_NEEDED: Final = ("key", "ids", "title", "holds_when", "mode", "legs", "owner_role", "wave")
_FIELDS: Final = frozenset((*_NEEDED, "fresh", "expires", "profiles", "applies", "scope", "critical", "unseen"))
FRESH_MIN: Final = timedelta(minutes=5)

PCI_REQUIREMENTS: Final = {
    1: "Network security controls",
    2: "Secure configurations",
    3: "Stored account data",
    4: "Cryptography in transit",
    5: "Malicious software",
    6: "Secure systems and software",
    7: "Access by need to know",
    8: "Identification and authentication",
    9: "Physical access",
    10: "Logging and monitoring",
    11: "Testing of security",
    12: "Policies and programs",
    13: "Rolled up",
}
GDPR_CHAPTERS: Final = {
    2: "Principles",
    3: "Rights of the data subject",
    4: "Controller and processor",
    5: "Transfers to third countries",
}
_CHAPTER_ENDS: Final = ((11, 2), (23, 3), (43, 4), (50, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A probe speaks for a control, for a reason."""

    probe: str
    framework: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One row: ids it carries, what must hold, how it is known (`mode`: probe, attestation, or both).

    `unseen` names what has to hold and no probe of it looks at: people sign for that beside what the probes say, so
    nothing reads as in place of which a part was never looked at.
    """

    framework: str
    key: str
    ids: tuple[str, ...]
    title: str
    holds_when: str
    unseen: tuple[str, ...]
    mode: str
    fresh: timedelta | None
    expires: Period | None
    expires_by_record: bool
    profiles: frozenset[str]
    applies: str
    scope: str
    legs: tuple[str, ...]
    owner_role: str
    critical: bool
    wave: int
    edges: tuple[Edge, ...]

    @property
    def probes(self) -> tuple[str, ...]:
        """Names of the probes that speak for it."""
        return tuple(edge.probe for edge in self.edges)

    @property
    def is_hybrid(self) -> bool:
        """Tell whether probes and a signature have to hold together."""
        return self.mode == "H" or bool(self.unseen)

    @property
    def takes_paper(self) -> bool:
        """Tell whether people sign for it: alone, beside probes, or as long as none is built."""
        return self.mode == "A" or self.is_hybrid or not self.edges

    @property
    def chosen(self) -> tuple[str, ...]:
        """The ids of it whose frequency the company chooses."""
        return tuple(one for one in self.ids if one in CHOSEN) if self.framework == PCI else ()

    @property
    def name(self) -> str:
        """How people call it."""
        return f"PCI DSS {self.key}" if self.framework == PCI else f"GDPR Art. {self.key}"

    @property
    def group(self) -> int:
        """The requirement (PCI DSS) or chapter (GDPR) it stands under."""
        number = int(found.group()) if (found := re.match(r"\d+", self.key)) else 13
        if self.framework == PCI:
            return number
        return next(chapter for last, chapter in _CHAPTER_ENDS if number <= last)

    @property
    def group_title(self) -> str:
        """The name of that requirement or chapter."""
        return (PCI_REQUIREMENTS if self.framework == PCI else GDPR_CHAPTERS)[self.group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All controls by framework and key, and every edge from a probe."""

    controls: Mapping[tuple[str, str], Control]
    edges: Sequence[Edge]

    def of(self, framework: str) -> list[Control]:
        """Return the rows of a framework, in its order."""
        return [control for (name, _), control in self.controls.items() if name == framework]

    def served_by(self, probe: str) -> list[Control]:
        """Return the controls a probe speaks for."""
        return [self.controls[edge.framework, edge.key] for edge in self.edges if edge.probe == probe]

    def fresh_of(self, probe: str) -> timedelta:
        """Return how old a reading of a probe may be: the shortest of its controls."""
        return min(control.fresh or timedelta(days=1) for control in self.served_by(probe))

    def find(self, words: str) -> list[Control]:
        """Return the rows that carry an id or key."""
        return [one for one in self.controls.values() if words == one.key or words in one.ids]


def shipped(probes: Collection[str]) -> Catalogue:
    """Return the catalogue that is shipped, checked against the probes that are built; read once a process."""
    return _shipped(frozenset(probes))


@cache
def _shipped(probes: frozenset[str]) -> Catalogue:
    return read(_texts(), probes)


def _texts() -> Mapping[str, str]:
    folder = files("compliance.catalog")
    return {name: folder.joinpath(name).read_text("utf-8") for name in (*FILES.values(), CROSSWALK)}


def read(texts: Mapping[str, str], probes: Collection[str]) -> Catalogue:
    """Return the catalogue of some texts by file name; raises `DocumentRefused` with file and line."""
    edges = tuple(_edges(texts[CROSSWALK], probes))
    by_control: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in edges:
        by_control[edge.framework, edge.key].append(edge)
    controls: dict[tuple[str, str], Control] = {}
    for framework, name in FILES.items():
        found = documents.load(texts[name], name=name)
        if not isinstance(found, dict) or found.get("framework") != framework:
            raise DocumentRefused(name, 1, 1, f"the framework is not {framework}")
        seen: set[str] = set()
        for row in found.get("controls", ()):
            control = _Row(name, texts[name], row).control(framework, by_control)
            if control.key in seen or (framework, control.key) in controls:
                raise _Row(name, texts[name], row).refusal("the key stands twice")
            if twice := seen.intersection(control.ids):
                raise _Row(name, texts[name], row).refusal(f"the id {sorted(twice)[0]} stands twice")
            seen.update(control.ids)
            controls[framework, control.key] = control
    for edge in edges:
        if (edge.framework, edge.key) not in controls:
            raise _refusal(CROSSWALK, texts[CROSSWALK], f"{edge.framework} {edge.key}", "there is no such control")
    return Catalogue(controls=controls, edges=edges)


def _edges(text: str, probes: Collection[str]) -> Iterator[Edge]:
    found = documents.load(text, name=CROSSWALK)
    for probe, targets in found.items():
        if probe not in probes:
            raise _refusal(CROSSWALK, text, probe, "there is no such probe")
        for target, reason in targets.items():
            framework, _, key = str(target).partition(" ")
            if not reason or not key:
                raise _refusal(CROSSWALK, text, str(target), "an edge names framework, key and a reason")
            yield Edge(probe=probe, framework=framework, key=key, reason=str(reason))


def _refusal(name: str, text: str, word: str, reason: str) -> DocumentRefused:
    lines = text.splitlines()
    line = next((number for number, one in enumerate(lines, 1) if word in one), 1)
    return DocumentRefused(name, line, 1, f"{word}: {reason}")


class _Row:
    """One row as it is written, and what is wrong with it."""

    def __init__(self, file: str, text: str, row: Any) -> None:
        self._file, self._text = file, text
        self._row: Mapping[str, Any] = row if isinstance(row, dict) else {}

    def refusal(self, reason: str) -> DocumentRefused:
        """Return what names file, line and row."""
        return _refusal(self._file, self._text, f"key: '{self._row.get('key', '')}'", reason)

    def control(self, framework: str, edges: Mapping[tuple[str, str], Sequence[Edge]]) -> Control:
        """Return the control it describes."""
        row = self._row
        if unknown := set(row) - _FIELDS:
            raise self.refusal(f"unknown field {sorted(unknown)[0]}")
        if missing := [name for name in _NEEDED if row.get(name) in (None, "", [])]:
            raise self.refusal(f"{missing[0]} is missing")
        self._check("mode", row["mode"], MODES)
        self._check("applies", row.get("applies", "all"), APPLIES)
        for leg in row["legs"]:
            self._check("legs", leg, LEGS)
        key = str(row["key"])
        mine = tuple(edges.get((framework, key), ()))
        if row["wave"] == 1 and row["mode"] in "PH" and not mine:
            raise self.refusal("a row of the first wave has no probe")
        fresh = self._duration("fresh")
        if fresh is not None and (fresh.months or fresh.span < FRESH_MIN):
            raise self.refusal("fresh is an exact length of five minutes or more")
        if row.get("unseen") and (row["mode"] != "P" or not mine or not row.get("expires")):
            raise self.refusal("unseen stands beside probes, with the time that a signature holds")
        by_record = row.get("expires") == BY_RECORD
        return Control(
            framework=framework,
            key=key,
            ids=tuple(str(one) for one in row["ids"]),
            title=str(row["title"]),
            holds_when=str(row["holds_when"]),
            unseen=tuple(str(one) for one in row.get("unseen", ())),
            mode=row["mode"],
            fresh=fresh.span if fresh else None,
            expires=None if by_record else self._duration("expires"),
            expires_by_record=by_record,
            profiles=frozenset(row.get("profiles", ("embedded", "server"))),
            applies=row.get("applies", "all"),
            scope=row.get("scope", "connected"),
            legs=tuple(row["legs"]),
            owner_role=str(row["owner_role"]),
            critical=bool(row.get("critical", False)),
            wave=int(row["wave"]),
            edges=mine,
        )

    def _duration(self, field: str) -> Period | None:
        text = self._row.get(field)
        if text is None:
            return None
        try:
            return parse(str(text))
        except ValueError as error:
            raise self.refusal(f"{field}: {error}") from error

    def _check(self, field: str, value: Any, allowed: Collection[str]) -> None:
        if value not in allowed:
            raise self.refusal(f"{field} is one of {', '.join(sorted(allowed))}")
