"""Legal holds: what is kept in spite of its period, for a case. Placed by one person, released by two others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import PRIVACY_HOLD_PLACE, PRIVACY_HOLD_RELEASE, PRIVACY_REQUEST_READ, Actor
from app.kernel.approvals import ApprovalKind, Approvals, Payload
from app.kernel.context import Context
from app.kernel.db import dialect_of
from app.kernel.errors import Conflict, Invalid, NotFound
from compliance.catalog import retention as catalogue
from compliance.contracts.personal import Target
from compliance.retention import models, naming, placing
from compliance.retention.parts import Retention
from ingest.events.privacy import LegalHoldPlaced, LegalHoldReleased
from ingest.log import outbox, read

APPROVAL: Final = "privacy.hold_release"
ACTIVE, RELEASED = "active", "released"
ITEMS_MAX: Final = 100
REVIEW_MAX: Final = timedelta(days=731)
TEXT_MAX: Final = 500
_CASE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{2,39}", re.ASCII)
_RANGE: Final = re.compile(r"(\d{1,15}):(\d{1,15})", re.ASCII)
_LOCK: Final = int.from_bytes(crypto.sha256(b"compliance holds")[:8], signed=True)
"""The number of the lock on PostgreSQL that a batch shares and whoever places a hold has alone."""
KINDS: Final = ("subject", "object", "sequences", "class")


class HoldInvalid(Invalid):
    """A hold needs a case, an authority, a review date within two years, and what it holds."""

    code = "hold_invalid"


class HoldsNothing(Invalid):
    """Nobody and nothing is called so, and nothing would be held."""

    code = "holds_nothing"


class HoldOver(Conflict):
    """This hold keeps nothing any more."""

    code = "hold_over"


class CaseTaken(Conflict):
    """There is a hold of this case, or was one."""

    code = "case_taken"


class HoldNotAsPlaced(Conflict):
    """A hold that was placed and never released does not lie here as it was placed; until it does, nothing is removed.

    What it was to keep may be unknown, so all of it may be concerned.
    """

    code = "hold_not_as_placed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that is held: a person, an object, a range of sequences, a whole class."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A hold as somebody places it."""

    case: str
    reason: str
    authority: str
    review_on: date
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold as it stands."""

    id: str
    case: str
    reason: str
    authority: str
    review_on: str
    state: str
    placed_by: str | None
    placed_at: datetime
    approval_id: str | None
    released_at: datetime | None
    items: tuple[Item, ...]

    def keeps(self, target: Target) -> bool:
        """Tell whether a row stays because of it."""
        held = {(item.kind, item.value) for item in self.items}
        return (
            ("class", target.retention) in held
            or ("subject", target.subject) in held
            or ("object", target.id) in held
            or ("subject", target.id) in held
        )


def place(session: Session, order: Order, ctx: Context, *, parts: Retention) -> str:
    """Place a hold, in force at once; raises `HoldInvalid`, `CaseTaken`, or `HoldsNothing` of what is not there.

    One that the log says stands and that lies here otherwise is mended by placing it again, for the same things.
    """
    ctx.actor.require(PRIVACY_HOLD_PLACE)
    if _CASE.fullmatch(order.case) is None:
        raise HoldInvalid("A case is named by 3 to 40 small letters, digits and hyphens.", param="case")
    authority = words.checked(order.authority, param="authority", shortest=3, longest=TEXT_MAX)
    if not ctx.at.date() < order.review_on <= ctx.at.date() + REVIEW_MAX:
        raise HoldInvalid("The review lies in the next two years.", param="review_on")
    items = tuple(dict.fromkeys(_checked(item) for item in order.items))
    if not 1 <= len(items) <= ITEMS_MAX:
        raise HoldInvalid(f"A hold keeps 1 to {ITEMS_MAX} things.", param="items")
    _demand_there(session, items, parts)
    table = models.hold
    if dialect_of(session) != "sqlite":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))  # after every batch that has begun
    _demand_free(session, order.case, items)
    hold_id = ctx.new_id("hld")
    session.execute(
        sa.insert(table).values(
            id=hold_id,
            case=order.case,
            reason=words.reason(order.reason, longest=TEXT_MAX),
            authority=authority,
            review_on=order.review_on.isoformat(),
            state=ACTIVE,
            placed_by=ctx.actor.id,
            placed_at=ctx.at,
        )
    )
    session.execute(
        sa.insert(models.hold_item), [{"hold_id": hold_id, "kind": item.kind, "value": item.value} for item in items]
    )
    review_on = order.review_on.isoformat()
    outbox.record(session, LegalHoldPlaced(case=order.case, scope_hash=_scope(items), review_on=review_on), ctx)
    return hold_id


def _demand_free(session: Session, case: str, items: Sequence[Item]) -> None:
    """Raise `CaseTaken` where a case is held; what lies here of one that is not as it was placed makes room for it."""
    told, wrong = placing.told(session).standing.get(case), troubles(session)
    of = models.hold.c
    lies = session.scalar(sa.select(of.id).where(of.case == case))
    if case not in wrong:
        if lies is not None:
            raise CaseTaken
        return
    if told is None or told.scope_hash != _scope(items):
        raise CaseTaken(f"The log says that {case} stands and keeps other things than these.")
    session.execute(sa.delete(models.hold_item).where(models.hold_item.c.hold_id == lies))
    session.execute(sa.delete(models.hold).where(of.id == lies))


def ask_release(session: Session, hold_id: str, reason: str, ctx: Context, *, approvals: Approvals) -> str:
    """Ask two others to release a hold; returns the approval's id. Raises `HoldOver`, `HoldNotAsPlaced`."""
    ctx.actor.require(PRIVACY_HOLD_RELEASE)
    found = by_id(session, hold_id)
    _demand_as_placed(found.case, troubles(session))
    if found.state != ACTIVE:
        raise HoldOver
    approval = approvals.ask(
        session,
        APPROVAL,
        _payload(session, found),
        ctx,
        object_id=hold_id,
        reason=words.reason(reason, longest=TEXT_MAX),
    )
    session.execute(sa.update(models.hold).where(models.hold.c.id == hold_id).values(approval_id=approval))
    return approval


