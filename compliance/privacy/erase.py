"""Erasure (Art. 17): planned row by row, approved by a second person, done in batches, checked by another reader.

What is approved waits, restricted, until its person cannot call it off any more. A kill at any instant is gone on from:
each batch and each step is a transaction, and done twice is done once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.access import PRIVACY_REQUEST_HANDLE, PRIVACY_SELF_REQUEST, Actor, ActorKind, service
from app.kernel.approvals import Approvals, Verdict
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import Conflict, NotFound, SamePerson, WrongState
from compliance.catalog import retention
from compliance.certificates import demand_same
from compliance.contracts.personal import Obstacle, PersonalDataSource, Target
from compliance.privacy import graph, intake, letters, moving, recipients, requests, restrict
from compliance.privacy.events import LOG
from compliance.privacy.models import erasure_certificate, erasure_target, request, request_item
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Kind, Request, State
from compliance.retention import holds, policies
from compliance.retention import models as retention_tables
from compliance.retention.holds import Hold
from ingest.events.access import DataRead
from ingest.events.privacy import RequestApproved, RequestCompleted, SubjectErased
from ingest.log import entries, merkle, outbox, shredding
from ingest.log.merkle import Edge
from ingest.log.shredding import Parts as Shredding

ERASURE: Final = "privacy.erasure"
LAW: Final = "GDPR Art. 17"
KEYS: Final = "subject keys"
HOLD: Final = "legal_hold"
"""By what a row stays that a legal hold keeps: its case and reason are for nobody but those who placed it."""
EPOCH_MAX: Final = timedelta(days=31)
READER: Final = service("privacy-reader")
"""Who looks whether an erasure is one: another service than the one that erases, with no permission at all."""
STEPS_MAX: Final = 10_000
LOOKS_MAX: Final = 4
"""So many steps a call takes, and so often it is begun again from what another reader still saw."""
CASES: Final = frozenset((retention_tables.hold_item.name,))
"""What says of a person that a case is about them: it is about the case, and is told to nobody as theirs."""
GOES: Final = ("delete", "null", "shred")
_WORDS: Final = {"delete": "erased", "null": "erased", "shred": "erased by destroying its key", "keep": "stays"}


class ErasureUnfinished(Conflict):
    """Something of a person is still readable after it was erased again and again; somebody has to look why."""

    code = "erasure_unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan: what is done to each row, by source, and the root that a second person approves."""

    targets: Mapping[str, Sequence[Target]]
    root: str

    @property
    def every(self) -> Iterator[Target]:
        """Yield all targets."""
        for targets in self.targets.values():
            yield from targets


def plan(session: Session, subject: str, *, parts: Privacy) -> Planned:
    """Return what an erasure does to every row about a person; what is not settled keeps what it needs (PRV-32)."""
    seeds = graph.walk(session, parts.sources, subject)
    obstacles = [each for port in parts.obstacles for each in port(session, subject)]
    found = {
        source.name: [each for each in source.plan(session, seeds) if each.store not in CASES]
        for source in parts.sources
    }
    # A key that opens what has to stay, stays as well; and with it what only its destruction would erase.
    needed: dict[str, str] = {}
    for target in (each for those in found.values() for each in those):
        obstacle = _obstacle_of(target, obstacles)
        if obstacle is not None and target.key_class is not None:
            needed[target.key_class] = obstacle.name
    targets: dict[str, Sequence[Target]] = {
        name: [_held(target, obstacles, needed) for target in those] for name, those in found.items()
    }
    leaves = sorted({target.leaf for those in targets.values() for target in those})
    tree, _ = merkle.append(Edge(0, ()), [entries.leaf_hash(leaf.encode()) for leaf in leaves])
    return Planned(targets=targets, root=merkle.root(tree).hex())


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What an erasure would do as things stand: categories that go whole, and what stays by which law until when."""

    goes: Sequence[str]
    stays: Sequence[tuple[str, str, str]]
    obstacles: Sequence[Obstacle]


def foresee(session: Session, ctx: Context, *, parts: Privacy) -> Foreseen:
    """Return what one's own erasure would do, before it is asked for."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    subject, known = ctx.actor.own_id, retention.shipped()
    planned = plan(session, subject, parts=parts)
    kept = {target.forced_by or target.retention for target in planned.every if target.action == "keep"}
    stays = [(known[name].says, known[name].ground, _until(name, ctx)) for name in sorted(kept) if name in known]
    some = {target.category for target in planned.every if target.action == "keep"}
    goes = sorted({target.category for target in planned.every if target.action in GOES} - some)
    return Foreseen(
        goes=goes, stays=stays, obstacles=[each for port in parts.obstacles for each in port(session, subject)]
    )


