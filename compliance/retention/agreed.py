"""What the log says was agreed to of documents: the newest version of each, and approvals that say nothing any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from compliance.told import SHA256
from ingest.events.compliance import DocumentApproved
from ingest.events.envelope import at_path
from ingest.log import forgotten, read
from ingest.log.read import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A version of a document that people agreed to; one that waits for its number has no sequence yet."""

    version: int
    sha256: str
    sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What all approvals of documents say.

    `silent` are those whose body is gone: each may be of any document. `unread` are those of them that nothing ended
    lawfully.
    """

    newest: Mapping[str, Agreement]
    silent: Sequence[Said]
    unread: Sequence[Said]

    def may_hide(self, agreement: Agreement) -> bool:
        """Tell whether an approval since may be of the same document, and nobody let its words end."""
        since = agreement.sequence
        return since is not None and any(one.sequence is None or one.sequence > since for one in self.unread)

    def is_last_word(self, agreement: Agreement) -> bool:
        """Tell whether every approval since says of what it is; bodies end from the oldest month on."""
        since = agreement.sequence
        return since is None or all(one.sequence is not None and one.sequence < since for one in self.silent)


def told(session: Session) -> Told:
    """Return what the log says was approved."""
    newest, silent = dict[str, Agreement](), list[Said]()
    for one in read.said(session, DocumentApproved.kind):
        if one.document is None:
            silent.append(one)
            continue
        newest[str(at_path(one.document, "onepay.compliance.document"))] = Agreement(
            version=int(at_path(one.document, "onepay.compliance.version")),
            sha256=str(at_path(one.document, SHA256)),
            sequence=one.sequence,
        )
    return Told(newest=newest, silent=silent, unread=forgotten.not_ended(session, silent))
