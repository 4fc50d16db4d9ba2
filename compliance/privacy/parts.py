"""What the services of privacy work with: sources, keys, the log, and the ports to those who know people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy.orm import Session

from app.kernel.approvals import Approvals
from app.kernel.context import Context
from app.kernel.errors import Conflict, Gone, Invalid, TooLarge
from compliance.contracts.decisions import DecisionSource
from compliance.contracts.personal import Obstacle, PersonalDataSource
from compliance.settings import PrivacySettings
from ingest.log.archive import Archive
from ingest.log.subject_keys import SubjectKeys
from ingest.store.port import EventStore


class People(Protocol):
    """Port to identity: whom a request is about, how they are reached, and how their access ends."""

    def exists(self, session: Session, subject: str) -> bool:
        """Tell whether there is such a customer."""
        ...

    def last_change(self, session: Session, subject: str) -> datetime | None:
        """Return when a password, factor or address of theirs last changed."""
        ...

    def tell(self, session: Session, subject: str, title: str, text: str, template: str, ctx: Context) -> str | None:
        """Write to them by the channel that was verified; return the message, or None where nobody can be written to.

        Such a letter is kept for as long as the law gives to answer it, and not for a day.
        """
        ...

    def fates(self, session: Session, messages: Collection[str], at: datetime) -> Mapping[str, str]:
        """Return what became of messages by then: `delivered`, `waiting`, `expired` or `lost`; none that is gone."""
        ...

    def roles(self, session: Session, account: str, at: datetime) -> frozenset[str]:
        """Return the roles that a colleague holds at an instant."""
        ...

    def shut_out(self, session: Session, subject: str, ctx: Context) -> None:
        """End their sessions and close the account, before it is erased."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """Made once by `compose`. `folder` holds sealed packages; `policy` is what a verifier of the log believes."""

    sources: tuple[PersonalDataSource, ...]
    decisions: tuple[DecisionSource, ...]
    obstacles: tuple[Callable[[Session, str], Sequence[Obstacle]], ...]
    """Ports to owners: what is not settled with a person who wants to be erased."""
    people: People
    approvals: Approvals
    keys: SubjectKeys
    store: EventStore
    archive: Archive
    settings: PrivacySettings
    folder: Path
    policy: Callable[[], str]
    public_url: str

    def source(self, name: str) -> PersonalDataSource:
        """Return the owner of this name."""
        return next(source for source in self.sources if source.name == name)


class KindUnknown(Invalid):
    """There is no such request."""

    code = "kind_unknown"


class ChannelUnknown(Invalid):
    """Nothing reaches us that way."""

    code = "channel_unknown"


class ReceiptInvalid(Invalid):
    """A request is received today or within the last 60 days; an older one needs a reason."""

    code = "receipt_invalid"


class DetailMissing(Invalid):
    """Say what it is about."""

    code = "detail_missing"


class ExtensionLate(Conflict):
    """The time to answer can be extended once, and only until it has ended."""

    code = "extension_late"


class CoolDown(Conflict):
    """A way to sign in was changed lately, so this waits."""

    code = "cool_down"


class PackageGone(Gone):
    """This copy was fetched as often as it may be, or has expired. You can ask for a new one."""

    code = "package_gone"


class PackageTooLarge(TooLarge):
    """There is more data than one file holds; a person of ours looks how it can be answered."""

    code = "package_parts"
