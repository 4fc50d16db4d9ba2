"""What can be set about the event store and the shipper; the defaults are those of the embedded profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.kernel.crypto import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckSettings:
    """The embedded store: a folder of files, and how much of the machine it may take."""

    folder: Path
    memory_mb: int = 256
    threads: int = 2
    temp_mb: int = 1_024
    files_open_max: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticLogin:
    """Who we are to the search server: an API key, or nothing where it has no security."""

    api_key: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticSettings:
    """A search server. Three logins, so that whoever ships can only create and whoever reads can only read.

    A person waits shorter than a job does, and not at all for some seconds after the server was silent.
    """

    urls: tuple[str, ...]
    origin: str = "onepay"
    shipper: ElasticLogin = field(default_factory=ElasticLogin)
    reader: ElasticLogin = field(default_factory=ElasticLogin)
    lifecycle: ElasticLogin = field(default_factory=ElasticLogin)
    ca_file: Path | None = None
    shards: Mapping[str, int] = field(default_factory=dict)
    timeout_seconds: float = 30.0
    page_timeout_seconds: float = 4.0
    page_rest_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Which store is searched; `namespace` begins the name of every index and hold."""

    backend: Literal["duck", "elastic"] = "duck"
    namespace: str = "onepay"
    duck: DuckSettings | None = None
    elastic: ElasticSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipperSettings:
    """How bodies travel from the log to the store, and from which lag on something is wrong."""

    batch_documents_max: int = 1_000
    batch_bytes_max: int = 5 * 2**20
    retry_seconds_first: float = 1.0
    retry_seconds_max: float = 60.0
    lag_seconds_degraded: int = 30
    lag_seconds_incident: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """Where the static files of the log lie, and how large a segment of bodies becomes before it is sealed."""

    folder: Path
    segment_bytes_max: int = 8 * 2**20
