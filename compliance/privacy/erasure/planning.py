"""What an erasure does to every row about a person, as things stand: what goes, and what stays by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_SELF_REQUEST
from app.kernel.context import Context
from compliance.contracts.personal import Obstacle, Target
from compliance.contracts.walking import walk
from compliance.privacy.erasure import sparing, staying
from compliance.privacy.models import REQUEST_CLASS, request, request_item
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Request
from compliance.retention import holds, keeping, policies
from compliance.retention import models as retention_tables
from ingest.events.privacy import RequestReceived
from ingest.log import entries, merkle
from ingest.log.merkle import Edge

APART: Final = frozenset((retention_tables.hold_item.name, request_item.name))
"""What is in no plan: that a case is about somebody, which is told to nobody as theirs, and what a plan is itself
written down in, which would count itself."""
_HELD: Final = "A claim or a duty keeps some of it until it is settled; then it is erased as well, and we write to you."
GOES: Final = ("delete", "null", "shred")


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

    @property
    def goes(self) -> Set[tuple[str, str]]:
        """The stores and categories of which something goes."""
        return {(target.store, target.category) for target in self.every if target.action in GOES}


def plan(session: Session, subject: str, *, parts: Privacy) -> Planned:
    """Return what an erasure does to every row about a person (PRV-32).

    What is not settled keeps what it needs, and a legal hold what it names.
    """
    seeds = walk(session, parts.sources, subject)
    obstacles = [each for port in parts.obstacles for each in port(session, subject)]
    found = {
        source.name: [each for each in source.plan(session, seeds) if each.store not in APART]
        for source in parts.sources
    }
    keeps = keeping.of(session, holds.active(session), parts.sources)
    forced: dict[Target, str] = {}
    for source in parts.sources:
        held = sparing.held(session, source, found[source.name], keeps, parts)
        for target in found[source.name]:
            by = _forced_by(target, obstacles, held)
            if by is not None:
                forced[target] = by
    # A key that opens what has to stay, stays as well; and with it what only its destruction would erase.
    needed = {target.key_class: by for target, by in forced.items() if target.key_class is not None}
    targets: dict[str, Sequence[Target]] = {
        name: [_kept(target, forced.get(target), needed) for target in those] for name, those in found.items()
    }
    leaves = sorted({target.leaf for those in targets.values() for target in those})
    tree, _ = merkle.append(Edge(0, ()), [entries.leaf_hash(leaf.encode()) for leaf in leaves])
    return Planned(targets=targets, root=merkle.root(tree).hex())


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What an erasure would do as things stand: what goes, and what stays by which law until when."""

    goes: Sequence[tuple[str, bool]]
    """Categories, and whether all of one goes."""
    stays: Sequence[staying.Line]
    obstacles: Sequence[str]
    """What has to be settled first, in words."""
    leads: str
    """To whom an id leads that stays."""


def foresee(session: Session, ctx: Context, *, parts: Privacy) -> Foreseen:
    """Return what one's own erasure would do, before it is asked for."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    subject, known = ctx.actor.own_id, policies.kept(session)
    planned = plan(session, subject, parts=parts)
    kept = [target for target in planned.every if target.action == "keep"]
    those = {(target.category, target.forced_by or target.retention) for target in kept}
    some = {category for category, _ in those}
    goes = {(target.category, target.category not in some) for target in planned.every if target.action in GOES}
    return Foreseen(
        goes=sorted(goes),
        stays=staying.lines([*kept, *_of_asking(subject)], known, ctx),
        obstacles=[
            *(each.says for port in parts.obstacles for each in port(session, subject)),
            *([_HELD] if any(target.forced_by == staying.HOLD for target in kept) else []),
        ],
        leads=staying.leads(those, known),
    )


def _of_asking(subject: str) -> Iterator[Target]:
    """Yield what asking itself leaves behind, and stays as well: the request, and the events about it."""
    for store, class_ in ((request.name, REQUEST_CLASS), ("log", RequestReceived.event_class.value)):
        yield Target(store=store, id="", subject=subject, category="behaviour", action="keep", retention=class_)


def stays(session: Session, planned: Planned, ctx: Context) -> str:
    """Return what stays as a letter says it: a line a class."""
    kept = (target for target in planned.every if target.action == "keep")
    lines = staying.lines(kept, policies.kept(session), ctx)
    return "\n".join(sorted(f"- {one.says}: until {one.until}" for one in lines))


def show(session: Session, found: Request, planned: Planned, ctx: Context) -> None:
    """Write what stays and goes, store by store, for whoever decides and whoever asked."""
    session.execute(sa.delete(request_item).where(request_item.c.request_id == found.id))
    counted: dict[tuple[str, str], dict[str, Any]] = {}
    known, keeps = policies.kept(session), dict[tuple[str, str], set[str]]()
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
                "law": None,
                "noted_at": ctx.at,
            },
        )
        row["found"] += target.entries
        if target.action == "keep":
            row["held"] += target.entries
            keeps.setdefault((target.store, target.category), set()).add(target.forced_by or target.retention)
        else:
            row["action"] = target.action
    for at, by in keeps.items():
        counted[at]["stays_until"] = max((staying.until(one, known, ctx) for one in by), key=staying.order)
        counted[at]["law"] = "; ".join(sorted({staying.law(one, known) for one in by}))
    for row in counted.values():
        session.execute(sa.insert(request_item).values(**row))


def root_of(session: Session, request_id: str) -> str:
    """Return the root of the plan that a request shows."""
    return str(session.execute(sa.select(request.c.plan_root).where(request.c.id == request_id)).scalar_one())


def _forced_by(target: Target, obstacles: Sequence[Obstacle], held: frozenset[str]) -> str | None:
    """Return what forces a row to stay that would go: something to be settled, or a hold."""
    if target.action not in GOES:
        return None
    if target.leaf in held:
        return staying.HOLD
    return next((each.name for each in obstacles if target.category in each.keeps), None)


def _kept(target: Target, by: str | None, needed: Mapping[str, str]) -> Target:
    if by is not None:
        return replace(target, action="keep", forced_by=by, key_class=None)
    if target.key_class in needed:
        if target.action == "shred":
            return replace(target, action="keep", forced_by=needed[str(target.key_class)], key_class=None)
        return replace(target, key_class=None)
    return target
