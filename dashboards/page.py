"""What a page of the console is: an address, a question, a permission, a layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from app.kernel.access import Permission
from compliance.engine import history
from dashboards.ports import Sources

SOC: Final = "soc"
COMPLIANCE: Final = "compliance"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look at a page: who is asked, when, in which scheme, the words of the address, the id in its path."""

    sources: Sources
    now: datetime
    scheme: str
    words: Mapping[str, str]
    id: str | None = None
    area: str = SOC

    def as_told(self) -> View:
        """Return this look at the last instant of an auditor's period, where that is over: nothing is told of later."""
        past = history.before_now(self.sources.viewer(), self.now)
        return self if past is None else replace(self, now=past)

    def href(self, path: str, **words: str | None) -> str:
        """Return an address of the console with words; None leaves one out."""
        kept = {name: value for name, value in words.items() if value}
        return f"/console/{self.area}/{path}" + (f"?{urlencode(kept)}" if kept else "")

    def here(self, path: str, **changed: str | None) -> str:
        """Return this address with some words changed; None leaves one out."""
        return self.href(path, **{**self.words, **changed})


Layout: TypeAlias = Callable[[View], Any]  # returns a Dash component


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page at `/console/<area>/<slug>`, or `/console/<area>/<slug>/<id>` where `takes_id`."""

    slug: str
    title: str
    question: str
    permission: Permission
    layout: Layout
    takes_id: bool = False
    area: str = SOC
