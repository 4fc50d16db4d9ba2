"""Events as a source of personal data: log bodies and the event store, found by whom they are about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.access import EVENT_PERSONAL_READ, service
from app.kernel.clock import EPOCH
from app.kernel.context import Context
from compliance.contracts import masking
from compliance.contracts.personal import (
    Change,
    FieldUnknown,
    Record,
    Redaction,
    Seed,
    StoreInfo,
    Target,
    ids_of,
    subject_of,
)
from ingest.events import catalog
from ingest.events.envelope import CATEGORY_OF, Ecs, EventClass, at_path, fields_of
from ingest.log import read
from ingest.log.subject_keys import SubjectKeys
from ingest.models import outbox
from ingest.store.port import EventStore, walk
from ingest.store.query import Eq, Or, Order, Search, Window

LOG: Final = "log"
STORE: Final = "events"
ABOUT: Final = ("onepay.subject.id", "user.id", "user.target.id")
"""The fields by which an event is about a person."""
_OF_ACTOR: Final = ("source", "user_agent", "device", "trace", "host", "url", "http")
_AT_ONCE: Final = 500
# Opening what is sealed about a person is a permission; the job that asks records the reading before it begins.
_READER: Final = Context(actor=service("privacy", EVENT_PERSONAL_READ), at=EPOCH, request_id="privacy")


class EventSource:
    """What the log and the event store say of a person.

    Found by the store's index; what the store does not hold is read from the log itself, so nothing is missed. Raises
    `StoreUnavailable` while the store does not answer.
    """

    def __init__(self, store: EventStore, keys: SubjectKeys) -> None:
        self._store = store
        self._keys = keys

    @property
    def name(self) -> str:
        return "log"

    def stores(self) -> Sequence[StoreInfo]:
        found = []
        for name, kind in ((LOG, "log"), (STORE, "events")):
            for class_ in EventClass:
                # That it happened is in every event about a person, whatever else it says.
                by_category: dict[tuple[str, bool], set[str]] = {("behaviour", False): {"event.action"}}
                for of in catalog.KINDS:
                    if of.event_class is class_:
                        for _, declared in fields_of(of):  # type: ignore[arg-type]  # mypy takes the class for its instance
                            if declared.mark.category != "none":
                                sort = (declared.mark.category, declared.personal)
                                by_category.setdefault(sort, set()).add(declared.path)
                for path, category in CATEGORY_OF.items():
                    by_category.setdefault((category, False), set()).add(path)
                for (category, is_sealed), paths in sorted(by_category.items()):
                    found.append(
                        StoreInfo(
                            name=f"{name}.{class_.value}",
                            kind=kind,
                            category=category,
                            retention=class_.value,
                            on_erase="shred" if is_sealed else "keep_to_class_end",
                            origin="provided" if is_sealed else "observed",
                            export="reveal" if is_sealed else "masked",
                            purposes=("service",) if class_ is EventClass.MONEY else ("security",),
                            fields=tuple(sorted(paths)),
                        )
                    )
        return found

    def seeds(self, session: Session, seeds: Set[Seed]) -> Set[Seed]:
        return frozenset()

    def collect(self, session: Session, seeds: Set[Seed]) -> Iterator[Record]:
        ids, own = ids_of(seeds), frozenset(seed.value for seed in seeds)
        for document in self.documents(session, ids):
            yield self._record(document, own)
            yield from self._revealed(document, subject_of(seeds))

    def due(self, session: Session, class_: str, before: datetime, limit: int) -> Iterator[Target]:
        """Yield nothing: events end by whole months of a class (PRV-44), never one by one."""
        yield from ()

    def still_due(self, session: Session, class_: str, before: datetime, targets: Sequence[Target]) -> Iterator[Target]:
        """Yield nothing, as `due`."""
        yield from ()

    def plan(self, session: Session, seeds: Set[Seed]) -> Iterator[Target]:
        ids, subject = ids_of(seeds), subject_of(seeds)
        counted: Counter[str] = Counter()
        sealed: Counter[str] = Counter()
        for document in self.documents(session, ids):
            class_ = at_path(document, "onepay.class")
            counted[class_] += 1
            sealed[class_] += any(each["s"] == subject for each in at_path(document, "onepay.personal") or ())
        for class_, events in sorted(counted.items()):
            same: dict[str, Any] = {"store": f"{LOG}.{class_}", "subject": subject, "retention": class_}
            yield Target(id=class_, category="behaviour", action="keep", entries=events, forced_by=class_, **same)
            # The key goes even where no event of the class is sealed yet: one may still be waiting for its number.
            opened = sealed[class_]
            yield Target(id=class_, category="free_text", action="shred", entries=opened, key_class=class_, **same)

    def erase(
        self, session: Session, targets: Sequence[Target], ctx: Context, *, only_of: str | None = None
    ) -> Counter[str]:
        """Do nothing to events: what goes of them goes with the person's key."""
        return Counter()

    def remaining(self, session: Session, targets: Sequence[Target]) -> int:
        classes: dict[str, set[str]] = {}
        for target in targets:
            if target.action == "shred":
                classes.setdefault(target.subject, set()).add(target.id)
        return sum(
            subject in self._keys.reveal(document, _READER)
            for subject, those in classes.items()
            for document in self.documents(session, [subject])
            if at_path(document, "onepay.class") in those
        )

    def rectify(self, session: Session, store: str, id: str, field: str, value: str, ctx: Context) -> Change:
        """Refuse: what happened stays as it was told, with a link to the correction."""
        raise FieldUnknown("Past events are not changed.", param="field")

    def plant(self, session: Session, subject: str, marker: str, ctx: Context) -> int:
        return 0

    def named(self, session: Session, targets: Sequence[Target], ids: Collection[str]) -> frozenset[str]:
        """Return none: what of a class is held is asked of the events themselves, one by one."""
        return frozenset()

    def documents(self, session: Session, ids: Collection[str]) -> Iterator[Mapping[str, Any]]:
        """Yield the bodies of all events about somebody, oldest first, with their sequence; those that wait, last.

        The store says where to look, and each body as it was sealed whom it is about.
        """
        size, wanted = read.head(session).size, set(ids)
        found = set(self._indexed(sorted(wanted), size))
        for gap in self._store.missing(0, size):
            for lo in range(gap.start - 1, gap.stop - 1, read.SLICE_MAX):
                for each in read.bodies(session, lo, min(lo + read.SLICE_MAX, gap.stop - 1)):
                    if is_about(canonical.decode(each.body), wanted):
                        found.add(each.sequence)
        ordered = sorted(found)
        for first in range(0, len(ordered), _AT_ONCE):
            said = read.documents_at(session, ordered[first : first + _AT_ONCE])
            for sequence, document in said.items():
                if is_about(document, wanted):
                    yield {**document, "sequence": sequence}
        for text in session.execute(sa.select(outbox.c.body).order_by(outbox.c.n)).scalars():
            document = canonical.decode(text)
            if is_about(document, wanted):
                yield document

    def _indexed(self, ids: Sequence[str], size: int) -> Iterator[int]:
        where = Or(tuple(Eq(path, id) for path in ABOUT for id in ids))
        search = Search(
            where=where, window=Window(lo=0, hi=size), order=Order.SEQUENCE, limit=1_000, fields=("event.sequence",)
        )
        for document in walk(self._store, search):
            yield at_path(document, "event.sequence")

    def _record(self, document: Mapping[str, Any], own: frozenset[str]) -> Record:
        shown, left_out = without_others(document, own)
        class_ = str(at_path(document, "onepay.class"))
        return Record(
            store=f"{LOG}.{class_}",
            id=str(at_path(document, "event.id")),
            category="behaviour",
            origin="observed",
            purposes=("service",) if class_ == EventClass.MONEY.value else ("security",),
            retention=class_,
            data=shown,
            redactions=tuple(Redaction(rule=rule, count=count) for rule, count in left_out.items() if count),
        )

    def _revealed(self, document: Mapping[str, Any], subject: str) -> Iterator[Record]:
        fields = self._keys.reveal(document, _READER).get(subject, {})
        if not fields:
            return
        kind = catalog.by_kind().get(str(at_path(document, "event.action")))
        declared: dict[str, Ecs] = {}
        if kind is not None:
            declared = {each.path: each for _, each in fields_of(kind)}  # type: ignore[arg-type]  # as above
        class_ = str(at_path(document, "onepay.class"))
        for name, value in fields.items():
            mark = declared[name].mark if name in declared else None
            yield Record(
                store=f"{LOG}.{class_}",
                id=str(at_path(document, "event.id")),
                category=mark.category if mark else "free_text",
                origin="provided",
                purposes=("service",),
                retention=class_,
                data={name: value},
                around={"@timestamp": document["@timestamp"], "event.action": at_path(document, "event.action")},
            )


