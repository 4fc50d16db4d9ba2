"""Who one can sign in as, and the file that says so and that the world is whole."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyotp

from app.kernel.errors import ConfigurationRefused, Invalid

FILE: Final = "demo.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person one can sign in as."""

    role: str
    address: str
    password: str
    secret: str


@dataclass(slots=True)
class Made:
    """What seeding leaves for the board."""

    accounts: list[Account] = field(default_factory=list)
    administrators: list[str] = field(default_factory=list)
    staff: dict[str, str] = field(default_factory=dict)
    office: tuple[tuple[str, str, str], ...] = ()
    handles: list[str] = field(default_factory=list)


def codes(home: Path) -> Iterator[str]:
    """Return passwords and present codes of the demo accounts, with the seconds they have left."""
    now = datetime.now(UTC)  # noqa: TID251 - codes follow the machine's clock, as an authenticator does
    left = 30 - int(now.timestamp()) % 30
    for account in accounts_of(read(home)):
        code = pyotp.TOTP(account.secret).at(int(now.timestamp()))
        yield f"{account.role:<19} {account.address:<32} {account.password:<40} {code}  {left:>2} s left"


def code_of(home: Path, name: str) -> str:
    """Return the present code of one demo account, named by what stands before the @ of its address."""
    accounts = {account.address.partition("@")[0]: account for account in accounts_of(read(home))}
    if name not in accounts:
        raise Invalid(f"There is no demo account {name}; there are {', '.join(sorted(accounts))}.")
    now = int(time.time())  # noqa: TID251 - as in `codes`
    return pyotp.TOTP(accounts[name].secret).at(now)


def read(home: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((home / FILE).read_text("utf-8"))
    except OSError as error:
        raise ConfigurationRefused(f"There is no demonstration in {home}/: `make up` makes one.") from error
    except ValueError as error:
        raise ConfigurationRefused(f"{home / FILE} is damaged: {error}. `make reset` removes the home.") from error
    if missing := {"seed", "world", "start", "handles", "accounts"} - found.keys():
        raise ConfigurationRefused(f"{home / FILE} lacks {', '.join(sorted(missing))}. `make reset` removes the home.")
    return found


def accounts_of(facts: dict[str, Any]) -> list[Account]:
    return [Account(**account) for account in facts["accounts"]]


def start_of(facts: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(facts["start"])


def new_password() -> str:
    return "-".join(secrets.token_hex(2) for _ in range(5))


def kept(account: Account) -> dict[str, str]:
    """Return an account as the file keeps it."""
    return {"role": account.role, "address": account.address, "password": account.password, "secret": account.secret}
