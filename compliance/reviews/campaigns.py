"""Campaigns: a list of every grant, decided line by line by others than their holders; what nobody decides lapses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import COMPLIANCE_CONTROL_READ, COMPLIANCE_REVIEW_DECIDE, Actor, service
from app.kernel.context import Context
from app.kernel.db import change_one, changed, insert_once
from app.kernel.errors import Conflict, NotFound, SamePerson
from compliance.contracts.review import AccessReviewSource, Grant
from compliance.reviews import models
from ingest.events.admin import AccessRecertified
from ingest.events.compliance import ReviewClosed, ReviewOpened
from ingest.log import outbox

EVERY: Final = timedelta(days=180)
LAPSES: Final = timedelta(days=183)
TIME: Final = LAPSES - EVERY
"""So long people have to decide, however late a campaign opens."""
REASON_MAX: Final = 500


class Decision(StrEnum):
    """What became of a line. `gone` ended by another way.

    `stayed` is a last holder whom nobody decided about in time: people still do, until the next review takes over.
    """

    KEEP = "keep"
    REMOVE = "remove"
    LAPSED = "lapsed"
    STAYED = "stayed"
    GONE = "gone"


_WAITS: Final = (None, Decision.STAYED)


class ReviewOpen(Conflict):
    """A campaign is open already."""

    code = "review_open"


class NothingToReview(Conflict):
    """Nobody holds anything that could be reviewed."""

    code = "nothing_to_review"


class LineDecided(Conflict):
    """Somebody decided this line already."""

    code = "line_decided"


class LastHolder(Conflict):
    """Nobody else holds this role. Give it to somebody else first."""

    code = "last_holder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One grant in a campaign."""

    review_id: str
    source: str
    grant_ref: str
    holder: str
    what: str
    giver: str | None
    since: datetime
    last_use: datetime | None
    decision: Decision | None
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    """Of the campaign, as `opened_at`."""

    @property
    def waits(self) -> bool:
        """Tell whether somebody is still to decide about it."""
        return self.decision in _WAITS and self.closed_at is None

    @property
    def named(self) -> str:
        """Its grant, by whose register it stands in and its reference there."""
        return f"{self.source} {self.grant_ref}"

    @property
    def lapses_at(self) -> datetime:
        """When it ends where nobody decides."""
        return max(self.since + LAPSES, self.opened_at + TIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One campaign."""

    id: str
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None
    event_id: str
    lines: Sequence[Line]

    @property
    def left(self) -> int:
        """How many lines wait."""
        return sum(1 for one in self.lines if one.waits)

    @property
    def waits_for_last_holders(self) -> bool:
        """Tell whether it is open for those alone who stayed as nobody else holds their role."""
        waits = [one for one in self.lines if one.waits]
        return bool(waits) and all(one.decision is Decision.STAYED for one in waits)


Sources = Sequence[AccessReviewSource]


def open_by_hand(session: Session, ctx: Context, *, sources: Sources) -> Review:
    """Open a campaign before its day; raises `ReviewOpen` or `NothingToReview`."""
    ctx.actor.require(COMPLIANCE_REVIEW_DECIDE)
    review_id = _open(session)
    if review_id is not None:
        if not _stayed(session, review_id):
            raise ReviewOpen
        # What lapses meanwhile lapses by the rule, whoever opens the next one.
        _make_room(session, review_id, ctx.acting_as(service("compliance")), sources)
    return _begin(session, ctx, sources)


def may_open(found: Sequence[Review]) -> bool:
    """Tell, of the campaigns newest first, whether one may be opened by hand: none, or only last holders wait."""
    newest = found[0] if found else None
    return newest is None or newest.closed_at is not None or newest.waits_for_last_holders


def decide(
    session: Session, line: tuple[str, str, str], decision: Decision, reason: str, ctx: Context, *, sources: Sources
) -> None:
    """Keep or remove one grant, as somebody else than its holder; `line` is (review, source, reference).

    Raises `NotFound`, `SamePerson`, `LineDecided`, `LastHolder`, and what the owner of the grant refuses with.
    """
    ctx.actor.require(COMPLIANCE_REVIEW_DECIDE)
    review_id, source, ref = line
    found = next((one for one in _lines(session, review_id) if (one.source, one.grant_ref) == (source, ref)), None)
    by_name = {one.name: one for one in sources}
    if found is None or source not in by_name or decision not in (Decision.KEEP, Decision.REMOVE):
        raise NotFound(object_id=ref)
    if found.holder == ctx.actor.id:
        raise SamePerson
    if not found.waits:
        raise LineDecided
    why = words.reason(reason, longest=REASON_MAX)
    if decision is Decision.REMOVE:
        grant = next((one for one in by_name[source].grants(session, ctx.at) if one.ref == ref), None)
        if grant is not None and grant.is_last:
            raise LastHolder
        if grant is not None:
            by_name[source].lapse(session, ref, why, ctx)
    _write(session, found, decision, why, ctx)
    _close_if_done(session, review_id, ctx)


def turn(session: Session, ctx: Context, *, sources: Sources) -> str | None:
    """Open a campaign that is due, let lapse what nobody decided in time, and close one that is done.

    One that is open for last holders who stayed alone makes room for the next: these wait in that one.
    """
    said = []
    review_id = _open(session)
    stayed = _stayed(session, review_id)
    if review_id is None or stayed:
        known = bases(session, ctx.at, sources)
        oldest = min((at for source, grant, at in known if (source, grant.ref) not in stayed), default=ctx.at)
        if oldest <= ctx.at - EVERY:
            if review_id is not None:
                _make_room(session, review_id, ctx, sources)
            review_id = _begin(session, ctx, sources).id
            said.append("a campaign was opened")
    if review_id is not None:
        lapsed = _lapse(session, review_id, ctx, sources)
        if lapsed:
            said.append(f"{lapsed} grants lapsed")
        _close_if_done(session, review_id, ctx)
    return ", ".join(said) or None


def bases(session: Session, at: datetime, sources: Sources) -> list[tuple[str, Grant, datetime]]:
    """Return every living grant with its source, and since when it stands undecided: a gift is a decision, too."""
    of = models.line.c
    kept = session.execute(
        sa.select(of.source, of.grant_ref, sa.func.max(of.decided_at, type_=of.decided_at.type).label("at"))
        .where(of.decision == Decision.KEEP)
        .group_by(of.source, of.grant_ref)
    )
    decided = {(row.source, row.grant_ref): row.at for row in kept}
    return [
        (source.name, grant, decided.get((source.name, grant.ref), grant.given_at))
        for source in sources
        for grant in source.grants(session, at)
    ]


def listed(session: Session, actor: Actor) -> list[Review]:
    """Return the campaigns, the newest first; to an auditor those of their period, as they stood at its end."""
    actor.require(COMPLIANCE_CONTROL_READ)
    table = models.review
    query = sa.select(table).order_by(table.c.opened_at.desc(), table.c.id.desc())
    if actor.period is not None:
        begin, end = actor.period
        is_over = table.c.closed_at.is_not(None) & (table.c.closed_at < begin)
        query = query.where(table.c.opened_at < end, ~is_over)
    rows = session.execute(query).mappings().all()
    lines: dict[str, list[Line]] = {}
    for one in _lines(session, *(row["id"] for row in rows)):
        lines.setdefault(one.review_id, []).append(one)
    return [_as_told(_review(row, lines.get(row["id"], ())), actor) for row in rows]


def _as_told(review: Review, actor: Actor) -> Review:
    """Return a campaign without what came of it after an auditor's period."""
    if actor.period is None:
        return review
    end = actor.period[1]
    closed = review.closed_at if review.closed_at is not None and review.closed_at < end else None
    lines = [
        replace(one, decision=None, reason=None, decided_by=None, decided_at=None)
        if one.decided_at is not None and one.decided_at >= end
        else one
        for one in review.lines
    ]
    return replace(review, closed_at=closed, lines=[replace(one, closed_at=closed) for one in lines])


def _begin(session: Session, ctx: Context, sources: Sources) -> Review:
    found = bases(session, ctx.at, sources)
    if not found:
        raise NothingToReview
    review_id = ctx.new_id("rev")
    event_id = outbox.record(session, ReviewOpened(review=review_id, count=len(found)), ctx)
    opened = {
        "id": review_id,
        "opened_at": ctx.at,
        "due_at": max(min(basis for _, _, basis in found) + LAPSES, ctx.at + TIME),
        "event_id": event_id,
        "open": 1,
    }
    if not insert_once(session, models.review, opened):
        raise ReviewOpen  # somebody else's, of this moment
    session.execute(
        sa.insert(models.line),
        [
            {
                "review_id": review_id,
                "source": source,
                "grant_ref": grant.ref,
                "holder": grant.holder,
                "what": grant.what,
                "giver": grant.giver,
                "since": basis,
                "last_use": grant.last_use,
            }
            for source, grant, basis in found
        ],
    )
    row = session.execute(sa.select(models.review).where(models.review.c.id == review_id)).mappings().one()
    return _review(row, _lines(session, review_id))


def _make_room(session: Session, review_id: str, ctx: Context, sources: Sources) -> None:
    """Close a campaign that is open for last holders alone, after a look at who of them holds anything still."""
    _lapse(session, review_id, ctx, sources)
    _close(session, review_id, ctx)


def _lapse(session: Session, review_id: str, ctx: Context, sources: Sources) -> int:
    living = {
        (source.name, grant.ref): (source, grant) for source in sources for grant in source.grants(session, ctx.at)
    }
    # Who goes may leave somebody else as the last one: holders are counted once, and one fewer with each who goes.
    left, count = Counter((source.name, grant.what) for source, grant in living.values()), 0
    for line in _lines(session, review_id):
        if not line.waits:
            continue
        found = living.get((line.source, line.grant_ref))
        if found is None:
            _write(session, line, Decision.GONE, "It ended meanwhile.", ctx)
        elif line.lapses_at <= ctx.at:
            source, grant = found
            is_last = grant.is_last or left[source.name, grant.what] == 1
            if _lapse_one(session, line, *found, ctx, is_last=is_last):
                left[source.name, grant.what] -= 1
                count += 1
    return count


def _lapse_one(
    session: Session, line: Line, source: AccessReviewSource, grant: Grant, ctx: Context, *, is_last: bool
) -> bool:
    # Too few may be left to decide something: then it stays, and the control fails until people decide.
    is_last = is_last or not _end(session, grant, source, ctx)
    decision = Decision.STAYED if is_last else Decision.LAPSED
    if decision is not line.decision:
        _write(session, line, decision, "Nobody decided in time.", ctx)
    return not is_last


def _end(session: Session, grant: Grant, source: AccessReviewSource, ctx: Context) -> bool:
    """End a grant, and tell whether its owner let it go."""
    try:
        with session.begin_nested():
            source.lapse(session, grant.ref, "Nobody confirmed it in the review of access", ctx)
    except Conflict:
        return False
    return True


def _write(session: Session, line: Line, decision: Decision, reason: str, ctx: Context) -> None:
    is_person = decision in (Decision.KEEP, Decision.REMOVE)
    of = models.line.c
    change_one(
        session,
        sa.update(models.line)
        .where(
            of.review_id == line.review_id,
            of.source == line.source,
            of.grant_ref == line.grant_ref,
            sa.or_(of.decision.is_(None), of.decision == Decision.STAYED),
            sa.exists().where(models.review.c.id == line.review_id, models.review.c.closed_at.is_(None)),
        )
        .values(
            decision=decision,
            reason=reason,
            decided_by=ctx.actor.id if is_person else None,
            decided_at=ctx.at,
        ),
        otherwise=LineDecided,
    )
    if decision is not Decision.GONE:
        event = AccessRecertified(
            target=line.holder,
            decision=decision.value,
            review=line.review_id,
            grant=line.named,
            why=reason,
            about=(line.holder,),
        )
        outbox.record(session, event, ctx)


def _close_if_done(session: Session, review_id: str, ctx: Context) -> None:
    if not any(line.waits for line in _lines(session, review_id)):
        _close(session, review_id, ctx)


def _close(session: Session, review_id: str, ctx: Context) -> None:
    table, count = models.review, len(_lines(session, review_id))
    mine = sa.update(table).where(table.c.id == review_id, table.c.closed_at.is_(None))
    if changed(session, mine.values(closed_at=ctx.at, open=None)):
        outbox.record(session, ReviewClosed(review=review_id, count=count), ctx)


def _stayed(session: Session, review_id: str | None) -> Collection[tuple[str, str]]:
    """Return the grants of a campaign that is open for last holders who stayed alone; nothing where others wait."""
    waits = [line for line in _lines(session, review_id) if line.waits] if review_id is not None else []
    if any(line.decision is None for line in waits):
        return ()
    return {(line.source, line.grant_ref) for line in waits}


def _open(session: Session) -> str | None:
    table = models.review
    return session.scalar(sa.select(table.c.id).where(table.c.open == 1))


def _lines(session: Session, *review_ids: str) -> list[Line]:
    table, review = models.line, models.review
    mine = sa.select(table, review.c.opened_at, review.c.closed_at).join(review, review.c.id == table.c.review_id)
    mine = mine.where(table.c.review_id.in_(review_ids))
    rows = session.execute(mine.order_by(table.c.what, table.c.since, table.c.grant_ref)).mappings()
    return [Line(**{**row, "decision": Decision(row["decision"]) if row["decision"] else None}) for row in rows]


def _review(row: Any, lines: Sequence[Line]) -> Review:
    return Review(
        id=row["id"],
        opened_at=row["opened_at"],
        due_at=row["due_at"],
        closed_at=row["closed_at"],
        event_id=row["event_id"],
        lines=lines,
    )
