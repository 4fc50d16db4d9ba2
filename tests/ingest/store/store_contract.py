"""What every event store must do, however it does it; each implementation inherits these tests."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.kernel import canonical
from app.kernel.clock import rfc3339
from ingest.events.envelope import EventClass
from ingest.store.port import BadCursor, BadWindow, EventStore, LimitTooHigh, UnknownField, walk
from ingest.store.query import (
    EVERYTHING,
    And,
    Contains,
    Eq,
    Exists,
    In,
    Not,
    Order,
    Range,
    Regex,
    Search,
    Window,
)
from ingest.store.regex import RegexRefused
from ingest.store.stubs import is_stub, stub
from tests.ingest.store.documents import START, refused, sequenced

ALL = Window()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def sequences(store: EventStore, search: Search) -> list[int]:
    return [document["event"]["sequence"] for document in walk(store, search)]


class StoreContract:
    """Subclasses give a fixture `store`: open, empty, of its own."""

    # -- appending

    def test_what_is_appended_is_found_as_it_was_recorded(self, store: EventStore) -> None:
        item = sequenced(1, user__id="usr_1", source__ip="203.0.113.7", onepay__subject__id=["usr_1", "usr_2"])
        assert store.append([item]).stored == 1
        store.settle()

        (document,) = store.search(Search()).documents

        added = {"sequence": 1, "ingested": rfc3339(item.ingested), "hash": item.hash}
        assert {name: document["event"].pop(name) for name in added} == added
        assert document == json.loads(item.body)

    def test_a_body_with_spaces_in_it_gets_its_place_too(self, store: EventStore) -> None:
        item = sequenced(1, user__id="u")
        spaced = replace(item, body=json.dumps(json.loads(item.body), indent=1).encode().replace(b"\n", b" "))
        assert store.append([spaced]).stored == 1
        store.settle()

        (document,) = store.search(Search(window=Window(hi=1))).documents
        assert (document["event"]["sequence"], document["user"]["id"]) == (1, "u")

    def test_a_repeat_is_counted_and_never_overwrites(self, store: EventStore) -> None:
        store.append([sequenced(1, user__id="usr_1"), sequenced(2)])
        done = store.append([sequenced(1, user__id="usr_other"), sequenced(3)])
        store.settle()

        assert (done.stored, done.repeated) == (1, 1)
        assert store.count(Eq("user.id", "usr_1"), ALL) == 1
        assert store.coverage(0, 3) == 3

    def test_a_repeat_within_one_batch_is_stored_once(self, store: EventStore) -> None:
        done = store.append([sequenced(1), sequenced(1)])
        store.settle()

        assert (done.stored, done.repeated, store.coverage(0, 1)) == (1, 1, 1)

    def test_batches_may_come_in_any_order(self, store: EventStore) -> None:
        order = list(range(1, 301))
        random.Random(7).shuffle(order)
        for start in range(0, 300, 50):
            store.append([sequenced(number) for number in order[start : start + 60]])
        store.settle()

        assert store.coverage(0, 300) == 300
        assert sequences(store, Search(order=Order.SEQUENCE, limit=1000)) == list(range(1, 301))

    def test_a_document_that_does_not_fit_is_named_and_the_others_are_stored(self, store: EventStore) -> None:
        misfits = [
            refused(2),
            sequenced(3, source__ip="not an address"),
            sequenced(4, source__port="80"),
            sequenced(5, user__id=["a", "b"]),
            sequenced(6, class_="gossip"),
            sequenced(7, user__id={"id": "x"}),
        ]
        done = store.append([sequenced(1), *misfits, sequenced(8)])
        store.settle()

        assert done.stored == 2
        assert [refusal.sequence for refusal in done.refused] == [2, 3, 4, 5, 6, 7]
        assert all(refusal.reason for refusal in done.refused)
        assert store.missing(0, 8) == [range(2, 8)]

    def test_the_longest_text_is_found_whole(self, store: EventStore) -> None:
        long = "é" * 4096
        store.append([sequenced(1, user__id=long), sequenced(2, user__id=long + "x")])
        store.settle()

        assert store.count(Eq("user.id", long), ALL) == 1
        assert store.missing(0, 2) == [range(2, 3)]

    # -- leaves

    def test_leaves_are_those_of_what_the_condition_holds_for(self, store: EventStore) -> None:
        items = [sequenced(n, user__id="odd" if n % 2 else "even") for n in range(1, 31)]
        store.append(items)
        store.settle()

        odd = {(item.sequence, bytes.fromhex(item.hash)) for item in items if item.sequence % 2}
        assert set(store.leaves(Eq("user.id", "odd"), ALL)) == odd
        inside = {one for one in odd if 7 < one[0] <= 20}
        assert set(store.leaves(Eq("user.id", "odd"), Window(lo=7, hi=20))) == inside
        assert list(store.leaves(Eq("user.id", "nobody"), ALL)) == []
        with pytest.raises(UnknownField):
            list(store.leaves(Eq("no.such.field", "x"), Window(lo=0, hi=0)))

    # -- coverage

    def test_coverage_counts_over_all_classes_and_months(self, store: EventStore) -> None:
        classes = [item.value for item in EventClass]
        store.append(
            [
                sequenced(n, class_=classes[n % len(classes)], ingested=datetime(2026, 1 + n % 12, 28, tzinfo=UTC))
                for n in range(1, 121)
            ]
        )
        store.settle()

        assert store.coverage(0, 120) == 120
        assert store.coverage(20, 60) == 40
        assert store.coverage(120, 500) == 0
        assert store.missing(0, 120) == []
        assert store.missing(110, 130) == [range(121, 131)]

    def test_missing_names_every_gap(self, store: EventStore) -> None:
        assert store.missing(0, 3) == [range(1, 4)]
        store.append([sequenced(n) for n in (2, 3, 6, 7, 9)])
        store.settle()

        assert store.missing(0, 10) == [range(1, 2), range(4, 6), range(8, 9), range(10, 11)]
        assert store.missing(1, 3) == []
        assert store.missing(5, 5) == []

    def test_what_was_appended_is_visible_to_another_thread_after_settling(self, store: EventStore) -> None:
        store.append([sequenced(1)])
        store.settle()
        seen: list[int] = []

        reader = threading.Thread(target=lambda: seen.append(store.coverage(0, 1)))
        reader.start()
        reader.join()

        assert seen == [1]

    # -- pages

    def test_events_of_one_millisecond_page_by_sequence(self, store: EventStore) -> None:
        instant = START + timedelta(milliseconds=5)
        order = list(range(1, 1001))
        random.Random(3).shuffle(order)
        store.append(
            [sequenced(n, at=instant + timedelta(microseconds=(n * 37) % 1000), ingested=START) for n in order]
        )
        store.settle()

        assert sequences(store, Search(order=Order.OLDEST, limit=77)) == list(range(1, 1001))
        assert sequences(store, Search(order=Order.NEWEST, limit=333)) == list(range(1000, 0, -1))

    def test_order_is_by_time_and_then_by_sequence(self, store: EventStore) -> None:
        store.append([sequenced(n, at=at(-n // 3)) for n in range(1, 31)])
        store.settle()
        expected = sorted(range(1, 31), key=lambda n: (-n // 3, n))

        assert sequences(store, Search(order=Order.OLDEST, limit=7)) == expected
        assert sequences(store, Search(order=Order.NEWEST, limit=7)) == expected[::-1]
        assert sequences(store, Search(order=Order.SEQUENCE, limit=7)) == list(range(1, 31))

    def test_pages_see_what_the_first_one_saw(self, store: EventStore) -> None:
        store.append([sequenced(n) for n in range(1, 11)])
        store.settle()
        first = store.search(Search(order=Order.OLDEST, limit=4))
        store.append([sequenced(n, at=at(5.5)) for n in range(11, 21)])
        store.settle()
        rest = sequences(store, Search(order=Order.OLDEST, limit=4, after=first.after))

        assert rest == list(range(5, 11))
        assert first.hi == 10

    def test_the_last_page_says_so(self, store: EventStore) -> None:
        store.append([sequenced(n) for n in (1, 2, 3)])
        store.settle()

        assert store.search(Search(limit=3)).after is None
        assert store.search(Search(limit=2)).after is not None
        assert store.search(Search(where=Eq("user.id", "nobody"))).documents == []

    def test_an_empty_store_answers(self, store: EventStore) -> None:
        window = Window(since=at(0), until=at(3))
        assert store.search(Search()).documents == []
        assert store.count(EVERYTHING, ALL) == 0
        assert list(store.groups(EVERYTHING, ALL, ["user.id"])) == []
        assert store.terms(EVERYTHING, ALL, "user.id").counts == []
        assert [bin.count for bin in store.histogram(EVERYTHING, window, timedelta(seconds=1))] == [0, 0, 0]
        assert store.stats().documents == 0

    def test_documents_can_be_cut_to_some_fields(self, store: EventStore) -> None:
        store.append([sequenced(1, user__id="u", source__ip="::ffff:10.0.0.1", onepay__subject__id=["a", "b"])])
        store.settle()
        fields = ("@timestamp", "event.sequence", "source.ip", "onepay.subject.id", "user.hash")

        (document,) = store.search(Search(fields=fields)).documents

        assert document == {
            "@timestamp": rfc3339(at(1)),
            "event": {"sequence": 1},
            "source": {"ip": "::ffff:10.0.0.1"},
            "onepay": {"subject": {"id": ["a", "b"]}},
        }

    # -- windows

    def test_a_window_holds_its_first_instant_and_not_its_last(self, store: EventStore) -> None:
        store.append([sequenced(n, at=START + timedelta(milliseconds=n, microseconds=999)) for n in range(1, 6)])
        store.settle()
        window = Window(since=START + timedelta(milliseconds=2), until=START + timedelta(milliseconds=4))

        assert sequences(store, Search(window=window, order=Order.OLDEST)) == [2, 3]
        assert store.count(EVERYTHING, window) == 2
        assert store.count(EVERYTHING, Window(lo=1, hi=4)) == 3
        assert store.count(EVERYTHING, replace(window, lo=2)) == 1

    @pytest.mark.parametrize(
        "window",
        [
            Window(since=START + timedelta(microseconds=1)),
            Window(until=datetime(2026, 11, 2)),  # noqa: DTZ001 - naive on purpose
            Window(since=START, until=START - timedelta(seconds=1)),
            Window(lo=5, hi=4),
            Window(lo=-1),
        ],
    )
    def test_a_window_that_makes_no_sense_is_refused(self, store: EventStore, window: Window) -> None:
        with pytest.raises(BadWindow):
            store.search(Search(window=window))
        with pytest.raises(BadWindow):
            store.count(EVERYTHING, window)

    def test_bad_questions_are_refused_with_their_code(self, store: EventStore) -> None:
        with pytest.raises(UnknownField):
            store.search(Search(where=Eq("user.name", "x")))
        with pytest.raises(UnknownField):
            store.count(Not(Exists("onepay.personal")), ALL)
        with pytest.raises(UnknownField):
            store.search(Search(fields=("user.name",)))
        with pytest.raises(UnknownField):
            list(store.groups(EVERYTHING, ALL, ["nothing"]))
        with pytest.raises(UnknownField):
            store.terms(EVERYTHING, ALL, "nothing")
        with pytest.raises(LimitTooHigh):
            store.search(Search(limit=1001))
        with pytest.raises(LimitTooHigh):
            store.search(Search(limit=0))
        with pytest.raises(LimitTooHigh):
            store.terms(EVERYTHING, ALL, "user.id", 101)
        for key in ("", "x", "1.2", "1.2.3.4", "1.2.3' OR 1=1"):
            with pytest.raises(BadCursor):
                store.search(Search(after=key))

    # -- conditions (the meaning is tested against the reference in test_meaning)

    def test_absent_fields_match_negations_alone(self, store: EventStore) -> None:
        store.append([sequenced(1, user__id="a"), sequenced(2), sequenced(3, user__id="")])
        store.settle()

        assert store.count(Not(Eq("user.id", "a")), ALL) == 2
        assert store.count(Exists("user.id"), ALL) == 2
        assert store.count(Not(Exists("user.id")), ALL) == 1
        assert store.count(Contains("user.id", ""), ALL) == 2
        assert store.count(Not(Not(Eq("user.id", "a"))), ALL) == 1

    def test_many_values_are_no_limit(self, store: EventStore) -> None:
        store.append([sequenced(n, user__id=f"u{n}", source__port=n) for n in range(1, 21)])
        store.settle()

        assert store.count(In("user.id", tuple(f"u{n}" for n in range(11, 5011))), ALL) == 10
        assert store.count(In("source.port", tuple(range(11, 5011))), ALL) == 10
        assert store.count(In("user.id", tuple(f"U{n}" for n in range(11, 900)), cased=False), ALL) == 10

    # -- counting

    def test_groups_are_exact(self, store: EventStore) -> None:
        rows = [(f"203.0.113.{n % 5}", f"u{n % 3}", n) for n in range(1, 101)]
        store.append([sequenced(n, source__ip=ip, user__id=user) for ip, user, n in rows])
        store.append([sequenced(101, user__id="u0"), sequenced(102, source__ip="203.0.113.1")])
        store.settle()
        expected = Counter((ip, user) for ip, user, _ in rows)

        found = list(store.groups(EVERYTHING, ALL, ["source.ip", "user.id"]))

        assert {group.key: group.count for group in found} == expected
        first = {group.key: (group.first, group.last) for group in found}[("203.0.113.1", "u1")]
        assert first == (at(1), at(91))
        assert [g.count for g in store.groups(EVERYTHING, ALL, ["source.ip", "user.id"], at_least=7)] == [
            count for _, count in sorted(expected.items()) if count >= 7
        ]

    def test_a_document_is_in_the_group_of_each_of_its_values(self, store: EventStore) -> None:
        store.append([sequenced(1, onepay__subject__id=["a", "b", "a"]), sequenced(2, onepay__subject__id=["b"])])
        store.settle()

        found = list(store.groups(EVERYTHING, ALL, ["onepay.subject.id"]))
        assert {group.key: group.count for group in found} == {("a",): 1, ("b",): 2}

    def test_addresses_written_differently_are_one_group(self, store: EventStore) -> None:
        store.append([sequenced(1, source__ip="::ffff:10.0.0.1"), sequenced(2, source__ip="10.0.0.1")])
        store.append([sequenced(3, source__ip="2001:db8:0::0001")])
        store.settle()

        found = list(store.groups(EVERYTHING, ALL, ["source.ip"]))
        assert {group.key: group.count for group in found} == {("10.0.0.1",): 2, ("2001:db8::1",): 1}
        assert dict(store.terms(EVERYTHING, ALL, "source.ip").counts) == {"10.0.0.1": 2, "2001:db8::1": 1}

    def test_groups_of_numbers_truths_and_instants(self, store: EventStore) -> None:
        until = rfc3339(at(60))
        store.append([sequenced(n, source__port=n % 2, onepay__auth__until=until) for n in range(1, 6)])
        store.append([sequenced(6, onepay__auth__new_device=True), sequenced(7, onepay__auth__new_device=False)])
        store.settle()

        def counted(field: str) -> dict[tuple[object, ...], int]:
            return {group.key: group.count for group in store.groups(EVERYTHING, ALL, [field])}

        assert counted("source.port") == {(0,): 2, (1,): 3}
        assert counted("onepay.auth.new_device") == {(True,): 1, (False,): 1}
        assert counted("onepay.auth.until") == {(until,): 5}

    def test_without_a_field_everything_is_one_group(self, store: EventStore) -> None:
        store.append([sequenced(n) for n in (1, 2, 3)])
        store.settle()

        (group,) = store.groups(EVERYTHING, ALL, [])
        assert (group.key, group.count, group.first, group.last) == ((), 3, at(1), at(3))
        assert list(store.groups(Eq("user.id", "nobody"), ALL, [])) == []

    def test_groups_come_whole_however_many_there_are(self, store: EventStore) -> None:
        for start in range(0, 6000, 1000):
            store.append([sequenced(n, user__id=f"u{n // 2}") for n in range(start + 1, start + 1001)])
        store.settle()

        found = list(store.groups(EVERYTHING, ALL, ["user.id"], at_least=2))
        assert len(found) == 2999
        assert {group.count for group in found} == {2}

    def test_terms_lead_with_the_most_frequent(self, store: EventStore) -> None:
        store.append([sequenced(n, user__id=f"u{int(n**0.5)}") for n in range(1, 100)])
        store.settle()

        terms = store.terms(EVERYTHING, ALL, "user.id", 3)

        assert terms.counts == [("u9", 19), ("u8", 17), ("u7", 15)]
        assert terms.other == 99 - 51
        assert terms.error_max == 0

    def test_a_histogram_has_its_empty_bins(self, store: EventStore) -> None:
        store.append([sequenced(n, at=at(n * 10), user__id=f"u{n % 2}") for n in (1, 2, 3, 4, 9)])
        store.settle()
        window = Window(since=at(0), until=at(120))

        bins = store.histogram(EVERYTHING, window, timedelta(seconds=30), split="user.id", top=1)

        assert [(bin.at, bin.count) for bin in bins] == [(at(0), 2), (at(30), 2), (at(60), 0), (at(90), 1)]
        assert [bin.parts for bin in bins] == [{"u1": 1}, {"u1": 1}, {}, {"u1": 1}]

    def test_a_histogram_needs_both_instants_and_has_a_bound(self, store: EventStore) -> None:
        with pytest.raises(BadWindow):
            store.histogram(EVERYTHING, Window(since=at(0)), timedelta(seconds=1))
        with pytest.raises(BadWindow):
            store.histogram(EVERYTHING, Window(since=at(0), until=at(5000)), timedelta(seconds=1))
        with pytest.raises(BadWindow):
            store.histogram(EVERYTHING, Window(since=at(0), until=at(5)), timedelta(microseconds=1500))

    # -- stubs

    def test_what_was_stored_as_it_is_was_not_altered(self, store: EventStore) -> None:
        spaced = sequenced(4, user__id="u")
        items = [
            sequenced(1, user__id="usr_1", source__ip="203.0.113.7", onepay__subject__id=["usr_1", "usr_2"]),
            sequenced(2, source__ip="2001:db8::1:0", source__port=0, url__path=""),
            sequenced(3, user__id="Zoë \U0001f600 \\ \" '", source__ip="::ffff:203.0.113.7"),
            replace(spaced, body=json.dumps(json.loads(spaced.body), indent=1).encode().replace(b"\n", b" ")),
            *(sequenced(n) for n in range(5, 8)),
        ]
        assert store.append(items).stored == len(items)
        store.settle()

        assert store.altered([*items, sequenced(8)]) == []
        assert store.altered([]) == []

    @pytest.mark.parametrize(
        ("instant", "stands_at"),
        [
            (-1, "1970-01-01T00:00:00.000000Z"),
            (-(10**18), "1970-01-01T00:00:00.000000Z"),
            (1_700_000_000_000_001, "2023-11-14T22:13:20.000001Z"),
            (10**18, "9998-12-31T23:59:59.999999Z"),
        ],
    )
    def test_a_stub_fits_whatever_was_refused(self, store: EventStore, instant: int, stands_at: str) -> None:
        kept = {"@timestamp": "1969-12-31T23:59:59.999999Z", "text": "\x00\u2028" * 4_000}
        body = stub(event_id="evt_1", kind="x", class_="of_others", at=instant, body=canonical.encode(kept))
        item = replace(sequenced(1), body=body)

        assert store.append([item]).stored == 1
        store.settle()
        (document,) = store.search(Search(where=Eq("onepay.parked", True))).documents
        assert (document["@timestamp"], is_stub(document)) == (stands_at, True)
        assert json.loads(document["onepay"]["body"]["text"]) == kept

    def test_a_stub_is_replaced_and_nothing_else_is(self, store: EventStore) -> None:
        store.append([sequenced(1, onepay__parked=True), sequenced(2, user__id="kept")])
        store.settle()

        done = store.replace([sequenced(1, user__id="new"), sequenced(2, user__id="new"), sequenced(3, user__id="new")])
        store.settle()

        assert done == 1
        assert sequences(store, Search(where=Eq("user.id", "new"))) == [1]
        assert store.coverage(0, 3) == 2

    # -- forgetting

    def test_dropping_removes_whole_months_and_keeps_what_is_held(self, store: EventStore) -> None:
        months = [datetime(2026, month, 15, tzinfo=UTC) for month in (1, 2, 3)]
        store.append([sequenced(n, ingested=months[n % 3]) for n in range(1, 31)])
        store.append([sequenced(n, ingested=months[0], class_="money") for n in range(31, 36)])
        store.settle()

        done = store.drop("security", datetime(2026, 3, 1, tzinfo=UTC), {"case-7": [3, 4, 5], "case-8": [4, 6]})

        assert len(done.units) == 2
        assert (done.documents, done.kept) == (20, 3)
        store.settle()
        left = sequences(store, Search(order=Order.SEQUENCE))
        assert left == sorted([*range(2, 31, 3), 3, 4, 6, *range(31, 36)])
        assert store.coverage(0, 35) == 18

    def test_one_month_is_dropped_alone_and_dropping_it_again_changes_nothing(self, store: EventStore) -> None:
        months = [datetime(2026, month, 15, tzinfo=UTC) for month in (1, 2, 3)]
        store.append([sequenced(n, ingested=months[n % 3]) for n in range(1, 31)])
        store.settle()
        assert [store.holds("security", f"2026-0{month}") for month in (1, 2, 3, 4)] == [True, True, True, False]
        since, before = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)

        done = store.drop("security", before, {"case-7": [1, 4, 5], "case-8": [4, 7]}, since=since)
        assert (len(done.units), done.documents, done.kept) == (1, 10, 3)
        again = store.drop("security", before, {"case-7": [1, 4, 5], "case-8": [4, 7]}, since=since)
        assert (again.units, again.documents) == ((), 0)

        store.settle()
        assert [store.holds("security", f"2026-0{month}") for month in (1, 2, 3)] == [True, False, True]
        assert sequences(store, Search(order=Order.SEQUENCE)) == sorted(
            {*range(1, 31)} - {*range(1, 31, 3)} | {1, 4, 7}
        )

    def test_a_hold_takes_from_one_month_after_the_other(self, store: EventStore) -> None:
        store.append([sequenced(n, ingested=datetime(2026, 1 + n % 2, 15, tzinfo=UTC)) for n in range(1, 11)])
        store.settle()

        store.drop("security", datetime(2026, 2, 1, tzinfo=UTC), {"case-7": [2]})
        store.drop("security", datetime(2026, 3, 1, tzinfo=UTC), {"case-7": [2, 3]})

        store.settle()
        assert sequences(store, Search(order=Order.SEQUENCE)) == [2, 3]
        assert store.coverage(0, 10) == 2

    def test_dropping_stops_at_a_month_that_is_not_over(self, store: EventStore) -> None:
        store.append([sequenced(1, ingested=datetime(2026, 1, 31, 23, 59, tzinfo=UTC))])
        store.settle()

        assert store.drop("security", datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), {}).units == ()
        assert store.drop("money", datetime(2027, 1, 1, tzinfo=UTC), {}).units == ()
        assert store.coverage(0, 1) == 1
        assert store.drop("security", datetime(2026, 2, 1, tzinfo=UTC), {}).documents == 1
        assert store.coverage(0, 1) == 0

    def test_stats_tell_each_unit(self, store: EventStore) -> None:
        store.append([sequenced(1), sequenced(2), sequenced(3, class_="money")])
        store.settle()

        stats = store.stats()

        assert (stats.documents, stats.high) == (3, 3)
        assert sorted((unit.documents, unit.low, unit.high) for unit in stats.units) == [(1, 3, 3), (2, 1, 2)]

    def test_upkeep_changes_no_answer(self, store: EventStore) -> None:
        store.append([sequenced(n) for n in range(1, 11)])
        store.tend(START)
        store.append([sequenced(n) for n in range(11, 21)])
        store.settle()

        assert store.coverage(0, 20) == 20

    def test_values_cannot_break_out(self, store: EventStore) -> None:
        nasty = ["'; DROP TABLE event; --", '"}}]}', "*", "?", "\\", "%", "_", "a\nb", "$p0", "\x00", "{x}", "[^a]"]
        store.append([sequenced(n, user__id=text) for n, text in enumerate(nasty, 1)])
        store.settle()

        for number, text in enumerate(nasty, 1):
            assert sequences(store, Search(where=Eq("user.id", text))) == [number]
            assert number in sequences(store, Search(where=And((Contains("user.id", text), Exists("user.id")))))
        assert store.count(Contains("user.id", "*"), ALL) == 2 - 1
        assert store.count(Range("user.id", gte="a", lt="b"), ALL) == 1

    def test_a_pattern_outside_the_dialect_is_refused(self, store: EventStore) -> None:
        with pytest.raises(RegexRefused):
            store.count(Regex("user.id", "(a+)+"), ALL)
