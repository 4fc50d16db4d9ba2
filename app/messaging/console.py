"""The console messenger: letters go into a mailbox folder of the installation, for `make mail` to show."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from app.identity.letters import Letter, MessengerFailed
from app.kernel.clock import rfc3339

KEPT_MAX: Final = 200


class ConsoleMessenger:
    """Writes to files of the home alone, never through logging: links in letters open accounts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, letter_id: str, letter: Letter, at: datetime) -> None:
        """Put a letter into the mailbox; the same id twice is one letter."""
        content = {"id": letter_id, "at": rfc3339(at), "to": letter.to, "subject": letter.subject, "text": letter.text}
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self._folder / f".{letter_id}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                json.dump(content, out)
            draft.rename(self._folder / f"{letter_id}.json")
            self._thin()
        except OSError as error:
            raise MessengerFailed(str(error)) from error

    def mailbox(self, *, limit: int = 20, to: str | None = None) -> Sequence[dict[str, str]]:
        """Return the newest letters first, of everybody or of one address."""
        found = []
        for file in sorted(self._folder.glob("msg_*.json"), reverse=True):
            letter = json.loads(file.read_text("utf-8"))
            if to is None or letter["to"] == to:
                found.append(letter)
            if len(found) == limit:
                break
        return found

    def _thin(self) -> None:
        for file in sorted(self._folder.glob("msg_*.json"), reverse=True)[KEPT_MAX:]:
            file.unlink(missing_ok=True)
