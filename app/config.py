"""Settings of an installation: the one place that reads the environment, and refuses what it does not know."""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, Final

from app.kernel.errors import ConfigurationRefused

PREFIX: Final = "ONEPAY_"
FILE_VARIABLE: Final = "ONEPAY_CONFIG"
PORT_MAX: Final = 65_535
DRAIN_SECONDS_MAX: Final = 600
FOLDERS: Final = (
    "archive",
    "demo",
    "events",
    "evidence",
    "keys",
    "log",
    "mail",
    "packages",
    "reports",
    "witness",
)
"""Every folder that an installation makes in its home; deploy/reset.sh removes these and no other."""
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its embedded default. Names in the environment: `ONEPAY_` and the name in capitals."""

    profile: str = "embedded"
    home: Path = Path("var")
    bind: str = "127.0.0.1"
    port: int = 8080
    admin_port: int = 0
    public_url: str = ""
    database_url: str = ""
    keys_database_url: str = ""
    store: str = "duck"
    store_urls: str = ""
    store_namespace: str = "onepay"
    archive: str = ""
    witness: str = ""
    trusted_proxies: str = ""
    threads: int = 16
    drain_seconds: int = 20
    log_level: str = "warning"
    assessment_anchor: date = date(2026, 1, 1)
    demo: bool = False

    @property
    def url(self) -> str:
        """Return the public origin."""
        return self.public_url or f"http://localhost:{self.port}"

    @property
    def main_database(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'onepay.db'}"

    @property
    def keys_database(self) -> str:
        return self.keys_database_url or f"sqlite:///{self.home / 'subject_keys.db'}"

    @property
    def archive_folder(self) -> Path:
        return Path(self.archive) if self.archive else self.home / "archive"

    @property
    def witness_folder(self) -> Path:
        return Path(self.witness) if self.witness else self.home / "witness"

    @property
    def is_loopback(self) -> bool:
        return self.bind == "localhost" or ipaddress.ip_address(self.bind).is_loopback

    @property
    def proxies(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.trusted_proxies.split(",") if part.strip())


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:  # values of any setting
    """Return the settings of the environment over those of the file it names, over the defaults.

    Raises `ConfigurationRefused` with every problem at once and, for unknown names, the nearest known one.
    """
    found = dict(os.environ if environment is None else environment)  # noqa: TID251 - this is the one home
    problems: list[str] = []
    values = _from_file(found.get(FILE_VARIABLE), problems)
    values |= {
        name.removeprefix(PREFIX).lower(): text
        for name, text in found.items()
        if name.startswith(PREFIX) and name != FILE_VARIABLE
    }
    values |= {name: value for name, value in overrides.items() if value is not None}
    known = {field.name: field for field in fields(Settings)}
    typed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""
            problems.append(f"{PREFIX}{name.upper()} is not a setting{hint}")
            continue
        try:
            typed[name] = _typed(value, known[name].type)
        except ValueError as error:
            problems.append(f"{PREFIX}{name.upper()}: {error}")
    if not problems:
        settings = Settings(**typed)
        problems += _contradictions(settings)
        if not problems:
            return settings
    raise ConfigurationRefused("\n".join(problems))


def _from_file(path: str | None, problems: list[str]) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return {name.lower(): value for name, value in tomllib.loads(Path(path).read_text("utf-8")).items()}
    except (OSError, ValueError) as error:  # what is no TOML, and what is no text
        problems.append(f"{FILE_VARIABLE}: {error}")
        return {}


def _typed(value: Any, kind: object) -> Any:  # a value of the setting's type
    text = str(value)
    match kind:
        case "bool":
            if text.lower() not in ("1", "0", "true", "false", "yes", "no"):
                raise ValueError(f"{text!r} is not yes or no")
            return text.lower() in ("1", "true", "yes")
        case "int":
            if not text.isdecimal():
                raise ValueError(f"{text!r} is no whole number")
            return int(text)
        case "date":
            return date.fromisoformat(text)
        case "Path":
            return Path(text).expanduser()
        case _:
            return text


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    if settings.profile not in ("embedded", "server"):
        problems.append("ONEPAY_PROFILE is embedded or server")
    if settings.store not in ("duck", "elastic"):
        problems.append("ONEPAY_STORE is duck or elastic")
    if settings.store == "elastic" and not settings.store_urls:
        problems.append("ONEPAY_STORE=elastic needs ONEPAY_STORE_URLS")
    try:
        if not settings.is_loopback:
            problems.append("ONEPAY_BIND: plain HTTP is served on a loopback address only")
    except ValueError:
        problems.append("ONEPAY_BIND is not an address")
    problems += [
        f"ONEPAY_{name.upper()} is 0 to 65535"
        for name, port in (("port", settings.port), ("admin_port", settings.admin_port))
        if port > PORT_MAX
    ]
    if settings.drain_seconds > DRAIN_SECONDS_MAX:
        problems.append(f"ONEPAY_DRAIN_SECONDS is at most {DRAIN_SECONDS_MAX}")
    if settings.log_level.lower() not in LOG_LEVELS:
        problems.append(f"ONEPAY_LOG_LEVEL is one of {', '.join(LOG_LEVELS)}")
    if not 1 <= settings.threads <= 64:
        problems.append("ONEPAY_THREADS is 1 to 64")
    return problems
