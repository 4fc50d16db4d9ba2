"""What the health page and `onepay status` say, and what it costs to say it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import health, jobs
from app.identity import letters, roles
from app.identity.models import role_grant
from app.kernel.clock import StillClock
from app.migrations import run
from detectors.runner import Behind
from ingest import models as ingested
from ingest.log import checkpoint
from ingest.log.rounds import broken_since_sound, told_broken
from tests.dashboards.desk import Room
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=clock) as made:
        yield made


def checkpoint_line(house: Installation) -> tuple[str, bool, str]:
    (part,) = [part for part in health.parts(house.system) if part.name == "Checkpoint"]
    return part.says, part.ok, part.detail


def log_lines(house: Installation) -> dict[str, tuple[str, bool, str]]:
    wanted = ("Archive", "Monitor", "Witness")
    return {part.name: (part.says, part.ok, part.detail) for part in health.parts(house.system) if part.name in wanted}


def test_archive_monitor_and_witness_have_their_lines(house: Installation, clock: StillClock) -> None:
    size = health.lag(house.system)["log"]["head"]
    assert log_lines(house)["Monitor"] == ("sound", True, "sample none yet, whole none yet")
    house.turn()
    house.arrive()
    house.system.signer.sign(clock.now())
    house.system.rounds.sample(clock.now())
    clock.move(timedelta(seconds=30))
    found = log_lines(house)
    assert found["Monitor"] == ("sound", True, "sample 30 s old, whole none yet")
    assert found["Witness"] == ("30 s old", True, "a folder, rated weak")
    assert found["Archive"][:2] == ("up to date", True)
    assert health.lag(house.system)["archive"]["done"] >= size


def test_damage_that_was_found_stays_until_everything_was_compared_and_is_sound(
    house: Installation, clock: StillClock
) -> None:
    house.customer("amber_one")
    house.turn()
    house.system.signer.sign(clock.now())
    rounds = house.system.rounds
    sound = rounds.full(clock.now())
    assert sound.mismatches == 0
    with house.system.db.read() as session:
        true = session.scalar(sa.select(ingested.body.c.body).where(ingested.body.c.sequence == 2))
    for said in (b"{}", true):  # found, and then a sample that finds nothing: it might have drawn others
        clock.move(timedelta(minutes=5))
        with house.system.db.begin() as session:
            session.execute(sa.update(ingested.body).where(ingested.body.c.sequence == 2).values(body=said))
        made = rounds.sample(clock.now())
        assert bool(made.mismatches) == (said == b"{}")
        assert log_lines(house)["Monitor"][1] is False
        seen = house.system.controls.observe(house.system.controls.parts.probes["log.integrity"])
        assert seen is not None
        assert "rounds" in {one.component for one in seen.reading.violations}
        with house.system.db.read() as session:
            assert [one.mismatches for one in broken_since_sound(session)] == [1]
    with house.system.db.begin() as session:  # as whoever would hide it
        session.execute(sa.update(ingested.monitor_run).values(mismatches=0, findings=[]))
    seen = house.system.controls.observe(house.system.controls.parts.probes["log.integrity"])
    assert seen is not None
    assert "rounds" in {one.component for one in seen.reading.violations}, "the log says it, too"
    clock.move(timedelta(minutes=5))
    assert rounds.full(clock.now()).mismatches == 0
    assert log_lines(house)["Monitor"][1] is True
    with house.system.db.read() as session:
        assert broken_since_sound(session) == []
        assert told_broken(session, clock.now()) is None


def letters_line(house: Installation) -> tuple[str, bool, str]:
    (part,) = [part for part in health.parts(house.system) if part.name == "Letters"]
    return part.says, part.ok, part.detail


def sign(house: Installation) -> None:
    checkpoint.sign(house.system.db, house.system.log_key, house.system.clock.now())


def test_a_log_that_is_not_signed_any_more_shows_as_not_whole(house: Installation, clock: StillClock) -> None:
    house.customer("amber_one")
    house.arrive()
    assert checkpoint_line(house) == ("none yet", True, "signed size 0")
    sign(house)
    size = health.lag(house.system)["log"]["head"]
    clock.move(timedelta(days=3))
    # Nothing was added since: the old signature covers everything.
    assert checkpoint_line(house) == ("259200 s old", True, f"signed size {size}")

    house.customer("amber_two")
    house.arrive()
    clock.move(checkpoint.UNSIGNED_MAX)
    waits = f"signed size {size}, an event has waited 60 s for a signature"
    assert checkpoint_line(house) == ("259260 s old", True, waits)
    clock.move(timedelta(seconds=1))
    assert checkpoint_line(house)[1] is False
    assert health.lag(house.system)["checkpoint"]["ok"] is False

    sign(house)
    assert checkpoint_line(house)[:2] == ("0 s old", True)


def test_a_log_that_was_never_signed_shows_as_not_whole_once_it_is_late(house: Installation, clock: StillClock) -> None:
    house.customer("amber_one")
    house.arrive()
    clock.move(checkpoint.UNSIGNED_MAX + timedelta(seconds=1))
    assert checkpoint_line(house)[:2] == ("none yet", False)


def test_a_page_of_the_console_measures_health_once(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Room(installation=house).desk("annika", roles.ANALYST)
    measured, behind = [], house.system.runner.behind

    def counted(session: Session, at: datetime) -> Behind:
        measured.append(at)
        return behind(session, at)

    monkeypatch.setattr(house.system.runner, "behind", counted)
    assert "Is the pipeline whole?" in desk.draw("/console/soc/health")
    assert len(measured) == 1
    desk.draw("/console/soc/health")
    assert len(measured) == 2


def test_asking_whether_it_is_ready_makes_no_engine_and_opens_no_script(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert health.ready(house.system) == {}

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this was made once already")

    monkeypatch.setattr(run, "one_off_engine", refuse)
    monkeypatch.setattr(run.ScriptDirectory, "from_config", refuse)
    assert health.ready(house.system) == {}


def test_a_schema_of_another_revision_is_not_ready(house: Installation) -> None:
    with house.system.db.begin() as session:
        session.execute(sa.text("UPDATE app_schema_main SET version_num = 'r0000'"))
    assert health.ready(house.system) == {"schema main": "SchemaMismatch"}


def ask_for_letters(house: Installation, *names: str) -> None:
    """Let people ask for a letter each, with none of an earlier act on its way."""
    for name in names:
        house.customer(name, factor=False)
    house.turn()
    browser = house.browser()
    for name in names:
        browser.get("/recover")
        browser.post("/recover", {"email": f"{name}@onepay.example"})


def try_in_vain(house: Installation, clock: StillClock, until: datetime) -> None:
    """Let every letter that is due fail, as a messenger does that reaches no mailbox."""
    while clock.now() < until:
        with house.system.db.begin() as session:
            while (taken := letters.claim(session, clock.now(), parts=house.system.identity)) is not None:
                letters.failed(session, taken, clock.now())
        clock.move(timedelta(minutes=5))


def test_a_letter_that_is_given_up_is_shown_for_a_week_and_one_alone_is_no_alarm(
    house: Installation, clock: StillClock
) -> None:
    ask_for_letters(house, "amber_one")
    assert letters_line(house) == ("1 waiting", True, "")
    for _ in range(letters.UNENDED_MAX):
        with house.system.db.begin() as session:
            assert letters.claim(session, clock.now(), parts=house.system.identity)
        clock.move(letters.CLAIM)
    assert letters_line(house) == ("1 waiting, 1 failing", True, "")
    house.turn()
    assert letters_line(house) == ("0 waiting, 1 lost", True, "")
    clock.move(letters.LOST_SHOWN)
    assert letters_line(house) == ("0 waiting", True, "")


def test_a_letter_that_is_due_and_not_taken_is_late(house: Installation, clock: StillClock) -> None:
    ask_for_letters(house, "amber_one")
    clock.move(letters.LATE)
    assert letters_line(house) == ("1 waiting", True, "one is due for 300 s")
    clock.move(timedelta(seconds=1))
    assert letters_line(house)[1] is False
    with house.system.db.begin() as session:
        assert letters.claim(session, clock.now(), parts=house.system.identity)
    assert letters_line(house) == ("1 waiting", True, ""), "it is taken"
    clock.move(letters.CLAIM + letters.LATE + timedelta(seconds=1))
    assert letters_line(house) == ("1 waiting", False, "one is due for 301 s"), "it was taken, and not again"


@pytest.mark.parametrize(("people", "is_well"), [(1, True), (2, True), (3, False)])
def test_one_bad_mailbox_is_no_alarm_and_several_are(
    house: Installation, clock: StillClock, people: int, is_well: bool
) -> None:
    ask_for_letters(house, *(f"amber_{n}" for n in range(people)))
    begun = clock.now()
    try_in_vain(house, clock, begun + timedelta(minutes=30))
    said, ok, _ = letters_line(house)
    assert (said, ok) == (f"{people} waiting, {people} failing", is_well)
    assert health.lag(house.system)["letters"]["failing"] == people

    try_in_vain(house, clock, begun + letters.KEPT)
    with house.system.db.begin() as session:
        letters.expire(session, clock.now())
    assert letters_line(house) == (f"0 waiting, {people} lost", is_well, "")
    clock.move(letters.KEPT)
    assert letters_line(house) == (f"0 waiting, {people} lost", True, "")


def test_a_letter_that_nothing_was_there_to_deliver_is_not_lost(house: Installation, clock: StillClock) -> None:
    ask_for_letters(house, "amber_one")
    clock.move(letters.KEPT)
    with house.system.db.begin() as session:
        letters.expire(session, clock.now())
    assert letters_line(house) == ("0 waiting", True, "")


def approvers_line(house: Installation) -> tuple[str, bool, str]:
    (part,) = [part for part in health.parts(house.system) if part.name == "Approvers"]
    return part.says, part.ok, part.detail


def test_a_kind_that_too_few_could_decide_is_named(house: Installation) -> None:
    kinds = len(house.system.approvals.kinds)
    says, ok, detail = approvers_line(house)
    assert (says, ok) == (f"too few for {kinds}", False)
    assert "Give a role: 0 of 2" in detail
    for role in (roles.ADMINISTRATOR, roles.COMPLIANCE_OFFICER, roles.DPO, roles.INCIDENT_COMMANDER):
        for n in range(2):
            house.staff(f"{role.replace('_', '.')}.{n}", role)
    assert approvers_line(house) == ("enough for each kind", True, "")
    assert health.lag(house.system)["approvals"]["lacking"] == []


def test_the_hourly_search_names_what_lacks_people_and_the_nightly_one_who_holds_too_much(house: Installation) -> None:
    found = {job.name: job for job in jobs.all_jobs(house.system)}
    now = house.system.clock.now()
    assert "role.grant" in str(found["identity.approvers"].run(now))
    assert found["identity.sod"].run(now) is None
    person = house.staff("ada", roles.ADMINISTRATOR)
    house.staff("basil", roles.ADMINISTRATOR)
    assert "role.grant" not in str(found["identity.approvers"].run(now))
    with house.system.db.begin() as session:
        session.execute(
            sa.insert(role_grant).values(
                id="rol_by_hand", account_id=person.account, role=roles.ANALYST, from_at=now, reason="by hand"
            )
        )
    assert found["identity.sod"].run(now) == "1 excluded pairs held"
