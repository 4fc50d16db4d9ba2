"""Whom we hand data to (GDPR Art. 28, PCI DSS 12.8): contract with its eight points, countries, days to look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, ids, words
from app.kernel.access import PRIVACY_REGISTER_WRITE, PRIVACY_REQUEST_READ
from app.kernel.context import Context
from app.kernel.errors import Changed, Conflict, Invalid, NotFound, WrongState
from compliance.catalog import purposes
from compliance.registers.models import officer, processor
from ingest.events.admin import SettingChanged
from ingest.log import outbox

POINTS: Final[Mapping[str, str]] = {
    "instructions": "acts on our written instructions alone, transfers included",
    "confidentiality": "its people are bound to keep what they learn to themselves",
    "security": "takes the measures of Art. 32",
    "sub_processors": "engages others with our permission and the same duties only",
    "rights": "helps us to answer what people ask",
    "assistance": "helps us with security, breaches and impact assessments",
    "end": "deletes or returns everything when the work ends",
    "audits": "shows that it keeps to this, and lets us look",
}
"""Art. 28(3)(a) to (h), in our own words."""
_EEA: Final = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO"
EEA: Final = frozenset(_EEA.split())
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
REMIND_DAYS: Final = (30, 7, 0)
TEXT_MAX: Final = 500


class ProcessorInvalid(Invalid):
    """What is said of a processor cannot be."""

    code = "processor_invalid"


class ProcessorKnown(Conflict):
    """A processor of this name works for us."""

    code = "processor_known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is written down of a processor. `points` are references by point of Art. 28(3)."""

    name: str
    does: str
    purposes: tuple[str, ...]
    countries: tuple[str, ...]
    review_on: date
    contract: str | None = None
    points: Mapping[str, str] = field(default_factory=dict)
    sub_processors: tuple[str, ...] = ()
    transfer: str | None = None
    hosts: tuple[str, ...] = ()
    has_cards: bool = False
    aoc_on: date | None = None
    aoc_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """A processor as it stands."""

    id: str
    name: str
    does: str
    purposes: Sequence[str]
    contract: str | None
    points: Mapping[str, str]
    sub_processors: Sequence[str]
    countries: Sequence[str]
    transfer: str | None
    hosts: Sequence[str]
    has_cards: bool
    aoc_on: date | None
    aoc_until: date | None
    review_on: date
    changed_at: datetime
    ended_at: datetime | None

    @property
    def version(self) -> int:
        """Return what a change of the entry changes: a form names the one it was filled from."""
        return (self.changed_at - _EPOCH) // timedelta(microseconds=1)

    @property
    def outside(self) -> Sequence[str]:
        """Return the countries outside the European Economic Area."""
        return [one for one in self.countries if one not in EEA]

    def lacks(self, at: date) -> list[str]:
        """Return what is missing or over, in words."""
        missing = [f"no word that it {says}" for point, says in POINTS.items() if not self.points.get(point)]
        if not self.contract:
            missing.insert(0, "no contract")
        if self.outside and not self.transfer:
            missing.append(f"nothing that allows the transfer to {', '.join(self.outside)}")
        if self.has_cards and (self.aoc_until is None or self.aoc_until < at):
            missing.append("no attestation of compliance that holds")
        if self.review_on < at:
            missing.append(f"was to be looked at by {self.review_on}")
        return missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """The record of the data protection officer (Art. 37 to 39)."""

    contact: str
    published: str
    reports_to: str
    independence: str
    from_at: datetime


def add(session: Session, entry: Entry, ctx: Context) -> str:
    """Write down a processor; raises `ProcessorInvalid` or `ProcessorKnown`."""
    ctx.actor.require(PRIVACY_REGISTER_WRITE)
    values = _values(entry, ctx)
    id_ = ctx.new_id("prc")
    _demand_name(session, id_, values["name"])
    session.execute(sa.insert(processor).values(id=id_, **values))
    _told(session, id_, "entry", ctx, after=get(session, id_))
    return id_


def change(session: Session, processor_id: str, entry: Entry, ctx: Context, *, seen: int | None = None) -> None:
    """Write down anew what is known of a processor; what is the same as before was looked at.

    `seen` is the version that the writer saw: raises `Changed` where the entry is another by now, `WrongState` where
    the processor works for us no more, and `ProcessorInvalid` or `ProcessorKnown` as adding does.
    """
    ctx.actor.require(PRIVACY_REGISTER_WRITE)
    before = _working(session, processor_id)
    if seen is not None and seen != before.version:
        raise Changed
    values = {**_values(entry, ctx), "reminded": None}
    _demand_name(session, processor_id, values["name"])
    session.execute(sa.update(processor).where(processor.c.id == processor_id).values(**values))
    after = get(session, processor_id)
    was, now = _content(before), _content(after)
    changed = ", ".join(name for name in now if was[name] != now[name])
    _told(session, processor_id, changed or "review", ctx, before=before, after=after)


