"""Around every page: how much waits beside the menu, and the nearest day of the law in the header."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from app.identity import roles
from compliance.registers import breach_handling
from compliance.registers.breaches import Found
from ingest.models import outbox
from tests.compliance.privacy.rights import Rights
from tests.dashboards.desk import Desk, Room

POSTURE = "/console/compliance/posture"
REQUESTS = "/console/compliance/requests"


@pytest.fixture
def officer(rights: Rights) -> Desk:
    return Room(installation=rights.house).desk("olga", roles.COMPLIANCE_OFFICER)


def beside(drawn: str, name: str) -> str | None:
    """Return what stands beside an entry of the menu."""
    found = re.search(rf'"children": \["{name}", {{"props": {{"children": "([\d,+]+)"}}', drawn)
    return found[1] if found else None


def readings(rights: Rights) -> int:
    """Count the readings of personal data that were recorded."""
    with rights.db.read() as session:
        query = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.kind == "access.data.read")
        return session.execute(query).scalar_one()


def test_what_waits_stands_in_menu_and_header_without_a_reading(rights: Rights, officer: Desk) -> None:
    quiet = officer.draw(POSTURE)
    assert beside(quiet, "Requests") is None
    assert "answer a request" not in quiet
    assert "tell of a breach" not in quiet
    for _ in range(2):
        rights.ask(rights.house.people["amber_one"], "rectification", detail="My name is Amber")
    with rights.db.begin() as session:
        found = Found(title="A mailbox was read", aware_at=rights.clock.now())
        breach_handling.open_breach(
            session,
            found,
            rights.colleague(officer.person, roles.COMPLIANCE_OFFICER),
            parts=rights.house.system.registers,
        )
    with rights.db.read() as session:
        before = session.scalar(
            sa.select(sa.func.count()).select_from(outbox).where(outbox.c.kind == "access.data.read")
        )
    drawn = officer.draw(POSTURE)
    assert beside(drawn, "Requests") == "2"
    header = drawn.partition('"Next deadlines"')[0]
    assert header.index("tell of a breach") < header.index("answer a request"), "the nearest first"
    assert f'"href": "{REQUESTS}"' in header
    with rights.db.read() as session:
        after = session.scalar(
            sa.select(sa.func.count()).select_from(outbox).where(outbox.c.kind == "access.data.read")
        )
    assert after == before


def test_who_works_on_incidents_alone_sees_none_of_it(rights: Rights) -> None:
    rights.ask(rights.house.people["amber_one"], "erasure")
    analyst = Room(installation=rights.house).desk("anna", roles.ANALYST)
    drawn = analyst.draw("/console/soc/overview")
    assert "answer a request" not in drawn
    assert beside(drawn, "Requests") is None
