"""Probes over the one log: that its entries say who did what, cannot be edited, and are what was signed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import Final

import sqlalchemy as sa

from app.kernel import crypto
from app.kernel.access import ANONYMOUS
from app.kernel.context import Source
from app.kernel.db import Database
from app.kernel.errors import Unavailable
from compliance.catalog.periods import add_months
from compliance.contracts.planting import plant
from compliance.contracts.probes import (
    VIOLATIONS_KEPT,
    Kind,
    Look,
    NothingToPlantIn,
    Probe,
    Reading,
    Violation,
    Window,
)
from compliance.engine.reading import is_whole
from ingest import models
from ingest.events import catalog
from ingest.events.auth import LoginFailed
from ingest.events.envelope import at_path
from ingest.log import checkpoint, forgotten, read, rounds, units, witness
from ingest.store.columns import month_end, month_of
from ingest.store.port import walk
from ingest.store.query import And, Eq, Exists, In, Not, Or, Search, Where
from ingest.store.query import Window as StoreWindow

SIGNED_MAX: Final = timedelta(minutes=10)
SEEN_MAX: Final = timedelta(minutes=10)
"""So old may the newest sample of the monitor be, and the oldest signed head that the witness has not seen."""
COMPARED_WITHIN: Final = timedelta(hours=26)
"""Within so long everything is compared, once each night; a log that is watched for less has a night to come."""
COMPARED_MAX: Final = 30_000
INSUFFICIENT_PRIVILEGE: Final = "42501"
MONTHS_KEPT: Final = 12
AT_HAND: Final = timedelta(days=90)
"""So long the event store answers for what was logged (10.5.1), but for what may still be on its way to it."""
SHIPPED: Final = timedelta(hours=1)
AUDITED: Final = ("security", "governance")
ARRIVED: Final = timedelta(seconds=60)
_BEYOND: Final = 2**62
# Kinds that say in the catalogue how they ended; others begin something or change a state.
_WITH_OUTCOME: Final = tuple(sorted(kind.kind for kind in catalog.KINDS if kind.outcome_of_kind is not None))
# Who acted (10.2.2): a person, one of our own services, or at least from where.
_INCOMPLETE: Final[Where] = Or(
    (
        Not(Exists("event.action")),
        Not(Exists("@timestamp")),
        And((Not(Exists("user.id")), Not(Exists("source.ip")))),
        And((Not(Exists("event.outcome")), In("event.action", _WITH_OUTCOME))),
        And((Not(Exists("trace.id")), Not(Exists("event.provider")))),
    )
)
# One act of each kind of 10.2.1, as our own kinds of event name it.
ACTIVITIES: Final = {
    "10.2.1.1 access to data of people": ("access.data.read", "access.search.executed", "access.field.revealed"),
    "10.2.1.2 acts of administrators": ("admin.account.invited", "admin.role.granted", "admin.approval.decided"),
    "10.2.1.3 access to the trail": ("access.search.executed", "access.data.exported", "access.data.read"),
    "10.2.1.4 refused access": ("access.request.denied", "auth.login.failed"),
    "10.2.1.5 changes of credentials": ("auth.factor.enrolled", "auth.password.changed", "auth.account.registered"),
    "10.2.1.6 start and stop of the log": ("health.process.started", "health.process.stopped"),
    "10.2.1.7 objects made and deleted": ("transaction.wallet.opened", "detection.rule.published"),
}


def probes(db: Database) -> tuple[Probe, ...]:
    """Return the probes over the log; `db` is where the forbidden is tried, in a transaction that never commits."""
    return (
        Probe(
            name="log.complete_entries",
            kind=Kind.WINDOW,
            asks="Events of the window; wrong is one without what, when, outcome, request, or both who and where from.",
            read=_complete,
            plant=_plant_incomplete,
        ),
        Probe(
            name="log.not_editable",
            kind=Kind.LIVE,
            asks="The tables of the log that only grow; wrong is one in which a row can be changed or deleted.",
            read=partial(_not_editable, db=db),
            plant=_plant_editable,
        ),
        Probe(
            name="log.integrity",
            kind=Kind.STATE,
            asks="The head, its newest signature and bodies against entries; wrong is what is not as it was sealed.",
            read=_integrity,
            plant=_plant_flipped,
        ),
        Probe(
            name="log.retrievable",
            kind=Kind.STATE,
            asks="Months of the log in the last twelve, and events of 90 days; wrong is a month with a body missing or "
            "removed, and an event that is not in the event store.",
            read=_retrievable,
            plant=_plant_missing,
        ),
        Probe(
            name="log.activities",
            kind=Kind.STATE,
            asks="The seven kinds of activity of 10.2.1; wrong is one whose newest event is not in the store in 60 s.",
            read=_activities,
            plant=_plant_lost,
        ),
    )


def _complete(look: Look) -> Reading:
    window = StoreWindow(lo=look.window.lo, hi=look.window.hi)
    counted = look.store.count(Exists("event.id"), window)
    wrong = []
    for document in walk(look.store, Search(where=_INCOMPLETE, window=window)):
        look.deadline.check()
        wrong.append(
            Violation(
                component=str(at_path(document, "event.dataset")),
                object_id=str(at_path(document, "event.id")),
                says=f"{at_path(document, 'event.action')} lacks who, outcome or where from",
            )
        )
        if len(wrong) > 10 * VIOLATIONS_KEPT:
            break
    return Reading(population={"events": counted}, violations=wrong)


def _plant_incomplete(look: Look) -> str:
    event = LoginFailed(identifier="0" * 64, step="password", reason="password", new_device=True)
    return plant(look, event, 1, actor=ANONYMOUS, source=Source())


_GROWING: Final = (models.entry, models.node)


def _not_editable(look: Look, *, db: Database) -> Reading:
    wrong: list[Violation] = []
    population: dict[str, int] = {}
    for table in (*_GROWING, *look.fence.get("tables", ())):
        # Where there is no row, nothing can be refused; one row stands for all of its table.
        key = table.primary_key.columns
        row = look.session.execute(sa.select(*key).limit(1)).one_or_none()
        population[table.name] = 0 if row is None else 1
        if row is None:
            continue
        it = sa.and_(*(column == value for column, value in zip(key, row, strict=True)))
        change = sa.update(table).where(it).values({next(iter(key)).name: row[0]})
        for name, act in (("UPDATE", change), ("DELETE", sa.delete(table).where(it))):
            if _succeeds(db, act):
                says = f"{name} succeeded in a transaction that was rolled back"
                wrong.append(Violation(component=table.name, object_id=f"{table.name} {name}", says=says))
    return Reading(population=population, violations=wrong, asked={"acts": ["UPDATE", "DELETE"]})


class _Tried(Exception):
    """Ends the transaction in which the forbidden succeeded."""


def _succeeds(db: Database, act: sa.Update | sa.Delete) -> bool:
    try:
        with db.begin() as session:
            done = session.execute(act.execution_options(synchronize_session=False))
            raise _Tried(done.rowcount)  # type: ignore[attr-defined]  # an update has a row count
    except _Tried:
        return True
    except sa.exc.IntegrityError:
        return False  # the table's trigger
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
            return False
        raise  # a table that is not there, or a database that is busy, refused nothing


def _plant_editable(look: Look) -> str:
    look.fence["tables"] = (models.head,)
    return f"{models.head.name} UPDATE"


def _integrity(look: Look) -> Reading:
    head = read.head(look.session)
    signed = checkpoint.signing(look.session, look.at)
    wrong: list[Violation] = []
    if head.state != "ok":
        wrong.append(Violation(component="head", object_id="head", says=f"the log is {head.state}"))
    if signed.waits > SIGNED_MAX:
        minutes = int(signed.waits.total_seconds() // 60)
        wrong.append(Violation(component="checkpoint", object_id="checkpoint", says=f"unsigned for {minutes} minutes"))
    compared = 0
    newest = [one for kind in rounds.Kind if (one := rounds.newest(look.session, kind)) is not None]
    broken = rounds.broken_since_sound(look.session)
    wrong += [Violation(component="rounds", object_id=one.id, says=_found(one.mismatches)) for one in broken]
    told = rounds.told_broken(look.session, look.at)
    if told is not None and not broken:
        says = "says that the log is broken; this stands until `onepay log verify` finds that it is not"
        wrong.append(Violation(component="rounds", object_id=told.event_id, says=says))
    for lo, hi in _slices(head.size):
        look.deadline.check()
        bodies = {body.sequence: body for body in read.bodies(look.session, lo, hi)}
        for entry in read.entries(look.session, lo, hi):
            body = bodies.get(entry.sequence)
            if body is None:
                continue  # lawfully dropped, or taken: the monitor's rounds tell one from the other
            compared += 1
            if crypto.sha256(body.salt + body.body) != entry.commitment:
                says = f"the body of #{entry.sequence} is not what was sealed"
                wrong.append(Violation(component="bodies", object_id=entry.event_id, says=says))
    return Reading(
        population={"bodies": compared, "head": 1, "checkpoint": 1, "rounds": len(newest)},
        violations=wrong,
        asked={
            "size": head.size,
            **({"bodies": f"drawn {compared:,} of {head.size:,}"} if compared < head.size else {}),
        },
        unknown=None if _is_watched(look) else "not_observed",
    )


def _found(places: int) -> str:
    differ = "1 place that differs" if places == 1 else f"{places} places that differ"
    return f"found {differ}; this stands until `onepay log verify` finds none"


def _is_watched(look: Look) -> bool:
    """Tell whether the monitor looked lately and at everything each night, and the witness saw what was signed.

    Else nobody can say that the log stands.
    """
    age = rounds.freshness(look.session, look.at)
    if age.sample is None or age.sample > SEEN_MAX:
        return False
    begun = rounds.oldest(look.session)
    is_young = begun is not None and look.at - begun <= COMPARED_WITHIN
    if not is_young and (age.full is None or age.full > COMPARED_WITHIN):
        return False
    seen = witness.standing(look.session)
    unseen = checkpoint.first_beyond(look.session, seen.size if seen is not None else 0)
    return unseen is None or look.at - unseen.at <= SEEN_MAX


def _slices(size: int) -> Sequence[tuple[int, int]]:
    """Return which sequences to compare: all of a small log, and of a large one as many, drawn at random."""
    starts = list(range(0, size, read.SLICE_MAX))
    most = COMPARED_MAX // read.SLICE_MAX
    if len(starts) > most:
        newest = starts[-1]
        starts = [*sorted(secrets.SystemRandom().sample(starts[:-1], most - 1)), newest]
    return [(lo, min(lo + read.SLICE_MAX, size)) for lo in starts]


def _plant_flipped(look: Look) -> str:
    """Change one bit of the newest body there is in the last slice, which is always compared."""
    lo, hi = _slices(read.head(look.session).size)[-1] if read.head(look.session).size else (0, 0)
    bodies = read.bodies(look.session, lo, hi)
    if not bodies:
        raise NothingToPlantIn
    newest = bodies[-1]
    (entry,) = read.entries(look.session, newest.sequence - 1, newest.sequence)
    flipped = bytes([newest.body[0] ^ 1]) + newest.body[1:]
    look.session.execute(sa.update(models.body).where(models.body.c.sequence == newest.sequence).values(body=flipped))
    return entry.event_id


def _retrievable(look: Look) -> Reading:
    """Count the bodies of every month of sign-ins, access and governance, and the store, against the log (10.5.1)."""
    since = add_months(look.at, -MONTHS_KEPT)
    months = units.every(look.session, AUDITED, since=since)
    wrong = []
    for _, group in groupby(months, key=lambda unit: unit.month):
        look.deadline.check()
        month = list(group)
        kept = _bodies_by_class(look, min(unit.first for unit in month), max(unit.last for unit in month))
        for unit in month:
            if (missing := unit.count - kept.get(unit.class_, 0)) != 0:
                says = f"{missing} of {unit.count} bodies are missing"
                wrong.append(Violation(component="months", object_id=f"{unit.class_} {unit.month}", says=says))
    gone = [one for one in forgotten.removals(look.session) if one.class_ in AUDITED and month_end(one.month) > since]
    wrong += [
        Violation(component="months", object_id=f"{one.class_} {one.month}", says="was removed before twelve months")
        for one in gone
    ]
    lo, hi = (read.first_since(look.session, look.at - age) - 1 for age in (AT_HAND, SHIPPED))
    if lo < hi and not is_whole(look.session, look.store, Window(lo=lo, hi=hi)):
        says = f"not each of #{lo + 1} to #{hi} is there, of which none was dropped"
        wrong.append(Violation(component="store", object_id="event store", says=says))
    return Reading(
        population={"months": len(months) + len(gone), "store": hi - lo},
        violations=wrong,
        asked={"months": MONTHS_KEPT, "days": AT_HAND.days},
    )


def _bodies_by_class(look: Look, first: int, last: int) -> Mapping[str, int]:
    of = models.body.c
    query = sa.select(of["class"], sa.func.count()).where(of.sequence.between(first, last)).group_by(of["class"])
    return dict(look.session.execute(query).all())


def _plant_missing(look: Look) -> str:
    """Take one body of the newest audited month away."""
    of, entry = models.body.c, models.entry.c
    newest = sa.select(entry["class"], entry.sequence, entry.ingested).join(models.body, of.sequence == entry.sequence)
    mine = newest.where(entry["class"].in_(AUDITED)).order_by(entry.sequence.desc()).limit(1)
    row = look.session.execute(mine).one_or_none()
    if row is None:
        raise Unavailable("There is no month to take anything from.")
    look.session.execute(sa.delete(models.body).where(of.sequence == row.sequence))
    return f"{row._mapping['class']} {month_of(row.ingested)}"


def _activities(look: Look) -> Reading:
    of = models.entry.c
    population: dict[str, int] = {}
    wrong: list[Violation] = []
    for activity, kinds in ACTIVITIES.items():
        row = look.session.execute(
            sa.select(of.event_id, of.ingested)
            .where(of.kind.in_(kinds), of.ingested <= look.at - ARRIVED)
            .order_by(of.sequence.desc())
            .limit(1)
        ).one_or_none()
        population[activity] = 0 if row is None else 1
        if row is not None and not look.store.count(Eq("event.id", row.event_id), StoreWindow()):
            says = f"{row.event_id} was logged, and is not in the event store after 60 seconds"
            wrong.append(Violation(component=activity, object_id=row.event_id, says=says))
    missing = [activity for activity, count in population.items() if not count]
    return Reading(
        population=population,
        violations=wrong,
        asked={"seconds": int(ARRIVED.total_seconds()), "never_seen": missing},
        unknown="no_population" if missing else None,
    )


def _plant_lost(look: Look) -> str:
    """An entry that no store has, so far beyond the head that the sequencer, numbering meanwhile, never meets it."""
    event_id = look.ctx.new_id("evt")
    look.session.execute(
        sa.insert(models.entry).values(
            sequence=_BEYOND,
            event_id=event_id,
            kind="auth.factor.enrolled",
            at=look.at - 2 * ARRIVED,
            ingested=look.at - 2 * ARRIVED,
            commitment=b"",
            **{"class": "security"},
        )
    )
    return event_id
