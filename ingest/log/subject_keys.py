"""One key per (subject, retention class), in a database of its own: destroying it erases the person from every log."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any, Final

import sqlalchemy as sa

from app.kernel import canonical, crypto
from app.kernel.access import EVENT_PERSONAL_READ
from app.kernel.clock import Clock
from app.kernel.context import Context
from app.kernel.crypto import Secret, Unreadable
from app.kernel.db import Database, insert_once
from app.kernel.errors import Gone
from ingest.events.envelope import at_path
from ingest.models import subject_key

FIRST_EPOCH: Final = 1
# How many keys one statement asks for; databases bound the values of one.
KEYS_A_TIME: Final = 1_000
PERSONAL_VERSION: Final = 1
_WRAPPED: Final = sa.select(subject_key.c.wrapped).where(
    subject_key.c.subject == sa.bindparam("subject"), subject_key.c["class"] == sa.bindparam("of_class")
)


class SubjectErased(Gone):
    """The key of this person was destroyed; what it protected cannot be read any more."""

    code = "subject_erased"


class SubjectKeys:
    """Seals and reveals what is personal. Keys are committed before their use and never made again once destroyed."""

    def __init__(self, db: Database, epoch_key: Secret, clock: Clock) -> None:
        self._db = db
        self._epoch_key = epoch_key
        self._clock = clock

    def seal(
        self, fields: Mapping[str, str], subject: str, class_: str, event_id: str
    ) -> dict[str, Any] | None:  # an element of `onepay.personal`
        """Return the encrypted element for an event, or None where the subject's key was destroyed."""
        key = self._key(subject, class_, make=True)
        if key is None:
            return None
        aad = f"{event_id}|{class_}|{subject}|{PERSONAL_VERSION}".encode()
        nonce, cipher = crypto.seal(key, canonical.encode(dict(fields)), aad)
        return {"s": subject, "k": FIRST_EPOCH, "n": _text(nonce), "c": _text(cipher)}

    def reveal(self, document: Mapping[str, Any], ctx: Context) -> dict[str, dict[str, str]]:
        """Return the personal fields of a document by subject; demands `event:personal:read`. Erased ones are left out.

        The caller records `access.data.read` with its view before it shows them.
        """
        ctx.actor.require(EVENT_PERSONAL_READ)
        event_id, class_ = at_path(document, "event.id"), at_path(document, "onepay.class")
        revealed = {}
        for element in at_path(document, "onepay.personal") or ():
            key = self._key(element["s"], class_, make=False)
            if key is None:
                continue
            aad = f"{event_id}|{class_}|{element['s']}|{PERSONAL_VERSION}".encode()
            plain = crypto.open_sealed(key, base64.b64decode(element["n"]), base64.b64decode(element["c"]), aad)
            revealed[element["s"]] = canonical.decode(plain)
        return revealed

    def seal_value(self, text: str, subject: str, class_: str, place: str) -> bytes:
        """Encrypt a column's value; `place` (table.column.row) binds it to where it lies. Raises `SubjectErased`."""
        key = self._key(subject, class_, make=True)
        if key is None:
            raise SubjectErased
        return crypto.seal_text(key, text, f"{place}|{class_}|{subject}")

    def open_value(self, value: bytes, subject: str, class_: str, place: str) -> str:
        """Decrypt a column value; raises `SubjectErased` where the key is gone."""
        return _opened(self._key(subject, class_, make=False), value, subject, class_, place)

    def reader(self, subjects: Collection[str], class_: str) -> Reader:
        """Return what opens column values of these people, with all their keys asked for at once."""
        wrapped: dict[str, bytes | None] = {}
        names = sorted(set(subjects))
        for first in range(0, len(names), KEYS_A_TIME):
            query = sa.select(subject_key.c.subject, subject_key.c.wrapped).where(
                subject_key.c.subject.in_(names[first : first + KEYS_A_TIME]),
                subject_key.c["class"] == class_,
                # A key that is gone says when it was destroyed; else it was not destroyed, but taken away.
                subject_key.c.wrapped.is_not(None) | subject_key.c.destroyed_at.is_not(None),
            )
            with self._db.read() as session:
                wrapped.update({row.subject: row.wrapped for row in session.execute(query)})
        return Reader(wrapped, class_, self._epoch_key)

    def _key(self, subject: str, class_: str, *, make: bool) -> Secret | None:
        row = self._db.one(_WRAPPED, {"subject": subject, "of_class": class_})
        if row is None and make:
            row = self._make(subject, class_)
        if row is None or row.wrapped is None:
            return None
        return crypto.unwrap(self._epoch_key, row.wrapped)

    def _make(self, subject: str, class_: str) -> Any:  # a row
        fresh = Secret(crypto.random_key())
        values = {
            "subject": subject,
            "class": class_,
            "epoch": FIRST_EPOCH,
            "wrapped": crypto.wrap(self._epoch_key, fresh),
            "created_at": self._clock.now(),
        }
        with self._db.begin() as session:
            insert_once(session, subject_key, values)
            return session.execute(_WRAPPED, {"subject": subject, "of_class": class_}).one()


class Reader:
    """Opens column values of some people, of one class. Make one for a call and drop it with it.

    It holds keys as they were when it was made: one that is kept would go on reading who was erased since.
    """

    def __init__(self, wrapped: Mapping[str, bytes | None], class_: str, epoch_key: Secret) -> None:
        self._wrapped = wrapped
        self._class = class_
        self._epoch_key = epoch_key
        self._keys: dict[str, Secret] = {}

    def open_value(self, value: bytes, subject: str, place: str) -> str:
        """Decrypt a value of one of the people it was made for.

        Raises `SubjectErased` where the key was destroyed, `Unreadable` where there is none, or it was altered.
        """
        return _opened(self._key(subject), value, subject, self._class, place)

    def _key(self, subject: str) -> Secret | None:
        if subject not in self._wrapped:
            raise Unreadable("there is no key for what was sealed")
        wrapped = self._wrapped[subject]
        if wrapped is None:
            return None
        if subject not in self._keys:
            self._keys[subject] = crypto.unwrap(self._epoch_key, wrapped)
        return self._keys[subject]


def _opened(key: Secret | None, value: bytes, subject: str, class_: str, place: str) -> str:
    if key is None:
        raise SubjectErased
    return crypto.open_text(key, value, f"{place}|{class_}|{subject}")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
