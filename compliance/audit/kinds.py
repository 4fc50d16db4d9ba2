"""What the worker of reports makes for the trail beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from compliance.audit import export, verifying
from compliance.reports.parts import Maker

MAKERS: Final[Mapping[str, Maker]] = {export.KIND: export.make, verifying.KIND: verifying.make}