def tick(session: Session, processor_id: str, point: str, reference: str, ctx: Context) -> None:
    """Note where the contract says one of the eight points."""
    ctx.actor.require(PRIVACY_REGISTER_WRITE)
    if point not in POINTS:
        raise ProcessorInvalid("There are eight points, and this is none of them.", param="point")
    said = words.checked(reference, param="reference", shortest=1, longest=TEXT_MAX)
    before = _working(session, processor_id)
    points = {**before.points, point: said}
    session.execute(
        sa.update(processor)
        .where(processor.c.id == processor_id)
        .values(points=points, changed_at=ctx.at, changed_by=ctx.actor.id)
    )
    _told(session, processor_id, f"points.{point}", ctx, before=before, after=get(session, processor_id))


def end(session: Session, processor_id: str, ctx: Context) -> None:
    """Note that a processor works for us no more; the row stays until its class ends."""
    ctx.actor.require(PRIVACY_REGISTER_WRITE)
    before = _held(session, processor_id)
    if before.ended_at is not None:
        return
    session.execute(sa.update(processor).where(processor.c.id == processor_id).values(ended_at=ctx.at))
    _told(session, processor_id, "end", ctx, before=before)


def listed(session: Session, *, with_ended: bool = False) -> list[Processor]:
    """Return the processors by name."""
    query = sa.select(processor).order_by(processor.c.name)
    if not with_ended:
        query = query.where(processor.c.ended_at.is_(None))
    return [_of(row) for row in session.execute(query)]


def as_of(session: Session, at: datetime) -> tuple[list[Processor], int]:
    """Return the processors as they stood at an instant, and of how many only what came later is kept.

    Entries are written over: one that was changed since is known by the hashes in the events of its changes alone.
    """
    of = processor.c
    # Ids are in the order of time.
    stood = sa.or_(of.ended_at.is_(None), of.ended_at > at) & (of.id <= ids.derived("prc", at, (1 << 80) - 1))
    rows = session.execute(sa.select(processor).where(stood).order_by(of.name)).all()
    same = [_of(row) for row in rows if row.changed_at <= at]
    return same, len(rows) - len(same)


def register(session: Session, ctx: Context) -> list[Processor]:
    """Return the processors to staff; to an auditor those that were not over before their period, nor came after it."""
    ctx.actor.require(PRIVACY_REQUEST_READ)
    if ctx.actor.period is None:
        return listed(session)
    begin, end = ctx.actor.period
    of = processor.c
    in_time = sa.or_(of.ended_at.is_(None), of.ended_at >= begin)
    # Ids are in the order of time.
    query = sa.select(processor).where(in_time, of.id < ids.derived("prc", end, 0)).order_by(of.name)
    return [_of(row) for row in session.execute(query)]


def get(session: Session, processor_id: str) -> Processor:
    """Return a processor; raises `NotFound`."""
    row = session.execute(sa.select(processor).where(processor.c.id == processor_id)).one_or_none()
    if row is None:
        raise NotFound
    return _of(row)


def reminders(session: Session, at: date) -> list[tuple[str, str]]:
    """Return (who wrote it down, words) of what is near its day, at 30, 7 and 0 days, and note that it was told."""
    told = []
    for one in listed(session):
        nearest = min([one.review_on, *([one.aoc_until] if one.has_cards and one.aoc_until else [])])
        left = (nearest - at).days
        step = next((days for days in sorted(REMIND_DAYS) if left <= days), None)
        of = processor.c
        row = session.execute(sa.select(of.reminded, of.changed_by).where(of.id == one.id)).one()
        if step is None or row.changed_by is None or (row.reminded is not None and row.reminded <= step):
            continue
        session.execute(sa.update(processor).where(of.id == one.id).values(reminded=step))
        told.append((row.changed_by, f"{one.name} is to be looked at by {nearest.isoformat()}"))
    return told


def appoint(session: Session, contact: str, published: str, reports_to: str, independence: str, ctx: Context) -> None:
    """Write down the data protection officer: how they are reached, where that is published, to whom they report."""
    ctx.actor.require(PRIVACY_REGISTER_WRITE)
    said = {"contact": contact, "published": published, "reports_to": reports_to, "independence": independence}
    values = {name: words.checked(text, param=name, shortest=3, longest=TEXT_MAX) for name, text in said.items()}
    of = officer.c
    before = session.execute(sa.select(officer).order_by(of.n.desc()).limit(1)).one_or_none()
    made = session.execute(
        sa.insert(officer).values(**values, changed_by=ctx.actor.id, from_at=ctx.at).returning(of.n)
    ).scalar_one()
    # How somebody is reached is not guessed from a hash of it: the versions of the record stand for its words.
    changed = [name for name, text in values.items() if before is None or before._mapping[name] != text]
    event = SettingChanged(
        object="dpo",
        field=", ".join(changed) or "review",
        before=str(before.n) if before is not None else None,
        after=str(made),
    )
    outbox.record(session, event, ctx)


