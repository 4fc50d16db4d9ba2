"""What is read of many things is read at once: no question for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.access import Actor, ActorKind, service
from app.kernel.clock import StillClock
from app.kernel.db import Database
from compliance.audit import sample
from compliance.audit.filters import Filter
from compliance.reports import runs as reports
from compliance.reviews import campaigns, models
from ingest import models as log
from tests.compliance.office import ctx, opened
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("statements") / "home", clock=StillClock(START)) as made:
        opened(made, "olga", "omar")
        made.customer("amber_one", euros=5)
        made.arrive()
        yield made


@contextmanager
def said(db: Database) -> Iterator[list[str]]:
    """Collect the statements that are sent to a database."""
    statements: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", hear)
    try:
        yield statements
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", hear)


class Counting:
    """The store, and how often it is searched."""

    def __init__(self, store: Any) -> None:
        self._store, self.searches = store, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def search(self, *given: Any, **named: Any) -> Any:
        self.searches += 1
        return self._store.search(*given, **named)


def test_a_sample_of_many_asks_the_store_as_often_as_one_of_two(house: Installation) -> None:
    counted = []
    for size in (2, 12):
        store = Counting(house.system.reports.store)
        parts = replace(house.system.reports, store=store)
        with house.system.db.begin() as session:
            drawn = sample.draw(session, "a seed", Filter(), size, ctx(house, "olga"), parts=parts)
        assert len(drawn.events) == size
        assert [one["event"]["sequence"] for one in drawn.events] == list(drawn.sequences)
        counted.append(store.searches)
        house.arrive()
    assert counted[0] == counted[1]


def test_campaigns_are_read_by_as_many_statements_as_one_is(house: Installation) -> None:
    officer = Actor(id="acc_o", kind=ActorKind.STAFF, permissions=roles.ROLES[roles.COMPLIANCE_OFFICER])
    counted = []
    for number in range(3):
        at = START + timedelta(days=number)
        with house.system.db.begin() as session:
            session.execute(
                sa.insert(models.review).values(
                    id=f"rev_{number}", opened_at=at, due_at=at, closed_at=at, event_id=f"evt_{number}"
                )
            )
        with said(house.system.db) as statements, house.system.db.read() as session:
            assert len(campaigns.listed(session, officer)) == number + 1
        counted.append(len(statements))
    assert len(set(counted)) == 1


def test_what_cannot_be_edited_is_not_counted_row_by_row(house: Installation) -> None:
    controls = house.system.controls
    with said(house.system.db) as statements:
        seen = controls.observe(controls.parts.probes["log.not_editable"], is_test_due=True)
    assert seen is not None
    assert (seen.tested.canary, seen.reading.violations) == ("caught", [])
    assert dict(seen.reading.population) == {log.entry.name: 1, log.node.name: 1}
    assert [one for one in statements if "count(" in one and "ingest_" in one] == []


def test_the_list_of_reports_is_read_by_as_many_statements_as_one_report(house: Installation) -> None:
    officer, parts, counts = ctx(house, "olga"), house.system.reports, []
    for name in ("pci_status", "art30"):
        with house.system.db.begin() as session:
            reports.ask(session, name, START, officer, parts=parts)
        reports.carry_on(house.system.context(service("reports")), parts=parts)
        with house.system.db.read() as session, said(house.system.db) as statements:
            found = reports.listed(session, officer.actor)
        counts.append((len(found), len([one for one in statements if one.startswith("SELECT")])))
        assert all(len(one.files) > 2 and one.state == reports.DONE for one in found)
    assert [count for count, _ in counts] == [1, 2]
    assert counts[0][1] == counts[1][1]
