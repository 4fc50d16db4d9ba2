"""The recurring work of privacy: copies made, what was approved carried out, copies that expired destroyed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from app.kernel.access import Actor, service
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.ids import Ids
from app.kernel.jobs import Job, guarded
from compliance.privacy import delivery, fates, packing, restrict, trouble, unproven
from compliance.privacy.erasure import deciding, execution, journal, remainder
from compliance.privacy.models import PACKAGE_CLASS
from compliance.privacy.parts import Privacy
from ingest.log import shredding
from ingest.log.shredding import Parts as Shredding

TURNS: Final = 20
_ACTOR: Final[Actor] = service("privacy")


def jobs(db: Database, ids: Ids, parts: Privacy, shreds: Callable[[], Shredding]) -> Sequence[Job]:
    """Return the jobs with their pace; `shreds` tells what destroying keys needs."""

    def context(at: datetime) -> Context:
        return Context(actor=_ACTOR, at=at, request_id=ids.new("run", at), ids=ids)

    return (
        Job(
            name="privacy.execute",
            every=timedelta(seconds=10),
            run=lambda at: execute(db, context(at), parts, shreds()),
        ),
        Job(name="privacy.packages", every=timedelta(hours=1), run=lambda at: expire(db, context(at), parts, shreds())),
        Job(name="privacy.identity", every=timedelta(hours=1), run=lambda at: remind(db, context(at), parts)),
        Job(name="privacy.letters", every=timedelta(hours=1), run=lambda at: arrived(db, context(at), parts)),
        Job(name="privacy.remainder", every=timedelta(hours=1), run=lambda at: rest(db, context(at), parts, shreds())),
        Job(name="privacy.journal", every=timedelta(hours=1), run=lambda at: recall(db, context(at), parts, shreds())),
    )


def execute(db: Database, ctx: Context, parts: Privacy, shreds: Shredding) -> str | None:
    """Make the copies that are due, plan and carry out erasures, end restrictions whose end was told."""
    made, erased = _copies(db, ctx, parts), _erasures(db, ctx, parts, shreds)
    with db.begin() as session:
        lifted = restrict.lift_due(session, ctx, parts=parts)
    done = ((made, "copies"), (erased, "erasures"), (lifted, "restrictions ended"))
    return ", ".join(f"{count} {what}" for count, what in done if count) or None


def recall(db: Database, ctx: Context, parts: Privacy, shreds: Shredding) -> str | None:
    """Erase again who is back, as after an older database was put in place; asked at each start, too."""
    again = journal.replay(db, ctx, parts=parts, shreds=shreds)
    return f"{again} people erased again" if again else None


def rest(db: Database, ctx: Context, parts: Privacy, shreds: Shredding) -> str | None:
    """Begin to erase what earlier erasures had to leave and nothing keeps any more."""
    begun = remainder.begin(db, ctx, parts=parts, shreds=shreds)
    return f"{len(begun)} erasures completed by another" if begun else None


def remind(db: Database, ctx: Context, parts: Privacy) -> str | None:
    """Remind whoever was asked who they are and did not answer, and in the end refuse."""
    with db.begin() as session:
        written = unproven.go_on(session, ctx, parts=parts)
    return f"{written} people written to about who they are" if written else None


def arrived(db: Database, ctx: Context, parts: Privacy) -> str | None:
    """Note with the letters about requests what became of them."""
    with db.begin() as session:
        noted = fates.settle(session, ctx, parts=parts)
    return f"{noted} letters ended" if noted else None


def expire(db: Database, ctx: Context, parts: Privacy, shreds: Shredding) -> str | None:
    """Destroy copies whose time is over: the key, then what it opened."""
    with db.read() as session:
        over = delivery.over(session, ctx, parts=parts)
    done = sum(guarded("privacy.expire", partial(_end_copy, db, one, ctx, parts, shreds)) is None for one in over)
    return f"{done} copies destroyed" if done else None


def _end_copy(db: Database, request_id: str, ctx: Context, parts: Privacy, shreds: Shredding) -> None:
    shredding.destroy(request_id, (PACKAGE_CLASS,), "its time is over", ctx, parts=shreds, run=request_id)
    with db.begin() as session:
        delivery.expire(session, request_id, ctx, parts=parts)


def _copies(db: Database, ctx: Context, parts: Privacy) -> int:
    made = 0
    for _ in range(TURNS):
        with db.begin() as session:
            taken = packing.claim(session, ctx, parts=parts)
        if taken is None:
            break
        error = guarded("privacy.package", partial(packing.make, db, taken, ctx, parts=parts))
        if error is None:
            made += 1
            continue
        with db.begin() as session:
            packing.fail(session, taken, error, ctx, parts=parts)
    return made


def _erasures(db: Database, ctx: Context, parts: Privacy, shreds: Shredding) -> int:
    for _ in range(TURNS):
        with db.begin() as session:
            if deciding.prepare(session, ctx, parts=parts) is None:
                break
    for _ in range(TURNS):
        with db.begin() as session:
            if deciding.start(session, ctx, parts=parts) is None:
                break
    with db.read() as session:
        begun = execution.running(session)
    done = 0
    for request_id in begun:
        error = guarded(
            "privacy.erasure", partial(execution.carry_out, db, request_id, ctx, parts=parts, shreds=shreds)
        )
        done += error is None
        with db.begin() as session:
            if error is None:
                trouble.over(session, request_id)
            else:
                trouble.note(session, request_id, trouble.ERASING, error, ctx)
    return done
