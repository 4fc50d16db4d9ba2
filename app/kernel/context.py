"""Who asks, when and from where: built at an edge, passed last to every service."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from app.kernel.access import Actor
from app.kernel.ids import Ids, RandomIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a request came from, as the gateway could establish it.

    Nobody establishes `as_number`, `country`, `network_kind`, `place` and `device_name` yet: they are reserved, as
    their fields of the published envelope are.
    """

    ip: str | None = None
    port: int | None = None
    as_number: int | None = None
    country: str | None = None
    network_kind: str | None = None
    place: str | None = None
    user_agent_name: str | None = None
    user_agent_version: str | None = None
    os_name: str | None = None
    device_name: str | None = None
    device_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The facts of one unit of work that services need beside their arguments.

    `purpose` is why somebody reads personal data, where they were asked for it.
    """

    actor: Actor
    at: datetime
    request_id: str
    source: Source = field(default_factory=Source)
    ids: Ids = field(default_factory=RandomIds)
    purpose: str | None = None
    approval_id: str | None = None
    """The approval by which something is done: every event of it names the approval."""

    def new_id(self, prefix: str) -> str:
        """Return a new identifier of this kind, ordered by the context's instant."""
        return self.ids.new(prefix, self.at)

    def acting_as(self, actor: Actor) -> Context:
        """Return the same context for another actor, as after a sign-in."""
        return replace(self, actor=actor)
