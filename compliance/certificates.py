"""Certificates, compared with what the log says of them: none is shown that somebody wrote again since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel.errors import Conflict
from compliance.told import Stands, is_told
from ingest.events.envelope import at_path
from ingest.events.privacy import RequestCompleted, RetentionCertified
from ingest.log import read

_HASH: Final = {RequestCompleted.kind: "onepay.privacy.sha256", RetentionCertified.kind: "onepay.retention.sha256"}
"""Where the event that completes holds the hash of its certificate, by kind."""


ROLES: Final = {"dpo": "data protection officer"}
"""Roles whose names are no words, as people read them; a certificate keeps the name."""
_NUMBERS: Final = {2: "two", 3: "three"}


class CertificateDiffers(Conflict):
    """This certificate is not the one that was written when what it certifies was completed."""

    code = "certificate_differs"


def logged_hashes(session: Session, event_ids: Collection[str]) -> Mapping[str, str]:
    """Return the hash that each of these events holds of its certificate, one that waits for its number, too.

    An event is left out once the bodies of its class and month have ended, and where there is none.
    """
    return {
        id: str(said)
        for id, document in read.documents(session, event_ids).items()
        for path in _HASH.values()
        if (said := at_path(document, path)) is not None
    }


def deciders(body: Mapping[str, Any]) -> Sequence[str]:
    """Return in which roles something was decided, in words."""
    return [ROLES.get(one, one) for one in body.get("decided_by", ())]


def decided_by(body: Mapping[str, Any]) -> str:
    """Return the same as a sentence says it: two of one role as two."""
    counts = Counter(deciders(body))
    return " and ".join(
        role if count == 1 else f"{_NUMBERS.get(count, count)} {role}s" for role, count in counts.items()
    )


def completes(kind: str, sha256: str, at: datetime) -> Stands:
    """Return what the event of a kind has to say of a certificate that was written at an instant."""
    return Stands(kind=kind, says={_HASH[kind]: sha256}, at=at)


def demand_same(session: Session, object_id: str, event_id: str | None, stands: Stands, *, is_kept: bool) -> None:
    """Raise `CertificateDiffers` where a certificate is not what its event completed, or not what is kept beside it.

    One without the event that it was completed with is none: that nothing contradicts it proves nothing.
    """
    if not is_kept or not is_told(session, event_id, stands):
        raise CertificateDiffers(object_id=object_id)
