"""Carrying an erasure out: access ends, then batches, then keys, then another reader looks whether it is one.

A kill at any instant is gone on from: each batch and each step is a transaction, and done twice is done once. Each asks
first whether the erasure was decided, whoever calls it: what stands in a row was perhaps written by somebody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import Conflict
from compliance.privacy import letters, moving, recipients, requests
from compliance.privacy.erasure import batches, certificates, decided, holding, planning, staying
from compliance.privacy.erasure.certificates import LAW
from compliance.privacy.erasure.decided import Word
from compliance.privacy.erasure.planning import GOES, Planned
from compliance.privacy.models import erasure_target, request
from compliance.privacy.parts import Privacy
from compliance.privacy.request import JOURNAL, Kind, Request, State
from compliance.retention import holds, policies
from compliance.retention.holds import Hold
from ingest.events.envelope import Event
from ingest.events.privacy import RequestBegun, SubjectErased
from ingest.log import outbox, shredding
from ingest.log.shredding import KeysKept
from ingest.log.shredding import Parts as Shredding

KEYS: Final = "subject keys"
READER: Final = service("privacy-reader")
"""Who looks whether an erasure is one: another service than the one that erases, with no permission at all."""
STEPS_MAX: Final = 10_000
LOOKS_MAX: Final = 4
"""So many steps a call takes, and so often it is begun again from what another reader still saw."""


class ErasureUnfinished(Conflict):
    """Something of a person is still readable after it was erased again and again; somebody has to look why."""

    code = "erasure_unfinished"


def begin(
    session: Session,
    found: Request,
    ctx: Context,
    *,
    parts: Privacy,
    tell: bool = True,
    planned: Planned | None = None,
    beyond: Sequence[str] = (),
    word: Word = decided.demand,
) -> None:
    """End access and write down, anew, what is to be done; batches follow. `tell` writes the last letter.

    The log says by what it began, so that nothing is added since, and what of it goes `beyond` the approval.

    Raises before anything is done: what whoever gives the `word` for it does, `CertificateDiffers`, and
    `HoldNotAsPlaced`.
    """
    word(session, found, ctx.at)
    holds.as_placed(session)
    planned = planned or planning.plan(session, found.subject, parts=parts)
    told = recipients.of_erasure(session, found, planned.goes, ctx, parts=parts)
    if tell:
        # While there is an address; the letter is none of the rows that are planned.
        classes = policies.kept(session)
        reached = any(one.category == "contact" and staying.waits(one, classes) for one in planned.every)
        kept, names = planning.stays(session, planned, ctx), [one.name for one in told]
        letters.done_erasure(session, found, kept, names, ctx, is_reached=reached, parts=parts)
    parts.people.shut_out(session, found.subject, ctx)
    session.execute(sa.delete(erasure_target).where(erasure_target.c.request_id == found.id))
    planning.show(session, found, planned, ctx)
    for place, row in enumerate(batches.cut(planned, parts.settings.batch)):
        session.execute(sa.insert(erasure_target).values(request_id=found.id, place=place, **row))
    event = _begun(session, found, planned.root, beyond)
    note = "begun: access has ended"
    moving.move(session, found, State.EXECUTING, ctx, event=event, note=note, plan_root=planned.root)


def _begun(session: Session, found: Request, root: str, beyond: Sequence[str], *, reason: str | None = None) -> Event:
    event = partial(RequestBegun, plan_root=root, sha256=batches.digest(session, found.id), beyond=tuple(beyond))
    recorded: Event = moving.event_of(event, found, reason=reason)
    return recorded


def running(session: Session) -> Sequence[str]:
    """Return the erasures that have begun and are not certified, but for those that who recalled them carries out."""
    of, states = request.c, (State.EXECUTING.value, State.EXECUTED.value)
    begun = sa.and_(of.kind == Kind.ERASURE.value, of.state.in_(states), of.channel != JOURNAL)
    return list(session.execute(sa.select(of.id).where(begun).order_by(of.id)).scalars())


def carry_out(
    db: Database, request_id: str, ctx: Context, *, parts: Privacy, shreds: Shredding, word: Word = decided.demand
) -> None:
    """Carry an erasure that has begun to its certificate; raises `ErasureUnfinished` where it does not come to it.

    Raises what `step` does.
    """
    looks = 0
    for _ in range(STEPS_MAX):
        if not step(db, request_id, ctx, parts=parts, shreds=shreds, word=word):
            return
        with db.read() as session:
            looks += requests.get(session, request_id).state is State.EXECUTED
        if looks >= LOOKS_MAX:
            break
    raise ErasureUnfinished(object_id=request_id)


def step(
    db: Database, request_id: str, ctx: Context, *, parts: Privacy, shreds: Shredding, word: Word = decided.demand
) -> bool:
    """Do the next thing of an erasure in a transaction of its own; false once it is certified.

    Raises as `begin`, and `PlanDiffers`.
    """
    with db.begin() as session:
        found = requests.locked(session, request_id)
        if found.state not in (State.EXECUTING, State.EXECUTED):
            return False
        word(session, found, ctx.at)
        seen, classes = list[Hold](), list[str]()
        if found.state is State.EXECUTING:
            seen = _give_way(session, found, ctx, parts)
            classes = batches.classes(batches.rows_of(session, request_id))
            if _next_batch(session, found, ctx, parts):
                return True
    if found.state is State.EXECUTED:
        return _check(db, found, ctx.acting_as(READER), parts, shreds)
    # Keys lie in a database of their own: they go first, and what says so follows. A kill between repeats it.
    if classes:
        stands = holds.none_since(seen)
        try:
            shredding.destroy(found.subject, classes, LAW, ctx, parts=shreds, run=request_id, stands=stands)
        except KeysKept:
            return True  # a hold came while the log was waited for: the next step gives way to it
    with db.begin() as session:
        found = requests.locked(session, request_id)
        if found.state is State.EXECUTING:
            _erased(session, found, classes, ctx, parts)
    return True


def _give_way(session: Session, found: Request, ctx: Context, parts: Privacy) -> list[Hold]:
    """Leave what a hold keeps since the plan, and let the log say that less goes; returns the holds that stand.

    Raises `PlanDiffers` where something else was changed of what was begun.
    """
    begun = batches.demand_begun(session, found)
    seen = holding.give_way(session, found, parts)
    if batches.digest(session, found.id) != begun.sha256:
        outbox.record(session, _begun(session, found, begun.root, begun.beyond, reason="hold"), ctx)
    return list(seen)


def _next_batch(session: Session, found: Request, ctx: Context, parts: Privacy) -> bool:
    """Carry out one batch and note it in the same transaction; false where there is none left."""
    row = session.execute(
        sa.select(erasure_target)
        .where(
            erasure_target.c.request_id == found.id,
            erasure_target.c.done_at.is_(None),
            erasure_target.c.action.in_(("delete", "null")),
        )
        .order_by(erasure_target.c.place)
        .limit(1)
    ).one_or_none()
    if row is None:
        return False
    source = parts.source(row.source)
    done = source.erase(session, batches.targets_of(row, found.subject), ctx, only_of=found.subject)
    session.execute(
        sa.update(erasure_target)
        .where(erasure_target.c.request_id == found.id, erasure_target.c.place == row.place)
        # Done again where another reader still saw something: then it is added to what was done before.
        .values(done=sa.func.coalesce(erasure_target.c.done, 0) + sum(done.values()), done_at=ctx.at)
    )
    return True


def _erased(session: Session, found: Request, classes: Sequence[str], ctx: Context, parts: Privacy) -> None:
    session.execute(
        sa.update(erasure_target)
        .where(erasure_target.c.request_id == found.id, erasure_target.c.action == "shred")
        .values(done_at=ctx.at, done=erasure_target.c.rows)
    )
    holding.correct(session, found, ctx, parts)
    shredding.tell_kept(session, found.subject, classes, found.id, ctx)
    event = SubjectErased(request=found.id, classes=tuple(classes), about=(found.subject,))
    moving.move(session, found, State.EXECUTED, ctx, event=event, note="erased; now looked at by another reader")


def left(session: Session, request_id: str, *, parts: Privacy) -> Counter[str]:
    """Return how many rows can be read of what an erasure removes, by store, without those of which there are none."""
    found, remaining = requests.get(session, request_id), Counter[str]()
    for row in batches.rows_of(session, request_id):
        if row.action in GOES:
            targets = batches.targets_of(row, found.subject)
            remaining[row.store] += parts.source(row.source).remaining(session, targets)
    return +remaining


def _check(db: Database, found: Request, ctx: Context, parts: Privacy, shreds: Shredding) -> bool:
    """Look, as another reader who can change nothing, that nothing is left; then certify, else begin again."""
    with db.read() as session:
        batches.demand_begun(session, found)
        rows, remains = batches.rows_of(session, found.id), left(session, found.id, parts=parts)
    with shreds.keys.db.read() as keys:
        remains[KEYS] += len(shredding.remaining(keys, found.subject, batches.classes(rows)))
    remaining = +remains
    with db.begin() as session:
        found = requests.locked(session, found.id)
        if found.state is not State.EXECUTED:
            return True
        if not remaining:
            certificates.certify(session, found, rows, ctx, parts, shreds)
            return False
        said = ", ".join(f"{count} in {store}" for store, count in sorted(remaining.items()))
        session.execute(sa.update(erasure_target).where(erasure_target.c.request_id == found.id).values(done_at=None))
        moving.move(session, found, State.EXECUTING, ctx, note=f"still readable: {said}; done again")
    return True
