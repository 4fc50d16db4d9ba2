"""Ground truth: what a campaign was, outside everything that detectors can read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

NAME = "truth.jsonl"


class Truth:
    """One line a campaign, in a file of mode 0600."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME
        self._folder = folder

    def write(self, line: dict[str, Any]) -> None:
        """Append a campaign."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(json.dumps({"v": 1, **line}) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """Return all campaigns, oldest first."""
        if not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text("utf-8").splitlines()]
