"""One key per (subject, retention class), in a database of its own: destroying it erases the person from every log."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from app.kernel import canonical, crypto
from app.kernel.access import EVENT_PERSONAL_READ
from app.kernel.clock import Clock
from app.kernel.context import Context
from app.kernel.crypto import Secret, Unreadable
from app.kernel.db import Database, insert_once
from app.kernel.errors import Gone
from ingest.events.envelope import at_path
from ingest.log import epochs
from ingest.log.epochs import EpochEnded, EpochKeys, OneKey, OpenKeys
from ingest.models import subject_key

# How many keys one statement asks for; databases bound the values of one.
KEYS_A_TIME: Final = 1_000
PERSONAL_VERSION: Final = 1
_WRAPPED: Final = sa.select(subject_key.c.wrapped, subject_key.c.epoch).where(
    subject_key.c.subject == sa.bindparam("subject"), subject_key.c["class"] == sa.bindparam("of_class")
)

Wrapped: TypeAlias = tuple[bytes, int]
"""A wrapped key and the epoch whose key opens it."""


class SubjectErased(Gone):
    """The key of this person was destroyed; what it protected cannot be read any more."""

    code = "subject_erased"


class SubjectKeys:
    """Seals and reveals what is personal. Keys are committed before their use and never made again once destroyed."""

    def __init__(self, db: Database, epoch_keys: EpochKeys | Secret, clock: Clock) -> None:
        """`epoch_keys` wrap the keys; a bare secret is the key of the first epoch, which then never ends."""
        self._db = db
        self._epochs = OpenKeys(OneKey(epoch_keys) if isinstance(epoch_keys, Secret) else epoch_keys, clock)
        self._clock = clock

    @property
    def db(self) -> Database:
        """The database of the keys, apart from all others."""
        return self._db

    @property
    def epochs(self) -> OpenKeys:
        """The keys that wrap them."""
        return self._epochs

    def seal(
        self, fields: Mapping[str, str], subject: str, class_: str, event_id: str
    ) -> dict[str, Any] | None:  # an element of `onepay.personal`
        """Return the encrypted element for an event, or None where the subject's key was destroyed."""
        row = self._row(subject, class_, make=True)
        if row is None or row.wrapped is None:
            return None
        key = self._opened(row, subject, class_)
        if key is None:
            return None
        aad = f"{event_id}|{class_}|{subject}|{PERSONAL_VERSION}".encode()
        nonce, cipher = crypto.seal(key, canonical.encode(dict(fields)), aad)
        return {"s": subject, "k": row.epoch, "n": _text(nonce), "c": _text(cipher)}

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
        """Decrypt a column value; raises `SubjectErased` where the key is gone, `EpochAway` while the keys are."""
        return _opened(self._key(subject, class_, make=False), value, subject, class_, place)

    def reader(self, subjects: Collection[str], class_: str) -> Reader:
        """Return what opens column values of these people, with all their keys asked for at once."""
        names, wrapped = sorted(set(subjects)), {}
        for first in range(0, len(names), KEYS_A_TIME):
            wrapped.update(self._wrapped(names[first : first + KEYS_A_TIME], class_))
        return Reader(wrapped, class_, self._opener(class_))

    def _wrapped(self, subjects: Sequence[str], class_: str) -> dict[str, Wrapped | None]:
        """Return the wrapped keys of these people, None for who was erased; who has none is left out."""
        query = sa.select(subject_key.c.subject, subject_key.c.wrapped, subject_key.c.epoch).where(
            subject_key.c.subject.in_(subjects),
            subject_key.c["class"] == class_,
            # A key that is gone says when it was destroyed; else it was not destroyed, but taken away.
            subject_key.c.wrapped.is_not(None) | subject_key.c.destroyed_at.is_not(None),
        )
        with self._db.read() as session:
            return {
                row.subject: None if row.wrapped is None else (row.wrapped, row.epoch) for row in session.execute(query)
            }

    def _key(self, subject: str, class_: str, *, make: bool) -> Secret | None:
        row = self._row(subject, class_, make=make)
        return None if row is None or row.wrapped is None else self._opened(row, subject, class_)

    def _opened(self, row: Any, subject: str, class_: str) -> Secret | None:  # a row
        return self._opener(class_).open(subject, (row.wrapped, row.epoch))

    def _opener(self, class_: str) -> _Opener:
        return _Opener(self._epochs, lambda subject: self._wrapped([subject], class_).get(subject), self._why_missing)

    def _why_missing(self, number: int) -> Exception:
        with self._db.read() as session:
            return epochs.why_missing(session, number, self._epochs.keys)

    def _row(self, subject: str, class_: str, *, make: bool) -> Any:  # a row
        row = self._db.one(_WRAPPED, {"subject": subject, "of_class": class_})
        return self._make(subject, class_) if row is None and make else row

    def _make(self, subject: str, class_: str) -> Any:  # a row
        fresh = Secret(crypto.random_key())
        with self._db.begin() as session:
            # Held until this is committed, so that no key is made under an epoch after its rows were counted.
            number = epochs.current(session, locked=True)
            try:
                over = self._epochs.secret(number)
            except EpochEnded as error:
                raise epochs.why_missing(session, number, self._epochs.keys) from error
            values = {
                "subject": subject,
                "class": class_,
                "epoch": number,
                "wrapped": crypto.wrap(over, fresh),
                "created_at": self._clock.now(),
            }
            insert_once(session, subject_key, values)
            return session.execute(_WRAPPED, {"subject": subject, "of_class": class_}).one()


@dataclass(frozen=True, slots=True)
class _Opener:
    """Unwraps keys. An epoch may end between reading a key and opening it: then the key is read again, once.

    Raises what `epochs.why_missing` returns where the key over it is missing still.
    """

    epochs: OpenKeys
    again: Callable[[str], Wrapped | None]
    why_missing: Callable[[int], Exception]

    def open(self, subject: str, wrapped: Wrapped) -> Secret | None:
        try:
            return crypto.unwrap(self.epochs.secret(wrapped[1]), wrapped[0])
        except EpochEnded as error:
            fresh = self.again(subject)
            if fresh is None:
                return None
            if fresh == wrapped:
                raise self.why_missing(wrapped[1]) from error
        try:
            return crypto.unwrap(self.epochs.secret(fresh[1]), fresh[0])
        except EpochEnded as error:
            raise self.why_missing(fresh[1]) from error


class Reader:
    """Opens column values of some people, of one class. Make one for a call and drop it with it.

    It holds keys as they were when it was made: one that is kept would go on reading who was erased since.
    """

    def __init__(self, wrapped: Mapping[str, Wrapped | None], class_: str, opener: _Opener) -> None:
        self._wrapped = wrapped
        self._class = class_
        self._opener = opener
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
            opened = self._opener.open(subject, wrapped)
            if opened is None:
                return None
            self._keys[subject] = opened
        return self._keys[subject]


def _opened(key: Secret | None, value: bytes, subject: str, class_: str, place: str) -> str:
    if key is None:
        raise SubjectErased
    return crypto.open_text(key, value, f"{place}|{class_}|{subject}")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
