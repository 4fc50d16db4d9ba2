"""Samples of a filtered population, by a seed: whoever has seed, filter and log draws the same ones.

Events that match are ranked by SHA-256(seed in UTF-8 ‖ leaf hash), and the lowest are drawn: the order in which they
are met does not matter, and nobody can steer it without changing leaves.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import AUDIT_SAMPLE_DRAW
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid
from compliance.audit import masking, trail
from compliance.audit.filters import Filter
from compliance.reports.parts import Reports
from ingest.events.compliance import SampleDrawn
from ingest.events.envelope import at_path
from ingest.log import outbox, read
from ingest.store.query import Document, In, Search, Window

DRAWN_MAX: Final = 1_000
SEED_CHARS_MAX: Final = 200


class SampleInvalid(Invalid):
    """A sample draws 1 to 1,000 events by a seed of 1 to 200 characters."""

    code = "filtered_sample_invalid"


class SampleUnsound(Conflict):
    """The store ranks an event by a hash that is not its leaf in the log: verify the log before you sample it."""

    code = "sample_unsound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was drawn, lowest rank first, of how many that match.

    `filter` says what was asked, in which period and up to which sequence, so that its hash is the same wherever the
    draw is repeated: `size` is that sequence.
    """

    seed: str
    filter: Filter
    population: int
    size: int
    sequences: Sequence[int]
    events: Sequence[Document]


def draw(session: Session, seed: str, wanted: Filter, count: int, ctx: Context, *, parts: Reports) -> Sample:
    """Draw a sample; raises `SampleInvalid`, `SampleUnsound` or `StoreBehind`. It is recorded with both hashes."""
    ctx.actor.require(AUDIT_SAMPLE_DRAW)
    demand(seed, count)
    hi = read.head(session).size
    trail.demand_whole(session, parts.store, hi)
    inside = wanted.within(ctx.actor)
    size = min(inside.last, hi) if inside.last is not None else hi
    inside = replace(inside, last=size)
    pairs = parts.store.leaves(inside.where(), inside.window(hi))
    population, drawn = lowest(seed, pairs, count)
    _demand_sound(session, drawn)
    sequences = [sequence for sequence, _ in drawn]
    said = canonical.encode({"filter": inside.plain(), "seed": seed, "sequences": sequences, "size": size})
    told = SampleDrawn(
        seed_hash=crypto.sha256(seed.encode()).hex(),
        query_hash=inside.hash,
        count=len(sequences),
        hits=population,
        sha256=crypto.sha256(said).hex(),
    )
    outbox.record(session, told, ctx)
    return Sample(
        seed=seed,
        filter=inside,
        population=population,
        size=size,
        sequences=sequences,
        events=[masking.mask(document, ctx.actor) for document in _documents(parts, sequences)],
    )


def demand(seed: str, count: int) -> None:
    """Raise `SampleInvalid`, or what `words.demand_clean` does of a seed, which is kept as it was said."""
    if not 1 <= count <= DRAWN_MAX or not 1 <= len(seed) <= SEED_CHARS_MAX or not seed.isprintable():
        raise SampleInvalid
    words.demand_clean(seed, param="seed")


def lowest(seed: str, pairs: Iterable[tuple[int, bytes]], count: int) -> tuple[int, list[tuple[int, bytes]]]:
    """Return how many (sequence, leaf) there are, and the `count` lowest by rank; in one pass, keeping `count`."""
    prefix, population = seed.encode(), 0

    def ranked() -> Iterator[tuple[bytes, int, bytes]]:
        nonlocal population
        for sequence, leaf in pairs:
            population += 1
            yield hashlib.sha256(prefix + leaf).digest(), sequence, leaf

    drawn = [(sequence, leaf) for _, sequence, leaf in heapq.nsmallest(count, ranked())]
    return population, drawn


def _demand_sound(session: Session, drawn: Sequence[tuple[int, bytes]]) -> None:
    leaves = {one.sequence: one.leaf for one in read.entries_of(session, sorted(sequence for sequence, _ in drawn))}
    if any(leaves.get(sequence) != leaf for sequence, leaf in drawn):
        raise SampleUnsound


def _documents(parts: Reports, sequences: Sequence[int]) -> list[Document]:
    """Return what the store holds of some sequences, in their order: a sample fits on one page."""
    if not sequences:
        return []
    window = Window(lo=min(sequences) - 1, hi=max(sequences))
    wanted = Search(where=In("event.sequence", tuple(sequences)), window=window, limit=DRAWN_MAX)
    found = {int(at_path(one, "event.sequence")): one for one in parts.store.search(wanted).documents}
    return [found[sequence] for sequence in sequences]
