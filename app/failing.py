"""Parts that fail: told once when they stop doing their work, and once when they do it again (OPS-39)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.kernel.context import Context
from app.kernel.db import Database
from ingest.events.health import ControlFailed, ControlRestored, JobFailed
from ingest.log import outbox


@dataclass(slots=True, kw_only=True)
class Episode:
    """Since when a part fails, and which kinds of its failures the log tells of already."""

    since: datetime
    told: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Failing:
    """The parts of this process that fail at present. A new process knows of none, and its start is in the log."""

    db: Database
    episodes: dict[str, Episode] = field(default_factory=dict)

    def failed(self, part: str, error: BaseException, ctx: Context) -> None:
        """Record that a part fails, and each new kind of failure while it does; repeats leave no trace.

        What could not be recorded, as while a disk is full, is recorded with the next failure.
        """
        name, episode = type(error).__name__, self.episodes.setdefault(part, Episode(since=ctx.at))
        if name in episode.told:
            return
        with self.db.begin() as session:
            outbox.record(session, JobFailed(job=part, error_type=name), ctx)
            if not episode.told:
                outbox.record(session, ControlFailed(control=part, since=episode.since, cause=name), ctx)
        episode.told.add(name)

    def worked(self, part: str, ctx: Context) -> None:
        """Record that a part which failed does its work again."""
        episode = self.episodes.get(part)
        if episode is None:
            return
        if episode.told:
            with self.db.begin() as session:
                outbox.record(session, ControlRestored(control=part, since=episode.since), ctx)
        del self.episodes[part]