def is_about(document: Mapping[str, Any], ids: Collection[str]) -> bool:
    """Tell whether an event is about one of these ids."""
    for path in ABOUT:
        value = at_path(document, path)
        if any(each in ids for each in (value if isinstance(value, list) else [value])):
            return True
    return False


def is_own_alone(document: Mapping[str, Any], own: Collection[str]) -> bool:
    """Tell whether an event is about nobody else and was nobody else's doing: all of its body is the person's."""
    subjects = at_path(document, "onepay.subject.id") or []
    others = [at_path(document, path) for path in ("user.id", "user.target.id")]
    is_own = all(each in own for each in subjects) and all(each is None or each in own for each in others)
    return is_own and masking.mask(document, {*own, *_own_addresses(document)})[1] == 0


def without_others(document: Mapping[str, Any], own: frozenset[str]) -> tuple[dict[str, Any], Counter[str]]:
    """Return an event as the person it is about may read it, and what was left out by which rule."""
    left_out: Counter[str] = Counter()
    shown = {name: value for name, value in document.items() if name != "sequence"}
    onepay = {name: value for name, value in dict(shown.get("onepay", {})).items() if name != "personal"}
    actor = at_path(document, "user.id")
    addresses = _own_addresses(document)
    if actor is not None and actor not in own:
        # Staff are told by their role, and where somebody else sat is theirs.
        is_person = onepay.get("actor", {}).get("kind") in ("customer", "merchant")
        shown["user"] = {} if is_person else {"roles": at_path(document, "user.roles") or []}
        left_out["others_in_documents" if is_person else "staff_as_role"] += 1
        for name in _OF_ACTOR:
            shown.pop(name, None)
        for name in ("session", "network"):
            onepay.pop(name, None)
        target = at_path(document, "user.target.id")
        if target in own:
            shown["user"] = {**shown["user"], "target": {"id": target}}
        addresses = frozenset()
    shown["onepay"] = onepay
    masked, count = masking.mask(shown, own | addresses)
    left_out["ids_of_others"] += count
    return masked, left_out


def _own_addresses(document: Mapping[str, Any]) -> frozenset[str]:
    """Return what an event of the person's own doing names of their machine."""
    named = [at_path(document, path) for path in ("source.ip", "onepay.network.client", "device.id")]
    named += [at_path(document, "onepay.session.id"), str(at_path(document, "onepay.auth.factor_id"))]
    return frozenset(str(each) for each in named if each)
