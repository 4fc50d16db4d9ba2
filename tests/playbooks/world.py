"""Incidents on a still clock, with small containments that keep what they did in a table of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.identity.roles import ANALYST, INCIDENT_COMMANDER, permissions_of
from app.kernel import canonical
from app.kernel.access import Actor, ActorKind, service
from app.kernel.containment import BadParameter, ContainmentRefused, Radius, Standing
from app.kernel.context import Context
from app.kernel.db import DatabaseBusy, insert_once
from ingest import models as log
from ingest.events.detection import FindingRaised, FindingRevised
from playbooks import incidents, jobs, joining, tasks, timeline
from playbooks.engine import shipped
from playbooks.engine.execute import Executor
from playbooks.form import Playbook
from playbooks.parts import Parts
from playbooks.settings import PlaybookSettings
from tests.support.ground import START, Ground, make_ground

metadata = sa.MetaData()
done_by_us = sa.Table(
    "test_containment",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("undone", sa.Boolean, nullable=False),
)
# One row an act, without a key: what was really done how often.
acts = sa.Table(
    "test_act",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("what", sa.Text, nullable=False),
)


def staff(name: str, role: str) -> Actor:
    return Actor(
        id=f"acc_{name}", kind=ActorKind.STAFF, roles=frozenset({role}), permissions=permissions_of(frozenset({role}))
    )


ANNA = staff("anna", ANALYST)
AMIR = staff("amir", ANALYST)
CARLA = staff("carla", INCIDENT_COMMANDER)
CHEN = staff("chen", INCIDENT_COMMANDER)


@dataclass
class Kept:
    """A containment whose effect is a row; it refuses what it is told to refuse."""

    name: str
    target: str
    refuses: set[str] = field(default_factory=set)
    people: dict[str, int] = field(default_factory=dict)
    raises: bool = False
    is_busy: bool = False
    has_undo: bool = True

    def preview(self, session: Any, params: Mapping[str, str], ctx: Context) -> Radius:
        target = self._target(params)
        count = self.people.get(target, 1)
        return Radius(counts={"people": count}, lines=(f"{self.name} touches {count} people of {target}.",))

    def run(self, session: Any, params: Mapping[str, str], key: str, ctx: Context) -> str:
        target = self._target(params)
        if self.raises:
            raise RuntimeError("this containment is broken")
        if self.is_busy:
            raise DatabaseBusy(retry_after=1)
        row = {"key": key, "name": self.name, "target": target, "times": 1, "undone": False}
        if insert_once(session, done_by_us, row):
            session.execute(sa.insert(acts).values(what=f"{self.name} {target}"))
        return key

    def undo(self, session: Any, ref: str, key: str, ctx: Context) -> None:
        if not self.has_undo:
            raise ContainmentRefused("This does not come back.")
        session.execute(sa.update(done_by_us).where(done_by_us.c.key == ref).values(undone=True))
        session.execute(sa.insert(acts).values(what=f"undo {self.name}"))

    def check(self, session: Any, key: str) -> Standing:
        undone = session.scalar(sa.select(done_by_us.c.undone).where(done_by_us.c.key == key))
        return Standing.UNKNOWN if undone is None else Standing.UNDONE if undone else Standing.DONE

    def _target(self, params: Mapping[str, str]) -> str:
        target = params[self.target]
        if target in self.refuses:
            raise ContainmentRefused(f"{target} is never contained.")
        if target == "acc_nobody":
            raise BadParameter("There is no such account.", param="account")
        return target


def containments() -> dict[str, Kept]:
    return {
        one.name: one
        for one in (
            Kept("sessions.revoke_all", "account", has_undo=False),
            Kept("account.lock", "account"),
            Kept("wallet.hold_outgoing", "account"),
            Kept("network.block", "addresses"),
        )
    }


@dataclass
class Contradicting:
    """A probe that finds what it is told to find, and keeps what it was asked."""

    finds: str | None = None
    asked: list[tuple[str, datetime, datetime]] = field(default_factory=list)

    def __call__(self, session: Any, account: str, since: datetime, until: datetime) -> str | None:
        self.asked.append((account, since, until))
        return self.finds


CONTRADICTIONS = {"factors.added": Contradicting(), "access.lost": Contradicting()}


@dataclass(kw_only=True)
class World:
    """What a test of response does: let findings come, time pass, people act; and what it looks at."""

    ground: Ground
    parts: Parts
    kept: dict[str, Kept]
    contradiction: Contradicting
    lost: Contradicting
    executor: Executor

    @property
    def now(self) -> datetime:
        return self.ground.clock.now()

    def ctx(self, actor: Actor = CARLA) -> Context:
        return self.ground.ctx(actor)

    def pass_time(self, **span: float) -> None:
        self.ground.clock.move(timedelta(**span))

    def find(
        self,
        finding: str = "alr_1",
        *,
        ip: str | None = "198.19.1.2",
        account: str | None = None,
        identifier: str | None = None,
        keys: list[tuple[str, str]] | None = None,
        rule: str = "login_burst_source",
        severity: str = "high",
        playbook: str = "credential_stuffing",
        at: datetime | None = None,
        revision: int = 1,
        events: int = 10,
        synthetic: str | None = None,
        entities: dict[str, list[str]] | None = None,
        join_within: timedelta = timedelta(hours=4),
    ) -> str | None:
        """Hand a finding to the sink in a transaction of its own, as the runner does."""
        at = at or self.now
        named = {"source.ip": [ip] if ip else [], "user.id": [account] if account else []} | (entities or {})
        if keys is None:
            keys = [("user.id", account)] if account else [("source.ip", ip)] if ip else []
        if identifier:
            keys, named = [("user.hash", identifier)], named | {"user.hash": [identifier]}
        event = (FindingRaised if revision == 1 else FindingRevised)(
            finding=finding,
            revision=revision,
            entity="|".join("=".join(key) for key in keys) or "none",
            severity=severity,
            count=events,
            first_at=at - timedelta(minutes=1),
            last_at=at,
            evidence=tuple(f"evt_{finding}_{n}" for n in range(events)),
            rule=rule,
            rule_version="v1",
            rule_name=rule,
        )
        with self.ground.db.begin() as session:
            return joining.accept(
                session,
                event,
                self.ground.ctx(service("detectors")),
                kind="security",
                keys=keys,
                join_within=join_within,
                playbook=playbook,
                title=f"Finding of {rule}",
                reason=f"{events} events",
                entities={path: values for path, values in named.items() if values},
                synthetic=synthetic,
                parts=self.parts,
            )

    def takeover(self, account: str = "acc_victim", finding: str = "alr_takeover", **more: Any) -> str:
        found = self.find(
            finding,
            account=account,
            rule="burst_then_success",
            severity="critical",
            playbook="account_takeover",
            **more,
        )
        assert found is not None
        return found

    def execute(self) -> str | None:
        return self.executor.run()

    def do(self, verb: Any, *args: Any, by: Actor = CARLA, **more: Any) -> Any:
        """Call a service in a transaction of its own, as an edge does."""
        with self.ground.db.begin() as session:
            return verb(session, *args, self.ctx(by), **more)

    def page(self, incident_id: str) -> incidents.Page:
        with self.ground.db.read() as session:
            return incidents.by_id(session, incident_id, CARLA)

    def codes(self, incident_id: str) -> list[str]:
        return [entry.code.value for entry in self.page(incident_id).timeline]

    def sentences(self, incident_id: str) -> list[str]:
        return [timeline.sentence(entry) for entry in self.page(incident_id).timeline]

    def open_task(self, incident_id: str, step: str | None = None) -> Any:
        found = [one for one in self.page(incident_id).tasks if one.is_open and (step is None or one.step == step)]
        assert found, f"no open task {step or ''}; steps: {self.steps(incident_id)}"
        return found[0]

    def steps(self, incident_id: str) -> dict[str, str]:
        return {one.name: one.state.value for run in self.page(incident_id).executions for one in run.steps}

    def answer(self, incident_id: str, step: str, by: Actor = CARLA, **values: Any) -> None:
        """Finish the task of a step and let the playbook go on."""
        self.do(tasks.finish, self.open_task(incident_id, step).id, values, by=by, parts=self.parts)
        self.execute()

    def acts(self) -> list[str]:
        with self.ground.db.read() as session:
            return list(session.scalars(sa.select(acts.c.what).order_by(acts.c.n)))

    def standing(self) -> set[tuple[str, str]]:
        with self.ground.db.read() as session:
            rows = session.execute(sa.select(done_by_us).where(done_by_us.c.undone.is_(False)))
            return {(row.name, row.target) for row in rows}

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the bodies recorded for incidents, oldest first."""
        with self.ground.db.read() as session:
            query = sa.select(log.outbox.c.kind, log.outbox.c.body).order_by(log.outbox.c.n)
            rows = session.execute(query).all()
        return [
            canonical.decode(row.body)
            for row in rows
            if row.kind.startswith("incident.") and (kind is None or row.kind == kind)
        ]

    def close(self) -> None:
        self.ground.close()


def make_world(
    folder: Path,
    url: str | None = None,
    *,
    settings: PlaybookSettings | None = None,
    library: Mapping[str, Playbook] | None = None,
) -> World:
    ground = make_ground(folder, url, start=START)
    metadata.create_all(ground.db.engine)
    kept = containments()
    contradiction, lost = Contradicting(), Contradicting()
    parts = shipped.parts(
        kept,
        contradictions={"factors.added": contradiction, "access.lost": lost},
        settings=settings,
        library=library,
    )
    executor = Executor(ground.db, ground.clock, ground.ids, parts)
    return World(ground=ground, parts=parts, kept=kept, contradiction=contradiction, lost=lost, executor=executor)


def run_jobs(world: World) -> None:
    """Run what lapses and what clocks say, as the worker does."""
    jobs.turn_clocks(world.ground.db, world.ground.ids, world.now)
    jobs.expire(world.ground.db, world.ground.ids, world.parts, world.now)
