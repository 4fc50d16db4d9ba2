"""What the console is handed: who looks, contexts, databases, the read services of others behind built-in types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.orm import Session

from app.kernel.access import Actor, Permission
from app.kernel.context import Context
from detectors.sigma.ast import Rule
from ingest.log.receipts import Receipt
from ingest.store.port import EventStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line of the health page: what it is, how it stands in words, whether that is good."""

    name: str
    says: str
    ok: bool
    detail: str = ""


class Sources(Protocol):
    """Joined in `compose`, one a system; `begin` opens the transaction of an act, `read` of a question."""

    store: EventStore
    rules: Mapping[str, Rule]
    is_demo: bool

    def viewer(self) -> Actor: ...

    def context(self) -> Context: ...

    def scheme(self) -> str:
        """Return `dark` or `light`, as the viewer's browser says."""
        ...

    def read(self) -> AbstractContextManager[Session]: ...

    def begin(self) -> AbstractContextManager[Session]: ...

    def denied(self, permission: Permission, path: str) -> None:
        """Record that a page or act was refused, in a transaction of its own."""
        ...

    def holders_of(self, permission: Permission) -> Sequence[str]:
        """Return the roles that hold a permission, in words."""
        ...

    def proof(self, session: Session, event_id: str) -> Receipt | None: ...

    def parts(self) -> Sequence[Part]: ...

    def lag(self) -> Mapping[str, Any]: ...
