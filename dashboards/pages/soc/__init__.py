"""Pages of security analysts and incident commanders, in the order of the menu."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dashboards.mount import Console
from dashboards.page import Page
from dashboards.pages.soc import alerts as alerts_page
from dashboards.pages.soc import events, health, incidents, rules
from dashboards.pages.soc.incident import acts as incident_acts
from dashboards.pages.soc.incident import page as incident_page
from dashboards.pages.soc.overview import page as overview

PAGES: Final[Sequence[Page]] = (
    overview.PAGE,
    incidents.PAGE,
    incident_page.PAGE,
    alerts_page.PAGE,
    events.PAGE,
    rules.PAGE,
    rules.ONE,
    health.PAGE,
)
WIRES: Final[Sequence[Callable[[Console], None]]] = (
    events.wire,
    alerts_page.wire,
    incidents.wire,
    incident_acts.wire,
)
Feed = Callable[..., Mapping[str, Any]]
FEEDS: Final[Mapping[str, tuple[Page, Feed]]] = {"events": (events.PAGE, events.rows)}
