"""The closed list of things somebody may want to do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What an actor wants, when, and under which key; the same run has the same keys."""

    at: datetime
    actor: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp(Intent):
    """Open an account with a first wallet."""

    address: str
    name: str
    handle: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn(Intent):
    """Enter an account from an address; the code is made of the secret where there is one."""

    address: str
    password: str
    ip: str
    agent: str
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrol(Intent):
    """Add an authenticator; the outcome tells its secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOut(Intent):
    """Leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pay(Intent):
    """Send money to a handle."""

    payee: str
    minor: int
    note: str
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp(Intent):
    """Send money from one's bank, with one's reference."""

    owner: str
    minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Intent):
    """Open a page."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing(Intent):
    """Wait until then."""


Wish: TypeAlias = SignUp | SignIn | Enrol | SignOut | Pay | TopUp | Look | Nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an intent: done or a code of refusal, and what was made, by name."""

    ok: bool
    code: str = ""
    made: dict[str, str] = field(default_factory=dict)
