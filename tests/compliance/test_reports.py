"""Reports: a row that survives page and worker, the same bytes for the same inputs, files kept under their hashes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel import crypto
from app.kernel.access import Acr, Actor, ActorKind, service
from app.kernel.approvals import Verdict
from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.kernel.db import delete_for_good
from app.kernel.errors import Forbidden, NotFound
from compliance.engine.history import PeriodInvalid
from compliance.privacy import moving, rectify
from compliance.registers import breach_handling, processing, processors
from compliance.registers.breaches import Found
from compliance.registers.processors import Entry
from compliance.reports import document, integrity, kinds, models, oscal, pdf, runs, status, writing
from compliance.reports.document import UNTOLD, Document, Seal, Table
from compliance.reports.kinds import KINDS
from compliance.reports.parts import Made, Making, Reports
from compliance.reports.runs import FileGone, KindUnknown, Report, ReportNotOpen
from compliance.states import State
from ingest import models as log
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PERIOD = timedelta(days=30)


@pytest.fixture(scope="module")
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, clock: StillClock) -> Iterator[Installation]:
    """A company with an officer and a day of readings."""
    with installed(tmp_path_factory.mktemp("reports") / "home", clock=clock) as made:
        made.staff("olga", roles.COMPLIANCE_OFFICER)
        made.staff("dora", roles.DPO)
        made.staff("ada", roles.ADMINISTRATOR)
        made.customer("amber_one", euros=20)
        made.turn_whole()
        clock.move(timedelta(hours=2))
        made.turn_whole()
        made.system.signer.sign(clock.now())
        made.arrive()
        yield made


def ctx(house: Installation, role: str = roles.COMPLIANCE_OFFICER, id: str = "acc_olga", **more: object) -> Context:
    actor = Actor(id=id, kind=ActorKind.STAFF, roles=frozenset({role}), permissions=roles.ROLES[role])
    return house.system.context(replace(actor, **more))


def asked(house: Installation, kind: str, *, as_of: datetime | None = None) -> str:
    with house.system.db.begin() as session:
        now = as_of or house.system.clock.now()
        return runs.ask(session, kind, now - PERIOD, ctx(house), as_of=as_of, parts=house.system.reports)


def worked(house: Installation, parts: Reports | None = None) -> None:
    runs.carry_on(house.system.context(service("reports")), parts=parts or house.system.reports)


def found(house: Installation, id: str) -> Report:
    with house.system.db.read() as session:
        return runs.by_id(session, id, ctx(house).actor, parts=house.system.reports)


def made(house: Installation, kind: str) -> Report:
    id = asked(house, kind)
    worked(house)
    done = found(house, id)
    assert done.state == runs.DONE, done.note
    return done


def content(house: Installation, report: Report, name: str) -> bytes:
    with house.system.db.read() as session:
        return runs.read(session, report.id, name, ctx(house).actor, parts=house.system.reports)


def folder_of(house: Installation, report: Report) -> Path:
    return house.system.reports.folder / report.id


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_report_is_made_kept_and_told(house: Installation, kind: str) -> None:
    report = made(house, kind)
    assert report.files
    absent = {"PDF"} if pdf.lacking() else set()
    assert {Path(one.name).suffix[1:].upper() for one in report.files} == set(KINDS[kind].formats) - absent
    for one in report.files:
        assert crypto.sha256(content(house, report, one.name)).hex() == one.sha256
    assert report.done == report.total > 0
    assert (report.size, len(report.root or "")) == (_signed(house), 64)
    assert kind in _told(house, "compliance.report.issued")[-1]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_same_inputs_give_the_same_bytes(house: Installation, clock: StillClock, kind: str) -> None:
    report = made(house, kind)
    clock.move(timedelta(minutes=1))
    again = house.system.reports.folder / f"again-{report.id}"
    again.mkdir()
    making = runs.making_of(report, again, house.system.context(service("reports")))
    kinds.MAKERS[kind](making, house.system.reports)
    assert {one.name: crypto.sha256(one.read_bytes()).hex() for one in again.iterdir()} == {
        one.name: one.sha256 for one in report.files
    }


def test_nothing_recomputed_is_said_so(house: Installation) -> None:
    report = made(house, "audit_integrity")
    assert json.loads(content(house, report, "audit_integrity.json"))["lead"].startswith("Nothing of the log was")


def test_page_json_and_csv_say_the_same(house: Installation) -> None:
    report = made(house, "pci_status")
    said = json.loads(content(house, report, "pci_status.json"))
    rows = list(csv.DictReader(io.StringIO(content(house, report, "pci_status-controls.csv").decode())))
    (controls,) = (table for table in said["tables"] if table["name"] == "controls")
    assert len(rows) == len(controls["rows"]) == 103
    page = _Page.of(content(house, report, "pci_status.html"))
    for row, told in zip(rows, controls["rows"], strict=True):
        assert (row["Key"], row["State"]) == (told["Key"], told["State"])
        assert told["Requires"] in page.text
    assert f"size {report.size:,}" in page.text
    assert str(report.root) in page.text
    assert page.text.count(str(report.root)) >= 2  # in the foot of each printed page, too
    assert not page.fetched


def test_the_status_names_the_evidence(house: Installation) -> None:
    report = made(house, "pci_status")
    said = json.loads(content(house, report, "pci_status.json"))
    row = next(row for row in said["tables"][0]["rows"] if row["Key"] == "8.4.1")
    assert row["State"] == "PASS"
    assert row["Evidence"].startswith("EV-")
    sequence = int(row["Evidence"].removeprefix("EV-"))
    with house.system.db.read() as session:
        kind = session.scalar(sa.select(log.entry.c.kind).where(log.entry.c.sequence == sequence))
    assert kind == "compliance.probe.observed"


def test_no_row_passes_where_nothing_was_looked_at(house: Installation) -> None:
    report = made(house, "pci_status")
    said = json.loads(content(house, report, "pci_status.json"))
    passed = [row for row in said["tables"][0]["rows"] if row["State"] == "PASS"]
    assert passed
    assert all(row["Population"] > 0 and row["Evidence"] for row in passed)


def test_a_report_of_the_past_has_the_states_of_then(house: Installation) -> None:
    id = asked(house, "pci_status", as_of=START - timedelta(days=1))
    worked(house)
    said = json.loads(content(house, found(house, id), "pci_status.json"))
    assert {row["State"] for row in said["tables"][0]["rows"]} <= {"NOT_EVALUABLE"}
    assert said["log"]["size"] == 0


def test_a_stopped_worker_shows_as_stale_in_the_report(house: Installation, clock: StillClock) -> None:
    before = clock.now()
    clock.move(timedelta(days=2))
    try:
        report = made(house, "pci_status")
        said = json.loads(content(house, report, "pci_status.json"))
        states = {row["Key"]: row["State"] for row in said["tables"][0]["rows"]}
        assert states["8.4.1"] == "STALE"
    finally:
        clock.move(before - clock.now())


def test_the_pack_has_no_empty_cell_and_verifies_alone(house: Installation, tmp_path: Path) -> None:
    report = made(house, "evidence_pack")
    with zipfile.ZipFile(io.BytesIO(content(house, report, "evidence_pack.zip"))) as pack:
        pack.extractall(tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "index.csv").read_text())))
    assert len({row["Control"] for row in rows}) == 131 == len(list((tmp_path / "controls").iterdir()))
    for row in rows:
        assert all(row[name] for name in ("Date", "Population", "Sample", "Owner")), row
        assert (tmp_path / "controls" / row["Folder"] / "observations.ndjson").exists()
    shown = next(row for row in rows if row["Control"] == "PCI DSS 8.4.1")
    lines = (tmp_path / "controls" / shown["Folder"] / "observations.ndjson").read_text().splitlines()
    seen = {line["evidence"]: line for line in map(json.loads, lines)}[shown["Evidence"]]
    plain = json.dumps(seen["row"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(plain).hexdigest() == seen["row_sha256"], "as the README of the pack says"
    assert seen["is_as_sealed"]
    with zipfile.ZipFile(tmp_path / "proofs.zip") as proofs:
        assert any(seen["row_sha256"].encode() in proofs.read(name) for name in proofs.namelist())
    answer = subprocess.run(
        [sys.executable, "onepay_verify.py", "proofs.zip"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_feed_has_a_line_for_each_of_the_250_ids(house: Installation) -> None:
    report = made(house, "roc_feed")
    rows = list(csv.DictReader(io.StringIO(content(house, report, "roc_feed.csv").decode())))
    assert len(rows) == len({row["Id"] for row in rows}) == 250
    assert all(row["Proposed finding"] and row["Narrative"] and row["Left to interview"] for row in rows)


def test_the_integrity_report_names_what_was_changed(house: Installation) -> None:
    system = house.system
    with system.db.begin() as session:
        session.execute(sa.text("DROP TRIGGER IF EXISTS ingest_body_fixed"))
        kept = session.scalar(sa.select(log.body.c.body).where(log.body.c.sequence == 3))
        session.execute(sa.update(log.body).where(log.body.c.sequence == 3).values(body=kept + b" "))
    try:
        system.rounds.full(system.clock.now())
        report = made(house, "audit_integrity")
        said = json.loads(content(house, report, "audit_integrity.json"))
        (findings,) = (table["rows"] for table in said["tables"] if table["name"] == "findings")
        assert any("3" in row["What"] for row in findings)
        assert "differences" in said["lead"]
    finally:
        with system.db.begin() as session:
            session.execute(sa.update(log.body).where(log.body.c.sequence == 3).values(body=kept))


def test_rounds_beyond_the_shown_ones_are_counted_and_not_read(house: Installation, clock: StillClock) -> None:
    house.system.rounds.full(clock.now())
    with house.system.db.begin() as session:
        known = dict(session.execute(sa.select(log.monitor_run).limit(1)).mappings().one())
        sound = {"kind": "sample", "mismatches": 0, "findings": []}
        many = 3 * integrity.ROUNDS_SHOWN
        rows = [
            {**known, "id": f"mon_extra{at:04}", "at": clock.now() - timedelta(minutes=1 + at), **sound}
            for at in range(many)
        ]
        run = log.monitor_run.c
        before = session.scalar(sa.select(sa.func.count()).where(run.mismatches > 0)) or 0
        broken = {"mismatches": 2, "findings": ["body of sequence 7", "root of 9"]}
        session.execute(sa.insert(log.monitor_run), [{**row, **(broken if row is rows[-1] else {})} for row in rows])
    read = list[int]()

    @sa.event.listens_for(sa.engine.Engine, "after_cursor_execute")
    def count(conn: object, cursor: object, statement: str, *_: object) -> None:
        if "FROM ingest_monitor_run" in statement and "LIMIT" not in statement and "count(" not in statement:
            read.append(1 if "mismatches >" in statement else 0)

    try:
        said = json.loads(content(house, made(house, "audit_integrity"), "audit_integrity.json"))
    finally:
        sa.event.remove(sa.engine.Engine, "after_cursor_execute", count)
        with house.system.db.begin() as session:
            session.execute(sa.delete(log.monitor_run).where(run.id.startswith("mon_extra")))
    tables = {table["name"]: table["rows"] for table in said["tables"]}
    facts = {one["name"]: one["value"] for one in said["facts"]}
    assert len(tables["rounds"]) == integrity.ROUNDS_SHOWN
    assert facts["Rounds with differences"] == before + 1
    assert {"body of sequence 7", "root of 9"} <= {row["What"] for row in tables["findings"]}
    assert read
    assert all(read)


def test_the_register_is_that_of_the_registers_and_names_what_was_not_approved(house: Installation) -> None:
    said = json.loads(content(house, made(house, "art30"), "art30.json"))
    tables = {table["name"]: table["rows"] for table in said["tables"]}
    service_row = next(row for row in tables["controller"] if row["Purpose"] == "service")
    assert service_row["Law"] == "GDPR Art. 6(1)(b)"
    assert "payments" in service_row["Stores"]
    assert "customers" in service_row["People"]
    assert "Nobody has approved it yet." in said["lead"]
    assert {row["Purpose"] for row in tables["difference"]} == {row["Purpose"] for row in tables["controller"]}

    with house.system.db.begin() as session:
        entry = Entry(
            name="Quiet Post",
            does="carries letters",
            purposes=("service",),
            countries=("US",),
            review_on=house.system.clock.now().date() + timedelta(days=90),
        )
        processors.add(session, entry, ctx(house))
        registers = house.system.reports.registers
        register = processing.document(session, parts=registers)
        olga = ctx(house, id=house.people["olga"].account)
        approval = processing.propose(session, "as it lies there", olga, parts=registers)
    now = house.system.clock.now()
    dora = ctx(house, roles.DPO, house.people["dora"].account, acr=Acr.MFA, authenticated_at=now)
    with house.system.db.begin() as session:
        outcome = house.system.approvals.decide(session, approval, Verdict.APPROVED, "", dora)
    assert outcome.error is None
    house.system.clock.move(timedelta(minutes=1))  # type: ignore[attr-defined]  # a still clock
    after = json.loads(content(house, made(house, "art30"), "art30.json"))
    tables = {table["name"]: table["rows"] for table in after["tables"]}
    assert "It is what was approved." in after["lead"]
    assert tables["difference"] == []
    assert processing.digest(register) in json.dumps(after["facts"])
    (hand,) = tables["processors"]
    assert "no contract" in hand["Lacks"]
    assert next(row for row in tables["controller"] if row["Purpose"] == "service")["Third countries"] == "US"


def test_oscal_has_what_its_schema_asks_for(house: Installation) -> None:
    report = made(house, "oscal")
    said = json.loads(content(house, report, "oscal-assessment-results.json"))["assessment-results"]
    assert {"uuid", "metadata", "import-ap", "results"} <= said.keys()
    assert {"title", "last-modified", "version", "oscal-version"} <= said["metadata"].keys()
    (result,) = said["results"]
    assert {"uuid", "title", "description", "start", "reviewed-controls"} <= result.keys()
    assert result["observations"]
    for one in result["observations"]:
        assert {"uuid", "description", "methods", "collected", "expires"} <= one.keys()
        assert one["relevant-evidence"][0]["href"].startswith("onepay:log:")
    known = {one["uuid"] for one in result["observations"]}
    for one in result["findings"]:
        assert {"uuid", "title", "description", "target"} <= one.keys()
        assert one["target"]["status"]["state"] in ("satisfied", "not-satisfied")
        assert {each["observation-uuid"] for each in one.get("related-observations", ())} <= known
    for name, value in _uuids(said):
        assert value[14] == "5", name
    assert len({token for selection in _selected(result) for token in selection}) == 131


def test_a_cell_is_never_a_formula() -> None:
    table = Table(name="t", title="T", columns=("a", "b"), rows=(("=1+1", 3), ("@x", -4), ("plain", None), (" =5", 0)))
    assert writing.rows_of(table).decode().splitlines() == ["a,b", "'=1+1,3", "'@x,-4", "plain,", "' =5,0"]


def test_words_of_a_page_stay_whole_and_hashes_break() -> None:
    columns = ("State", "Since", "Key", "SHA-256")
    row = (State.NOT_EVALUABLE, "2026-11-26 19:36 UTC", "1.2.1", "0" * 64)
    table, seal = Table(name="x", title="X", columns=columns, rows=(row,)), Seal(size=1, root="ab", note="n", at=START)
    shown = Document(
        kind="k", title="T", lead="L", since=START, as_of=START, build="1", seal=seal, facts=(), tables=(table,)
    )
    page = writing.page(shown).decode()
    assert shown.as_json()["tables"][0]["rows"][0]["State"] == "NOT_EVALUABLE"
    assert b"NOT_EVALUABLE,2026-11-26" in writing.rows_of(table)
    assert (
        "<td class=warn>Not evaluable</td><td class=day>2026-11-26 19:36 UTC</td><td>1.2.1</td><td class=long>" in page
    )
    style = page.partition("<style>")[2].partition("</style>")[0]
    rules = dict(one.split("{") for one in style.replace("\n", "").split("}") if one.count("{") == 1)
    assert "overflow-wrap:break-word" in rules["th,td"]
    assert "overflow-wrap:anywhere" in rules["td.long"]


def test_a_page_shows_what_was_written_and_runs_nothing() -> None:
    table = Table(name="t", title="T", columns=("a",), rows=(("<script>alert(1)</script>",),))
    seal = Seal(size=1, root="ab", note="n", at=START)
    shown = Document(
        kind="k", title="<b>", lead="&", since=START, as_of=START, build="1", seal=seal, facts=(), tables=(table,)
    )
    page = _Page.of(writing.page(shown))
    assert "<script>alert(1)</script>" in page.text
    assert "script" not in page.tags


def test_a_killed_worker_gives_the_row_back_and_leaves_nothing(house: Installation, clock: StillClock) -> None:
    system, killed = house.system, []

    def dying(making: Making, parts: Reports) -> Made:
        (making.folder / "half.json").write_text("{")
        killed.append(making.folder)
        raise KeyboardInterrupt  # as a signal ends a process: nobody tidies up

    parts = replace(system.reports, makers={**system.reports.makers, "pci_status": dying})
    id = asked(house, "pci_status")
    for turn in range(3):
        with pytest.raises(KeyboardInterrupt):
            worked(house, parts)
        assert found(house, id).state == runs.RUNNING
        assert killed[-1].exists()
        clock.move(timedelta(minutes=3))
        if turn < 2:
            continue
        worked(house, parts)
    over = found(house, id)
    assert (over.state, over.tries) == (runs.FAILED, 3)
    assert not list(system.reports.folder.glob(f"{id}*"))


def test_what_was_killed_once_is_made_the_second_time(house: Installation, clock: StillClock) -> None:
    def dying(making: Making, parts: Reports) -> Made:
        raise KeyboardInterrupt

    id = asked(house, "art30")
    with pytest.raises(KeyboardInterrupt):
        worked(house, replace(house.system.reports, makers={"art30": dying}))
    worked(house)
    assert found(house, id).state == runs.RUNNING  # it may still be at work
    clock.move(timedelta(minutes=3))
    worked(house)
    assert (found(house, id).state, found(house, id).tries) == (runs.DONE, 2)


def test_a_worker_that_lost_its_row_leaves_the_files_of_who_has_it(house: Installation, clock: StillClock) -> None:
    parts = house.system.reports
    id = asked(house, "art30")

    def slow(making: Making, inner: Reports) -> Made:
        made = parts.makers["art30"](making, inner)
        clock.move(timedelta(minutes=3))  # its lease runs out, and another worker makes the report meanwhile
        worked(house)
        return made

    worked(house, replace(parts, makers={**parts.makers, "art30": slow}))
    done = found(house, id)
    assert (done.state, done.tries) == (runs.DONE, 2)
    with house.system.db.read() as session:
        for file in done.files:
            assert runs.read(session, id, file.name, ctx(house).actor, parts=parts)
    assert [path.name for path in parts.folder.glob(f"{id}*")] == [id]


def test_a_report_that_breaks_is_tried_three_times(house: Installation) -> None:
    def broken(making: Making, parts: Reports) -> Made:
        raise RuntimeError("disk on fire")

    id = asked(house, "oscal")
    for _ in range(3):
        worked(house, replace(house.system.reports, makers={"oscal": broken}))
    assert (found(house, id).state, found(house, id).tries) == (runs.FAILED, 3)
    assert "disk" not in str(found(house, id).note)


def test_a_cancelled_report_is_not_made(house: Installation) -> None:
    waiting = asked(house, "art30")
    with house.system.db.begin() as session:
        runs.cancel(session, waiting, ctx(house), parts=house.system.reports)
    worked(house)
    assert found(house, waiting).state == runs.CANCELLED
    with pytest.raises(ReportNotOpen), house.system.db.begin() as session:
        runs.cancel(session, waiting, ctx(house), parts=house.system.reports)

    def overtaken(making: Making, parts: Reports) -> Made:
        with house.system.db.begin() as session:
            runs.cancel(session, running, ctx(house), parts=house.system.reports)
        making.progress(1, 2)
        raise AssertionError("progress ends what was cancelled")

    running = asked(house, "art30")
    worked(house, replace(house.system.reports, makers={"art30": overtaken}))
    assert found(house, running).state == runs.CANCELLED
    assert not list(house.system.reports.folder.glob(f"{running}*"))


def test_whoever_ends_the_work_of_somebody_else_is_named_in_the_log(house: Installation) -> None:
    waiting = asked(house, "art30")
    with house.system.db.begin() as session:
        runs.cancel(session, waiting, ctx(house, roles.DPO, "acc_dora"), parts=house.system.reports)
    assert found(house, waiting).note == "Ended by somebody else than who asked for it"
    told = json.loads(_told(house, "admin.setting.changed")[-1])
    assert told["user"]["id"] == "acc_dora"
    assert f"report.{waiting}" in json.dumps(told)


def test_a_report_that_is_asked_for_twice_is_made_once(house: Installation, clock: StillClock) -> None:
    start = house.system.clock.now() - PERIOD

    def ask(since: datetime = start, who: str = "acc_olga") -> str:
        with house.system.db.begin() as session:
            return runs.ask(session, "art30", since, ctx(house, id=who), parts=house.system.reports)

    first = ask()
    clock.move(timedelta(seconds=2))
    assert ask() == first
    assert len({first, ask(start + timedelta(days=1)), ask(who="acc_omar")}) == 3
    clock.move(timedelta(minutes=2))
    assert ask() != first, "what was asked for a while ago is of another moment"
    for _ in range(4):
        worked(house)
    assert ask() not in (first, None)
    worked(house)


def test_bad_input_is_refused_with_its_limit(house: Installation) -> None:
    now, parts = house.system.clock.now(), house.system.reports
    with house.system.db.begin() as session:
        with pytest.raises(KindUnknown):
            runs.ask(session, "no_such", now - PERIOD, ctx(house), parts=parts)
        for since, until in (
            (now, now - PERIOD),
            (now - PERIOD, now + timedelta(minutes=1)),
            (now - timedelta(days=6 * 366), now),
        ):
            with pytest.raises(PeriodInvalid):
                runs.ask(session, "art30", since, ctx(house), as_of=until, parts=parts)
        with pytest.raises(Forbidden):
            runs.ask(session, "art30", now - PERIOD, ctx(house, roles.AUDITOR), parts=parts)
        with pytest.raises(NotFound):
            runs.by_id(session, "rep_no", ctx(house).actor, parts=parts)


def test_an_auditor_sees_reports_of_their_period_alone(house: Installation) -> None:
    report, now = made(house, "art30"), house.system.clock.now()
    inside = ctx(house, roles.AUDITOR, "acc_a", period=(now - 2 * PERIOD, now + PERIOD)).actor
    outside = ctx(house, roles.AUDITOR, "acc_a", period=(now - 2 * PERIOD, now - PERIOD)).actor
    with house.system.db.read() as session:
        assert runs.by_id(session, report.id, inside, parts=house.system.reports).id == report.id
        assert report.id in {one.id for one in runs.listed(session, inside)}
        assert not runs.listed(session, outside)
        with pytest.raises(NotFound):
            runs.by_id(session, report.id, outside, parts=house.system.reports)


def test_a_file_that_was_changed_is_not_handed_out(house: Installation) -> None:
    report = made(house, "roc_feed")
    (folder_of(house, report) / "roc_feed.csv").write_text("all in place")
    with pytest.raises(FileGone):
        content(house, report, "roc_feed.csv")
    with pytest.raises(NotFound):
        content(house, report, "../../keys/log.key")


def test_a_file_that_was_changed_with_its_row_is_not_handed_out(house: Installation) -> None:
    report, forged = made(house, "roc_feed"), b"all in place"
    content(house, report, "roc_feed.csv")
    (folder_of(house, report) / "roc_feed.csv").write_bytes(forged)
    with house.system.db.begin() as session:
        delete_for_good(session)
        of = models.file.c
        row = session.execute(sa.select(models.file).where(of.report_id == report.id, of.name == "roc_feed.csv"))
        values = {**row.mappings().one(), "sha256": hashlib.sha256(forged).hexdigest(), "bytes": len(forged)}
        session.execute(sa.delete(models.file).where(of.report_id == report.id, of.name == "roc_feed.csv"))
        session.execute(sa.insert(models.file).values(values))
    with pytest.raises(FileGone, match="does not say that these files were issued"):
        content(house, report, "roc_feed.csv")


def test_a_report_of_a_past_instant_tells_nothing_that_came_after(house: Installation, clock: StillClock) -> None:
    amber = house.people["amber_one"]
    rights = Rights(house=house, clock=clock)
    clock.move(timedelta(days=4))
    request_id, then = rights.ask(amber, "rectification", detail="my name is wrong"), clock.now()
    clock.move(timedelta(hours=1))
    with house.system.db.begin() as session:
        rectify.complete(session, request_id, "It is right as it is", rights.staff(roles.DPO), parts=rights.parts)

    def told(as_of: datetime) -> dict[str, str]:
        id = asked(house, "gdpr_status", as_of=as_of)
        worked(house)
        said = json.loads(content(house, found(house, id), "gdpr_status.json"))
        tables = {table["name"]: table for table in said["tables"]}
        (row,) = [row for row in tables["requests"]["rows"] if row["Request"] == request_id]
        return {"state": row["State"], "answered": row["Answered"], "papers": tables["expiries"].get("note", "")}

    assert told(then) == {"state": "in_review", "answered": None, "papers": UNTOLD}
    assert told(clock.now())["state"] == "closed"


def test_days_of_a_past_instant_are_those_that_were_set_by_then(house: Installation, clock: StillClock) -> None:
    """A day that was extended, or reckoned from another hour, afterwards is not the day that stood."""
    rights = Rights(house=house, clock=clock)
    clock.move(timedelta(days=4))
    officer = rights.staff(roles.DPO)
    request_id = rights.ask(house.people["amber_one"], "rectification", detail="my name is wrong")
    known = clock.now() - timedelta(hours=2)
    with house.system.db.begin() as session:
        noticed = Found(title="A mailbox was read", aware_at=known)
        breach_id = breach_handling.open_breach(session, noticed, officer, parts=house.system.registers)
    then = clock.now()

    def told(as_of: datetime) -> tuple[list[object], list[object]]:
        id = asked(house, "gdpr_status", as_of=as_of)
        worked(house)
        said = json.loads(content(house, found(house, id), "gdpr_status.json"))
        rows = {table["name"]: table["rows"] for table in said["tables"]}
        (one,) = [row for row in rows["requests"] if row["Request"] == request_id]
        (lost,) = [row for row in rows["breaches"] if row["Breach"] == breach_id]
        return [one["Due"], one["Clock"]], [lost["Aware"], lost["Due"], lost["Clock"]]

    clock.move(timedelta(minutes=1))
    before = told(then)
    clock.move(timedelta(hours=1))
    officer = rights.staff(roles.DPO)
    with house.system.db.begin() as session:
        moving.extend(session, request_id, "There are many letters to look through", officer, parts=rights.parts)
        why = "The monitoring had told us"
        breach_handling.correct_awareness(session, breach_id, known - timedelta(days=4), why, officer)
    clock.move(timedelta(minutes=1))
    now = told(clock.now())
    assert now[0] != before[0]
    assert now[1][2] == "late"
    assert before[1][2] != "late"
    assert told(then) == before
    house.arrive()
    assert told(then) == before


def _signed(house: Installation) -> int:
    with house.system.db.read() as session:
        return document.seal_at(session, house.system.clock.now()).size


def _told(house: Installation, kind: str) -> list[str]:
    house.arrive()
    with house.system.db.read() as session:
        rows = session.execute(
            sa.select(log.body.c.body)
            .join(log.entry, log.entry.c.sequence == log.body.c.sequence)
            .where(log.entry.c.kind == kind)
            .order_by(log.entry.c.sequence)
        )
        return [row.body.decode() for row in rows]


def _uuids(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _uuids(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _uuids(item, name)
    elif name.endswith("uuid"):
        yield name, str(value)


def _selected(result: dict[str, object]) -> Iterator[list[str]]:
    for one in result["reviewed-controls"]["control-selections"]:  # type: ignore[index]  # as the schema has it
        yield [each["control-id"] for each in one["include-controls"]]


class _Page(HTMLParser):
    """What a page says, which elements it has, and what it would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.tags, self.fetched = "", set[str](), list[str]()

    @classmethod
    def of(cls, data: bytes) -> _Page:
        page = cls()
        page.feed(data.decode())
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "srcset") or tag == "link"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_row_of_the_catalogue_has_a_token_of_its_own(house: Installation) -> None:
    tokens = [oscal.token(one) for one in house.system.controls.parts.catalogue.controls.values()]
    assert len(set(tokens)) == len(tokens)
    assert models.report.name == "compliance_report"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {State.PASS: 1, State.FAIL: 1, State.EXCEPTED: 1},
            "1 of 3 applicable rows is in place; 1 fails, 1 fails under an exception.",
        ),
        ({State.PASS: 5, State.FAIL: 2, State.STALE: 1}, "5 of 8 applicable rows are in place; 2 fail, 1 is stale."),
    ],
)
def test_a_lead_counts_in_the_singular_where_it_is_one(counts: dict[State, int], said: str) -> None:
    assert status.lead_of(counts) == said
