"""Access reviews: every half year somebody else decides of each role; what nobody decides lapses, but not the last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity.models import role_grant
from app.kernel.access import COMPLIANCE_CONTROL_READ, service
from app.kernel.clock import StillClock
from app.kernel.errors import Forbidden, NotFound, ReasonMissing, SamePerson
from compliance.reviews import campaigns
from compliance.reviews.campaigns import Decision, LastHolder, Line, LineDecided, Review, ReviewOpen
from compliance.states import State
from ingest import models as log
from tests.compliance.office import ctx, opened, unsealed
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
READER = service("officer", COMPLIANCE_CONTROL_READ)


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=clock) as made:
        opened(made, "olga", "omar", "dora", "dirk", "ines", "ivan")
        yield made


def turn(house: Installation) -> str | None:
    system = house.system
    with system.db.begin() as session:
        return campaigns.turn(session, system.job_context("compliance", system.clock.now()), sources=system.reviews)


def newest(house: Installation) -> Review:
    with house.system.db.read() as session:
        return campaigns.listed(session, READER)[0]


def line_of(house: Installation, name: str) -> Line:
    return next(one for one in newest(house).lines if one.holder == house.people[name].account)


def decide(house: Installation, about: str, decision: Decision, by: str = "olga", reason: str = "They need it") -> None:
    line = line_of(house, about)
    with house.system.db.begin() as session:
        campaigns.decide(
            session,
            (line.review_id, line.source, line.grant_ref),
            decision,
            reason,
            ctx(house, by),
            sources=house.system.reviews,
        )


def opened_by_hand(house: Installation) -> Review:
    with house.system.db.begin() as session:
        return campaigns.open_by_hand(session, ctx(house, "olga"), sources=house.system.reviews)


def holds(house: Installation, name: str) -> bool:
    with house.system.db.read() as session:
        mine = sa.and_(role_grant.c.account_id == house.people[name].account, role_grant.c.ended_at.is_(None))
        return session.scalar(sa.select(role_grant.c.id).where(mine)) is not None


def judged(house: Installation) -> tuple[State, list[str]]:
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["reviews.decided"], is_test_due=True)
    assert seen is not None
    return seen.verdict.state, [one.object_id for one in seen.reading.violations]


def test_a_campaign_opens_after_180_days_and_lists_every_role(house: Installation, clock: StillClock) -> None:
    assert turn(house) is None
    clock.move(179 * DAY)
    assert turn(house) is None
    clock.move(DAY)
    assert turn(house) == "a campaign was opened"
    found = newest(house)
    assert {one.what for one in found.lines} == {
        "Compliance officer",
        "Data protection officer",
        "Analyst",
        "Incident commander",
    }
    assert found.due_at == START + 183 * DAY
    assert "compliance.review.opened" in house.waiting_kinds()
    assert turn(house) is None


def test_what_nobody_decides_lapses_but_each_role_keeps_a_holder(house: Installation, clock: StillClock) -> None:
    clock.move(180 * DAY)
    turn(house)
    clock.move(3 * DAY)
    turn(house)
    found = newest(house)
    assert found.closed_at is None
    by_role: dict[str, list[Decision | None]] = {}
    for one in found.lines:
        by_role.setdefault(one.what, []).append(one.decision)
    # An analyst and a commander are the last ones; of two officers neither may go where too few could approve.
    assert by_role["Analyst"] == [Decision.STAYED]
    assert by_role["Incident commander"] == [Decision.STAYED]
    assert all(any(holds(house, name) for name in pair) for pair in (("olga", "omar"), ("dora", "dirk")))
    state, named = judged(house)
    assert state is State.FAIL
    assert line_of(house, "ines").grant_ref in named


def test_a_last_holder_who_stayed_is_decided_about_afterwards(house: Installation, clock: StillClock) -> None:
    clock.move(180 * DAY)
    turn(house)
    for name in ("olga", "omar", "dora", "dirk", "ivan"):
        decide(house, name, Decision.KEEP, by="omar" if name == "olga" else "olga")
    clock.move(4 * DAY)
    turn(house)
    assert line_of(house, "ines").decision is Decision.STAYED
    told = house.waiting_kinds().count("admin.access.recertified")
    clock.move(30 * DAY)
    assert turn(house) is None
    assert house.waiting_kinds().count("admin.access.recertified") == told, "that it stayed is said once"
    assert judged(house)[0] is State.FAIL
    decide(house, "ines", Decision.KEEP)
    assert newest(house).closed_at is not None
    assert judged(house)[0] is State.PASS


def test_one_is_opened_by_hand_while_only_last_holders_wait(house: Installation, clock: StillClock) -> None:
    """Who holds nothing any more waits in none of them."""

    def opens() -> bool:
        with house.system.db.read() as session:
            return campaigns.may_open(campaigns.listed(session, READER))

    assert opens()
    clock.move(180 * DAY)
    turn(house)
    assert not opens()
    for name in ("olga", "omar", "dora", "dirk", "ivan"):
        decide(house, name, Decision.KEEP, by="omar" if name == "olga" else "olga")
    clock.move(4 * DAY)
    turn(house)
    before = newest(house)
    assert [one.decision for one in before.lines if one.waits] == [Decision.STAYED]
    assert opens()
    with house.system.db.begin() as session:
        ended = sa.update(role_grant).where(role_grant.c.account_id == house.people["ines"].account)
        session.execute(ended.values(ended_at=clock.now()))
        made = campaigns.open_by_hand(session, ctx(house, "olga"), sources=house.system.reviews)
    with house.system.db.read() as session:
        (earlier,) = [one for one in campaigns.listed(session, READER) if one.id == before.id]
    gone = [one.holder for one in earlier.lines if one.decision is Decision.GONE]
    assert gone == [house.people["ines"].account]
    assert not set(gone) & {one.holder for one in made.lines}
    assert not opens()


def test_a_last_holder_who_stayed_keeps_no_next_review_away(house: Installation, clock: StillClock) -> None:
    """Nobody decides about a line; half a year later all are looked at again, that line too."""
    clock.move(180 * DAY)
    turn(house)
    for name in ("olga", "omar", "dora", "dirk", "ivan"):
        decide(house, name, Decision.KEEP, by="omar" if name == "olga" else "olga")
    before = newest(house)
    for _ in range(37):
        clock.move(5 * DAY)
        turn(house)
    after = newest(house)
    assert after.id != before.id
    assert {one.holder for one in after.lines} == {one.holder for one in before.lines}
    with house.system.db.read() as session:
        earlier = next(one for one in campaigns.listed(session, READER) if one.id == before.id)
    assert (earlier.closed_at is not None, earlier.left) == (True, 0), "what is closed is decided no more"
    assert house.waiting_kinds().count("compliance.review.closed") == 1


def test_who_comes_late_has_three_days(house: Installation, clock: StillClock) -> None:
    """Nothing looked for months: nobody loses a role in the turn that opens."""
    clock.move(300 * DAY)
    turn(house)
    assert {one.decision for one in newest(house).lines} == {None}
    clock.move(2 * DAY)
    turn(house)
    assert {one.decision for one in newest(house).lines} == {None}
    clock.move(DAY)
    turn(house)
    assert None not in {one.decision for one in newest(house).lines}


def test_an_analyst_of_two_lapses_and_the_other_stays(house: Installation, clock: StillClock) -> None:
    second = house.staff("iris", "analyst")
    clock.move(180 * DAY)
    turn(house)
    clock.move(3 * DAY)
    turn(house)
    analysts = {one.decision for one in newest(house).lines if one.what == "Analyst"}
    assert analysts == {Decision.LAPSED, Decision.STAYED}
    assert holds(house, "ines") is not holds(house, "iris")
    assert second.account


def test_grants_are_read_once_however_many_lapse(house: Installation, clock: StillClock) -> None:
    for name in ("iris", "ilse", "imke", "inga"):
        house.staff(name, "analyst")
    clock.move(180 * DAY)
    turn(house)
    clock.move(3 * DAY)
    asked = list[str]()

    @sa.event.listens_for(sa.engine.Engine, "after_cursor_execute")
    def count(conn: object, cursor: object, statement: str, *_: object) -> None:
        if "last_login_at" in statement and "given_by" in statement:
            asked.append(statement)

    try:
        turn(house)
    finally:
        sa.event.remove(sa.engine.Engine, "after_cursor_execute", count)
    analysts = [one.decision for one in newest(house).lines if one.what == "Analyst"]
    assert sorted(analysts) == [Decision.LAPSED] * 4 + [Decision.STAYED]
    assert len(asked) == 1


def test_words_of_a_decision_are_sealed_and_its_code_is_not(house: Installation) -> None:
    opened_by_hand(house)
    decide(house, "ivan", Decision.KEEP, reason="Ivan leads the next shift")
    house.arrive()
    of = log.entry.c
    with house.system.db.read() as session:
        query = sa.select(log.body.c.body).join(log.entry, of.sequence == log.body.c.sequence)
        event = session.scalars(query.where(of.kind == "admin.access.recertified")).one().decode()
    assert '"decision":"keep"' in event
    assert "next shift" not in event
    assert unsealed(house, event) == {house.people["ivan"].account: {"why": "Ivan leads the next shift"}}


def test_a_decision_holds_for_the_next_half_year(house: Installation, clock: StillClock) -> None:
    clock.move(100 * DAY)
    opened_by_hand(house)
    for name in ("ines", "ivan", "omar", "dora", "dirk"):
        decide(house, name, Decision.KEEP)
    decide(house, "olga", Decision.KEEP, by="omar")
    assert newest(house).closed_at is not None
    assert {"compliance.review.closed", "admin.access.recertified"} <= set(house.waiting_kinds())
    clock.move(179 * DAY)
    assert judged(house)[0] is State.PASS
    assert turn(house) is None
    clock.move(5 * DAY)
    assert judged(house)[0] is State.FAIL


def test_no_row_puts_off_a_review(house: Installation, clock: StillClock) -> None:
    """Each says that it was given this week; the log does not."""
    house.arrive()
    clock.move(179 * DAY)
    with house.system.db.begin() as session:
        session.execute(sa.update(role_grant).values(from_at=clock.now()))
    clock.move(DAY)
    assert turn(house) == "a campaign was opened"
    assert newest(house).due_at == START + 183 * DAY
    clock.move(3 * DAY)
    assert judged(house)[0] is State.FAIL


def test_nobody_decides_about_themselves(house: Installation) -> None:
    opened_by_hand(house)
    with pytest.raises(SamePerson):
        decide(house, "olga", Decision.KEEP)
    assert line_of(house, "olga").decision is None


def test_a_removed_role_ends_at_once(house: Installation) -> None:
    house.staff("iris", "analyst")
    opened_by_hand(house)
    decide(house, "ines", Decision.REMOVE, reason="They moved to another team")
    assert not holds(house, "ines")
    with pytest.raises(LineDecided):
        decide(house, "ines", Decision.KEEP)
    with pytest.raises(LastHolder):
        decide(house, "ivan", Decision.REMOVE, reason="They moved to another team")
    assert holds(house, "ivan")


def test_what_ended_meanwhile_is_no_open_line(house: Installation, clock: StillClock) -> None:
    opened_by_hand(house)
    with house.system.db.begin() as session:
        mine = role_grant.c.account_id == house.people["ines"].account
        session.execute(sa.update(role_grant).where(mine).values(ended_at=clock.now()))
    turn(house)
    assert line_of(house, "ines").decision is Decision.GONE


def test_what_is_refused(house: Installation) -> None:
    opened_by_hand(house)
    with pytest.raises(ReviewOpen):
        opened_by_hand(house)
    with pytest.raises(ReasonMissing):
        decide(house, "ines", Decision.KEEP, reason="ok")
    with pytest.raises(NotFound):
        decide(house, "ines", Decision.LAPSED)
    with pytest.raises(Forbidden):
        decide(house, "ines", Decision.KEEP, by="dora")
