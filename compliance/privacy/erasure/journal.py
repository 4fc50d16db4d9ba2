"""The journal of erasures: an older database brings nobody back, since others still know who was erased.

Whom it erases again it is told by the log, by what the archive proves under a signed head, or by a document of the
store whose keys were destroyed: each is believed for what whoever writes into the database or the store cannot make.
Where all of them were put back from one older copy nothing here knows better; who restores so has to say it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import NotFound
from app.kernel.logs import logger
from compliance.privacy import intake, requests
from compliance.privacy.erasure import certificates, execution
from compliance.privacy.erasure.certificates import LAW
from compliance.privacy.erasure.decided import ErasureUndecided, Word
from compliance.privacy.models import erasure_certificate, request
from compliance.privacy.parts import Privacy
from compliance.privacy.request import FOLLOWING, Kind, Request, State
from ingest.events.envelope import at_path
from ingest.events.privacy import SubjectErased
from ingest.log import archive_proof, read, shredding
from ingest.log.shredding import Parts as Shredding
from ingest.models import subject_key
from ingest.store.port import walk
from ingest.store.query import Document, Eq, Order, Search

AGAIN: Final = timedelta(days=1)
Erased = tuple[str, str]
"""A request that was carried out, and whom it was about."""
_log = logger(__name__)


def replay(db: Database, ctx: Context, *, parts: Privacy, shreds: Shredding) -> int:
    """Erase again who was erased by log, archive or store and is back in this database; returns how many.

    Keys that a certificate says are destroyed end again, too, where the database of keys alone was put back. Nothing
    is written where nobody is back. Raises `ErasureUnfinished`, and `StoreUnavailable` while the store is away.
    """
    asked = Search(where=Eq("event.action", SubjectErased.kind), order=Order.SEQUENCE, limit=1_000)
    stored = list(walk(parts.store, asked))
    # Read after the store was asked, so that what came meanwhile is nothing that this database does not know.
    with db.read() as session:
        size, logged = read.head(session).size, read.documents_of(session, SubjectErased.kind)
    beyond = [document for document in stored if _sequence(document) > size]
    documents = [*logged, *_archived(size, parts), *_confirmed(beyond, shreds)]
    again = _again(db, dict.fromkeys(map(_erased, documents)), ctx, parts=parts, shreds=shreds)
    _end_keys(db, ctx, shreds)
    return again + _returned(db, ctx, parts=parts, shreds=shreds)


def _sequence(document: Document) -> int:
    """Return the sequence of a document; nothing where somebody wrote something else there."""
    found = at_path(document, "event.sequence")
    return found if isinstance(found, int) else 0


def _archived(size: int, parts: Privacy) -> Iterator[Document]:
    """Yield what the archive proves of erasures that this database does not know, where it reaches further."""
    if parts.archive.size <= size:
        return
    head = archive_proof.signed_head(parts.archive, parts.policy())
    if head is None:
        return
    for body in parts.archive.bodies(SubjectErased.event_class.value, size):
        may_be = SubjectErased.kind.encode() in body.body
        if may_be and archive_proof.is_proven(parts.archive, head, body):
            document = json.loads(body.body)
            if at_path(document, "event.action") == SubjectErased.kind:
                yield document


def _confirmed(beyond: Collection[Document], shreds: Shredding) -> Iterator[Document]:
    """Yield those documents of the store behind the end of the log that the keys bear out: they went as it says."""
    for document in beyond:
        subjects, classes = (_listed(document, f"onepay.{name}") for name in ("subject.id", "privacy.classes"))
        with shreds.keys.db.read() as keys:
            if subjects and shredding.were_destroyed(keys, subjects[0], classes, LAW):
                yield document


def _listed(document: Document, path: str) -> list[str]:
    """Return the words at a path; none where somebody wrote something else there."""
    found = at_path(document, path)
    return [str(one) for one in found] if isinstance(found, list) else []


def _erased(document: Mapping[str, Any]) -> Erased:
    return str(at_path(document, "onepay.request.id")), str(at_path(document, "onepay.subject.id")[0])


def _again(db: Database, erased: Collection[Erased], ctx: Context, *, parts: Privacy, shreds: Shredding) -> int:
    """Erase again whom the journal says were erased and this database has back (PRV-37); returns how many.

    What is to be done is read first: nothing is written where nobody is back. Raises `ErasureUnfinished`.
    """
    with db.read() as session:
        done = set(session.scalars(sa.select(erasure_certificate.c.request_id)))
        back = [pair for pair in erased if pair[0] not in done and parts.people.exists(session, pair[1])]
    again, word = 0, _word(erased)
    for request_id, subject in back:
        try:
            with db.begin() as session:
                found = _found_again(session, request_id, subject, ctx, parts)
                if found.state not in (State.EXECUTING, State.EXECUTED):
                    execution.begin(session, found, ctx, parts=parts, tell=False, word=word)
            execution.carry_out(db, request_id, ctx, parts=parts, shreds=shreds, word=word)
        except ErasureUndecided:
            _log.error("%s is no request of whom the log says it erased; nobody was erased again", request_id)
            continue
        again += 1
    return again


def _word(erased: Collection[Erased]) -> Word:
    """Return the word for an erasure that was done once: this database may know of nobody who approved it."""

    def say(session: Session, found: Request, at: datetime) -> None:
        if (found.id, found.subject) not in erased:
            raise ErasureUndecided(object_id=found.id)

    return say


def _found_again(session: Session, request_id: str, subject: str, ctx: Context, parts: Privacy) -> Request:
    """Return the request of an erasure that this database has forgotten, made anew by the journal."""
    try:
        return requests.locked(session, request_id)
    except NotFound:
        intake.recall(session, request_id, Kind.ERASURE, subject, ctx, parts=parts)
        return requests.get(session, request_id)


def _end_keys(db: Database, ctx: Context, shreds: Shredding) -> None:
    """End the keys that certificates say are destroyed, where an older database of keys has them back.

    A certificate whose event has ended ends none: the keys of every backup that could hold them have ended before.
    """
    with db.read() as session:
        of = erasure_certificate.c
        written = [
            (row[0], str(certificates.parsed(row[1]).get("subject")))
            for row in session.execute(sa.select(of.request_id, of.body))
        ]
    if not written:
        return
    known = subject_key.c
    with shreds.keys.db.read() as keys:
        rows = keys.execute(sa.select(known.subject, known["class"]).where(known.wrapped.is_not(None)))
        live = {(row[0], row[1]) for row in rows}
    living = {subject for subject, _ in live}
    with db.read() as session:
        # The log is asked about those alone whose keys are there: of nearly all that were erased there are none.
        bodies = [certificates.speaking(session, id) for id, subject in written if subject in living]
    gone = {(body["subject"], class_) for body in bodies if body is not None for class_ in body["keys_destroyed"]}
    for subject, class_ in sorted(gone & live):
        shredding.end_keys(subject, [class_], LAW, ctx.at, keys=shreds.keys)


def _returned(db: Database, ctx: Context, *, parts: Privacy, shreds: Shredding) -> int:
    """Erase again of whom rows are back beside their certificate, as where a part was copied from an older database.

    It is looked for as long as backups may hold somebody: until the certificate says that nothing does. What a hold
    keeps of them then stays, and is tried again a day later.
    """
    of, other = erasure_certificate.c, request.c
    tried = sa.select(other.linked_to).where(other.channel == FOLLOWING, other.received_at > ctx.at - AGAIN)
    may_be_back = sa.and_(of.irrecoverable_from > ctx.at, of.request_id.not_in(tried))
    with db.read() as session:
        ids = session.scalars(sa.select(of.request_id).where(may_be_back).order_by(of.request_id))
        back = [id for id in ids.all() if _is_back(session, id, parts)]
    for first in back:
        with db.begin() as session:
            request_id = intake.follow(session, requests.locked(session, first), ctx, parts=parts)
            execution.begin(session, requests.get(session, request_id), ctx, parts=parts, tell=False)
        execution.carry_out(db, request_id, ctx, parts=parts, shreds=shreds)
    return len(back)


def _is_back(session: Session, request_id: str, parts: Privacy) -> bool:
    """Tell whether rows are there of whom a certificate says that they were erased, and its event that it does."""
    said = certificates.speaking(session, request_id)
    if said is None:
        return False
    try:
        found = requests.get(session, request_id)
    except NotFound:
        return False
    return found.subject == said["subject"] and bool(execution.left(session, request_id, parts=parts))
