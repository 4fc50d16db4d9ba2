"""Model test: whatever is asked in whatever order, both stores answer as a naive ledger does and hold equal rows."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app.kernel.clock import micros
from app.migrations import run
from payments.ledger import Operation
from tests.payments.ledger.bookkeeping import Ledger, make_ledger
from tests.payments.ledger.naive import Naive, NaiveBook
from tests.support import postgres

BOOKS = {
    "house": {"floor": None},
    "anna": {},
    "berta": {},
    "clara": {"ceiling": 300},
    "credit": {"floor": -100},
    "dollar": {"currency": "USD"},
}
HALF_DAY = 12 * 3_600_000_000
# What is rarely asked stands once, so that most operations get as far as the rules about money.
names = st.sampled_from(["anna", "berta", "clara", "credit", "house"] * 5 + ["dollar", "nobody"])
amounts = st.sampled_from([1, 5, 20, 50, 51, 100, 250])
some = st.integers(0, 5)
rarely = st.sampled_from([False] * 7 + [True])
moves = st.tuples(st.just("move"), names, names, amounts, rarely)
orders = st.lists(
    st.one_of(
        moves,
        moves,
        st.tuples(st.just("refer"), names, names, amounts, st.sampled_from(["r1", "r2", "r3"])),
        st.tuples(st.just("reverse"), names, names, amounts, some),
        st.tuples(st.just("place"), names, amounts, st.integers(0, 8)),
        st.tuples(st.just("place"), names, amounts, st.sampled_from([2, 4, 62, 63])),
        st.tuples(st.just("capture"), some, names, amounts, st.booleans(), rarely),
        st.tuples(st.just("capture"), some, names, amounts, st.booleans(), rarely),
        st.tuples(st.just("release"), some, rarely),
    ),
    min_size=1,
    max_size=5,
)


class Both(RuleBasedStateMachine):
    """SQLite and PostgreSQL in lock-step with the naive ledger."""

    server: postgres.Server
    empty: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="onepay-model-"))
        self.naive = Naive()
        self.hold_numbers = itertools.count()
        self.ledgers: list[Ledger] = []

    @initialize()
    def open_books(self) -> None:
        shutil.copy(self.empty, self.folder / "onepay.db")
        self.ledgers = [make_ledger(self.folder), make_ledger(self.folder / "pg", self.server.fresh_database())]
        for name, about in BOOKS.items():
            for each in self.ledgers:
                each.book(name, **about)
            opened = micros(self.ledgers[0].ground.clock.now())
            stands = {"floor": 0, "ceiling": None, "currency": "EUR", **about}
            self.naive.books[name] = NaiveBook(**stands, last_at=opened)
        self.ask([("move", "house", name, 250, False) for name in ("anna", "berta", "clara")], None)

    @rule(asked=orders, chain=st.sampled_from([None, None, None, None, "whole", "tail"]))
    def ask(self, asked: list[tuple], chain: str | None) -> None:
        numbers = [next(self.hold_numbers) for order in asked if order[0] == "place"]
        answers = []
        for each in self.ledgers:
            operations = [op for op in self.operations(each, asked, chain, iter(numbers)) if op is not None]
            answers.append(each.codes(*operations) if operations else [])
        now = micros(self.ledgers[0].ground.clock.now())
        expected = self.naive.post(operations, now) if operations else []

        assert answers == [expected, expected]

    @rule(asked=orders)
    def ask_one_by_one(self, asked: list[tuple]) -> None:
        for order in asked:
            self.ask([order], None)

    @rule(
        name=st.sampled_from(["anna", "clara"]),
        state=st.sampled_from(["open", "open", "open", "debit_frozen", "frozen"]),
    )
    def freeze(self, name: str, state: str) -> None:
        for each in self.ledgers:
            each.set_state(name, state)
        self.naive.books[name].state = state

    @rule(half_days=st.sampled_from([-1, 1, 1, 1, 2]))
    def let_time_pass(self, half_days: int) -> None:
        for each in self.ledgers:
            each.ground.clock.move(timedelta(hours=12 * half_days))

    @rule()
    def compare_all_rows(self) -> None:
        sqlite, other = (each.dump() for each in self.ledgers)
        assert sqlite == other
        for name, stands in self.naive.books.items():
            assert self.ledgers[0].standing(name) == (sum(stands.posted), sum(stands.held))
        assert sum(row[3] for row in sqlite["payments_balance"] if row[1] == "EUR") == 0

    def teardown(self) -> None:
        try:
            if self.ledgers:
                self.compare_all_rows()
            for each in self.ledgers:
                assert each.differences() == []
        finally:
            for each in self.ledgers:
                each.ground.close()
            shutil.rmtree(self.folder)

    def operations(
        self, each: Ledger, asked: list[tuple], chain: str | None, numbers: itertools.count[int]
    ) -> list[Operation | None]:
        chains = [chain if chain == "whole" or (chain == "tail" and n > 0) else None for n in range(len(asked))]
        return [self.operation(each, order, link, numbers) for order, link in zip(asked, chains, strict=True)]

    def operation(
        self, each: Ledger, order: tuple, chain: str | None, numbers: itertools.count[int]
    ) -> Operation | None:
        now = micros(each.ground.clock.now())
        match order:
            case ("move", source, target, amount, forced) if source != target:
                return each.move(source, target, amount, forced=forced and source == "anna", chain=chain)
            case ("refer", source, target, amount, reference) if source != target:
                return each.move(source, target, amount, reference=reference, chain=chain)
            case ("reverse", source, target, amount, number) if source != target:
                return each.move(source, target, amount, reverses=f"ltx_{number:06}", chain=chain)
            case ("place", book, amount, half_days):
                until = now + half_days * HALF_DAY
                return each.place(f"hld_{next(numbers)}", book, amount, micros=until, chain=chain)
            case ("capture", number, target, amount, is_last, is_astray):
                hold, book = self.hold(number, is_astray)
                if book != target:
                    return each.capture(hold, book, target, amount, is_last=is_last, chain=chain)
            case ("release", number, is_astray):
                return each.release(*self.hold(number, is_astray), chain=chain)
        return None

    def hold(self, number: int, is_astray: bool) -> tuple[str, str]:
        """Return one of the newest holds and its book; astray, one that is not its own."""
        newest = list(self.naive.holds)[-6:]
        if not newest or number >= len(newest):
            return "hld_none", "anna"
        hold = newest[-1 - number]
        return hold, "berta" if is_astray else self.naive.holds[hold].book


@pytest.fixture(scope="module")
def both(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> type[Both]:
    Both.server = server
    Both.empty = tmp_path_factory.mktemp("model") / "onepay.db"
    run.upgrade(f"sqlite:///{Both.empty}", "main")
    return Both


def test_both_stores_answer_as_the_naive_ledger_and_hold_equal_rows(both: type[Both]) -> None:
    run_state_machine_as_test(
        both,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
