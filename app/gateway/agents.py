"""Reading a user agent: program, version, system; nothing is decided by it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from app.kernel import classify

LENGTH_MAX: Final = 400
_PROGRAMS: Final = (
    ("Edge", re.compile(r"Edg(?:A|iOS)?/([\d.]+)")),
    ("Opera", re.compile(r"OPR/([\d.]+)")),
    ("Firefox", re.compile(r"(?:Firefox|FxiOS)/([\d.]+)")),
    ("Chrome", re.compile(r"(?:Chrome|CriOS|HeadlessChrome)/([\d.]+)")),
    ("Safari", re.compile(r"Version/([\d.]+).*Safari/")),
    ("curl", re.compile(r"^curl/([\d.]+)")),
    ("Python", re.compile(r"^(?:python-requests|Python-urllib|Werkzeug)/([\d.]+)")),
)
_SYSTEMS: Final = (
    ("Android", re.compile(r"Android")),
    ("iOS", re.compile(r"iPhone|iPad")),
    ("Windows", re.compile(r"Windows")),
    ("macOS", re.compile(r"Mac OS X|Macintosh")),
    ("Linux", re.compile(r"Linux|X11")),
)


@dataclass(frozen=True, slots=True)
class Agent:
    """What a user agent says of itself."""

    name: str | None
    version: str | None
    system: str | None


def parse(text: str) -> Agent:
    """Return program, version and system of a user agent, each None where it does not show."""
    text = text[:LENGTH_MAX]
    for name, pattern in _PROGRAMS:
        found = pattern.search(text)
        if found:
            version = found.group(1)[:32]
            return Agent(name, None if classify.find_card_numbers(version) else version, _system(text))
    return Agent(None, None, _system(text))


def _system(text: str) -> str | None:
    return next((name for name, pattern in _SYSTEMS if pattern.search(text)), None)
