"""A probe over what is kept: every store has a period and an end, and nothing is there that is past it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.catalog import retention as classes
from compliance.catalog.unended import UNENDED
from compliance.contracts.marked.naming import id_of
from compliance.contracts.personal import Target
from compliance.contracts.probes import Kind, Look, Probe, Reading, Use, Violation
from compliance.contracts.tables import MarkedTables
from compliance.privacy import graph
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Kind as Right
from compliance.privacy.request import State as Stage
from compliance.probes.planted import planted_request
from compliance.retention import held_events, holds, keeping, placing, policies, runs
from compliance.retention.holds import Hold
from compliance.retention.models import run, target
from compliance.retention.parts import Retention
from compliance.retention.plan import unit_leaf
from ingest.log import forgetting, forgotten, units
from ingest.log.forgotten import Removal
from ingest.log.units import Unit
from ingest.store.placing import CLASSES

GRACE: Final = timedelta(hours=48)
"""So long after falling due something may wait for a run."""
LOOKED_FOR: Final = timedelta(days=90)
DRAWN_MAX: Final = 12
"""Months that went lately are looked for each time, and so many of the others, as each takes a look at every place."""


def probe(parts: Privacy, retention: Retention) -> Probe:
    """Return the probe over stores, their periods, and what is due in them."""
    return Probe(
        name="privacy.storage",
        kind=Kind.STATE,
        asks="Stores and what is due in them; wrong is one without period or end, or due for 48 h, not held.",
        read=partial(_storage, parts=parts, retention=retention),
        plant=partial(_plant_due, parts=parts),
        use=Use.CUSTOMERS,
    )


def _storage(look: Look, *, parts: Privacy, retention: Retention) -> Reading:
    """Count what has a period and what is due by it, by queries of its own: none of the run that would remove it."""
    known = classes.shipped()
    stores = graph.stores(parts.sources)
    wrong = [
        Violation(component="stores", object_id=each.name, says=f"{each.category} is kept by no class that there is")
        for each in stores
        if each.retention not in known
    ]
    standing, due = holds.active(look.session), 0
    keeps = keeping.of(look.session, standing, parts.sources)
    named = _named_by_runs(look.session)
    rows = frozenset(leaf.rsplit("|", 2)[0] for leaf in named)
    periods_ = policies.in_force(look.session)
    tables = [source for source in parts.sources if isinstance(source, MarkedTables)]
    nobody, old = _not_by_runs(look, tables, periods_)
    wrong += [*nobody, *old]
    told = placing.told(look.session)
    for class_, policy in sorted(periods_.items()):
        look.deadline.check()
        before = policy.before(look.at - GRACE)
        for source in tables:
            for store, ended in source.ended.items():
                if ended.retention != class_:
                    continue
                targets = _ended(look, source, store, before, parts_max=retention.settings.rows_max)
                waits = [one for one in targets if f"{one.store}|{one.id}" not in rows]
                held = keeping.leaves(look.session, source, waits, keeps)
                free = [one for one in waits if one.leaf not in held]
                due += len(targets)
                if free:
                    says = f"{len(free)} are due for more than 48 h, and no open run names them"
                    wrong.append(Violation(component="rows", object_id=f"{class_} {store}", says=says))
        if class_ in CLASSES:
            for unit in units.every(look.session, (class_,), until=before):
                if told.told_in(unit):
                    continue
                due += 1
                late = 0 if unit_leaf(unit) in named else _free(look, unit, standing)
                if late:
                    says = f"{late} events are due for more than 48 h, and no open run names them"
                    wrong.append(Violation(component="months", object_id=f"{class_} {unit.month}", says=says))
    gone = [one for one in forgotten.removals(look.session) if one.ended_at is not None]
    looked_for = _looked_for(gone, look.at)
    for one in looked_for:
        look.deadline.check()
        places = retention.log
        left = forgetting.remaining(look.session, one.class_, one.month, store=look.store, archive=places.archive)
        if not left.is_gone:
            says = f"was removed, and {left.bodies} bodies and {left.documents} documents are still there"
            wrong.append(Violation(component="removed", object_id=f"{one.class_} {one.month}", says=says))
    population = {"stores": len(stores), "due": due, "removed months": len(gone)}
    looked = {"removed": f"{len(looked_for)} of {len(gone)}"} if len(looked_for) < len(gone) else {}
    return Reading(population=population, violations=wrong, asked={"grace": "PT48H", **looked})


def _free(look: Look, unit: Unit, standing: Sequence[Hold]) -> int:
    """Return how many events of a unit no hold keeps."""
    kept = held_events.stored(look.session, standing, look.store, unit.class_, unit.first - 1, unit.last)
    return unit.count - len({sequence for some in kept.values() for sequence in some})


def _looked_for(gone: Sequence[Removal], at: datetime) -> Sequence[Removal]:
    """Return the months to look for: those that went lately, and of the others some that are drawn anew each time."""
    late = [one for one in gone if one.ended_at is not None and one.ended_at > at - LOOKED_FOR]
    others = [one for one in gone if one not in late]
    return [*late, *secrets.SystemRandom().sample(others, min(len(others), DRAWN_MAX))]


def _ended(look: Look, source: MarkedTables, store: str, before: datetime, *, parts_max: int) -> list[Target]:
    """Return the rows of a store that ended before an instant, as those that a hold could keep; asked in no order."""
    table = next(one for one in source.every_table() if one.name == store)
    class_ = source.ended[store].retention
    return [
        Target(store=store, id=id_of(table, row), subject="", category="", action="", retention=class_)
        for row in look.session.execute(source.ended_before(store, before).limit(parts_max)).mappings()
    ]


def _not_by_runs(
    look: Look, tables: Sequence[MarkedTables], known: Mapping[str, policies.Policy]
) -> tuple[list[Violation], list[Violation]]:
    """Return the stores that nothing ends, and those named as not ended by runs whose rows are older than they may be.

    Of what is named without an instant, such as an account that is open, no row can be older: its period begins with
    what ends it.
    """
    nobody, old = [], []
    for source in tables:
        carried = source.carried_out()
        by_name = {table.name: table for table in source.every_table()}
        for name in sorted({store.name for store in source.stores()}):
            look.deadline.check()
            named = UNENDED.get(name)
            if named is None:
                if name not in carried:
                    says = "no run ends its rows, and nothing is named that does"
                    nobody.append(Violation(component="stores", object_id=name, says=says))
                continue
            if named.column is None or named.retention is None:
                continue
            before = known[named.retention].before(look.at - GRACE - named.slack)
            late = sa.select(sa.func.count()).select_from(by_name[name])
            count = look.session.scalar(late.where(by_name[name].c[named.column] < before)) or 0
            if count:
                says = f"{count} are past their class for more than 48 h, and are to end by {named.by}"
                old.append(Violation(component="rows", object_id=f"{named.retention} {name}", says=says))
    return nobody, old


def _named_by_runs(session: Session) -> frozenset[str]:
    """Return the leaves of all open runs: what one of them names is being seen to, and nothing else of its class."""
    of = target.c
    mine = sa.select(of.leaves).join(run, run.c.id == of.run_id).where(run.c.state.in_(runs.OPEN))
    return frozenset(leaf for leaves in session.scalars(mine) for leaf in leaves)


def _plant_due(look: Look, *, parts: Privacy) -> str:
    """Plant a request that was closed before its class ends, and that nothing holds."""
    closed = look.at - timedelta(days=366 * 4)
    planted_request(
        look,
        parts,
        kind=Right.ACCESS,
        state=Stage.CLOSED,
        received=closed.date(),
        answered_at=closed,
        closed_at=closed,
    )
    return "rights.request compliance_request"
