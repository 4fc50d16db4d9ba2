"""A store that can be taken away, made small, or cut off before it has answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.store.port import BatchTooLarge, EventStore, StoreUnavailable
from ingest.store.query import Appended, Capabilities, Refusal, Sequenced


class CutOff(Exception):
    """The process died here."""


@dataclass
class FaultyStore:
    """Passes everything on to a real store, except what it was told to spoil."""

    store: EventStore
    is_away: bool = False
    documents_max: int | None = None
    dies_after_storing: bool = False
    refuses: bool = False
    batches: list[int] = field(default_factory=list)
    knocks: int = 0

    def open(self) -> Capabilities:
        self._answer()
        return self.store.open()

    def append(self, documents: Sequence[Sequenced]) -> Appended:
        self._answer()
        if self.documents_max is not None and len(documents) > self.documents_max:
            raise BatchTooLarge
        self.batches.append(len(documents))
        if self.refuses:
            refused = tuple(Refusal(sequence=item.sequence, reason="it was told to") for item in documents)
            return Appended(stored=0, repeated=0, refused=refused)
        done = self.store.append(documents)
        if self.dies_after_storing:
            raise CutOff
        return done

    def missing(self, lo: int, hi: int) -> list[range]:
        self._answer()
        return self.store.missing(lo, hi)

    def _answer(self) -> None:
        if self.is_away:
            self.knocks += 1
            raise StoreUnavailable("it was taken away")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if not callable(found) or name == "close":
            return found

        def asked(*args: Any, **options: Any) -> Any:
            self._answer()
            return found(*args, **options)

        return asked
