"""Finding all data of a person, owner by owner: what could not be searched is named, never left out silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel import classify
from app.kernel.errors import OnePayError
from app.kernel.jobs import guarded_alone
from compliance.contracts.personal import PersonalDataSource, Record, Redaction, Seed, StoreInfo
from compliance.contracts.walking import walk
from compliance.privacy.parts import PackageTooLarge

RECORDS_MAX: Final = 200_000
NOT_SEARCHED: Final = (
    (
        "backups",
        "Backups are the operator's, who ends them in time; nobody searches them. Who was erased is erased again where "
        "an older database is put back beside the event store or the archive of now.",
    ),
    ("caches", "Caches hold keys for at most a minute, and counters of limits without ids of accounts."),
    (
        "mail",
        "Letters that were handed over lie with whoever delivers them, in a demonstration in a folder that stands for "
        "that company; it ends them by its own period.",
    ),
    ("files.evidence", "Uploads of colleagues are sealed and about our controls; nothing searches in them."),
    (
        "files.reports",
        "Reports are about controls; exports are there for days, and searched where they came from, in the log.",
    ),
    ("vault", "No card is stored here yet, so there is no vault to search."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """One store and category: how much was found there, or why it was not searched."""

    info: StoreInfo
    found: int
    skipped: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """All that was found about a person."""

    seeds: frozenset[Seed]
    records: tuple[Record, ...]
    searched: tuple[Searched, ...]
    redactions: Counter[str]

    @property
    def is_whole(self) -> bool:
        """Tell whether every store was searched."""
        return all(each.skipped is None for each in self.searched)


def collect(session: Session, sources: Sequence[PersonalDataSource], subject: str) -> Collected:
    """Search every owner; one that fails is skipped with its error's code, and the others go on.

    Raises `PackageTooLarge` where there is more than `RECORDS_MAX`.
    """
    seeds, failed = _walk(session, sources, subject)
    records: list[Record] = []
    searched: list[Searched] = []
    for source in sources:
        found: list[Record] = []
        room = RECORDS_MAX + 1 - len(records)
        error = failed.get(source.name) or guarded_alone(
            session,
            f"collect {source.name}",
            lambda: found.extend(islice(source.collect(session, seeds), room)),  # noqa: B023 - called at once
        )
        counted = Counter((record.store, record.category) for record in found)
        for info in source.stores():
            if info.kind == "files":
                continue  # they stand among what is not searched
            # What the store's index gave was read from the log: both are searched by one question.
            name = info.name.replace("events.", "log.", 1) if info.kind == "events" else info.name
            skipped = None if error is None else _code(error)
            count = 0 if skipped else counted[name, info.category]
            searched.append(Searched(info=info, found=count, skipped=skipped))
        if error is None:
            records += map(_without_secrets, found)
        if len(records) > RECORDS_MAX:
            raise PackageTooLarge
    redactions: Counter[str] = Counter()
    for record in records:
        for each in record.redactions:
            redactions[each.rule] += each.count
    return Collected(seeds=seeds, records=tuple(records), searched=tuple(searched), redactions=redactions)


def _without_secrets(record: Record) -> Record:
    """Return a record whose texts of people hold no card number and no key, whenever they were written down."""
    if record.category != "free_text":
        return record
    count = 0

    def clean(value: Any) -> Any:
        nonlocal count
        if isinstance(value, Mapping):
            return {name: clean(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(item) for item in value]
        if not isinstance(value, str):
            return value
        text, hits = classify.redact(value)
        count += len(hits)
        if not classify.holds_card_number(text):
            return text
        count += 1
        return "[card_number]"  # written in pieces: what stands around it goes with it

    data, around = clean(record.data), clean(record.around)
    if not count:
        return record
    left_out = (*record.redactions, Redaction(rule="secrets_in_words", count=count))
    return replace(record, data=data, around=around, redactions=left_out)


def _walk(
    session: Session, sources: Sequence[PersonalDataSource], subject: str
) -> tuple[frozenset[Seed], dict[str, BaseException]]:
    """Walk the graph with those owners that answer."""
    failed: dict[str, BaseException] = {}
    for source in sources:
        start = frozenset((Seed("subject", subject), Seed("account.id", subject)))
        seeds = partial(source.seeds, session, start)
        error = guarded_alone(session, f"seeds {source.name}", seeds)
        if error is not None:
            failed[source.name] = error
    return walk(session, [source for source in sources if source.name not in failed], subject), failed


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, OnePayError) else type(error).__name__
