"""What people sign: in force by two, over by itself, and never better than what a probe sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import reminders
from app.identity.models import account, factor, message, role_grant
from app.identity.models import session as sessions
from app.kernel.access import COMPLIANCE_CONTROL_READ, service
from app.kernel.approvals import ApprovalChanged, ApprovalExpired, Verdict
from app.kernel.approvals import State as ApprovalState
from app.kernel.clock import StillClock
from app.kernel.errors import Forbidden, NotFound, ReasonMissing, SamePerson
from app.kernel.words import SecretInText
from compliance import models as controls
from compliance import posture
from compliance.attest import analyses, attestations, baselines, exceptions, jobs, models
from compliance.attest.attestations import Attestation, FileUnknown, Kind, ProbeDecides
from compliance.attest.baselines import NothingNew
from compliance.attest.exceptions import Exemption, NothingToExcept
from compliance.attest.parts import PaperInvalid, PaperMoved, PaperOpen, PaperTooLong
from compliance.catalog.controls import CHOSEN, PCI
from compliance.contracts.probes import Look, ProbeOverran, Reading
from compliance.engine import history, reading, settle, standing
from compliance.engine.standing import Standing
from compliance.probes import scanner
from compliance.reviews.models import line
from compliance.states import Reason, State
from ingest import models as log
from ingest.log import read
from tests.compliance.office import agree, ctx, opened, unsealed
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
        opened(made, "olga", "omar", "dora", "ada")
        made.browser().sign_in(made.people["ada"], surface="staff")
        made.arrive()
        yield made


def stands(house: Installation, key: str) -> Standing:
    with house.system.db.read() as session:
        return standing.all_of(session, house.system.clock.now(), house.system.controls.parts)[PCI, key]


def observe(house: Installation, *names: str) -> None:
    controls = house.system.controls
    for name in names:
        assert controls.observe(controls.parts.probes[name]) is not None
    house.arrive()


def settled(house: Installation) -> None:
    system = house.system
    with system.db.begin() as session:
        settle.settle(session, system.job_context("compliance", system.clock.now()), parts=system.controls.parts)
    house.arrive()


def told(house: Installation, kind: str) -> list[str]:
    house.arrive()
    entry, body = log.entry, log.body
    with house.system.db.read() as session:
        rows = session.execute(
            sa.select(body.c.body)
            .join(entry, entry.c.sequence == body.c.sequence)
            .where(entry.c.kind == kind)
            .order_by(entry.c.sequence)
        )
        return [row.body.decode() for row in rows]


def sign(house: Installation, key: str, kind: Kind = Kind.STATEMENT, **changed: object) -> Attestation:
    values = {"framework": PCI, "key": key, "kind": kind, "statement": "Our people were trained this autumn"}
    draft = attestations.Draft(**{**values, **changed})  # type: ignore[arg-type]  # a draft in pieces
    with house.system.db.begin() as session:
        return attestations.propose(session, draft, ctx(house, "olga"), desk=house.system.desk)


def except_(house: Installation, key: str = "8.4.1", **changed: object) -> Exemption:
    values = {
        "framework": PCI,
        "key": key,
        "kind": exceptions.Kind.ACCEPTED_RISK,
        "why": "The new authenticators arrive next week",
        "until": house.system.clock.now() + 5 * DAY,
    }
    draft = exceptions.Draft(**{**values, **changed})  # type: ignore[arg-type]  # a draft in pieces
    with house.system.db.begin() as session:
        return exceptions.propose(session, draft, ctx(house, "olga"), desk=house.system.desk)


def newest(house: Installation, probe: str) -> sa.Row[tuple[object, ...]]:
    of = controls.observation
    with house.system.db.read() as session:
        seen = sa.select(of.c.violations, of.c.asked).where(of.c.probe == probe)
        return session.execute(seen.order_by(of.c.hi.desc(), of.c.id.desc()).limit(1)).one()


def violations(house: Installation, probe: str) -> list[str]:
    return [one["object_id"] for one in newest(house, probe).violations]


def asked(house: Installation, probe: str) -> dict[str, str]:
    return dict(newest(house, probe).asked)


def approve_matrix(house: Installation) -> str:
    with house.system.db.begin() as session:
        return baselines.propose(
            session, "role_matrix", "Roles as they were reviewed", ctx(house, "olga"), desk=house.system.desk
        )


def expire(house: Installation) -> str | None:
    with house.system.db.begin() as session:
        return jobs.expire(
            session, house.system.job_context("compliance", house.system.clock.now()), desk=house.system.desk
        )


def lapse_factor(house: Installation, name: str = "omar") -> None:
    """A session that rests on one factor, as somebody with the database at hand writes it."""
    with house.system.db.begin() as session:
        session.execute(
            sa.update(factor).where(factor.c.account_id == house.people[name].account).values(removed_at=START)
        )


def test_the_approved_matrix_passes_and_an_excluded_pair_fails(house: Installation, clock: StillClock) -> None:
    observe(house, "identity.roles")
    assert stands(house, "7.2.1").reason is Reason.BASELINE_CHANGED
    agree(house, approve_matrix(house), "dora")
    observe(house, "identity.roles")
    assert stands(house, "7.2.1").reason is Reason.NEVER_ATTESTED, "nobody signed for what no probe looks at"
    assert {leg.state for leg in stands(house, "7.2.1").legs} == {State.PASS, State.NOT_EVALUABLE}
    assert '"document":"baseline.role_matrix"' in told(house, "compliance.document.approved")[0]
    with house.system.db.begin() as session:
        session.execute(
            sa.insert(role_grant).values(
                id="rol_x", account_id=house.people["ada"].account, role="analyst", from_at=clock.now(), reason="x"
            )
        )
    observe(house, "identity.roles")
    assert stands(house, "7.2.1").state is State.FAIL


def test_a_row_of_which_no_probe_sees_a_part_is_signed_for_as_well(house: Installation) -> None:
    house.system.signer.sign(house.system.clock.now())
    observe(house, "log.not_editable")
    assert (stands(house, "10.3.1").state, stands(house, "10.3.1").reason) == (
        State.NOT_EVALUABLE,
        Reason.NEVER_ATTESTED,
    )
    made = sign(house, "10.3.1", statement="Two operators can read the log")
    assert made.approval_id is not None
    agree(house, made.approval_id, "dora")
    assert stands(house, "10.3.1").state is State.ATTESTED


@pytest.mark.parametrize("is_what_runs", [False, True])
def test_a_baseline_that_was_changed_in_the_database_is_not_what_was_approved(
    house: Installation, is_what_runs: bool
) -> None:
    """Neither where it says something else than what runs, nor where what runs was written over it."""
    agree(house, approve_matrix(house), "dora")
    with house.system.db.begin() as session:
        body = session.scalar(sa.select(models.baseline.c.body))
        assert body is not None
        body["roles"]["analyst"].append("ledger:entry:read")
        row = {"body": body}
        if is_what_runs:
            (kept,) = house.system.desk.live
            row = {"body": house.system.desk.live[kept](session), "sha256": "0" * 64}
        session.execute(sa.update(models.baseline).values(row))
    observe(house, "identity.roles")
    stood = stands(house, "7.2.1").state
    assert stood is (State.NOT_EVALUABLE if is_what_runs else State.FAIL)


def test_a_baseline_is_proposed_once_and_only_when_it_says_something_new(house: Installation) -> None:
    approval = approve_matrix(house)
    with pytest.raises(PaperOpen):
        approve_matrix(house)
    agree(house, approval, "omar")
    with pytest.raises(NothingNew):
        approve_matrix(house)
    with pytest.raises(NotFound), house.system.db.begin() as session:
        baselines.propose(session, "weather", "No such document", ctx(house, "olga"), desk=house.system.desk)


def test_an_attestation_of_one_person_is_in_force_at_once_and_expires_at_once(
    house: Installation, clock: StillClock
) -> None:
    assert stands(house, "12.6.1").reason is Reason.NEVER_ATTESTED
    made = sign(house, "12.6.1", expires_at=START + 10 * DAY)
    assert made.state == "in_force"
    assert stands(house, "12.6.1").state is State.ATTESTED
    assert '"control":{"id":"pci-4.0.1 12.6.1"}' in told(house, "compliance.attestation.signed")[0]
    settled(house)
    clock.move(10 * DAY)
    # Nothing has run since; whoever looks sees it.
    assert stands(house, "12.6.1").state is State.EXPIRED
    clock.move(2 * DAY)
    settled(house)
    with house.system.db.read() as session:
        found = history.intervals(session, READER, START, clock.now() + DAY, key=(PCI, "12.6.1"))
    last = found[PCI, "12.6.1"][-1]
    assert (last.state, last.from_at) == (State.EXPIRED, START + 10 * DAY)
    expire(house)
    assert stands(house, "12.6.1").state is State.EXPIRED


def test_a_new_version_replaces_the_one_before(house: Installation) -> None:
    first = sign(house, "12.6.1")
    second = sign(house, "12.6.1", statement="Our people were trained again, all of them")
    assert second.version == 2
    with house.system.db.read() as session:
        assert attestations.by_id(session, first.id).state == "superseded"


def test_what_takes_a_row_out_needs_a_second_person(house: Installation) -> None:
    made = sign(house, "11.2.1", Kind.NOT_APPLICABLE, statement="We have no office with a network")
    assert made.state == "proposed"
    assert stands(house, "11.2.1").reason is Reason.NEVER_ATTESTED
    with pytest.raises(SamePerson):
        agree(house, made.approval_id, "olga")
    agree(house, made.approval_id, "omar")
    found = stands(house, "11.2.1")
    assert (found.state, found.reason) == (State.NOT_APPLICABLE, Reason.APPROVED)


def test_what_a_provider_answers_for_names_provider_day_and_share(house: Installation) -> None:
    facts = {"provider": "Rack & Power Ltd", "aoc_date": "2026-03-31", "responsibility": "All of it, at both sites"}
    with pytest.raises(ReasonMissing):
        sign(house, "physical", Kind.INHERITED)
    with pytest.raises(PaperInvalid):
        sign(house, "physical", Kind.INHERITED, facts={**facts, "aoc_date": "spring"})
    made = sign(house, "physical", Kind.INHERITED, facts=facts)
    agree(house, made.approval_id, "dora")
    assert stands(house, "physical").state is State.INHERITED


def test_a_row_of_both_legs_is_the_worst_of_them(house: Installation) -> None:
    made = sign(house, "12.10.1")
    assert made.state == "proposed"
    agree(house, made.approval_id, "dora")
    found = stands(house, "12.10.1")
    assert found.reason is Reason.BY_HAND  # no probe looks at it yet


def test_nobodys_word_stands_for_what_a_probe_sees(house: Installation) -> None:
    with pytest.raises(ProbeDecides):
        sign(house, "8.4.1")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"expires_at": START - DAY}, PaperInvalid),
        ({"expires_at": START + 400 * DAY}, PaperTooLong),
        ({"valid_from": START + DAY}, PaperInvalid),
        ({"statement": "ok"}, ReasonMissing),
        ({"statement": "The card 4111 1111 1111 1111 was used"}, SecretInText),
        ({"files": ("00" * 32,)}, FileUnknown),
        ({"kind": Kind.FILE}, PaperInvalid),
        ({"facts": {"weather": "fine"}}, PaperInvalid),
        ({"key": "99.9"}, NotFound),
    ],
)
def test_a_paper_that_is_none_is_refused(
    house: Installation, changed: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        sign(house, **{"key": "12.6.1", **changed})  # type: ignore[arg-type]  # a draft in pieces
    with house.system.db.read() as session:
        assert attestations.listed(session, READER) == []


def test_who_may_not_sign_does_not(house: Installation) -> None:
    draft = attestations.Draft(framework=PCI, key="12.6.1", kind=Kind.STATEMENT, statement="Everybody was trained")
    with pytest.raises(Forbidden), house.system.db.begin() as session:
        attestations.propose(session, draft, ctx(house, "dora"), desk=house.system.desk)


def test_a_withdrawn_paper_is_gone_and_its_approval_ends(house: Installation) -> None:
    made = sign(house, "12.10.1")
    with house.system.db.begin() as session:
        attestations.withdraw(session, made.id, ctx(house, "omar"), desk=house.system.desk)
    with house.system.db.read() as session:
        assert made.approval_id is not None
        assert house.system.approvals.state_of(session, made.approval_id).state is ApprovalState.WITHDRAWN
    signed = sign(house, "12.6.1")
    with house.system.db.begin() as session:
        attestations.withdraw(session, signed.id, ctx(house, "olga"), desk=house.system.desk)
    assert stands(house, "12.6.1").reason is Reason.NEVER_ATTESTED
    with pytest.raises(PaperMoved), house.system.db.begin() as session:
        attestations.withdraw(session, signed.id, ctx(house, "olga"), desk=house.system.desk)


def test_content_that_was_changed_since_is_not_put_in_force(house: Installation) -> None:
    made = sign(house, "12.10.1")
    with house.system.db.begin() as session:
        session.execute(sa.update(models.attestation).values(statement="Nothing of that kind"))
    with house.system.db.begin() as session:
        outcome = house.system.approvals.decide(
            session, made.approval_id or "", Verdict.APPROVED, "", ctx(house, "omar")
        )
    assert isinstance(outcome.error, ApprovalChanged)
    with house.system.db.read() as session:
        assert attestations.by_id(session, made.id).state == "rejected"


def test_an_approval_that_came_too_late_is_none(house: Installation, clock: StillClock) -> None:
    made = sign(house, "12.10.1")
    clock.move(4 * DAY)
    with pytest.raises(ApprovalExpired):
        agree(house, made.approval_id, "omar")


def test_an_exception_covers_what_fails_until_its_day_and_never_counts(house: Installation, clock: StillClock) -> None:
    lapse_factor(house)
    observe(house, "identity.two_factors")
    assert stands(house, "8.4.1").state is State.FAIL
    with house.system.db.read() as session:
        before = posture.of_now(session, READER, clock.now(), house.system.controls.parts)
    made = except_(house)
    assert stands(house, "8.4.1").state is State.FAIL
    with pytest.raises(SamePerson):
        agree(house, made.approval_id, "olga")
    agree(house, made.approval_id, "omar")
    settled(house)
    found = stands(house, "8.4.1")
    (leg,) = found.legs
    assert (found.state, leg.beneath, leg.until) == (State.EXCEPTED, State.FAIL, made.until_at)
    with house.system.db.read() as session:
        after = posture.of_now(session, READER, clock.now(), house.system.controls.parts)
    assert (after.pci.held, after.gdpr.held) == (before.pci.held, before.gdpr.held)
    assert len(told(house, "compliance.exception.granted")) == 1

    clock.move(5 * DAY + timedelta(hours=1))
    assert stands(house, "8.4.1").state is State.FAIL
    settled(house)
    with house.system.db.read() as session:
        intervals = history.intervals(session, READER, START, clock.now() + DAY, key=(PCI, "8.4.1"))[PCI, "8.4.1"]
    assert (intervals[-1].state, intervals[-1].from_at) == (State.FAIL, made.until_at)
    expire(house)
    assert '"reason":"expired"' in told(house, "compliance.exception.ended")[0]


def test_what_people_sign_is_looked_through_for_card_numbers(house: Installation) -> None:
    made = except_(house)
    observe(house, "scanner.card_numbers")
    assert violations(house, "scanner.card_numbers") == []
    with house.system.db.begin() as session:  # past the service, which refuses one
        typed = sa.update(models.exception).where(models.exception.c.id == made.id)
        session.execute(typed.values(why="Of the card 4111 1111 1111 1111"))
    observe(house, "scanner.card_numbers")
    assert violations(house, "scanner.card_numbers") == [f"compliance_exception.why {made.id}"]


def test_a_search_that_looks_at_the_newest_says_of_how_many(
    house: Installation, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    except_(house)
    except_(house, component="people")
    observe(house, "scanner.card_numbers")
    assert asked(house, "scanner.card_numbers")["texts"] == "all"
    clock.move(timedelta(hours=2))  # the same reading is kept once an hour
    monkeypatch.setattr(scanner, "TEXTS_MAX", 1)
    monkeypatch.setattr(scanner, "BODIES_MAX", 3)
    observe(house, "scanner.card_numbers")
    said = asked(house, "scanner.card_numbers")
    assert said["bodies"].startswith("newest 3 of ")
    assert said["texts"].startswith("newest 1 of a column")
    assert "compliance_exception.why" in said["columns"]


def test_a_search_goes_on_among_older_texts_and_forgets_none_that_is_still_there(
    house: Installation, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "TEXTS_MAX", 1)
    monkeypatch.setattr(scanner, "OLDER_MAX", 1)
    made = [except_(house, component=one) for one in ("people", "rooms", "keys", "doors", "gates")]
    oldest = min(one.id for one in made)
    of = models.exception

    def says(why: str) -> None:
        with house.system.db.begin() as session:
            session.execute(sa.update(of).where(of.c.id == oldest).values(why=why))

    says("Of the card 4111 1111 1111 1111")
    named = []
    for _ in range(9):
        observe(house, "scanner.card_numbers")
        clock.move(timedelta(hours=2))
        named.append(violations(house, "scanner.card_numbers"))
    mine = [f"compliance_exception.why {oldest}"]
    first = named.index(mine)
    assert named == [[]] * first + [mine] * (9 - first), "found in turn, and named once for each reading from then on"
    says("New authenticators arrive")
    observe(house, "scanner.card_numbers")
    assert violations(house, "scanner.card_numbers") == []


@pytest.mark.parametrize("reviews", ["rev_a rev_a rev_a", "rev_b rev_a rev_a"])
def test_a_search_passes_over_no_row_that_shares_a_part_of_its_key(
    house: Installation, monkeypatch: pytest.MonkeyPatch, reviews: str
) -> None:
    monkeypatch.setattr(scanner, "TEXTS_MAX", 1)
    monkeypatch.setattr(scanner, "OLDER_MAX", 1)
    about = {"source": "roles", "holder": "acc_x", "what": "dpo", "since": START}
    with house.system.db.begin() as session:
        for review, ref in zip(reviews.split(), ("rol_1", "rol_2", "rol_3"), strict=True):
            reason = "Of the card 4111 1111 1111 1111" if ref == "rol_3" else "They need it"
            session.execute(sa.insert(line).values(review_id=review, grant_ref=ref, reason=reason, **about))
    observe(house, "scanner.card_numbers")
    assert violations(house, "scanner.card_numbers") == ["compliance_review_line.reason rev_a"]


def breaking(look: Look) -> Reading:
    raise ProbeOverran


def test_a_search_stops_before_it_finds_more_than_it_can_name(
    house: Installation, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "BODIES_MAX", 1)
    monkeypatch.setattr(scanner, "VIOLATIONS_KEPT", 2)
    monkeypatch.setattr(read, "SLICE_MAX", 2)
    house.arrive()
    numbers = [1, 2, 3, 5, 8]
    with house.system.db.begin() as session:
        whole = read.bodies_by_sequence(session, numbers)
        for number in numbers:
            write(session, number, b'{"message":"4111 1111 1111 1111"}')
    left, turns = {f"#{number}" for number in numbers}, 0
    while left:
        observe(house, "scanner.card_numbers")
        clock.move(timedelta(hours=2))
        named, turns = set(violations(house, "scanner.card_numbers")), turns + 1
        assert named, "as long as one is there, one is named"
        assert named <= left
        left -= named
        with house.system.db.begin() as session:
            for one in named:
                write(session, int(one[1:]), whole[int(one[1:])].body)
    assert turns > 1
    observe(house, "scanner.card_numbers")
    assert violations(house, "scanner.card_numbers") == []


def test_what_was_named_is_pushed_out_by_nothing(
    house: Installation, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "BODIES_MAX", 1)
    monkeypatch.setattr(scanner, "OLDER_MAX", 1)
    monkeypatch.setattr(reading, "VIOLATIONS_KEPT", 1)
    made = except_(house)
    house.arrive()
    with house.system.db.begin() as session:
        write(session, 1, b'{"message":"4111 1111 1111 1111"}')
    named = []
    for why in ("New authenticators", "Of the card 4111 1111 1111 1111", "New authenticators", "New authenticators"):
        with house.system.db.begin() as session:
            session.execute(sa.update(models.exception).where(models.exception.c.id == made.id).values(why=why))
        observe(house, "scanner.card_numbers")
        clock.move(timedelta(hours=2))
        named.append(violations(house, "scanner.card_numbers"))
    assert named == [["#1"]] * 4


def write(session: Session, number: int, body: bytes) -> None:
    session.execute(sa.update(log.body).where(log.body.c.sequence == number).values(body=body))


def test_a_search_goes_on_among_the_older_and_forgets_no_number_that_is_still_there(
    house: Installation, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "BODIES_MAX", 3)
    monkeypatch.setattr(scanner, "OLDER_MAX", 4)
    monkeypatch.setattr(scanner, "TEXTS_MAX", 1)
    first = except_(house)
    clock.move(timedelta(seconds=1))
    second = except_(house, component="people")
    house.arrive()
    with house.system.db.begin() as session:
        assert read.head(session).size > 12
        whole = read.body(session, 1)
        assert whole is not None
        bodies = sa.update(log.body).where(log.body.c.sequence == 1)
        session.execute(bodies.values(body=b'{"message":"4111 1111 1111 1111"}'))
    reached = []
    for turn in range(9):
        observe(house, "scanner.card_numbers")
        if turn == 1:  # a reading that broke off says nothing, and takes nothing back
            broken = replace(house.system.controls.parts.probes["scanner.card_numbers"], read=breaking)
            assert house.system.controls.observe(broken) is not None
            observe(house, "scanner.card_numbers")
        clock.move(timedelta(hours=2))
        reached.append(asked(house, "scanner.card_numbers")["older"])
        assert violations(house, "scanner.card_numbers") == ["#1"]
    assert reached[:3] == [[0, 4], [8, 12], [12, 16]]
    assert any(last < first for first, last in reached), "behind the end it goes on from the beginning"

    with house.system.db.begin() as session:
        session.execute(bodies.values(body=whole.body))
        texts = sa.update(models.exception).where(models.exception.c.id == second.id)
        session.execute(texts.values(why="Of the card 4111 1111 1111 1111"))
    observe(house, "scanner.card_numbers")
    assert violations(house, "scanner.card_numbers") == [f"compliance_exception.why {second.id}"]
    clock.move(timedelta(hours=2))
    later = except_(house, component="staff")
    assert first.id < second.id < later.id
    observe(house, "scanner.card_numbers")
    assert violations(house, "scanner.card_numbers") == [f"compliance_exception.why {second.id}"]


def test_an_exception_makes_nothing_better_that_does_not_fail(house: Installation) -> None:
    observe(house, "identity.two_factors")
    agree(house, except_(house).approval_id, "omar")
    assert stands(house, "8.4.1").state is State.PASS


def test_an_exception_of_a_component_covers_that_alone(house: Installation, clock: StillClock) -> None:
    lapse_factor(house)
    agree(house, except_(house, component="people").approval_id, "omar")
    observe(house, "identity.two_factors")
    assert stands(house, "8.4.1").state is State.EXCEPTED
    with house.system.db.begin() as session:
        session.execute(sa.update(sessions).values(acr="pwd", factor=None))
    observe(house, "identity.two_factors")
    assert stands(house, "8.4.1").state is State.FAIL


def test_an_exception_that_is_ended_early_is_over(house: Installation) -> None:
    lapse_factor(house)
    observe(house, "identity.two_factors")
    made = except_(house)
    agree(house, made.approval_id, "omar")
    with house.system.db.begin() as session:
        exceptions.end(session, made.id, "The authenticators are here", ctx(house, "olga"))
    assert stands(house, "8.4.1").state is State.FAIL
    (event,) = told(house, "compliance.exception.ended")
    assert '"reason":"ended"' in event
    assert "authenticators" not in event, "why a person ended it is sealed"
    assert unsealed(house, event) == {house.people["olga"].account: {"why": "The authenticators are here"}}
    with pytest.raises(PaperMoved), house.system.db.begin() as session:
        exceptions.end(session, made.id, "The authenticators are here", ctx(house, "olga"))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"until": START + 367 * DAY}, PaperTooLong),
        ({"until": START}, PaperInvalid),
        ({"kind": exceptions.Kind.COMPENSATING}, ReasonMissing),
        ({"why": "so"}, ReasonMissing),
        ({"key": "12.6.1"}, NothingToExcept),
        ({"key": "99.9"}, NotFound),
    ],
)
def test_an_exception_that_is_none_is_refused(
    house: Installation, changed: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        except_(house, **changed)  # type: ignore[arg-type]  # a draft in pieces


def analysis(house: Installation, **changed: object) -> analyses.Analysis:
    body = {
        "asset": "Evaluations of systems without anti-malware",
        "threats": "Malware that runs on systems of that kind",
        "factors": "Few systems, no mail, no browsing on them",
        "justification": "Half a year is shorter than such malware took to appear",
    }
    values = {"requirement": "5.2.3.1", "frequency": "P180D", "body": body}
    draft = analyses.Draft(**{**values, **changed})  # type: ignore[arg-type]  # a draft in pieces
    with house.system.db.begin() as session:
        return analyses.propose(session, draft, ctx(house, "olga"), desk=house.system.desk)


def test_without_a_risk_analysis_in_force_what_it_chooses_is_stale(house: Installation, clock: StillClock) -> None:
    sign(house, "5.2.3")
    found = stands(house, "5.2.3")
    assert (found.state, found.reason) == (State.STALE, Reason.ANALYSIS_EXPIRED)
    made = analysis(house, review_by=START + 30 * DAY)
    with pytest.raises(SamePerson):
        agree(house, made.approval_id, "olga")
    agree(house, made.approval_id, "dora")
    assert stands(house, "5.2.3").state is State.ATTESTED
    assert '"document":"risk_analysis.5.2.3.1"' in told(house, "compliance.document.approved")[0]
    clock.move(30 * DAY)
    assert stands(house, "5.2.3").reason is Reason.ANALYSIS_EXPIRED


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"requirement": "8.4.1"}, NotFound),
        ({"frequency": "sometimes"}, PaperInvalid),
        ({"frequency": "P2Y"}, PaperInvalid),
        ({"review_by": START + 400 * DAY}, PaperTooLong),
        ({"body": {}}, ReasonMissing),
    ],
)
def test_an_analysis_that_is_none_is_refused(
    house: Installation, changed: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        analysis(house, **changed)


def test_every_requirement_that_leaves_a_choice_is_in_the_catalogue(house: Installation) -> None:
    carried = {one for control in house.system.desk.catalogue.of(PCI) for one in control.chosen}
    assert carried == CHOSEN


def reminded(house: Installation, name: str) -> int:
    of = message.c
    with house.system.db.read() as session:
        mine = sa.and_(of.account_id == house.people[name].account, of.template == reminders.TEMPLATE)
        return session.scalar(sa.select(sa.func.count()).select_from(message).where(mine)) or 0


def test_owners_are_told_thirty_and_seven_days_before_and_on_the_day(house: Installation, clock: StillClock) -> None:
    sign(house, "12.6.1", expires_at=START + 40 * DAY)
    counts = []
    for day in (0, 10, 11, 33, 34, 40, 41):
        clock.move(START + day * DAY - clock.now())
        expire(house)
        counts.append(reminded(house, "olga"))
    assert counts == [0, 1, 1, 2, 2, 3, 3]
    assert reminded(house, "omar") == 0


def test_when_the_owner_left_those_are_told_who_may_sign(house: Installation) -> None:
    sign(house, "12.6.1", expires_at=START + 5 * DAY)
    with house.system.db.begin() as session:
        mine = account.c.id == house.people["olga"].account
        session.execute(sa.update(account).where(mine).values(state="disabled", state_before="active"))
    expire(house)
    assert (reminded(house, "olga"), reminded(house, "omar")) == (0, 1)
