"""The register of scans: closed quarters from the anchor, the weakest component, gaps, files that a pass needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Barrier

import pytest

from app.kernel import canonical
from app.kernel.access import COMPLIANCE_CONTROL_READ, service
from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.kernel.errors import Forbidden, NotFound
from compliance.attest import attestations, files
from compliance.attest.attestations import Kind as Paper
from compliance.attest.attestations import RegisterLacks
from compliance.attest.files import Upload
from compliance.catalog.controls import PCI
from compliance.contracts.probes import Look, Reading
from compliance.scans import register, standing
from compliance.scans.quarters import begin_of, number_of
from compliance.scans.register import Draft, FindingFixed, Found, Kind, Scan, ScanInvalid, ScanNeedsFile, Severity
from compliance.states import State
from ingest.events.envelope import render
from ingest.events.health import ProcessStarted
from ingest.store.query import Sequenced
from tests.compliance.office import ctx, opened
from tests.compliance.test_statements import said
from tests.support.installation import Installation, installed

ANCHOR = date(2026, 1, 1)
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
READER = service("officer", COMPLIANCE_CONTROL_READ)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        opened(made, "olga", "omar", "dora")
        yield made


def enter(house: Installation, day: str, *failed: str, by: str = "olga", **changed: object) -> Scan:
    values = {
        "kind": Kind.INTERNAL,
        "performed_on": date.fromisoformat(day),
        "scanner": "Lantern 4",
        "authenticated": True,
        "components": ("web", "worker"),
        "failed": failed,
    }
    with house.system.db.begin() as session:
        return register.enter(session, Draft(**{**values, **changed}), ctx(house, by))  # type: ignore[arg-type]  # in pieces


def test_a_grave_finding_passes_nothing_and_a_scan_from_outside_counts_for_nothing(
    house: Installation,
) -> None:
    """Whatever a scanner says passed: 11.3.1 asks that high findings are gone, 11.3.1.2 that the scan signs in."""
    for severity in (Severity.CRITICAL, Severity.HIGH):
        grave = Found(severity=severity, component="web", says="Old cipher offered")
        assert enter(house, "2026-10-05", findings=(grave,)).passed == ("worker",)
    light = Found(severity=Severity.MEDIUM, component="web", says="A banner names its version")
    assert enter(house, "2026-10-06", findings=(light,)).is_passed
    outside = enter(house, "2026-10-07", authenticated=False)
    assert (outside.passed, outside.is_passed) == (("web", "worker"), False)
    (running,) = [one for one in stands(house).quarters if not one.is_closed]
    assert set(running.passes.values()) == {date(2026, 10, 6)}


def stands(house: Installation, kind: Kind = Kind.INTERNAL) -> standing.Standing:
    with house.system.db.read() as session:
        return standing.of_kind(session, kind, START.date(), anchor=ANCHOR)


def judged(house: Installation) -> State:
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["scans.internal"], is_test_due=True)
    assert seen is not None
    assert seen.tested.canary == "caught"
    return seen.verdict.state


@pytest.mark.parametrize(
    ("number", "day"),
    [(0, "2026-01-31"), (1, "2026-04-30"), (2, "2026-07-31"), (3, "2026-10-31"), (4, "2027-01-31")],
)
def test_quarters_count_from_the_anchor_and_do_not_drift(number: int, day: str) -> None:
    assert begin_of(date(2026, 1, 31), number) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("day", "number"),
    [
        ("2026-01-30", -1),
        ("2026-01-31", 0),
        ("2026-04-29", 0),
        ("2026-04-30", 1),
        ("2025-01-31", -4),
        ("2024-12-31", -5),
    ],
)
def test_a_day_is_in_the_quarter_that_begins_last_before_it(day: str, number: int) -> None:
    assert number_of(date(2026, 1, 31), date.fromisoformat(day)) == number


def test_a_scan_that_is_entered_late_leaves_nothing_open_that_a_later_one_passed(house: Installation) -> None:
    enter(house, "2026-11-01")
    grave = Found(severity=Severity.HIGH, component="web", says="Old cipher offered")
    enter(house, "2026-10-20", findings=(grave,))
    enter(house, "2026-11-01", findings=(replace(grave, says="A cipher of that day"),))
    with house.system.db.read() as session:
        assert [one.says for one in register.findings(session, READER)] == ["A cipher of that day"]


def test_quarters_before_the_anchor_count_as_those_after_it(house: Installation) -> None:
    for day in ("2026-05-04", "2026-08-03"):
        enter(house, day)
    with house.system.db.read() as session:
        found = standing.of_kind(session, Kind.INTERNAL, date(2026, 11, 2), anchor=date(2027, 2, 1))
    assert [(one.begin.isoformat(), one.is_passed) for one in found.quarters] == [
        ("2026-05-01", True),
        ("2026-08-01", True),
        ("2026-11-01", False),
    ]


def test_what_failed_at_first_and_passed_months_later_has_a_gap(house: Installation) -> None:
    enter(house, "2026-01-05", "web")
    enter(house, "2026-09-01")
    gap = ("web", date(2026, 1, 5), date(2026, 9, 1))
    assert gap in stands(house).gaps


def test_a_closed_quarter_needs_a_pass_inside_and_the_open_one_is_not_counted(house: Installation) -> None:
    assert judged(house) is State.NOT_EVALUABLE
    enter(house, "2026-05-04")
    found = stands(house)
    assert [(one.begin.isoformat(), one.is_closed, one.is_passed) for one in found.quarters] == [
        ("2026-04-01", True, True),
        ("2026-07-01", True, False),
        ("2026-10-01", False, False),
    ]
    assert judged(house) is State.FAIL
    enter(house, "2026-07-01")
    assert judged(house) is State.PASS


def test_the_weakest_component_decides_and_a_rescan_mends(house: Installation) -> None:
    first = enter(house, "2026-08-03", "worker")
    (quarter, _) = stands(house).quarters
    assert quarter.lacking == ("worker",)
    assert judged(house) is State.FAIL
    enter(house, "2026-09-30", components=("worker",), rescan_of=first.id)
    assert judged(house) is State.PASS


def test_a_quarter_that_fails_anyway_is_no_answer_to_its_canary(house: Installation) -> None:
    enter(house, "2026-08-03", "worker")
    controls = house.system.controls
    probe = controls.parts.probes["scans.internal"]

    def overlooking(look: Look) -> Reading:
        found = probe.read(look)
        return replace(found, violations=[one for one in found.violations if "planted" not in one.says])

    seen = controls.observe(replace(probe, read=overlooking), is_test_due=True)
    assert seen is not None
    assert seen.verdict.state is State.FAIL
    assert seen.tested.canary == "missed"


def test_a_later_failure_in_a_quarter_is_one(house: Installation) -> None:
    enter(house, "2026-08-03")
    enter(house, "2026-09-01", "web")
    assert stands(house).quarters[0].lacking == ("web",)


def test_a_component_that_is_left_out_later_is_missed(house: Installation) -> None:
    enter(house, "2026-05-04")
    enter(house, "2026-08-03", components=("web",))
    assert stands(house).closed[-1].lacking == ("worker",)


def test_long_gaps_are_named(house: Installation) -> None:
    enter(house, "2026-04-02")
    enter(house, "2026-07-03")
    enter(house, "2026-10-04")
    assert stands(house).gaps == (
        ("web", date(2026, 7, 3), date(2026, 10, 4)),
        ("worker", date(2026, 7, 3), date(2026, 10, 4)),
    )


def test_a_pass_by_an_approved_vendor_needs_its_file(house: Installation) -> None:
    with pytest.raises(ScanNeedsFile):
        enter(house, "2026-08-03", kind=Kind.ASV)
    with pytest.raises(NotFound):
        enter(house, "2026-08-03", kind=Kind.ASV, sha256="00" * 32)
    report = Upload(framework=PCI, key="11.3.2", name="asv.txt", content=b"Everything passed, says the vendor")
    with house.system.db.begin() as session:
        sha256 = files.upload(session, report, ctx(house, "olga"), cabinet=house.system.desk.cabinet)
    assert enter(house, "2026-08-03", kind=Kind.ASV, sha256=sha256).is_passed
    # That nothing was found and nothing passed needs none, and is no pass.
    assert not enter(house, "2026-08-04", "web", "worker", kind=Kind.ASV).is_passed


def sign(house: Installation, key: str) -> None:
    draft = attestations.Draft(framework=PCI, key=key, kind=Paper.STATEMENT, statement="Scanned as it should be")
    with house.system.db.begin() as session:
        attestations.propose(session, draft, ctx(house, "olga"), desk=house.system.desk)


def test_nobody_attests_what_the_register_does_not_bear_out(house: Installation) -> None:
    with pytest.raises(RegisterLacks):
        sign(house, "11.4.1")
    enter(house, "2026-06-01", kind=Kind.PENETRATION_INTERNAL)
    with pytest.raises(RegisterLacks):
        sign(house, "11.4.1")
    enter(house, "2026-06-01", kind=Kind.PENETRATION_EXTERNAL)
    sign(house, "11.4.1")
    enter(house, "2026-05-04")
    with pytest.raises(RegisterLacks):
        sign(house, "11.3.1")


def test_findings_are_open_until_they_are_mended(house: Installation) -> None:
    enter(
        house,
        "2026-08-03",
        "web",
        findings=(Found(severity=Severity.HIGH, component="web", says="Old cipher offered"),),
    )
    with house.system.db.read() as session:
        (found,) = register.findings(session, READER)
    with pytest.raises(ScanInvalid), house.system.db.begin() as session:
        register.fix(session, found.id, date(2026, 8, 1), ctx(house, "olga"))
    with house.system.db.begin() as session:
        register.fix(session, found.id, date(2026, 8, 9), ctx(house, "olga"))
    with house.system.db.read() as session:
        assert register.findings(session, READER) == []
    with pytest.raises(FindingFixed), house.system.db.begin() as session:
        register.fix(session, found.id, date(2026, 8, 9), ctx(house, "olga"))
    assert {"compliance.scan.imported", "compliance.finding.mended"} <= set(house.waiting_kinds())


@pytest.mark.parametrize(
    "changed",
    [
        {"performed_on": date(2026, 11, 3)},
        {"performed_on": date(2023, 1, 1)},
        {"components": ()},
        {"failed": ("printer",)},
    ],
)
def test_a_scan_that_is_none_is_refused(house: Installation, changed: dict[str, object]) -> None:
    with pytest.raises(ScanInvalid):
        enter(house, "2026-08-03", **changed)


def test_a_rescan_follows_its_scan(house: Installation) -> None:
    first = enter(house, "2026-08-03", "web")
    with pytest.raises(ScanInvalid):
        enter(house, "2026-08-02", rescan_of=first.id)
    with pytest.raises(NotFound):
        enter(house, "2026-08-04", rescan_of="scn_none")


def test_who_may_not_enter_scans_does_not(house: Installation) -> None:
    with pytest.raises(Forbidden):
        enter(house, "2026-08-03", by="dora")


def test_what_a_rescan_passes_is_mended_and_said_to_be(house: Installation) -> None:
    grave = [Found(severity=Severity.HIGH, component=name, says="Old cipher offered") for name in ("web", "worker")]
    light = Found(severity=Severity.LOW, component="web", says="A banner names its version")
    first = enter(house, "2026-08-03", findings=(*grave, light))
    enter(house, "2026-08-04", components=("web",), rescan_of=first.id, authenticated=False)
    assert open_of(house) == {("web", "high"), ("worker", "high"), ("web", "low")}, "who did not sign in shows nothing"
    second = enter(house, "2026-08-05", "worker", rescan_of=first.id)
    assert open_of(house) == {("worker", "high"), ("web", "low")}
    enter(house, "2026-08-06", rescan_of=second.id)
    assert open_of(house) == {("web", "low")}, "that a component passes says nothing of what is light"
    assert house.waiting_kinds().count("compliance.finding.mended") == 2


def open_of(house: Installation) -> set[tuple[str, str]]:
    with house.system.db.read() as session:
        return {(one.component, one.severity.value) for one in register.findings(session, READER)}


def flaws(number: int) -> tuple[Found, ...]:
    return tuple(
        Found(severity=Severity.LOW, component="web", says=f"Old cipher {one} offered") for one in range(number)
    )


def test_a_scan_of_many_findings_is_entered_by_as_many_statements_as_one_of_two(house: Installation) -> None:
    counts = []
    for number in (2, 60):
        with said(house.system.db) as statements:
            enter(house, "2026-08-03", "web", findings=flaws(number))
        counts.append(len([one for one in statements if one.startswith(("INSERT", "SELECT", "UPDATE"))]))
    assert counts[0] == counts[1]
    with house.system.db.read() as session:
        assert len(register.findings(session, READER)) == 62


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_two_who_enter_at_once_both_enter_all_of_theirs(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    url = {} if where == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}
    with installed(tmp_path / "home", clock=StillClock(START), **url) as house:
        opened(house, "olga", "omar")
        people, together = {"olga": 3, "omar": 5}, Barrier(2)

        def one(name: str) -> Scan:
            together.wait(10)
            return enter(house, "2026-08-03", "web", by=name, findings=flaws(people[name]))

        with ThreadPoolExecutor(2) as both:
            made = list(both.map(one, people))
        with house.system.db.read() as session:
            found = Counter(each.scan_id for each in register.findings(session, READER))
            kept = {each.id: each.entered_by for each in register.all_of(session)}
        assert kept == {scan.id: house.people[name].account for scan, name in zip(made, people, strict=True)}
        assert found == {scan.id: number for scan, number in zip(made, people.values(), strict=True)}
        assert house.waiting_kinds().count("compliance.scan.imported") == 2


def test_of_two_who_mend_a_finding_at_once_one_does(house: Installation) -> None:
    enter(house, "2026-08-03", "web", findings=flaws(1))
    with house.system.db.read() as session:
        (found,) = register.findings(session, READER)
    together = Barrier(2)

    def mend(day: int) -> str:
        together.wait(10)
        try:
            with house.system.db.begin() as session:
                register.fix(session, found.id, date(2026, 8, day), ctx(house, "olga"))
        except FindingFixed as late:
            return late.code
        return "mended"

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(mend, (8, 9))) == ["finding_fixed", "mended"]


def started(house: Installation, version: str, day: str) -> None:
    """Leave in the store the start of a release, as its process would have told it."""
    at = datetime.fromisoformat(f"{day}T08:00:00+00:00")
    system = house.system
    made = Context(actor=service("process"), at=at, request_id="run_start", ids=system.ids)
    event_id = made.new_id("evt")
    document = render(
        ProcessStarted(component="web"), made, event_id=event_id, origin="live", version=version, environment="test"
    ).document
    body = canonical.encode(document)
    sequence = 1_000 + at.toordinal()
    system.store.append([Sequenced(sequence=sequence, ingested=at, hash="00" * 32, body=body)])
    system.store.settle()


def after_deployments(house: Installation) -> tuple[State, list[str]]:
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["scans.deployments"], is_test_due=True)
    assert seen is not None
    assert (seen.error, seen.tested.canary) == (None, "caught")
    return seen.verdict.state, sorted(one.says for one in seen.reading.violations)


def test_a_release_needs_a_scan_within_thirty_days(house: Installation) -> None:
    started(house, "1.3.0", "2026-05-04")
    assert after_deployments(house)[0] is State.NOT_APPLICABLE, "an installation changes nothing as it begins"
    started(house, "1.3.7", "2026-06-01")
    assert after_deployments(house)[0] is State.NOT_APPLICABLE, "a third number mends what runs"
    started(house, "1.4.0", "2026-08-03")
    started(house, "1.4.0", "2026-10-29")
    says = "began on 2026-08-03, and no scan passed {} by 2026-09-02"
    assert after_deployments(house) == (State.FAIL, [says.format("anything")])
    enter(house, "2026-08-02")
    enter(house, "2026-09-03")
    assert after_deployments(house) == (State.FAIL, [says.format("web"), says.format("worker")])
    enter(house, "2026-09-02", "worker")
    assert after_deployments(house) == (State.FAIL, [says.format("worker")])
    enter(house, "2026-08-30", components=("worker",))
    assert after_deployments(house) == (State.FAIL, [says.format("worker")]), "a later failure is one again"


def test_a_release_that_was_scanned_in_time_passes_and_one_of_now_has_its_days(house: Installation) -> None:
    started(house, "1.3.0", "2026-05-04")
    started(house, "1.4.0", "2026-08-03")
    enter(house, "2026-09-02")
    assert after_deployments(house) == (State.PASS, [])
    started(house, "2.0.0", "2026-10-03")
    assert after_deployments(house) == (State.PASS, [])
    started(house, "3.0.0", "2026-10-02")
    assert after_deployments(house)[0] is State.FAIL
