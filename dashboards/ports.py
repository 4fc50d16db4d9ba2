"""What the console is handed: who looks, contexts, databases, the read services of others behind built-in types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy.orm import Session

from app.kernel.access import Actor, Permission
from app.kernel.context import Context
from app.kernel.errors import OnePayError
from compliance.attest.parts import Desk
from compliance.engine.observe import Observer
from compliance.privacy.parts import Privacy
from compliance.registers.parts import Registers
from compliance.reports.parts import Reports
from compliance.retention.parts import Retention
from compliance.reviews.campaigns import Sources as ReviewSources
from detectors.sigma.ast import Rule
from ingest.log.receipts import Receipt
from ingest.store.port import EventStore
from playbooks.parts import Parts

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line of the health page: what it is, how it stands in words, whether that is good."""

    name: str
    says: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """Somebody who may work incidents: an account, and in which roles."""

    id: str
    roles: str


class Sources(Protocol):
    """Joined in `compose`, one a system; `begin` opens the transaction of an act, `read` of a question."""

    store: EventStore
    rules: Mapping[str, Rule]
    controls: Observer
    retention: Retention
    reports: Reports
    desk: Desk
    reviews: ReviewSources
    privacy: Privacy
    registers: Registers
    is_demo: bool

    @property
    def response(self) -> Parts:
        """Return what the services of incidents need of the installation."""
        ...

    def viewer(self) -> Actor: ...

    def context(self) -> Context: ...

    def scheme(self) -> str:
        """Return `dark` or `light`, as the viewer's browser says."""
        ...

    def read(self) -> AbstractContextManager[Session]: ...

    def acted(self, work: Callable[[Session], Result]) -> Result:
        """Carry out an act of the viewer in one transaction, and return what it says."""
        ...

    def denied(self, permission: Permission, path: str) -> None:
        """Record that a page or act was refused, in a transaction of its own."""
        ...

    def leave_trace(self, problem: OnePayError) -> None:
        """Record what a refusal leaves behind, in a transaction of its own."""
        ...

    def colleagues(self, session: Session) -> Sequence[Colleague]:
        """Return the active staff who may work an incident."""
        ...

    def name_of_colleague(self, account_id: str) -> str | None:
        """Return the name of a member of staff, and None for everybody else: customers are never named here."""
        ...

    def holders_of(self, permission: Permission) -> Sequence[str]:
        """Return the roles that hold a permission, in words."""
        ...

    def approvals_waiting(self, session: Session) -> int:
        """Return how many approvals the viewer may decide now."""
        ...

    def proof(self, session: Session, event_id: str) -> Receipt | None: ...

    def parts(self) -> Sequence[Part]: ...

    def lag(self) -> Mapping[str, Any]: ...
