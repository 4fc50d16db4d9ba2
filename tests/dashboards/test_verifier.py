"""The verifier's page: what was found stays found until everything was compared again, whatever a sample drew since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.clock import StillClock
from dashboards.pages.compliance import verifier
from ingest.models import body
from tests.dashboards.desk import Desk, Room
from tests.support.installation import installed

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
PATH = "/console/compliance/verifier"


def test_a_sample_that_finds_nothing_takes_back_no_finding(tmp_path: Path) -> None:
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock) as house:
        house.customer("amber_one")
        house.turn()
        house.system.signer.sign(clock.now())
        rounds, officer = house.system.rounds, Room(installation=house).desk("olga", roles.COMPLIANCE_OFFICER)
        assert "Not known yet." in officer.draw(PATH)
        assert rounds.full(clock.now()).mismatches == 0
        assert found_bad(officer) is None

        with house.system.db.read() as session:
            true = session.scalar(sa.select(body.c.body).where(body.c.sequence == 2))
        first = None
        for said in (b"{}", true):
            clock.move(timedelta(minutes=5))
            with house.system.db.begin() as session:
                session.execute(sa.update(body).where(body.c.sequence == 2).values(body=said))
            made = rounds.sample(clock.now())
            first = first or made.findings[0]
            assert bool(made.mismatches) == (said == b"{}")
            drawn = found_bad(officer)
            assert drawn is not None
            assert first == "ingest_body sequence 2 body: not what was sealed"
            assert "Body 2 is not what was sealed." in drawn
            assert '"First bad sequence"' in officer.draw(PATH)
        clock.move(timedelta(minutes=5))
        assert rounds.full(clock.now()).mismatches == 0
        assert found_bad(officer) is None


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        ("ingest_body sequence 1500 body: not what was sealed", "Body 1,500 is not what was sealed"),
        ("ingest_body sequence 8 body or salt: not what was sealed", "Body 8, body or salt, is not what was sealed"),
        ("ingest_entry sequence 7 sequence: the row is missing", "Entry 7: the row is missing"),
        ("store duckdb sequence 9 source.ip: it is missing", "Store duckdb, sequence 9, source.ip, is missing"),
        ("something else", "something else"),
    ],
)
def test_a_finding_is_said_as_a_sentence(finding: str, said: str) -> None:
    assert verifier.in_words(finding) == said


def found_bad(officer: Desk) -> str | None:
    """Return what the page says was found, or None where it says that nothing can be seen."""
    drawn = officer.draw(PATH)
    if "No change was found." in drawn:
        assert "none is known" in drawn
        return None
    assert "none is known" not in drawn
    return drawn.partition('"Yes."')[2][:400]
