"""The trail: masked and inside its period, each look an event; samples anybody can draw again; exports that verify."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.commands import registry
from app.compose import System
from app.identity import roles
from app.kernel.access import Acr, Actor, ActorKind, service
from app.kernel.approvals import Verdict
from app.kernel.clock import StillClock
from app.kernel.context import Context, Source
from app.kernel.errors import Forbidden, NotFound, SamePerson
from compliance.audit import export, filters, masking, requests, sample, trail, verifying
from compliance.audit.export import ExportEmpty, ExportTooLarge
from compliance.audit.filters import Filter, FilterInvalid
from compliance.audit.requests import EvidenceUnknown, RequestAnswered, SamplePicked
from compliance.audit.sample import SampleInvalid, SampleUnsound
from compliance.audit.trail import PageTooLong, StoreBehind
from compliance.engine.history import PeriodInvalid
from compliance.privacy import intake
from compliance.privacy import requests as rights
from compliance.privacy.request import Asked, RequestFilter
from compliance.reports import asked, runs
from compliance.reports import models as report_rows
from compliance.reports.parts import Settings
from compliance.reports.runs import KindUnknown
from ingest import models as log
from ingest.events.envelope import at_path
from ingest.log import proofs, read
from ingest.log.monitor import RangeInvalid
from ingest.store.query import Where, Window
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
LATER = timedelta(days=10)
PERIOD = (START + timedelta(hours=1) - timedelta(days=90), START + timedelta(hours=1))
_ROLES = {
    "olga": roles.COMPLIANCE_OFFICER,
    "dora": roles.DPO,
    "audrey": roles.AUDITOR,
}


@pytest.fixture(scope="module")
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, clock: StillClock) -> Iterator[Installation]:
    """Two days of life, ten days apart; the auditor may look at the first."""
    with installed(tmp_path_factory.mktemp("audit") / "home", clock=clock) as made:
        for name in ("olga", "dora"):
            made.staff(name, _ROLES[name])
        made.customer("amber_one", euros=20)
        made.browser().sign_in(made.people["olga"], surface="staff")
        made.arrive()
        clock.move(timedelta(hours=1))
        made.staff("audrey", roles.AUDITOR)
        clock.move(LATER)
        made.customer("amber_two", euros=20)
        made.arrive()
        made.system.signer.sign(clock.now())
        made.arrive()
        yield made


def ctx(house: Installation, name: str) -> Context:
    now, role = house.system.clock.now(), _ROLES[name]
    actor = Actor(
        id=house.people[name].account,
        kind=ActorKind.STAFF,
        roles=frozenset({role}),
        permissions=roles.ROLES[role],
        acr=Acr.MFA,
        authenticated_at=now,
        session_id=f"ses_{name}",
        period=PERIOD if name == "audrey" else None,
    )
    return replace(house.system.context(actor), source=Source(ip="198.19.7.9"))


def queried(house: Installation, name: str, wanted: Filter | None = None, **more: object) -> trail.Trail:
    with house.system.db.begin() as session:
        return trail.query(session, wanted or Filter(), ctx(house, name), parts=house.system.reports, **more)  # type: ignore[arg-type]  # keywords of a call


def told(house: Installation, kind: str) -> list[dict[str, object]]:
    """Return the bodies of a kind, in order, by database and outbox alike."""
    house.arrive()
    with house.system.db.read() as session:
        rows = session.execute(
            sa.select(log.body.c.body)
            .join(log.entry, log.entry.c.sequence == log.body.c.sequence)
            .where(log.entry.c.kind == kind)
            .order_by(log.entry.c.sequence)
        )
        return [json.loads(row.body) for row in rows]


def size(house: Installation) -> int:
    with house.system.db.read() as session:
        return read.head(session).size


def worked(house: Installation) -> None:
    runs.carry_on(house.system.context(service("reports")), parts=house.system.reports)


def content(house: Installation, id: str, name: str, who: str) -> bytes:
    with house.system.db.read() as session:
        return runs.read(session, id, name, ctx(house, who).actor, parts=house.system.reports)


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        ({"action": "auth.session.started"}, "event.action", "auth.session.started"),
        ({"action": "auth.*"}, "event.action", "auth."),
        ({"outcome": "success"}, "event.outcome", "success"),
        ({"first": "3", "last": "3"}, "event.sequence", "3"),
    ],
)
def test_the_trail_is_searched_by_its_words(house: Installation, words: dict[str, str], path: str, value: str) -> None:
    found = queried(house, "olga", filters.read(words, house.system.clock.now()))
    assert found.events
    assert all(str(at_path(one, path)).startswith(value) for one in found.events)
    assert found.matches >= len(found.events)


def test_it_is_searched_by_people_things_addresses_and_requests(house: Installation) -> None:
    started = queried(house, "olga", Filter(action="auth.session.started")).events[0]
    account = house.people["olga"].account
    assert {at_path(one, "user.id") for one in queried(house, "olga", Filter(actor=account)).events} == {account}
    about = queried(house, "olga", Filter(subject=house.people["amber_one"].account)).events
    assert about
    assert all(house.people["amber_one"].account in at_path(one, "onepay.subject.id") for one in about)
    by_id = queried(house, "olga", Filter(object=str(at_path(started, "event.id")))).events
    assert [at_path(one, "event.id") for one in by_id] == [at_path(started, "event.id")]
    assert queried(house, "olga", Filter(address="127.0.0.0/8")).matches > 0
    assert queried(house, "olga", Filter(request=str(at_path(started, "trace.id")))).matches > 0


def test_pages_follow_by_key_and_miss_nothing(house: Installation) -> None:
    hi, seen, after = size(house), [], None
    while True:
        page = queried(house, "olga", Filter(last=hi), limit=7, after=after)
        seen += [at_path(one, "event.sequence") for one in page.events]
        after = page.after
        if after is None:
            break
    assert sorted(seen) == list(range(1, hi + 1))


def test_addresses_are_masked_and_what_is_sealed_stays_out(house: Installation) -> None:
    for name in ("olga", "audrey"):
        signed_in = Filter(action="auth.login.succeeded", actor=house.people["olga"].account)
        found = queried(house, name, signed_in).events
        assert found
        for one in found:
            assert at_path(one, "source.ip") == "127.0.0.0/16"
            assert at_path(one, "onepay.personal") is None
    money = {"transaction": {"amount": 100}, "@timestamp": "x", "source": {"ip": "2001:db8:1::7"}}
    assert masking.mask(money, ctx(house, "olga").actor)["transaction"]["amount"] == 100
    seen = masking.mask(money, ctx(house, "audrey").actor)
    assert (seen["transaction"]["amount"], seen["source"]["ip"]) == ("masked", "2001:db8::/32")


def test_an_auditor_sees_their_period_alone(house: Installation) -> None:
    amber_two = house.people["amber_two"].account
    assert queried(house, "olga", Filter(subject=amber_two)).matches > 0
    assert queried(house, "audrey", Filter(subject=amber_two)).matches == 0
    assert queried(house, "audrey", Filter(subject=house.people["amber_one"].account)).matches > 0
    wider = Filter(since=START - timedelta(days=100), until=START + timedelta(days=100))
    assert queried(house, "audrey", wider).matches == queried(house, "audrey").matches
    outside = str(at_path(queried(house, "olga", Filter(subject=amber_two)).events[0], "event.id"))
    with house.system.db.begin() as session:
        assert trail.event(session, outside, ctx(house, "olga"), parts=house.system.reports)
        for id in (outside, "evt_00000000000000000000000000"):
            with pytest.raises(NotFound) as refused:
                trail.event(session, id, ctx(house, "audrey"), parts=house.system.reports)
            assert (refused.value.code, str(refused.value)) == ("not_found", str(NotFound()))


def test_proofs_and_rights_keep_to_the_period_too(house: Installation) -> None:
    amber_two = house.people["amber_two"].account
    outside = str(at_path(queried(house, "olga", Filter(subject=amber_two)).events[0], "event.id"))
    inside = str(at_path(queried(house, "audrey").events[0], "event.id"))
    parts = house.system.compliance.privacy
    with house.system.db.begin() as session:
        asked = Asked(kind="access", channel="letter")
        late = intake.enter(session, asked, amber_two, house.system.clock.now().date(), ctx(house, "olga"), parts=parts)
    with house.system.db.begin() as session:
        mine = ctx(house, "audrey")
        assert proofs.pack(session, [inside], mine, policy="").events == 1
        with pytest.raises(read.EventUnknown):
            proofs.pack(session, [inside, outside], mine, policy="")
        assert late in {one.id for one in rights.listed(session, RequestFilter(), ctx(house, "olga"))}
        assert rights.listed(session, RequestFilter(), mine) == []
        with pytest.raises(NotFound):
            rights.story(session, late, mine, parts=parts)


def test_a_search_leaves_its_event_with_filter_and_count(house: Installation) -> None:
    wanted = Filter(action="auth.*")
    found = queried(house, "olga", wanted)
    last = told(house, "access.search.executed")[-1]
    assert at_path(last, "onepay.access.query_hash") == wanted.hash
    assert at_path(last, "onepay.access.hits") == found.matches
    assert at_path(last, "user.id") == house.people["olga"].account


def test_sequences_beyond_the_log_fit_nothing(house: Installation) -> None:
    assert queried(house, "olga", Filter(first=999_999_999)).matches == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"since": "2026-11-05", "until": "2026-11-01"}, PeriodInvalid),
        ({"since": "2020-01-01", "until": "2026-11-01"}, PeriodInvalid),
        ({"since": "2027-01-01"}, PeriodInvalid),
        ({"first": "9", "last": "3"}, PeriodInvalid),
        ({"first": "-1"}, FilterInvalid),
        ({"address": "300.1.1.1"}, FilterInvalid),
        ({"outcome": "perhaps"}, FilterInvalid),
        ({"since": "yesterday"}, FilterInvalid),
        ({"until": "9999-12-31"}, FilterInvalid),
        ({"since": "0001-01-01T00:00:00+10:00"}, FilterInvalid),
        ({"colour": "red"}, FilterInvalid),
        ({"actor": "x" * 201}, FilterInvalid),
    ],
)
def test_a_filter_that_cannot_be_is_refused(house: Installation, words: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        filters.read(words, house.system.clock.now())


def test_pages_and_samples_have_limits(house: Installation) -> None:
    for limit in (0, 501):
        with pytest.raises(PageTooLong):
            queried(house, "olga", limit=limit)
    with house.system.db.begin() as session:
        for seed, count in (("s", 0), ("s", 1_001), ("", 5), ("s" * 201, 5), ("a\nb", 5)):
            with pytest.raises(SampleInvalid):
                sample.draw(session, seed, Filter(), count, ctx(house, "olga"), parts=house.system.reports)


def test_a_sample_is_the_lowest_ranks_and_the_same_on_another_day(house: Installation, clock: StillClock) -> None:
    wanted = Filter(action="auth.*", last=size(house))
    first = drawn(house, "audrey", "winter", wanted, 7)
    clock.move(timedelta(hours=5))
    again = drawn(house, "audrey", "winter", wanted, 7)
    assert first.sequences == again.sequences
    assert len(first.sequences) == 7 < first.population
    assert drawn(house, "audrey", "summer", wanted, 7).sequences != first.sequences
    # As somebody with the log and nothing of ours computes it.
    with house.system.db.read() as session:
        entries = [
            one
            for one in read.entries(session, 0, int(wanted.last or 0))
            if one.kind.startswith("auth.") and PERIOD[0] <= one.at < PERIOD[1]
        ]
    ranked = sorted(entries, key=lambda one: hashlib.sha256(b"winter" + one.leaf).digest())
    assert list(first.sequences) == [one.sequence for one in ranked[:7]]
    last = told(house, "compliance.sample.drawn")[-1]
    assert at_path(last, "onepay.access.hits") == first.population
    assert at_path(last, "onepay.compliance.seed_hash") == hashlib.sha256(b"summer").hexdigest()


def test_ranking_does_not_depend_on_the_order_events_are_met_in() -> None:
    pairs = [(n, hashlib.sha256(str(n).encode()).digest()) for n in range(1, 500)]
    wanted = sample.lowest("seed", pairs, 20)
    for _ in range(5):
        random.Random(3).shuffle(pairs)
        assert sample.lowest("seed", pairs, 20) == wanted


def test_a_store_whose_hashes_are_not_the_leaves_gives_no_sample(house: Installation) -> None:
    class Lying:
        """A store that ranks one event as somebody wishes."""

        def __getattr__(self, name: str) -> object:
            return getattr(house.system.working_store, name)

        def leaves(self, where: Where, window: Window) -> Iterator[tuple[int, bytes]]:
            for sequence, _ in house.system.working_store.leaves(where, window):
                yield sequence, bytes(32)

    parts = replace(house.system.reports, store=Lying())  # type: ignore[arg-type]  # as above
    with house.system.db.begin() as session, pytest.raises(SampleUnsound):
        sample.draw(session, "seed", Filter(), 5, ctx(house, "olga"), parts=parts)


def test_a_store_that_is_behind_says_so_and_gives_no_export(house: Installation) -> None:
    house.customer("amber_late")
    house.system.sequencer.drain()
    try:
        found = queried(house, "olga")
        assert found.missing > 0
        with house.system.db.begin() as session:
            with pytest.raises(StoreBehind):
                export.ask(session, Filter(), "", ctx(house, "olga"), parts=house.system.reports)
            with pytest.raises(StoreBehind):
                sample.draw(session, "seed", Filter(), 5, ctx(house, "olga"), parts=house.system.reports)
    finally:
        house.arrive()
    assert queried(house, "olga").missing == 0


def test_an_export_is_masked_told_and_verifies_alone(house: Installation, tmp_path: Path) -> None:
    house.system.signer.sign(house.system.clock.now())
    wanted = Filter(action="auth.*")
    with house.system.db.begin() as session:
        id, waits = export.ask(session, wanted, "", ctx(house, "olga"), parts=house.system.reports)
    assert not waits
    worked(house)
    files = {name: content(house, id, name, "olga") for name in ("events.ndjson", "events.csv", "proofs.zip")}
    lines = [json.loads(line) for line in files["events.ndjson"].splitlines()]
    rows = list(csv.DictReader(io.StringIO(files["events.csv"].decode())))
    assert [row["event.id"] for row in rows] == [at_path(one, "event.id") for one in lines]
    assert b"127.0.0.1" not in files["events.ndjson"] + files["events.csv"]
    (tmp_path / "proofs.zip").write_bytes(files["proofs.zip"])
    answer = subprocess.run(
        [sys.executable, str(Path(read.__file__).with_name("verify.py")), "proofs.zip"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout
    assert f"{len(lines)} in the pack" in answer.stdout
    last = told(house, "access.data.exported")[-1]
    assert at_path(last, "onepay.access.rows") == len(lines)
    assert at_path(last, "onepay.access.query_hash") == wanted.hash
    assert at_path(last, "user.id") == house.people["olga"].account
    manifest = json.loads(content(house, id, "manifest.json", "olga"))
    assert {one["name"] for one in manifest["files"]} == set(files)


def test_an_export_is_bounded_and_not_empty(house: Installation) -> None:
    small = replace(house.system.reports, settings=Settings(export_events_max=3))
    with house.system.db.begin() as session:
        with pytest.raises(ExportTooLarge):
            export.ask(session, Filter(), "", ctx(house, "olga"), parts=small)
        with pytest.raises(ExportEmpty):
            export.ask(session, Filter(action="no.such"), "", ctx(house, "olga"), parts=house.system.reports)
        with pytest.raises(Forbidden):
            export.ask(session, Filter(), "", ctx(house, "dora"), parts=house.system.reports)


def test_an_auditor_takes_away_what_somebody_else_agreed_to(house: Installation) -> None:
    house.system.signer.sign(house.system.clock.now())
    house.arrive()
    with house.system.db.begin() as session:
        id, waits = export.ask(
            session,
            Filter(action="auth.*"),
            "For the file of the assessment",
            ctx(house, "audrey"),
            parts=house.system.reports,
        )
    assert waits
    with house.system.db.begin() as session, pytest.raises((Forbidden, SamePerson)):
        house.system.approvals.decide(session, id, Verdict.APPROVED, "", ctx(house, "audrey"))
    another = replace(ctx(house, "audrey"), actor=replace(ctx(house, "audrey").actor, id="acc_another"))
    with house.system.db.begin() as session:
        with pytest.raises(NotFound):
            house.system.approvals.show(session, id, another)
        assert id not in [
            one.standing.id for one in house.system.approvals.others_for(session, another.actor, another.at)
        ]
        assert house.system.approvals.show(session, id, ctx(house, "dora")).lines
    with house.system.db.read() as session:
        assert not [one for one in runs.listed(session, ctx(house, "audrey").actor) if one.kind == export.KIND]
    with house.system.db.begin() as session:
        outcome = house.system.approvals.decide(session, id, Verdict.APPROVED, "", ctx(house, "dora"))
        assert outcome.error is None
    worked(house)
    with house.system.db.read() as session:
        (made,) = [one for one in runs.listed(session, ctx(house, "audrey").actor) if one.kind == export.KIND]
    assert made.state == runs.DONE, made.note
    lines = [json.loads(line) for line in content(house, made.id, "events.ndjson", "audrey").splitlines()]
    assert lines
    assert all(one["@timestamp"] < PERIOD[1].isoformat() for one in lines)
    with house.system.db.read() as session, pytest.raises(NotFound):
        runs.by_id(session, made.id, ctx(house, "olga").actor, parts=house.system.reports)


def forgotten(house: Installation, id: str) -> None:
    """Take a forged row away: the other tests of this house list what an auditor asked for."""
    with house.system.db.begin() as session:
        session.execute(sa.delete(report_rows.file).where(report_rows.file.c.report_id == id))
        session.execute(sa.delete(report_rows.report).where(report_rows.report.c.id == id))


@pytest.mark.parametrize("forged", ["another's", "wider", "made up"])
def test_an_export_that_a_row_alone_asks_for_is_nobodys(house: Installation, forged: str) -> None:
    system, auditor = house.system, house.people["audrey"].account
    system.signer.sign(system.clock.now())
    house.arrive()
    with system.db.begin() as session:
        id, _ = export.ask(session, Filter(action="auth.*"), "", ctx(house, "olga"), parts=system.reports)
        mine = report_rows.report.c.id == id
        if forged == "wider":
            params = {"filter": {}, "size": size(house), "period": []}
            session.execute(sa.update(report_rows.report).where(mine).values(params=params))
        elif forged == "another's":
            session.execute(sa.update(report_rows.report).where(mine).values(asked_by=auditor))
        else:
            kept = session.execute(sa.select(report_rows.report).where(mine)).mappings().one()
            id = "rep_forged"
            session.execute(sa.insert(report_rows.report).values({**kept, "id": id, "asked_by": auditor}))
    for _ in range(2):
        worked(house)
    with system.db.begin() as session:
        row = session.execute(sa.select(report_rows.report).where(report_rows.report.c.id == id)).one()
        assert (row.state, "export_undecided" in row.note) == (runs.FAILED, True)
    forgotten(house, id)


@pytest.mark.parametrize("as_kind", [None, "audit.verify", "evidence_pack"])
def test_an_export_is_read_by_who_asked_for_it(house: Installation, as_kind: str | None) -> None:
    system, auditor = house.system, house.people["audrey"].account
    system.signer.sign(system.clock.now())
    house.arrive()
    with system.db.begin() as session:
        id, _ = export.ask(session, Filter(action="auth.*"), "", ctx(house, "olga"), parts=system.reports)
    worked(house)
    assert content(house, id, "events.ndjson", "olga")
    with system.db.begin() as session:
        mine = sa.update(report_rows.report).where(report_rows.report.c.id == id)
        session.execute(mine.values({"asked_by": auditor} | ({"kind": as_kind} if as_kind else {})))
        if as_kind == "evidence_pack":  # a report that an auditor sees, as it is of their period
            begin, end = ctx(house, "audrey").actor.period or ()
            session.execute(mine.values(since=begin, as_of=end))
    with pytest.raises(asked.ExportUndecided):
        content(house, id, "events.ndjson", "audrey")
    forgotten(house, id)


def test_verifying_a_range_tells_and_names_the_first_bad_sequence(house: Installation) -> None:
    with house.system.db.begin() as session:
        id = verifying.ask(session, ctx(house, "audrey"), first=2, last=9)
    worked(house)
    with house.system.db.read() as session:
        found = runs.by_id(session, id, ctx(house, "audrey").actor, parts=house.system.reports)
    assert found.note is not None
    assert found.note.startswith("Sound: sequences 2 to 9")
    last = told(house, "health.log.verified")[-1]
    assert at_path(last, "user.id") == house.people["audrey"].account
    with house.system.db.begin() as session:
        kept = session.scalar(sa.select(log.body.c.body).where(log.body.c.sequence == 5))
        session.execute(sa.update(log.body).where(log.body.c.sequence == 5).values(body=kept.replace(b"{", b"{ ", 1)))
    try:
        with house.system.db.begin() as session:
            id = verifying.ask(session, ctx(house, "olga"))
        worked(house)
        with house.system.db.read() as session:
            found = runs.by_id(session, id, ctx(house, "olga").actor, parts=house.system.reports)
        assert found.note is not None
        assert found.note.startswith("Broken:")
        assert "5" in found.note
        said = json.loads(content(house, id, "verification.json", "olga"))
        assert not said["sound"]
        assert told(house, "health.log.tampered")
    finally:
        with house.system.db.begin() as session:
            session.execute(sa.update(log.body).where(log.body.c.sequence == 5).values(body=kept))


def test_a_range_that_is_none_is_refused(house: Installation) -> None:
    with house.system.db.begin() as session:
        for first, last in ((5, 2), (1, 10**9), (0, 4)):
            with pytest.raises(RangeInvalid):
                verifying.ask(session, ctx(house, "olga"), first=first or -1, last=last)
        with pytest.raises(Forbidden):
            verifying.ask(session, ctx(house, "dora"))


def test_a_question_is_answered_with_evidence_of_the_period(house: Installation) -> None:
    with house.system.db.begin() as session:
        id = requests.ask(session, "Who signed in on the second of November?", ctx(house, "audrey"))
        with pytest.raises(Forbidden):
            requests.ask(session, "May I know who signed in?", ctx(house, "olga"))
        late = size(house)
        for wrong in ("EV-1x", "somewhere", f"EV-{late}", "EV-999999999"):
            with pytest.raises(EvidenceUnknown):
                requests.answer(
                    session, id, "See the entries there", wrong, ctx(house, "dora"), parts=house.system.reports
                )
        done = requests.answer(
            session, id, "See the entries there", "EV-3, EV-000000002", ctx(house, "dora"), parts=house.system.reports
        )
        assert list(done.evidence) == ["EV-000000002", "EV-000000003"]
        with pytest.raises(RequestAnswered):
            requests.answer(session, id, "Once more, the same", "", ctx(house, "olga"), parts=house.system.reports)
        other = replace(ctx(house, "audrey").actor, id="acc_other")
        assert not requests.listed(session, other)
        with pytest.raises(NotFound):
            requests.by_id(session, id, other)


def test_a_sample_that_was_asked_for_is_drawn_by_the_auditors_seed(house: Installation) -> None:
    with house.system.db.begin() as session:
        id = requests.ask_sample(
            session, "winter", Filter(action="auth.*"), 5, "For row 10.2.1 alone", ctx(house, "audrey")
        )
        answered = partial(requests.answer, session, id, "Drawn by your seed", parts=house.system.reports)
        with pytest.raises(SamplePicked):
            answered("EV-1, EV-2", ctx(house, "olga"))
        done = answered("", ctx(house, "olga"))
    mine = drawn(house, "audrey", "winter", Filter(action="auth.*"), 5)
    assert list(done.evidence) == [f"EV-{sequence:09d}" for sequence in mine.sequences]


def drawn(house: Installation, name: str, seed: str, wanted: Filter, count: int) -> sample.Sample:
    with house.system.db.begin() as session:
        return sample.draw(session, seed, wanted, count, ctx(house, name), parts=house.system.reports)


def test_the_commands_do_what_the_pages_do(house: Installation) -> None:
    system = house.system
    asked = {"filter": {"action": "auth.*"}}
    shown = _said(system, "audit query", {**asked, "limit": 3})
    assert len(shown) == 4
    assert "127.0.0.1" not in "\n".join(shown)
    sample_ = _said(system, "audit sample", {**asked, "seed": "winter", "count": 4})
    assert sample_ == _said(system, "audit sample", {**asked, "seed": "winter", "count": 4})
    lines = list(registry.COMMANDS["audit export"](system, asked))
    assert {"events.ndjson", "events.csv", "proofs.zip", "manifest.json"} <= {
        line["file"] for line in lines if "file" in line
    }
    made = list(registry.COMMANDS["report make"](system, {"kind": "roc_feed"}))
    assert {"roc_feed.csv", "roc_feed.json"} == {line["file"] for line in made if "file" in line}
    assert any("evidence_pack" in line for line in _said(system, "report make", {"kind": "list"}))
    with pytest.raises(KindUnknown):
        _said(system, "report make", {"kind": "balance_sheet"})


def _said(system: System, name: str, args: dict[str, object]) -> list[str]:
    return [line["text"] for line in registry.COMMANDS[name](system, args) if "text" in line]
