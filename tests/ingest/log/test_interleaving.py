"""Transactions that end in any order, between any steps of two sequencers: each committed event is numbered once."""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest.log import outbox, read
from tests.support import sealing
from tests.support.ground import Ground

OPEN_MAX = 5
# What happens next, and to which open transaction or sequencer.
Move = tuple[str, int]
MOVES = st.lists(
    st.tuples(st.sampled_from(["begin", "commit", "abort", "step"]), st.integers(0, OPEN_MAX - 1)), max_size=40
)


class Aborted(Exception):
    """Thrown into a transaction to roll it back."""


@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
@example(moves=[("begin", 0), ("begin", 0), ("commit", 1), ("step", 0), ("commit", 0), ("step", 1)])
@example(moves=[("begin", 0), ("begin", 0), ("abort", 0), ("step", 0), ("commit", 0)])
def test_every_committed_event_is_numbered_once_and_no_other(postgres_ground: Ground, moves: list[Move]) -> None:
    ground = postgres_ground
    racers = [sealing.sequencer(ground, "same", batch_max=2) for _ in range(2)]
    with ground.db.read() as session:
        before = read.head(session).size
    committed: list[str] = []
    opened: list[tuple[ExitStack, str]] = []

    def end(which: int, *, keep: bool) -> None:
        stack, event_id = opened.pop(which % len(opened))
        if keep:
            stack.close()
            committed.append(event_id)
            return
        try:
            with stack:
                raise Aborted
        except Aborted:
            pass

    for move, which in moves:
        if move == "begin" and len(opened) < OPEN_MAX:
            stack = ExitStack()
            session = stack.enter_context(ground.db.begin())
            opened.append((stack, outbox.record(session, sealing.failed_login(), ground.ctx())))
        elif move in ("commit", "abort") and opened:
            end(which, keep=move == "commit")
        elif move == "step":
            racers[which % 2].step()
    while opened:
        end(0, keep=True)
    racers[0].drain()
    racers[1].drain()

    with ground.db.read() as session:
        numbers = [read.sequence_of(session, event_id) for event_id in committed]
    assert sorted(numbers) == list(range(before + 1, before + len(committed) + 1))
    assert sealing.assert_sound(ground) == before + len(committed)
