"""What lies in folders ends as well: exports after days, reports and uploads with their class, by a run that looks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import jobs
from app.identity import roles
from app.kernel.clock import StillClock
from app.kernel.errors import NotFound
from compliance.attest import files, models
from compliance.attest.files import Upload
from compliance.audit import export
from compliance.audit.filters import Filter
from compliance.catalog.controls import PCI
from compliance.privacy import graph
from compliance.reports import runs as reports
from compliance.reports.models import file, report
from compliance.retention import execute, runs
from tests.compliance.office import ctx
from tests.compliance.test_audit import worked
from tests.compliance.test_ends import gone, storage
from tests.support.installation import Installation, installed

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=366 * 4)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(NOW)) as made:
        for name, role in (("olga", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO), ("dirk", roles.DPO)):
            made.staff(name, role)
        made.arrive()
        made.system.signer.sign(NOW)
        made.arrive()
        yield made


def exported(house: Installation) -> str:
    with house.system.db.begin() as session:
        id, _ = export.ask(session, Filter(action="auth.*"), "", ctx(house, "olga"), parts=house.system.reports)
    worked(house)
    return id


def uploaded(house: Installation, content: bytes) -> str:
    brought = Upload(framework=PCI, key="12.6.1", name="trained.csv", content=content, reason="the same course")
    with house.system.db.begin() as session:
        return files.upload(session, brought, ctx(house, "olga"), cabinet=house.system.desk.cabinet)


def test_an_export_goes_after_seven_days_and_its_row_says_so(house: Installation) -> None:
    system = house.system
    id = exported(house)
    folder = system.reports.folder / id
    (job,) = [one for one in jobs.all_jobs(system) if one.name == "compliance.exports"]
    system.clock.move(timedelta(days=7, seconds=-1))  # type: ignore[attr-defined]  # a still clock
    assert job.run(system.clock.now()) is None
    assert len(list(folder.iterdir())) == 4
    system.clock.move(timedelta(seconds=1))  # type: ignore[attr-defined]  # as above
    assert job.run(system.clock.now()) == "files of 1 exports removed"
    assert not folder.exists()
    with system.db.read() as session:
        found = reports.by_id(session, id, ctx(house, "olga").actor, parts=system.reports)
        assert (found.files, str(found.note).endswith("; its files went after 7 days")) == ((), True)
        with pytest.raises(NotFound):
            reports.read(session, id, "events.ndjson", ctx(house, "olga").actor, parts=system.reports)
    assert job.run(system.clock.now()) is None


def test_the_files_of_an_export_whose_rows_were_kept_by_a_kill_go_the_next_time(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = house.system
    id = exported(house)
    system.clock.move(timedelta(days=8))  # type: ignore[attr-defined]  # a still clock

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reports, "delete_for_good", killed)
    with pytest.raises(KeyboardInterrupt):
        reports.retire_exports(ctx(house, "olga"), parts=system.reports)
    monkeypatch.undo()
    assert not (system.reports.folder / id).exists()
    assert reports.retire_exports(ctx(house, "olga"), parts=system.reports) == "files of 1 exports removed"
    with system.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(file)) == 0


def test_reports_and_uploads_past_their_class_go_with_their_files(house: Installation) -> None:
    system = house.system
    id = exported(house)
    old, named = (
        uploaded(house, b"name,trained\nAmber,2022-10-01\n"),
        uploaded(house, b"name,trained\nBeryl,2022-10-01\n"),
    )
    evidence = system.desk.cabinet.folder
    with system.db.begin() as session:
        session.execute(sa.update(report).values(finished_at=OLD))
        session.execute(sa.update(models.evidence_use).values(used_at=OLD))
        session.execute(sa.update(models.evidence_file).values(uploaded_at=OLD))
        paper = {"id": "att_1", "framework": PCI, "key": "12.6.1", "kind": "statement", "version": 1}
        said = {"statement": "All were trained.", "facts": {}, "files": [named], "owner": "acc_1", "state": "in_force"}
        session.execute(
            sa.insert(models.attestation).values(**paper, **said, valid_from=OLD, expires_at=NOW, signed_at=OLD)
        )
    due = [one for one in storage(house) if one.startswith("evidence ")]
    assert len(due) == 2
    run = gone(house, "evidence")
    assert (run.state, run.done) == (runs.CERTIFIED, 2)
    assert not (system.reports.folder / id).exists()
    assert [one.name for one in evidence.iterdir()] == [named]
    with system.db.read() as session:
        assert list(session.scalars(sa.select(models.evidence_file.c.sha256))) == [named]
        assert list(session.scalars(sa.select(models.evidence_use.c.sha256))) == [named]
    assert old not in {one.name for one in evidence.iterdir()}


def test_a_file_that_still_lies_there_is_no_run_that_is_certified(house: Installation) -> None:
    system = house.system
    id = exported(house)
    with system.db.begin() as session:
        session.execute(sa.update(report).values(finished_at=OLD))
    run = gone(house, "evidence")
    assert run.state == runs.CERTIFIED
    (system.reports.folder / id).mkdir()
    with system.db.read() as session:
        assert list(execute.left(session, run, parts=system.retention).values()) == ["1 of 1 rows of compliance_report"]


def test_folders_stand_among_the_stores(house: Installation) -> None:
    found = {one.name: (one.kind, one.retention) for one in graph.stores(house.system.compliance.sources)}
    assert found["files.reports"] == found["files.evidence"] == ("files", "evidence")
