"""What every ledger store must do: the same operations give the same outcomes and the same rows."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.kernel.clock import micros
from payments import ledger, models
from payments.ledger import Beside, Leg
from payments.ledger.model import POST_MAX, OperationInvalid
from payments.ledger.posting import PostedTwice
from tests.payments.ledger.bookkeeping import Ledger

LATER = 3_600_000_000


class LedgerContract:
    """Inherited by the test class of each store, which gives the fixture `ledger`."""

    def now(self, books: Ledger) -> int:
        return micros(books.ground.clock.now())

    def test_a_transfer_moves_the_amount_and_leaves_two_entries_and_one_event(self, books: Ledger) -> None:
        a, b = books.book("a", posted=1000), books.book("b")

        (outcome,) = books.post(books.move(a, b, 250))

        assert outcome.refused is None
        assert (books.standing(a), books.standing(b)) == ((750, 0), (250, 0))
        dump = books.dump()
        assert [row[:7] for row in dump["payments_entry"] if row[2] == outcome.operation_id] == [
            ("a", 2, outcome.operation_id, "EUR", -250, 0, 750),
            ("b", 1, outcome.operation_id, "EUR", 250, 0, 250),
        ]
        assert [row[0] for row in dump["ingest_outbox"]].count("evt_000002") == 1
        assert books.differences() == []

    def test_the_event_carries_the_transaction_and_the_hash_that_the_ledger_holds(self, books: Ledger) -> None:
        a, b = books.book("a", posted=10), books.book("b")
        books.post(books.move(a, b, 10))

        dump = books.dump()
        row = dump["payments_transaction"][-1]
        body = dump["ingest_outbox"][-1][2]

        assert f'"ledger":{{"hash":"{row[10].hex()}","transaction":"{row[0]}"}}'.encode() in body

    def test_a_refused_operation_changes_nothing_and_tells_nothing(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")
        before = books.dump()

        (outcome,) = books.post(books.move(a, b, 101))

        assert outcome.refused == ledger.Refusal(code=ledger.Code.INSUFFICIENT_FUNDS, book="a")
        assert books.dump() == before

    def test_operations_of_a_batch_see_each_other_in_order(self, books: Ledger) -> None:
        a, b, c = books.book("a", posted=100), books.book("b"), books.book("c")

        codes = books.codes(books.move(b, c, 60), books.move(a, b, 60), books.move(b, c, 60), books.move(b, c, 1))

        assert codes == ["insufficient_funds", "ok", "ok", "insufficient_funds"]
        assert books.standing(c) == (60, 0)
        assert books.differences() == []

    def test_a_chain_succeeds_whole_or_is_refused_whole(self, books: Ledger) -> None:
        a, b, c = books.book("a", posted=100), books.book("b"), books.book("c")

        whole = [books.move(a, b, 50, chain="one"), books.move(b, c, 20, chain="one")]
        broken = [
            books.move(a, b, 10, chain="two", reference="r"),
            books.place("hld_1", a, 5, micros=self.now(books) + LATER, chain="two"),
            books.move(a, c, 999, chain="two"),
        ]
        single = books.move(a, b, 1, reference="r")

        assert books.codes(*whole, *broken, single) == [
            "ok", "ok", "chain_refused", "chain_refused", "insufficient_funds", "ok",
        ]  # fmt: skip
        assert (books.standing(a), books.standing(b), books.standing(c)) == ((49, 0), (31, 0), (20, 0))
        assert books.dump()["payments_hold"] == []
        assert books.differences() == []

    def test_a_reference_is_used_once_for_ever(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")
        first = books.move(a, b, 10, reference="invoice 7")

        assert books.codes(first, books.move(a, b, 10, reference="invoice 7")) == ["ok", "reference_used"]
        (again,) = books.post(books.move(a, b, 10, reference="invoice 7"))

        assert again.refused is not None
        assert again.refused.object_id == first.object_id
        assert books.codes(
            books.move(a, b, 1, reference="invoice 7", kind="payout"),
            books.move(a, b, 1, reference="invoice 7", owner_id="acc_other"),
        ) == ["ok", "ok"]

    def test_a_transaction_is_reversed_once(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")
        first = books.move(a, b, 10)
        books.post(first)

        assert books.codes(books.move(b, a, 10, reverses=first.id)) == ["ok"]
        assert books.codes(books.move(b, a, 10, reverses=first.id)) == ["already_reversed"]

    def test_a_hold_reserves_pays_in_parts_and_frees_the_rest(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")

        assert books.codes(books.place("hld_1", a, 80, micros=self.now(books) + LATER, beneficiary=b)) == ["ok"]
        assert books.standing(a) == (100, 80)
        assert books.codes(books.move(a, b, 21)) == ["insufficient_funds"]
        assert books.codes(books.capture("hld_1", a, b, 30)) == ["ok"]
        assert books.standing(a) == (70, 50)
        assert books.codes(books.capture("hld_1", a, b, 51)) == ["hold_exceeded"]
        assert books.codes(books.capture("hld_1", a, b, 20, is_last=True)) == ["ok"]
        assert books.standing(a) == (50, 0)
        assert books.codes(books.capture("hld_1", a, b, 1), books.release("hld_1", a)) == ["hold_closed"] * 2
        assert books.differences() == []

    def test_a_hold_past_its_time_pays_nobody_and_is_freed_once(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")
        books.post(books.place("hld_1", a, 80, micros=self.now(books) + LATER))
        books.ground.clock.move(timedelta(hours=1))

        assert books.codes(books.capture("hld_1", a, b, 1)) == ["hold_expired"]
        assert books.standing(a) == (100, 80)
        assert books.codes(books.release("hld_1", a)) == ["ok"]
        assert books.standing(a) == (100, 0)
        assert books.codes(books.release("hld_1", a)) == ["hold_closed"]

    def test_the_history_of_a_book_never_goes_backwards(self, books: Ledger) -> None:
        a, b, c = books.book("a", posted=100), books.book("b"), books.book("c")
        books.post(books.move(a, b, 1))
        late = self.now(books)
        books.ground.clock.move(timedelta(hours=-2))

        (outcome,) = books.post(books.move(b, c, 1))

        assert outcome.at == late
        assert books.differences() == []

    def test_rows_beside_share_the_fate_of_their_operation(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")
        good, bad = books.move(a, b, 10), books.move(a, b, 1000)

        books.post(good, bad, also=[transfer_row(operation) for operation in (good, bad)])

        assert [row[0] for row in books.dump()["payments_transfer"]] == [good.object_id]

    def test_a_preview_answers_as_the_posting_would_and_writes_nothing(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")
        operations = [books.move(a, b, 60), books.move(a, b, 60)]
        before = books.dump()

        with books.ground.db.read() as session:
            seen = ledger.preview(session, operations, books.ctx)

        assert books.dump() == before
        assert seen == books.post(*operations)

    def test_a_unit_of_work_posts_once(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")

        def twice() -> None:
            with books.ground.db.begin(posting=True) as session:
                ledger.post(session, [books.move(a, b, 1)], books.ctx)
                ledger.post(session, [books.move(a, b, 1)], books.ctx)

        with pytest.raises(PostedTwice):
            twice()

        assert books.standing(b) == (0, 0)

    @pytest.mark.parametrize("legs", [[("a", -1), ("b", 2)], [("a", 0), ("b", 0)], [], [("a", -(2**53)), ("b", 2**53)]])
    def test_what_is_not_an_operation_moves_nothing(self, books: Ledger, legs: list[tuple[str, int]]) -> None:
        books.book("a", posted=100), books.book("b")

        with pytest.raises(OperationInvalid):
            books.post(books.op(legs=legs))

        assert books.standing("a") == (100, 0)

    def test_a_batch_is_bounded(self, books: Ledger) -> None:
        a, b = books.book("a", posted=POST_MAX + 1), books.book("b")
        operations = [books.move(a, b, 1) for _ in range(POST_MAX + 1)]

        with pytest.raises(OperationInvalid):
            books.post(*operations)
        assert set(books.codes(*operations[:POST_MAX])) == {"ok"}

        assert books.standing(b) == (POST_MAX, 0)
        assert books.differences() == []

    def test_two_callers_of_one_book_queue_and_the_total_stays(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")
        batches = [[books.move(a, b, 1) for _ in range(8)], [books.move(b, a, 1) for _ in range(8)]]
        start = threading.Barrier(2)

        def work(operations: list[ledger.Operation]) -> None:
            start.wait()
            for operation in operations:
                books.post(operation)

        threads = [threading.Thread(target=work, args=(batch,)) for batch in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert books.standing(a)[0] + books.standing(b)[0] == 100
        assert books.differences() == []

    def test_a_forced_posting_passes_the_floor_and_the_book_can_be_credited(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b", posted=10)

        assert books.codes(books.move(a, b, 150, forced=True)) == ["ok"]
        assert books.standing(a) == (-50, 0)
        assert books.codes(books.move(a, b, 1), books.move(b, a, 20), books.move(a, b, 1)) == [
            "insufficient_funds", "ok", "insufficient_funds",
        ]  # fmt: skip
        assert books.codes(books.move(b, a, 31), books.move(a, b, 1), books.move(a, b, 1)) == [
            "ok", "ok", "insufficient_funds",
        ]  # fmt: skip
        assert books.differences() == []

    def test_legs_of_two_currencies_balance_in_each(self, books: Ledger) -> None:
        books.book("a", posted=100), books.book("d", posted=200, currency="USD")
        books.book("fx_e", floor=None), books.book("fx_d", floor=None, currency="USD")
        conversion = [Leg("a", -10), Leg("fx_e", 10), Leg("fx_d", -11), Leg("d", 11)]

        assert books.codes(books.op(legs=conversion), books.move("a", "d", 5)) == ["ok", "currency_mismatch"]
        assert (books.standing("a"), books.standing("d")) == ((90, 0), (211, 0))

    def test_nobody_is_locked_out_by_an_idle_reader(self, books: Ledger) -> None:
        a, b = books.book("a", posted=100), books.book("b")

        with books.ground.db.read() as session:
            session.execute(sa.select(models.balance)).all()
            assert books.codes(books.move(a, b, 1)) == ["ok"]


def transfer_row(operation: ledger.Operation) -> Beside:
    row = {
        "id": operation.object_id,
        "owner_id": operation.owner_id,
        "source": operation.legs[0].book,
        "target": operation.legs[1].book,
        "payee": "b",
        "amount": operation.legs[1].amount,
        "currency": "EUR",
        "fee": 0,
        "state": "settled",
        "reason": None,
        "version": 1,
        "reference": None,
        "signed_ct": b"\x00sealed",
        "signed_hash": bytes(32),
        "at": 5,
    }
    return Beside(operation_id=operation.id, table=models.transfer, row=row)
