"""Certificates, compared with what the log says of them: none is shown that somebody wrote again since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.errors import Conflict
from compliance.told import ended
from ingest.events.envelope import at_path
from ingest.log import read

_PATHS: Final = ("onepay.privacy.sha256", "onepay.retention.sha256")


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
        for path in _PATHS
        if (said := at_path(document, path)) is not None
    }


def demand_same(session: Session, object_id: str, event_id: str | None, *, written: str, kept: str) -> None:
    """Raise `CertificateDiffers` where a certificate hashes to neither what was kept beside it nor what was logged.

    One without the event that it was completed with is none: that nothing contradicts it proves nothing.
    """
    known = () if event_id is None else (event_id,)
    said = logged_hashes(session, known).get(event_id or "")
    is_told = event_id in ended(session, known) if said is None else said == written
    if kept != written or not is_told:
        raise CertificateDiffers(object_id=object_id)