def kind(approvals: Approvals) -> ApprovalKind:
    """Return what two people decide about a release; whoever placed the hold, at first or anew, is none of them."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        found = by_id(session, str(payload["hold"]))
        approvals.take(session, id, APPROVAL, _payload(session, found), ctx)
        _demand_as_placed(found.case, troubles(session))
        table = models.hold
        done = session.execute(
            sa.update(table)
            .where(table.c.id == found.id, table.c.state == ACTIVE)
            .values(state=RELEASED, released_at=ctx.at)
        )
        if done.rowcount != 1:  # type: ignore[attr-defined]  # an update has a row count
            raise NotFound(object_id=found.id)
        outbox.record(session, LegalHoldReleased(case=found.case, scope_hash=_scope(found.items)), ctx)
        return f"{found.case} is released"

    return ApprovalKind(
        name=APPROVAL,
        title="Release a legal hold",
        asks=PRIVACY_HOLD_RELEASE,
        decides=PRIVACY_HOLD_RELEASE,
        render=lambda payload: [
            f"Case {payload['case']}, by authority of {payload['authority']}.",
            *(f"Held: {item}." for item in payload["items"]),
            "What is due goes with the next run.",
        ],
        run=run,
        quorum=2,
        ttl=timedelta(hours=72),
        excluded=lambda payload: frozenset(payload["placed_by"]),
    )


def by_id(session: Session, hold_id: str) -> Hold:
    """Return one hold; raises `NotFound`."""
    found = [one for one in every(session) if one.id == hold_id]
    if not found:
        raise NotFound(object_id=hold_id)
    return found[0]


def active(session: Session) -> list[Hold]:
    """Return the holds in force as they lie here, for who shows them; what removes asks for `standing`."""
    return [one for one in every(session) if one.state == ACTIVE]


def troubles(session: Session) -> Mapping[str, str]:
    """Return what does not lie here as the log says that it stands, by case, or by an event that cannot be read."""
    told, kept = placing.told(session), {one.case: one for one in every(session)}
    found = {one.event_id: "tells of a hold and cannot be read, and nothing ended it" for one in told.unread}
    for case, placed in told.standing.items():
        one = kept.get(case)
        if one is None:
            found[case] = "was placed and never released, and keeps nothing now"
        elif scope_of(one) != placed.scope_hash:
            found[case] = "does not keep what was placed"
        elif one.state != ACTIVE:
            found[case] = "stands as released, and nobody is told to have agreed"
    return found


def as_placed(session: Session) -> list[Hold]:
    """Return the holds in force; raises `HoldNotAsPlaced` while one that the log says stands lies here otherwise."""
    wrong = troubles(session)
    for case in sorted(wrong):
        _demand_as_placed(case, wrong)
    return active(session)


def _demand_as_placed(case: str, wrong: Mapping[str, str]) -> None:
    if case in wrong:
        raise HoldNotAsPlaced(f"{case} {wrong[case]}. Nothing is removed until that is mended.")


def standing(session: Session) -> list[Hold]:
    """Return the holds in force, to which none is added before this transaction ends: one of `Database.begin`.

    Raises `HoldNotAsPlaced`: rows alone end no hold, and what a hold that is gone kept may be anything.

    What is removed meanwhile is removed before whoever places a hold is told that it stands. On SQLite that is so since
    one who writes waits for the other, and a transaction that reads would see holds as they were when it began.
    """
    if dialect_of(session) != "sqlite":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_LOCK)))
    return as_placed(session)


def none_since(seen: Sequence[Hold]) -> Callable[[Session], bool]:
    """Return what tells, within a transaction of `Database.begin`, whether no hold was placed since some were seen."""
    known = frozenset(one.id for one in seen)

    def stands(session: Session) -> bool:
        return known.issuperset(one.id for one in standing(session))

    return stands


def listed(session: Session, actor: Actor) -> list[Hold]:
    """Return all holds, those in force first; an auditor's those of their period, as they stood at its end."""
    actor.require(PRIVACY_REQUEST_READ)
    found = every(session)
    if actor.period is not None:
        begin, end = actor.period
        found = [one for one in found if one.placed_at < end and not (one.released_at and one.released_at < begin)]
        found = [_stood(one, end) for one in found]
    return sorted(found, key=lambda one: (one.state != ACTIVE, one.placed_at))


