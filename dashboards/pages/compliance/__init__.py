"""Pages of compliance officers, the data protection officer and auditors, in the order of the menu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dashboards.mount import Console
from dashboards.page import Page
from dashboards.pages.compliance import controls, posture, retention

PAGES: Final[Sequence[Page]] = (posture.PAGE, controls.PAGE, retention.PAGE)
WIRES: Final[Sequence[Callable[[Console], None]]] = (controls.wire, retention.wire)