def prepare(session: Session, ctx: Context, *, parts: Privacy) -> str | None:
    """Plan the erasure that is due first and was asked by its person; returns its id, or None where there is none.

    One that cannot be planned is set aside, and says why.
    """
    query = (
        sa.select(request.c.id)
        .where(
            request.c.kind == Kind.ERASURE.value,
            request.c.state == State.SCOPED.value,
            request.c.is_verified,
            request.c.linked_to.is_(None),
            moving.is_free(ctx.at),
        )
        .order_by(request.c.due_at, request.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    request_id = session.execute(query).scalar_one_or_none()
    if request_id is None:
        return None
    found = requests.get(session, request_id)
    moving.tried(session, found, "planning", lambda: _prepare(session, found, ctx, parts), ctx)
    return found.id


def _prepare(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    outbox.record(session, DataRead(view="privacy_plan", count=1, about=(found.subject,)), ctx)
    planned = plan(session, found.subject, parts=parts)
    _show(session, found, planned, ctx)
    note = "planned: an officer prepares it, and a second person decides"
    moving.move(session, found, State.IN_REVIEW, ctx, note=note, plan_root=planned.root)


def propose(
    session: Session, request_id: str, reason: str, ctx: Context, *, parts: Privacy, approvals: Approvals
) -> str:
    """Put an erasure before a second person, as it is planned now; returns the approval's id."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.locked(session, request_id)
    if ctx.actor.id == found.subject:
        raise SamePerson
    if found.kind is not Kind.ERASURE or found.state is not State.IN_REVIEW:
        raise WrongState
    planned = plan(session, found.subject, parts=parts)
    _show(session, found, planned, ctx)
    moving.move(session, found, State.IN_REVIEW, ctx, note="put before a second person", plan_root=planned.root)
    approval_id = approvals.ask(
        session, ERASURE, payload(session, request_id), ctx, object_id=request_id, reason=reason, subject=found.subject
    )
    values = {"handled_by": ctx.actor.id, "approval_id": approval_id}
    session.execute(sa.update(request).where(request.c.id == request_id).values(**values))
    return approval_id


def payload(session: Session, request_id: str) -> dict[str, Any]:
    """Return what a second person approves: whom it is about, and what goes and stays, as it was planned."""
    found, items = requests.get(session, request_id), requests.items(session, request_id)
    return {
        "request": found.id,
        "subject": found.subject,
        "root": _root(session, request_id),
        "goes": [[each.store, each.category, each.found - each.held] for each in items if each.found > each.held],
        "stays": [[each.store, each.category, each.held, str(each.stays_until)] for each in items if each.held],
    }


def approve(
    session: Session,
    request_id: str,
    ctx: Context,
    *,
    parts: Privacy,
    approvals: Approvals,
    approval_id: str,
) -> str:
    """Begin the wait of an approved erasure: its person is restricted and can call it off until it ends (PRV-33)."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.locked(session, request_id)
    approvals.take(session, approval_id, ERASURE, payload(session, request_id), ctx)
    if found.state is not State.IN_REVIEW or found.approval_id != approval_id:
        raise WrongState
    begins = ctx.at + parts.settings.erase_delay
    restrict.restrict(session, found.subject, restrict.ERASURE, found.id, ctx)
    event = moving.event_of(RequestApproved, found)
    decided_by = next((who for who, verdict, _ in _votes(session, approval_id, approvals) if verdict), None)
    values: dict[str, Any] = {"not_before": begins, "approved_by": decided_by}
    values["approved_root"] = _root(session, request_id)
    if decided_by is not None:
        roles = parts.people.roles(session, decided_by, ctx.at)
        values["by"] = Actor(id=decided_by, kind=ActorKind.STAFF, roles=roles)
    moving.move(session, found, State.WAITING, ctx, event=event, note="approved by a second person", **values)
    letters.approved_erasure(session, requests.get(session, request_id), begins, ctx, parts=parts)
    return f"begins {rfc3339(begins)}"


def start(session: Session, ctx: Context, *, parts: Privacy) -> str | None:
    """Begin the erasure whose wait is over: access ends at once, and what is to be done is written down, anew.

    One that would erase what was approved to stay, as its reason was settled meanwhile, goes back to those who decide.
    One that cannot be begun is set aside, and says why.
    """
    query = (
        sa.select(request.c.id)
        .where(
            request.c.kind == Kind.ERASURE.value,
            request.c.state == State.WAITING.value,
            request.c.not_before <= ctx.at,
            moving.is_free(ctx.at),
        )
        .order_by(request.c.not_before, request.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    request_id = session.execute(query).scalar_one_or_none()
    if request_id is None:
        return None
    found = requests.get(session, request_id)
    moving.tried(session, found, "beginning", lambda: _start(session, found, ctx, parts), ctx)
    return found.id


def _start(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    planned = plan(session, found.subject, parts=parts)
    more = _more_than_approved(session, found, planned)
    if more:
        _decide_again(session, found, planned, more, ctx, parts)
    else:
        begin(session, found, ctx, parts=parts, planned=planned)


def _more_than_approved(session: Session, found: Request, planned: Planned) -> list[str]:
    """Return the categories of which, in some store, all was approved to stay and something would go now.

    What ended or came since in a store and category of which something was approved to go is carried out with it.
    """
    stay = {(each.store, each.category) for each in requests.items(session, found.id) if each.found == each.held > 0}
    goes = {(target.store, target.category) for target in planned.every if target.action in GOES}
    return sorted({category for _, category in stay & goes})


def _decide_again(
    session: Session, found: Request, planned: Planned, more: Sequence[str], ctx: Context, parts: Privacy
) -> None:
    """Put an approved erasure back before two people, and say so to its person."""
    _show(session, found, planned, ctx)
    restrict.release(session, found.subject, restrict.ERASURE, ctx, request_id=found.id)
    said = ", ".join(each.replace("_", " ") for each in more)
    note = f"what was approved to stay would go now ({said}): it is decided again"
    values: dict[str, Any] = {"approved_by": None, "approved_root": None, "not_before": None}
    moving.move(session, found, State.IN_REVIEW, ctx, note=note, plan_root=planned.root, **values)
    letters.again_erasure(session, requests.get(session, found.id), ctx, parts=parts)


def begin(
    session: Session,
    found: Request,
    ctx: Context,
    *,
    parts: Privacy,
    tell: bool = True,
    planned: Planned | None = None,
) -> None:
    """End access and write down, anew, what is to be done; batches follow. `tell` writes the last letter."""
    planned = planned or plan(session, found.subject, parts=parts)
    goes = {(target.store, target.category) for target in planned.every if target.action in GOES}
    told = recipients.of_erasure(session, found, goes, ctx, parts=parts)
    if tell:
        # While there is an address; the letter is none of the rows that are planned.
        obstacles = [each for port in parts.obstacles for each in port(session, found.subject)]
        reached = any("contact" in each.keeps for each in obstacles)
        kept, names = _stays(planned, ctx), [one.name for one in told]
        letters.done_erasure(session, found, kept, names, ctx, is_reached=reached, parts=parts)
    parts.people.shut_out(session, found.subject, ctx)
    session.execute(sa.delete(erasure_target).where(erasure_target.c.request_id == found.id))
    _show(session, found, planned, ctx)
    for place, row in enumerate(_batches(planned, parts.settings.batch)):
        session.execute(sa.insert(erasure_target).values(request_id=found.id, place=place, **row))
    moving.move(session, found, State.EXECUTING, ctx, note="begun: access has ended", plan_root=planned.root)


def running(session: Session) -> Sequence[str]:
    """Return the erasures that have begun and are not certified."""
    states = (State.EXECUTING.value, State.EXECUTED.value)
    query = sa.select(request.c.id).where(request.c.kind == Kind.ERASURE.value, request.c.state.in_(states))
    return list(session.execute(query.order_by(request.c.id)).scalars())


def step(db: Database, request_id: str, ctx: Context, *, parts: Privacy, shreds: Shredding) -> bool:
    """Do the next thing of an erasure in a transaction of its own; false once it is certified."""
    with db.begin() as session:
        found = requests.locked(session, request_id)
        if found.state not in (State.EXECUTING, State.EXECUTED):
            return False
        if found.state is State.EXECUTING:
            _give_way(session, found, parts)
            if _next_batch(session, found, ctx, parts):
                return True
    if found.state is State.EXECUTED:
        return _check(db, found, ctx.acting_as(READER), parts, shreds)
    # Keys lie in a database of their own: they go first, and what says so follows. A kill between repeats it.
    classes = _key_classes(db, request_id)
    if classes:
        shredding.destroy(found.subject, classes, LAW, ctx, parts=shreds, run=request_id)
    with db.begin() as session:
        found = requests.locked(session, request_id)
        if found.state is State.EXECUTING:
            _erased(session, found, classes, ctx, parts)
    return True


def certified(session: Session, token: str) -> tuple[Mapping[str, Any], str] | None:
    """Return the certificate that the link of a last letter leads to, and its hash; None while there is none yet.

    Raises `NotFound` for a link of no letter, and `CertificateDiffers`.
    """
    found = sa.select(request.c.id).where(request.c.certificate_hash == crypto.sha256(token.encode()))
    request_id = session.execute(found).scalar_one_or_none()
    if request_id is None:
        raise NotFound
    return _certificate_of(session, request_id)


def certificate(session: Session, request_id: str) -> Mapping[str, Any]:
    """Return the certificate of an erasure; raises `NotFound` before there is one, and `CertificateDiffers`."""
    found = _certificate_of(session, request_id)
    if found is None:
        raise NotFound
    return found[0]


def _certificate_of(session: Session, request_id: str) -> tuple[Mapping[str, Any], str] | None:
    """Return a certificate and its hash, compared with what the log says of it as long as it does."""
    query = sa.select(erasure_certificate).where(erasure_certificate.c.request_id == request_id)
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    sha256 = crypto.sha256(row.body.encode()).hex()
    completed = requests.event_of_state(session, request_id, State.CLOSED)
    demand_same(session, request_id, completed, written=sha256, kept=row.sha256)
    return json.loads(row.body), sha256


def replay(db: Database, erased: Iterable[tuple[str, str]], ctx: Context, *, parts: Privacy, shreds: Shredding) -> int:
    """Erase again whom the journal says were erased and this database has back (PRV-37); returns how many.

    `erased` are (request, subject). What is to be done is read first: nothing is written where nobody is back. Raises
    `ErasureUnfinished`.
    """
    with db.read() as session:
        done = set(session.scalars(sa.select(erasure_certificate.c.request_id)))
        back = [pair for pair in erased if pair[0] not in done and parts.people.exists(session, pair[1])]
    again = 0
    for request_id, subject in back:
        with db.begin() as session:
            found = _found_again(session, request_id, subject, ctx, parts)
            if found.state not in (State.EXECUTING, State.EXECUTED):
                begin(session, found, ctx, parts=parts, tell=False)
        carry_out(db, request_id, ctx, parts=parts, shreds=shreds)
        again += 1
    return again


def carry_out(db: Database, request_id: str, ctx: Context, *, parts: Privacy, shreds: Shredding) -> None:
    """Carry an erasure that has begun to its certificate; raises `ErasureUnfinished` where it does not come to it."""
    looks = 0
    for _ in range(STEPS_MAX):
        if not step(db, request_id, ctx, parts=parts, shreds=shreds):
            return
        with db.read() as session:
            looks += requests.get(session, request_id).state is State.EXECUTED
        if looks >= LOOKS_MAX:
            break
    raise ErasureUnfinished(object_id=request_id)


def is_held(target: Target, standing: Sequence[Hold], parts: Privacy) -> bool:
    """Tell whether a hold keeps a row, or an event that only the key of its class opens."""
    if any(hold.keeps(target) for hold in standing):
        return True
    is_of_log = target.key_class is not None and target.store == f"{LOG}.{target.id}"
    return is_of_log and holds.keep_key(standing, parts.store, target.subject, target.id)


def _give_way(session: Session, found: Request, parts: Privacy) -> None:
    """Leave what a legal hold keeps, also one that was placed since the plan; asked before each batch (PRV-40).

    If holds cannot be read nothing is erased, since the transaction ends here.
    """
    standing = holds.standing(session)
    if not standing:
        return
    of = erasure_target.c
    undone = sa.select(erasure_target).where(of.request_id == found.id, of.done_at.is_(None), of.action.in_(GOES))
    last = sa.select(sa.func.max(of.place)).where(of.request_id == found.id)
    place = session.execute(last).scalar_one_or_none() or 0
    for row in session.execute(undone.order_by(of.place)).all():
        targets = _targets_of(row, found.subject)
        held = [target.id for target in targets if is_held(target, standing, parts)]
        if not held:
            continue
        free = [target.id for target in targets if target.id not in held]
        place += 1
        kept = {**row._mapping, "place": place, "ids": held, "rows": len(held), "action": "keep"}
        session.execute(sa.insert(erasure_target).values({**kept, "retention": HOLD}))
        this = (of.request_id == found.id) & (of.place == row.place)
        if free:
            session.execute(sa.update(erasure_target).where(this).values(ids=free, rows=len(free)))
        else:
            session.execute(sa.delete(erasure_target).where(this))
    _spare_keys(session, found)


def _spare_keys(session: Session, found: Request) -> None:
    """Leave the keys that open what a hold keeps, and with them what only their destruction would erase."""
    of = erasure_target.c
    held = sa.select(of.key_class).where(of.request_id == found.id, of.retention == HOLD, of.key_class.is_not(None))
    needed = set(session.execute(held).scalars())
    if not needed:
        return
    those = (of.request_id == found.id) & of.key_class.in_(needed) & of.done_at.is_(None) & (of.retention != HOLD)
    shreds = those & (of.action == "shred")
    session.execute(sa.update(erasure_target).where(shreds).values(action="keep", retention=HOLD))
    # Also of rows that went already: they went themselves, and their key opens nothing of them any more.
    went = (of.request_id == found.id) & of.key_class.in_(needed) & of.action.in_(("delete", "null"))
    session.execute(sa.update(erasure_target).where(went).values(key_class=None))


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
    source = _source(parts, row.source)
    done = source.erase(session, _targets_of(row, found.subject), ctx)
    session.execute(
        sa.update(erasure_target)
        .where(erasure_target.c.request_id == found.id, erasure_target.c.place == row.place)
        .values(done=sum(done.values()), done_at=ctx.at)
    )
    return True


def _erased(session: Session, found: Request, classes: Sequence[str], ctx: Context, parts: Privacy) -> None:
    session.execute(
        sa.update(erasure_target)
        .where(erasure_target.c.request_id == found.id, erasure_target.c.action == "shred")
        .values(done_at=ctx.at, done=erasure_target.c.rows)
    )
    event = SubjectErased(request=found.id, classes=tuple(classes), about=(found.subject,))
    moving.move(session, found, State.EXECUTED, ctx, event=event, note="erased; now looked at by another reader")


def _check(db: Database, found: Request, ctx: Context, parts: Privacy, shreds: Shredding) -> bool:
    """Look, as another reader who can change nothing, that nothing is left; then certify, else begin again."""
    left = Counter[str]()
    with db.read() as session:
        rows = _rows_of(session, found.id)
        for row in rows:
            if row.action in GOES:
                left[row.store] += _source(parts, row.source).remaining(session, _targets_of(row, found.subject))
    with shreds.keys.db.read() as keys:
        left[KEYS] += len(shredding.remaining(keys, found.subject, _classes(rows)))
    remaining = +left
    with db.begin() as session:
        found = requests.locked(session, found.id)
        if found.state is not State.EXECUTED:
            return True
        if not remaining:
            _certify(session, found, rows, ctx, parts, shreds)
            return False
        said = ", ".join(f"{count} in {store}" for store, count in sorted(remaining.items()))
        session.execute(sa.update(erasure_target).where(erasure_target.c.request_id == found.id).values(done_at=None))
        moving.move(session, found, State.EXECUTING, ctx, note=f"still readable: {said}; done again")
    return True


def _rows_of(session: Session, request_id: str) -> Sequence[Any]:
    of = erasure_target.c
    return session.execute(sa.select(erasure_target).where(of.request_id == request_id).order_by(of.place)).all()


def _certify(
    session: Session, found: Request, rows: Sequence[Any], ctx: Context, parts: Privacy, shreds: Shredding
) -> None:
    kept, classes = _kept_of(rows, ctx), _classes(rows)
    horizon = policies.backups_end(session, ctx.at) - ctx.at
    with shreds.keys.db.read() as keys:
        known = shredding.irrecoverable_from(keys, found.subject, classes, horizon) if classes else ctx.at + horizon
    # The key of an epoch ends within a month of its beginning, and its last backup when backups end.
    irrecoverable = known or ctx.at + EPOCH_MAX + horizon
    event_id = requests.event_of_state(session, found.id, State.EXECUTED)
    body = {
        "certificate": "erasure",
        "request": found.id,
        "completes": found.linked_to,
        "subject": found.subject,
        "law": LAW,
        "received_on": found.received_on.isoformat(),
        "erased_at": rfc3339(ctx.at),
        "irrecoverable_from": rfc3339(irrecoverable),
        "why_not_before": "Backups hold wrapped keys until the key of their month is destroyed and its backups end.",
        "backups": policies.backups_said(session),
        "plan_root": _root(session, found.id),
        **_approved(session, found.id),
        "erased": [
            {"store": row.store, "category": row.category, "how": _WORDS[row.action], "entries": row.rows}
            for row in _summed(rows)
            if row.action in GOES
        ],
        "keys_destroyed": classes,
        "disputed": "Whether destroying a key is erasing is disputed; what can be rewritten is erased itself.",
        "stays": kept,
        "recipients": [
            {"name": one.name, "told_by": one.due.isoformat()} for one in recipients.of_request(session, found.id)
        ],
        "in_clear": "Events hold an id and network addresses until their class ends; the id leads to nobody.",
        "word": "pseudonymised",
        "decided_by": list(requests.deciders(session, found)),
        "event": event_id,
    }
    text = canonical.encode(body).decode()
    sha256 = crypto.sha256(text.encode()).hex()
    session.execute(
        sa.insert(erasure_certificate).values(
            request_id=found.id,
            body=text,
            sha256=sha256,
            at=ctx.at,
            irrecoverable_from=irrecoverable,
            event_id=event_id,
        )
    )
    event = replace(moving.event_of(RequestCompleted, found), sha256=sha256)
    moving.move(session, found, State.VERIFIED, ctx, note="nothing is left, as another reader saw")
    moving.end(session, requests.get(session, found.id), State.CLOSED, ctx, event=event, note="certified", parts=parts)


def _obstacle_of(target: Target, obstacles: Sequence[Obstacle]) -> Obstacle | None:
    if target.action not in GOES:
        return None
    return next((each for each in obstacles if target.category in each.keeps), None)


def _held(target: Target, obstacles: Sequence[Obstacle], needed: Mapping[str, str]) -> Target:
    obstacle = _obstacle_of(target, obstacles)
    if obstacle is not None:
        return replace(target, action="keep", forced_by=obstacle.name, key_class=None)
    if target.key_class in needed:
        if target.action == "shred":
            return replace(target, action="keep", forced_by=needed[str(target.key_class)], key_class=None)
        return replace(target, key_class=None)
    return target


def _show(session: Session, found: Request, planned: Planned, ctx: Context) -> None:
    """Write what stays and goes, store by store, for whoever decides and whoever asked."""
    session.execute(sa.delete(request_item).where(request_item.c.request_id == found.id))
    counted: dict[tuple[str, str], dict[str, Any]] = {}
    for target in planned.every:
        row = counted.setdefault(
            (target.store, target.category),
            {
                "request_id": found.id,
                "store": target.store,
                "category": target.category,
                "searched": True,
                "found": 0,
                "held": 0,
                "action": "keep",
                "retention": target.retention,
                "stays_until": None,
            },
        )
        row["found"] += 1
        if target.action == "keep":
            row["held"] += 1
            row["stays_until"] = _until(target.forced_by or target.retention, ctx)
        else:
            row["action"] = target.action
    for row in counted.values():
        session.execute(sa.insert(request_item).values(**row))


def _batches(planned: Planned, size: int) -> Iterator[dict[str, Any]]:
    """Yield rows of the same kind of work, at most so many at once; credentials and sessions before all else."""
    grouped: dict[tuple[str, str, str, str, str, tuple[str, ...], str | None], list[str]] = {}
    for source, targets in planned.targets.items():
        for target in targets:
            fields = target.fields if target.action != "delete" else ()
            key = (source, target.store, target.category, target.action, target.forced_by or target.retention, fields)
            grouped.setdefault((*key, target.key_class), []).append(target.id)
    ordered = sorted(grouped.items(), key=lambda pair: (pair[0][2] != "credential", str(pair[0])))
    for (source, store, category, action, class_, fields, key_class), ids in ordered:
        unique = list(dict.fromkeys(ids))
        for first in range(0, len(unique), size):
            chunk = unique[first : first + size]
            yield {
                "source": source,
                "store": store,
                "ids": chunk,
                "category": category,
                "action": action,
                "retention": class_,
                "fields": list(fields),
                "key_class": key_class,
                "rows": len(chunk),
            }


def _targets_of(row: Any, subject: str) -> list[Target]:  # a row of `erasure_target`
    return [
        Target(
            store=row.store,
            id=id,
            subject=subject,
            category=row.category,
            action=row.action,
            retention=row.retention,
            fields=tuple(row.fields),
            key_class=row.key_class,
        )
        for id in row.ids
    ]


def _summed(rows: Sequence[Any]) -> list[Any]:
    """Return one line a store, category and action, with the sum of its rows."""

    @dataclass(slots=True)
    class Line:
        store: str
        category: str
        action: str
        retention: str
        rows: int

    found: dict[tuple[str, str, str, str], Line] = {}
    for row in rows:
        key = (row.store, row.category, row.action, row.retention)
        line = found.setdefault(key, Line(*key, 0))
        line.rows += row.rows
    return [found[key] for key in sorted(found)]


def _kept_of(rows: Sequence[Any], ctx: Context) -> list[dict[str, Any]]:
    kept = []
    for line in _summed(rows):
        if line.action != "keep":
            continue
        known = retention.shipped().get(line.retention)
        kept.append(
            {
                "store": line.store,
                "category": line.category,
                "entries": line.rows,
                "class": line.retention,
                "law": known.ground if known else "until it is settled",
                "until": _until(line.retention, ctx),
            }
        )
    return kept


def _stays(planned: Planned, ctx: Context) -> str:
    lines = sorted(
        {
            f"- {_says(class_)}: until {_until(class_, ctx)}"
            for class_ in (target.forced_by or target.retention for target in planned.every if target.action == "keep")
        }
    )
    return "\n".join(lines)


def _says(class_: str) -> str:
    known = retention.shipped().get(class_)
    return known.says if known else class_.replace("_", " ")


def _until(class_: str, ctx: Context) -> str:
    """Return the day a class ends, counted from now: whatever began before ends sooner."""
    known = retention.shipped().get(class_)
    if known is None:
        return "it is settled"
    at = ctx.at
    if known.anchor == "end of book year":
        at = at.replace(month=12, day=31)
    if known.anchor == "month of ingested":
        # A month goes as a whole, once all of it is past the period.
        at = (at.replace(day=1) + timedelta(days=32)).replace(day=1)
    return f"{known.keep.after(at):%-d %B %Y} at the latest"


def _key_classes(db: Database, request_id: str) -> list[str]:
    with db.read() as session:
        return _classes(
            session.execute(sa.select(erasure_target).where(erasure_target.c.request_id == request_id)).all()
        )


def _classes(rows: Sequence[Any]) -> list[str]:
    return sorted({row.key_class for row in rows if row.action in GOES and row.key_class})


def _source(parts: Privacy, name: str) -> PersonalDataSource:
    return next(source for source in parts.sources if source.name == name)


def _votes(session: Session, approval_id: str, approvals: Approvals) -> list[tuple[str, bool, datetime]]:
    standing = approvals.state_of(session, approval_id)
    return [(who, verdict is Verdict.APPROVED, at) for who, verdict, at in standing.votes]


def _approved(session: Session, request_id: str) -> dict[str, Any]:
    """Return the root that was approved, and why that of the plan carried out is another one, where it is."""
    of = request.c
    row = session.execute(sa.select(of.approved_root, of.plan_root).where(of.id == request_id)).one()
    if row.approved_root is None:
        return {}
    said = "Rows that came since the approval, such as its own letter, are in the plan that was carried out."
    return {"approved_root": row.approved_root, **({"why_they_differ": said} if row[0] != row[1] else {})}


def _root(session: Session, request_id: str) -> str:
    return str(session.execute(sa.select(request.c.plan_root).where(request.c.id == request_id)).scalar_one())


def _found_again(session: Session, request_id: str, subject: str, ctx: Context, parts: Privacy) -> Request:
    """Return the request of an erasure that this database has forgotten, made anew by the journal."""
    try:
        return requests.locked(session, request_id)
    except NotFound:
        intake.recall(session, request_id, Kind.ERASURE, subject, ctx, parts=parts)
        return requests.get(session, request_id)
