"""Certificates, compared with what the log says of them: none is shown that somebody wrote again since."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.errors import Conflict
from ingest.events.envelope import at_path
from ingest.log import read

_PATHS: Final = ("onepay.privacy.sha256", "onepay.retention.sha256")


class CertificateDiffers(Conflict):
    """This certificate is not the one that was written when what it certifies was completed."""

    code = "certificate_differs"


def logged_hashes(session: Session, event_ids: Collection[str]) -> Mapping[str, str]:
    """Return the hash that each of these events holds of its certificate.

    An event is left out before it is numbered, and once the bodies of its class and month have ended.
    """
    sequences = read.sequences_of(session, event_ids)
    bodies = read.bodies_by_sequence(session, sequences.values())
    documents = {id: json.loads(bodies[number].body) for id, number in sequences.items() if number in bodies}
    return {
        id: str(said)
        for id, document in documents.items()
        for path in _PATHS
        if (said := at_path(document, path)) is not None
    }


def demand_same(session: Session, object_id: str, event_id: str | None, *, written: str, kept: str) -> None:
    """Raise `CertificateDiffers` where a certificate hashes to neither what was kept beside it nor what was logged."""
    logged = logged_hashes(session, [event_id]) if event_id is not None else {}
    if {kept, *logged.values()} != {written}:
        raise CertificateDiffers(object_id=object_id)
