"""The port of the event store: what every backend promises, how it refuses, and what a question must look like."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from app.kernel.errors import ConfigurationRefused, Invalid, Unavailable
from ingest.store.query import (
    PAGE_MAX,
    Appended,
    Bin,
    Capabilities,
    Document,
    Dropped,
    Group,
    Order,
    Page,
    Search,
    Sequenced,
    Stats,
    Terms,
    Where,
    Window,
)

BINS_MAX: Final = 2_000
TOP_MAX: Final = 100
SCAN_MAX: Final = 50_000
"""How many documents one question may fetch to decide them in Python."""
_LEAF: Final = ("event.sequence", "event.hash")


class StoreUnavailable(Unavailable):
    """The event store does not answer; nothing is lost, it catches up when it is back."""

    code = "store_unavailable"


class StorePartial(StoreUnavailable):
    """The event store could answer only in part, so it does not answer."""

    code = "store_partial"


class BatchTooLarge(StoreUnavailable):
    """The event store wants smaller batches."""

    code = "batch_too_large"


class StoreBusy(ConfigurationRefused):
    """Another process has the event store open."""

    code = "store_busy"


class StoreForked(RuntimeError):
    """The store was opened in another process than this one: open it after the fork."""


class QueryTooBroad(Invalid):
    """The question needs more documents looked at one by one than is allowed; narrow the time or the condition."""

    code = "query_too_broad"


class UnknownField(Invalid):
    """There is no such field to search by."""

    code = "unknown_field"


class BadWindow(Invalid):
    """The window is not in whole milliseconds, is upside down, or has too many bins."""

    code = "bad_window"


class LimitTooHigh(Invalid):
    """A page holds at most a thousand documents."""

    code = "limit_too_high"


class BadCursor(Invalid):
    """The key of the next page is not one we gave."""

    code = "bad_cursor"


class EventStore(Protocol):
    """Where bodies are searched. Every method raises `StoreUnavailable` when the store does not answer.

    Questions raise `StorePartial` rather than answer in part, and `UnknownField`, `BadWindow`, `LimitTooHigh`,
    `BadCursor`, `RegexRefused` or `QueryTooBroad` for what cannot be asked.
    """

    @property
    def backend(self) -> str:
        """Return what kind of store this is: duck, elastic, memory."""
        ...

    @property
    def namespace(self) -> str:
        """Return what the names of its units begin with."""
        ...

    def open(self) -> Capabilities:
        """Make ready, or raise `ConfigurationRefused`: one sentence of what was found, expected, and which setting."""
        ...

    def append(self, documents: Sequence[Sequenced]) -> Appended:
        """Take documents in any order. A repeat is counted and never overwritten; one that cannot be taken is named."""
        ...

    def settle(self) -> None:
        """Return when everything appended before is visible to every reader."""
        ...

    def tend(self, at: datetime) -> None:
        """Do upkeep while there is time: flush, make ready for next month, look that nobody else deletes."""
        ...

    def coverage(self, lo: int, hi: int) -> int:
        """Count exactly the documents with lo < sequence ≤ hi, over all classes."""
        ...

    def missing(self, lo: int, hi: int) -> list[range]:
        """Name the sequences in (lo, hi] that are not here, as ascending ranges."""
        ...

    def search(self, search: Search) -> Page:
        """Return one page in order."""
        ...

    def count(self, where: Where, window: Window) -> int:
        """Count exactly."""
        ...

    def leaves(self, where: Where, window: Window) -> Iterator[tuple[int, bytes]]:
        """Yield sequence and leaf hash of every document, in any order; for whoever passes over millions of them."""
        ...

    def histogram(
        self, where: Where, window: Window, every: timedelta, *, split: str | None = None, top: int = 10
    ) -> list[Bin]:
        """Count by bins aligned to 1970, empty ones included; the window needs both instants."""
        ...

    def terms(self, where: Where, window: Window, field: str, top: int = 10) -> Terms:
        """Return the leading values of a field, for charts; nothing is ever decided by it."""
        ...

    def groups(self, where: Where, window: Window, by: Sequence[str], *, at_least: int = 1) -> Iterator[Group]:
        """Yield every group exactly; a document lacking a field is in none, one with several values in each."""
        ...

    def replace(self, documents: Sequence[Sequenced]) -> int:
        """Put documents in the place of their stubs and return how many; what is not a stub stays."""
        ...

    def altered(self, documents: Sequence[Sequenced]) -> list[tuple[int, str]]:
        """Name (sequence, field) of what is searched by but is not what these documents say.

        What is returned by `search` is compared by whoever returns it; a store that searches by a second copy of it
        answers for that copy here, so that no event can be hidden from questions while its document looks whole.
        """
        ...

    def drop(
        self, class_: str, before: datetime, keep: Mapping[str, Collection[int]], *, since: datetime | None = None
    ) -> Dropped:
        """Remove the units of a class that were ingested wholly before an instant, and wholly after another.

        The sequences of `keep` are first copied to the hold unit of their case; one that several cases keep lies in
        the first of them. Doing it again after it broke off ends it. Only the retention engine calls it.
        """
        ...

    def holds(self, class_: str, month: str) -> bool:
        """Tell whether there is a unit of a class and month: asked of the disk or the server, not of what is kept."""
        ...

    def stats(self) -> Stats:
        """Tell what is held, unit by unit."""
        ...

    def close(self) -> None:
        """Finish what is under way and let go of everything."""
        ...


def walk(store: EventStore, search: Search) -> Iterator[Document]:
    """Yield the documents of all pages; the first page fixes which sequences all of them see."""
    while True:
        page = store.search(search)
        yield from page.documents
        if page.after is None:
            return
        search = replace(search, after=page.after)


def walk_leaves(store: EventStore, where: Where, window: Window) -> Iterator[tuple[int, bytes]]:
    """Yield sequence and leaf hash from pages of documents: `leaves` of a store that has nothing faster."""
    search = Search(where=where, window=window, order=Order.SEQUENCE, limit=PAGE_MAX, fields=_LEAF)
    for document in walk(store, search):
        yield document["event"]["sequence"], bytes.fromhex(document["event"]["hash"])


def check_window(window: Window) -> None:
    """Raise `BadWindow` unless the instants are aware and whole milliseconds and nothing is upside down."""
    for at in (window.since, window.until):
        if at is not None and (at.tzinfo is None or at.microsecond % 1000):
            raise BadWindow("an instant of a window is aware and in whole milliseconds")
    if window.since is not None and window.until is not None and window.since > window.until:
        raise BadWindow("the window ends before it begins")
    if window.lo < 0 or (window.hi is not None and window.hi < window.lo):
        raise BadWindow("the sequences of the window are upside down")


def check_limit(limit: int) -> None:
    """Raise `LimitTooHigh` beyond a page."""
    if not 1 <= limit <= PAGE_MAX:
        raise LimitTooHigh(f"a page holds 1 to {PAGE_MAX} documents, not {limit}")


def check_bins(window: Window, every: timedelta, top: int) -> tuple[datetime, datetime]:
    """Return the instants of a histogram's window, or raise `BadWindow`."""
    check_window(window)
    if window.since is None or window.until is None:
        raise BadWindow("a histogram needs both instants of its window")
    if every < timedelta(milliseconds=1) or every % timedelta(milliseconds=1):
        raise BadWindow("a bin lasts whole milliseconds")
    if (window.until - window.since) / every > BINS_MAX:
        raise BadWindow(f"more than {BINS_MAX} bins")
    check_top(top)
    return window.since, window.until


def check_top(top: int) -> None:
    """Raise `LimitTooHigh` when more leading values are wanted than a chart shows."""
    if not 1 <= top <= TOP_MAX:
        raise LimitTooHigh(f"a chart shows 1 to {TOP_MAX} values, not {top}")
