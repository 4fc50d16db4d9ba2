"""The fold alone: what is refused, with which code, and that it is a function."""

from __future__ import annotations

import hashlib
import time

import pytest

from app.kernel import canonical
from ingest.events.transaction import TransferSettled
from payments.ledger import Capture, Leg, Operation, Place, Release, digest
from payments.ledger.fold import fold
from payments.ledger.model import Balance, Hold, OperationInvalid, Rows, Stamp, State

NOW = 1_000_000
STAMP = Stamp(at=NOW, actor_id="acc_1", request_id="req_1")
EVENT = TransferSettled(transfer="trf_1")


def book(
    id: str, posted: int = 100, *, held: int = 0, state: str = "open", currency: str = "EUR", **more: object
) -> Balance:
    made = {"floor": 0, "ceiling": None, "version": 3, "last_at": NOW - 5, "forced": 0}
    return Balance(book_id=id, currency=currency, state=state, posted=posted, held=held, **{**made, **more})


def hold(
    id: str = "h",
    *,
    amount: int = 40,
    captured: int = 0,
    released: int = 0,
    state: str = "open",
    until: int = NOW + 1,
    to: str | None = None,
) -> Hold:
    return Hold(id, "a", to, amount, captured, released, state, until, "obj")


def op(*legs: tuple[str, int], id: str = "ltx_1", **more: object) -> Operation:
    made = {"id": id, "event_id": f"evt_{id}", "kind": "transfer", "object_id": f"trf_{id}", "owner_id": "acc_1"}
    return Operation(**{**made, "event": EVENT, "legs": tuple(Leg(*leg) for leg in legs), **more})


def state(*books: Balance, holds: tuple[Hold, ...] = (), **more: object) -> State:
    return State(books={b.book_id: b for b in books}, holds={h.id: h for h in holds}, **more)


def pay(amount: int = 10, **more: object) -> Operation:
    return op(("a", -amount), ("b", amount), **more)


A, B, USD = book("a"), book("b"), book("b", currency="USD")
TAKE = Place(id="n", book="a", amount=60, expires_at=NOW + 1, object_id="obj")
CAPTURE = {"hold": Capture(id="h", book="a", amount=10)}
USED = {("acc_1", "transfer", "r"): "trf_0"}


@pytest.mark.parametrize(
    ("before", "operation", "code"),
    [
        (state(A, B), pay(100), None),  # to the floor exactly
        (state(A, B), pay(101), "insufficient_funds"),
        (state(book("a", held=91), B), pay(10), "insufficient_funds"),
        (state(book("a", floor=-50), B), pay(150), None),
        (state(book("a", floor=-50), B), pay(151), "insufficient_funds"),
        (state(book("a", floor=None), B), pay(2**40), None),
        (state(book("a", floor=None, posted=-(2**53) + 20), B), pay(19), None),
        (state(book("a", floor=None, posted=-(2**53) + 20), B), pay(20), "insufficient_funds"),
        (state(A, book("b", ceiling=110)), pay(10), None),  # to the ceiling exactly
        (state(A, book("b", ceiling=110)), pay(11), "ceiling_reached"),
        (state(A, book("b", ceiling=50)), op(("b", -10), ("a", 10)), None),  # above its ceiling, it can still pay
        (state(A), pay(), "unknown_book"),
        (state(A, USD), pay(), "currency_mismatch"),
        (state(A, B, references=USED), pay(reference="r"), "reference_used"),
        (state(A, B, reversed={"ltx_0": "ltx_9"}), pay(reverses="ltx_0"), "already_reversed"),
        (state(book("a", 0, state="closed"), B), pay(), "book_closed"),
        (state(A, book("b", 0, state="closed")), pay(), "book_closed"),
        (state(book("a", state="frozen"), B), pay(), "book_frozen"),
        (state(A, book("b", state="frozen")), pay(), "book_frozen"),
        (state(book("a", state="debit_frozen"), B), pay(), "book_frozen"),
        (state(A, book("b", state="debit_frozen")), pay(), None),  # it receives
        (state(book("a", state="debit_frozen")), op(hold=TAKE), "book_frozen"),
        (state(book("a", held=50)), op(hold=TAKE), "insufficient_funds"),
        (state(book("a", held=40)), op(hold=TAKE), None),
        (state(A), op(hold=Place(id="n", book="a", amount=1, expires_at=NOW, object_id="o")), "hold_expired"),
        (state(A), op(hold=Place(id="n", book="a", amount=1, expires_at=NOW * 10**9, object_id="o")), "hold_expired"),
        (state(A, B), pay(**CAPTURE), "hold_unknown"),
        (state(A, B, holds=(hold(state="closed", captured=40),)), pay(**CAPTURE), "hold_closed"),
        (state(A, B, holds=(hold(until=NOW),)), pay(**CAPTURE), "hold_expired"),
        (state(A, B, holds=(hold(captured=31),)), pay(**CAPTURE), "hold_exceeded"),
        (state(book("a", held=40), B, holds=(hold(captured=30, amount=70),)), pay(**CAPTURE), None),
        (state(book("a", 10, held=10), B, holds=(hold(amount=10),)), pay(**CAPTURE), None),  # reserved is payable
        (state(book("a", state="debit_frozen", held=40), B, holds=(hold(),)), pay(**CAPTURE), "book_frozen"),
        (state(book("a", state="frozen", held=40), holds=(hold(),)), op(hold=Release(id="h", book="a")), None),
        (state(A, holds=(hold(),)), op(hold=Release(id="h", book="b")), "unknown_book"),
        (state(A, B, holds=(hold(),)), op(hold=Release(id="h", book="b")), "hold_unknown"),
        # Precedence: of several reasons the first is told.
        (state(book("a", 0, state="closed"), USD, references=USED), pay(reference="r"), "currency_mismatch"),
        (state(book("a", 0, state="closed"), B, references=USED), pay(reference="r"), "reference_used"),
        (state(book("a", 0, state="frozen"), book("b", 0, state="closed")), pay(), "book_closed"),
        (state(book("a", 0, state="frozen"), book("b", ceiling=0)), pay(), "book_frozen"),
        (state(book("a", 0), book("b", ceiling=0)), pay(), "insufficient_funds"),
    ],
)  # fmt: skip
def test_each_reason_has_its_code(before: State, operation: Operation, code: str | None) -> None:
    after, rows, (outcome,) = fold(before, [operation], STAMP)

    assert (outcome.refused.code.value if outcome.refused else None) == code
    if code is not None:
        assert rows == Rows()
        assert after.books == before.books