def _stood(hold: Hold, end: datetime) -> Hold:
    """Return a hold as it stood before an instant: who asks for its release when is known of one that ended alone."""
    if hold.released_at is not None and hold.released_at < end:
        return hold
    return replace(hold, state=ACTIVE, released_at=None, approval_id=None)


def _checked(item: Item) -> Item:
    value = item.value.strip()
    if item.kind not in KINDS or not value or len(value) > 80:
        raise HoldInvalid(f"One can hold {', '.join(KINDS)}.", param="items")
    if item.kind == "class" and value not in catalogue.shipped():
        raise HoldInvalid(f"There is no class {value}.", param="items")
    if item.kind == "sequences":
        found = _RANGE.fullmatch(value)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise HoldInvalid("Sequences are held as a range such as 100:250.", param="items")
    return Item(kind=item.kind, value=value)


def _demand_there(session: Session, items: Sequence[Item], parts: Retention) -> None:
    """Raise `HoldsNothing` where an item names nobody and nothing: a hold that says it stands has to keep something."""
    for kind, says in naming.SAID.items():
        wanted = [item.value for item in items if item.kind == kind]
        missing = naming.unknown(session, kind, wanted, parts=parts) if wanted else []
        if missing:
            raise HoldsNothing(says.format(value=missing[0]), param="items")
    size = read.head(session).size
    for item in items:
        if item.kind == "sequences" and int(item.value.partition(":")[0]) > size:
            raise HoldsNothing(f"The log has no event {item.value.partition(':')[0]} yet.", param="items")


def _payload(session: Session, found: Hold) -> dict[str, Any]:
    placed = placing.told(session).standing.get(found.case)
    placers = {found.placed_by} - {None} | (placed.placers if placed is not None else frozenset())
    return {
        "hold": found.id,
        "case": found.case,
        "authority": found.authority,
        "placed_by": sorted(placers),
        "items": [f"{item.kind} {item.value}" for item in found.items],
    }


def scope_of(hold: Hold) -> str:
    """Return the hash of what a hold keeps, as its events name it."""
    return _scope(hold.items)


def _scope(items: Sequence[Item]) -> str:
    return crypto.sha256(canonical.encode(sorted(f"{item.kind} {item.value}" for item in items))).hex()


def every(session: Session) -> list[Hold]:
    """Return all holds, the newest first, for who compares them with the log."""
    items: dict[str, list[Item]] = {}
    for row in session.execute(sa.select(models.hold_item).order_by(models.hold_item.c.kind, models.hold_item.c.value)):
        items.setdefault(row.hold_id, []).append(Item(kind=row.kind, value=row.value))
    rows = session.execute(sa.select(models.hold).order_by(models.hold.c.placed_at.desc())).mappings()
    return [Hold(**row, items=tuple(items.get(row["id"], ()))) for row in rows]