def appointed(session: Session, at: datetime | None = None) -> Officer | None:
    """Return the record of the data protection officer in force, now or at an instant."""
    query = sa.select(officer).order_by(officer.c.n.desc()).limit(1)
    if at is not None:
        query = query.where(officer.c.from_at <= at)
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    return Officer(
        contact=row.contact,
        published=row.published,
        reports_to=row.reports_to,
        independence=row.independence,
        from_at=row.from_at,
    )


def officer_seen(session: Session, ctx: Context) -> Officer | None:
    """Return the record of the officer in force; to an auditor the one in force as their period ended."""
    return appointed(session, None if ctx.actor.period is None else ctx.actor.period[1] - timedelta(microseconds=1))


def _held(session: Session, processor_id: str) -> Processor:
    """Return a processor that nobody else changes until this transaction ends."""
    session.execute(sa.select(processor.c.id).where(processor.c.id == processor_id).with_for_update())
    return get(session, processor_id)


def _working(session: Session, processor_id: str) -> Processor:
    """Return a processor that still works for us, held; an entry that ended is written over no more."""
    found = _held(session, processor_id)
    if found.ended_at is not None:
        raise WrongState
    return found


def _demand_name(session: Session, processor_id: str, name: str) -> None:
    """Refuse the name of another processor that works for us; the name of one that ended is free."""
    of = processor.c
    others = sa.select(of.id).where(of.name == name, of.id != processor_id, of.ended_at.is_(None))
    if session.execute(others).first() is not None:
        raise ProcessorKnown


def _told(
    session: Session,
    processor_id: str,
    field: str,
    ctx: Context,
    *,
    before: Processor | None = None,
    after: Processor | None = None,
) -> None:
    """Leave the event of a change: whose entry, which parts of it, and the hash of the entry before and after."""
    hashes = [None if one is None else digest(one) for one in (before, after)]
    event = SettingChanged(object=f"processor.{processor_id}", field=field, before=hashes[0], after=hashes[1])
    outbox.record(session, event, ctx)


def digest(found: Processor) -> str:
    """Return the SHA-256 over the canonical form of an entry, as the events of its changes name it."""
    return crypto.sha256(canonical.encode(_content(found))).hex()


def _content(found: Processor) -> dict[str, Any]:
    said = {
        each.name: getattr(found, each.name)
        for each in fields(found)
        if each.name not in ("id", "changed_at", "ended_at")
    }
    days = ("aoc_on", "aoc_until", "review_on")
    return {**said, **{name: said[name].isoformat() if said[name] else None for name in days}}


def _values(entry: Entry, ctx: Context) -> dict[str, Any]:
    unknown = [name for name in entry.purposes if name not in purposes.shipped()]
    wrong = [name for name in entry.points if name not in POINTS]
    codes = [one for one in entry.countries if len(one) != 2 or not one.isalpha() or not one.isupper()]
    if unknown or wrong or codes or not entry.purposes or not entry.countries:
        raise ProcessorInvalid("Name purposes of ours, countries by two capital letters, and points of the eight.")
    if entry.aoc_on is not None and entry.aoc_until is not None and entry.aoc_until <= entry.aoc_on:
        raise ProcessorInvalid("An attestation ends after it was made.", param="aoc_until")
    return {
        "name": words.checked(entry.name, param="name", shortest=2, longest=100),
        "does": words.checked(entry.does, param="does", longest=TEXT_MAX),
        "contract": _said(entry.contract, "contract"),
        "points": {name: _said(text, "points") for name, text in entry.points.items()},
        "sub_processors": [_said(one, "sub_processors") for one in entry.sub_processors],
        "countries": list(entry.countries),
        "transfer": _said(entry.transfer, "transfer"),
        "hosts": [_said(one, "hosts") for one in entry.hosts],
        "purposes": list(entry.purposes),
        "has_cards": entry.has_cards,
        "aoc_on": entry.aoc_on.isoformat() if entry.aoc_on else None,
        "aoc_until": entry.aoc_until.isoformat() if entry.aoc_until else None,
        "review_on": entry.review_on.isoformat(),
        "changed_by": ctx.actor.id,
        "changed_at": ctx.at,
    }


def _said(text: str | None, param: str) -> str | None:
    return words.checked(text, param=param, shortest=1, longest=TEXT_MAX) if text else None


def _of(row: Any) -> Processor:  # a row of `processor`
    def day(text: str | None) -> date | None:
        return date.fromisoformat(text) if text else None

    return Processor(
        id=row.id,
        name=row.name,
        does=row.does,
        purposes=row.purposes,
        contract=row.contract,
        points=row.points,
        sub_processors=row.sub_processors,
        countries=row.countries,
        transfer=row.transfer,
        hosts=row.hosts,
        has_cards=row.has_cards,
        aoc_on=day(row.aoc_on),
        aoc_until=day(row.aoc_until),
        review_on=date.fromisoformat(row.review_on),
        changed_at=row.changed_at,
        ended_at=row.ended_at,
    )
