"""The journal of erasures: an older database brings nobody back, since store and archive still say who was erased.

Where all three were put back from one older copy nothing here knows better; who restores so has to say it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import NotFound
from compliance.privacy import intake, requests
from compliance.privacy.erasure import execution
from compliance.privacy.erasure.certificates import LAW
from compliance.privacy.models import erasure_certificate, request
from compliance.privacy.parts import Privacy
from compliance.privacy.request import FOLLOWING, Kind, Request, State
from ingest.events.envelope import at_path
from ingest.events.privacy import SubjectErased
from ingest.log import read, shredding
from ingest.log.shredding import Parts as Shredding
from ingest.models import subject_key
from ingest.store.port import walk
from ingest.store.query import Document, Eq, Order, Search

AGAIN: Final = timedelta(days=1)


def replay(db: Database, ctx: Context, *, parts: Privacy, shreds: Shredding) -> int:
    """Erase again who was erased by store or archive and is back in this database; returns how many.

    Keys that a certificate says are destroyed end again, too, where the database of keys alone was put back. Nothing
    is written where nobody is back. Raises `ErasureUnfinished`, and `StoreUnavailable` while the store is away.
    """
    asked = Search(where=Eq("event.action", SubjectErased.kind), order=Order.SEQUENCE, limit=1_000)
    documents = [*walk(parts.store, asked), *_archived(db, parts)]
    erased = dict.fromkeys(
        (str(at_path(document, "onepay.request.id")), str(at_path(document, "onepay.subject.id")[0]))
        for document in documents
    )
    again = _again(db, erased, ctx, parts=parts, shreds=shreds)
    _end_keys(db, ctx, shreds)
    return again + _returned(db, ctx, parts=parts, shreds=shreds)


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
        back = [id for id in ids.all() if execution.left(session, id, parts=parts)]
    for first in back:
        with db.begin() as session:
            request_id = intake.follow(session, requests.locked(session, first), ctx, parts=parts)
            execution.begin(session, requests.get(session, request_id), ctx, parts=parts, tell=False)
        execution.carry_out(db, request_id, ctx, parts=parts, shreds=shreds)
    return len(back)


def _end_keys(db: Database, ctx: Context, shreds: Shredding) -> None:
    """End the keys that certificates say are destroyed, where an older database of keys has them back."""
    with db.read() as session:
        gone = {
            (body["subject"], class_)
            for body in map(json.loads, session.scalars(sa.select(erasure_certificate.c.body)))
            for class_ in body["keys_destroyed"]
        }
    if not gone:
        return
    known = subject_key.c
    with shreds.keys.db.read() as keys:
        live = keys.execute(sa.select(known.subject, known["class"]).where(known.wrapped.is_not(None)))
        back = sorted(gone.intersection((row[0], row[1]) for row in live))
    for subject, class_ in back:
        shredding.end_keys(subject, [class_], LAW, ctx.at, keys=shreds.keys)


def _archived(db: Database, parts: Privacy) -> Iterator[Document]:
    """Yield what the archive knows of erasures that this database does not: it is read where it reaches further."""
    with db.read() as session:
        size = read.head(session).size
    if parts.archive.size <= size:
        return
    for body in parts.archive.bodies(SubjectErased.event_class.value, size):
        document = json.loads(body.body)
        if at_path(document, "event.action") == SubjectErased.kind:
            yield document


def _again(db: Database, erased: Iterable[tuple[str, str]], ctx: Context, *, parts: Privacy, shreds: Shredding) -> int:
    """Erase again whom the journal says were erased and this database has back (PRV-37); returns how many.

    `erased` are (request, subject). What is to be done is read first: nothing is written where nobody is back. Raises
    `ErasureUnfinished`.
    """
    with db.read() as session:
        done = set(session.scalars(sa.select(erasure_certificate.c.request_id)))
        back = [pair for pair in erased if pair[0] not in done and parts.people.exists(session, pair[1])]
    again = 0
    for request_id, subject in back:
        with db.begin() as session:
            found = _found_again(session, request_id, subject, ctx, parts)
            if found.state not in (State.EXECUTING, State.EXECUTED):
                execution.begin(session, found, ctx, parts=parts, tell=False)
        execution.carry_out(db, request_id, ctx, parts=parts, shreds=shreds)
        again += 1
    return again


def _found_again(session: Session, request_id: str, subject: str, ctx: Context, parts: Privacy) -> Request:
    """Return the request of an erasure that this database has forgotten, made anew by the journal."""
    try:
        return requests.locked(session, request_id)
    except NotFound:
        intake.recall(session, request_id, Kind.ERASURE, subject, ctx, parts=parts)
        return requests.get(session, request_id)
