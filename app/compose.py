"""Joining the parts: the one place that knows every package and hands each what it needs of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from app.config import Settings
from app.gateway.networks import Blocked, BlockNetwork
from app.gateway.pipeline import Gateway
from app.gateway.proxies import TrustedProxies
from app.identity import letters, password_filter, sessions
from app.identity.containment import LockAccount, RevokeSessions
from app.identity.parts import Identity
from app.identity.passwords import Hasher
from app.identity.policy import SecurityPolicy
from app.kernel import crypto
from app.kernel.access import SYSTEM_JOB_RUN, service
from app.kernel.clock import Clock, SystemClock
from app.kernel.containment import Containment
from app.kernel.context import Context
from app.kernel.crypto import KeyFolder
from app.kernel.db import Database
from app.kernel.ids import Ids, RandomIds
from app.kernel.jobs import Job
from app.kernel.metrics import Metrics
from app.messaging.console import ConsoleMessenger
from app.oauth.guard import PLAIN
from ingest.log.outbox import RECORDING, Recording
from ingest.log.subject_keys import SubjectKeys

SECRETS = ("epoch", "identity", "pepper", "log")


@dataclass(slots=True, kw_only=True)
class System:
    """One running installation: everything the edges may call. Two of them can live in one process."""

    settings: Settings
    clock: Clock
    ids: Ids
    keys: KeyFolder
    db: Database
    keys_db: Database
    subject_keys: SubjectKeys
    recording: Recording
    identity: Identity
    messenger: ConsoleMessenger
    gateway: Gateway
    metrics: Metrics
    containments: Mapping[str, Containment]
    jobs: tuple[Job, ...]

    def job_context(self, name: str, at: datetime) -> Context:
        """Return the context of a job of our own."""
        actor = service(name, SYSTEM_JOB_RUN)
        return Context(actor=actor, at=at, request_id=self.ids.new("run", at), ids=self.ids)

    def close(self) -> None:
        """Give back what is open."""
        self.db.close()
        self.keys_db.close()
