"""A database with its keys, migrated and ready: what a test of one package stands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from app.kernel.access import ANONYMOUS, Actor, ActorKind, Permission
from app.kernel.clock import StillClock
from app.kernel.context import Context, Source
from app.kernel.crypto import Secret
from app.kernel.db import Database
from app.kernel.ids import CountedIds, Ids
from ingest.log.outbox import RECORDING, Recording
from ingest.log.subject_keys import SubjectKeys
from tests.support.migrated import migrate

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@dataclass(kw_only=True)
class Ground:
    """The parts below every package, on a still clock."""

    db: Database
    keys_db: Database
    subject_keys: SubjectKeys
    recording: Recording
    clock: StillClock
    ids: Ids = field(default_factory=CountedIds)

    def ctx(self, actor: Actor = ANONYMOUS, *, source: Source | None = None, at: datetime | None = None) -> Context:
        return Context(
            actor=actor, at=at or self.clock.now(), request_id="req_test", source=source or Source(), ids=self.ids
        )

    def close(self) -> None:
        self.db.close()
        self.keys_db.close()


def make_ground(folder: Path, url: str | None = None, *, start: datetime = START) -> Ground:
    """Migrate a main database (SQLite in the folder unless a URL is given) and one for keys, and return both."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = StillClock(start)
    url = url or f"sqlite:///{folder / 'onepay.db'}"
    keys_url = f"sqlite:///{folder / 'subject_keys.db'}"
    migrate(url, "main")
    migrate(keys_url, "keys")
    keys_db = Database(keys_url)
    keys = SubjectKeys(keys_db, Secret(b"k" * 32), clock)
    recording = Recording(seal=keys.seal)
    return Ground(
        db=Database(url, info={RECORDING: recording}),
        keys_db=keys_db,
        subject_keys=keys,
        recording=recording,
        clock=clock,
    )


def somebody(kind: ActorKind, id: str, *permissions: Permission, roles: frozenset[str] = frozenset()) -> Actor:
    """Return an actor for a test."""
    return Actor(id=id, kind=kind, permissions=frozenset(permissions), roles=roles)