@pytest.mark.parametrize(
    ("before", "operation"),
    [
        (state(A, B), op(("a", -1), ("b", 2))),
        (state(A, B), op(("a", 0), ("b", 0))),
        (state(A, B), op()),
        (state(A, B), op(("a", -1), ("b", 1), hold=TAKE)),
        (state(A, B), op(hold=Place(id="n", book="a", amount=0, expires_at=NOW + 1, object_id="o"))),
        (state(A, B, holds=(hold("n"),)), op(hold=TAKE)),
        (state(A, B, holds=(hold(),)), pay(11, **CAPTURE)),
        (state(A, B, holds=(hold(to="c"),)), pay(10, **CAPTURE)),
        (state(A, B), op(*[("a", -1), ("b", 1)] * 9)),
    ],
)
def test_what_no_caller_should_make_raises(before: State, operation: Operation) -> None:
    with pytest.raises(OperationInvalid):
        fold(before, [operation], STAMP)


def test_the_fold_changes_none_of_its_arguments_and_repeats_itself() -> None:
    before = state(A, B, holds=(hold(),))
    operations = [pay(5, id="1"), op(hold=TAKE, id="2"), pay(1000, id="3"), pay(7, id="4", chain="x", reference="r")]

    first = fold(before, operations, STAMP)

    assert before == state(A, B, holds=(hold(),))
    assert fold(before, operations, STAMP) == first


def test_time_follows_the_latest_book_touched() -> None:
    ahead = book("b", last_at=NOW + 70)

    _, rows, (outcome,) = fold(state(A, ahead), [pay()], STAMP)

    assert outcome.at == NOW + 70
    assert {b.last_at for b in rows.balances} == {NOW + 70}


def test_the_hash_is_that_of_the_canonical_form() -> None:
    _, rows, _ = fold(state(A, B), [pay(reference="Größe 1")], STAMP)
    row = rows.transactions[0]
    form = {
        "v": 1,
        "id": "ltx_1",
        "kind": "transfer",
        "object": "trf_ltx_1",
        "owner": "acc_1",
        "reference": "Größe 1",
        "reverses": None,
        "at": NOW,
        "effective_on": 0,
        "legs": [["a", 4, -10, 0, 90], ["b", 4, 10, 0, 110]],
    }
    text = digest.canonical_text(
        id=row.id,
        kind=row.kind,
        object_id=row.object_id,
        owner_id=row.owner_id,
        reference=row.reference,
        reverses_id=row.reverses_id,
        at=row.at,
        effective_on=row.effective_on,
        entries=rows.entries,
    )

    assert text.encode() == canonical.encode(form)
    assert row.hash == hashlib.sha256(canonical.encode(form)).digest()


def test_a_transfer_folds_within_its_time() -> None:
    operations = [pay(1, id=str(n)) for n in range(1000)]
    before = state(book("a", posted=10_000), B)
    spans = []
    for _ in range(5):
        begun = time.process_time()
        fold(before, operations, STAMP)
        spans.append(time.process_time() - begun)

    # Five times the figure of 15 µs a transfer: the machine is shared.
    assert min(spans) * 1e6 / 1000 < 75
