"""Comparing the log with itself and its copies: body, commitment, entry, leaf, tree, root, checkpoints, store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.clock import Clock
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import Invalid
from ingest.events.envelope import Outcome
from ingest.events.health import LogTampered, LogVerified
from ingest.log import outbox, read, signed_check, tree_check
from ingest.log.archive import Archive
from ingest.log.archive_check import ArchiveCheck, ArchiveReader
from ingest.log.checkpoint import LogKey
from ingest.log.comparing import FINDINGS_MAX, Comparison, Finding, hashes
from ingest.log.signed_check import SignedCheck
from ingest.log.store_check import Copy, StoreCheck
from ingest.log.tree_check import TreeCheck

EXIT_SOUND: Final = 0
EXIT_BROKEN: Final = 6


class RangeInvalid(Invalid):
    """The range does not lie within the log."""

    code = "range_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What comparing found. `findings` are ordered as they were met, the first `FINDINGS_MAX` of them.

    `last` is the last sequence that was compared; `is_whole` unless so many findings ended it before the last one asked
    for. `awaited` of the compared ones were not in the store yet, which may be behind the log.
    """

    size: int
    root: bytes
    first: int
    last: int
    is_whole: bool
    documents: int
    lines: int
    compared: int
    awaited: int
    checkpoints: int
    findings: tuple[Finding, ...]

    @property
    def is_of_all(self) -> bool:
        """Tell whether every sequence of the log was compared."""
        return self.is_whole and (self.first, self.last) == (1, self.size)

    @property
    def span(self) -> str:
        """Return in words what was compared."""
        return f"sequences {self.first:,} to {self.last:,} of {self.size:,}"

    @property
    def exit_code(self) -> int:
        """0 where all is sound, 6 where it is not."""
        return EXIT_BROKEN if self.findings else EXIT_SOUND


def verify(
    db: Database,
    *,
    first: int = 1,
    last: int | None = None,
    copy: Copy | None = None,
    key: LogKey | None = None,
    clock: Clock | None = None,
    archive: Archive | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verdict:
    """Compare the sequences from `first` to `last` (all by default) and everything that ties them to the root.

    With `copy` the documents of a store are compared too, with `archive` its lines and tiles; with `key` the signatures
    of the checkpoints, and the log with the head that was signed last, which is remembered beside the key. Holds no
    transaction longer than a page.
    Raises `RangeInvalid`, and what database and store raise when they do not answer.

    A checkpoint signs origin, size and root. When it was signed is not in it, so `at` is compared with what it must
    lie between: the arrival of the newest entry it covers, and the next checkpoint or, with `clock`, now. That a
    checkpoint was removed is not found, and needs not be: each later one covers all before it, and old ones may once
    be thinned out.
    """
    # Read before the head, so that what is signed meanwhile is no finding.
    remembered = signed_check.remembered_text(key) if key is not None else None
    with db.read() as session:
        head = read.head(session)
        head = replace(head, root=hashes({"root": head.root})["root"])
        beyond = tree_check.beyond(session, head)
    last = head.size if last is None else last
    if not 1 <= first <= last + 1 or last > head.size:
        raise RangeInvalid(f"The log holds sequences 1 to {head.size}; {first} to {last} is no range of it.")
    found = Comparison(head=head, findings=beyond)
    store = StoreCheck(found=found, copy=copy) if copy is not None else None
    kept = ArchiveCheck(found=found, reader=ArchiveReader(archive)) if archive is not None else None
    tree = TreeCheck(found=found, copy=store, archive=kept)
    compared = first - 1
    for lo in range(first - 1, last, read.SLICE_MAX):
        if len(found.findings) >= FINDINGS_MAX:
            break
        hi = min(lo + read.SLICE_MAX, last)
        with db.read() as session:
            tree.page(session, lo, hi)
        compared = hi
        progress(hi - first + 1, last - first + 1)
    if store is not None:
        store.beyond(db)
    signed = SignedCheck(found=found)
    with db.read() as session:
        tree.root(session)
        checkpoints = signed.checkpoints(session, first, key.verifier if key is not None else None, clock)
        if key is not None:
            signed.remembered(session, remembered, key.verifier, checkpoints)
    return Verdict(
        size=head.size,
        root=head.root,
        first=first,
        last=compared,
        is_whole=compared == last,
        documents=store.documents if store is not None else 0,
        lines=kept.lines if kept is not None else 0,
        compared=compared - first + 1,
        awaited=max(0, compared - max(copy.done, first - 1)) if copy is not None else 0,
        checkpoints=checkpoints,
        findings=tuple(found.findings[:FINDINGS_MAX]),
    )


def sample(
    db: Database,
    choose: Callable[[int], Sequence[int]],
    *,
    seen: tuple[int, bytes] | None = None,
    signed: int = 0,
    copy: Copy | None = None,
    key: LogKey | None = None,
    clock: Clock | None = None,
    archive: Archive | None = None,
) -> Verdict:
    """Compare the ascending sequences that `choose` picks of a log of a size, and what was signed above a size.

    `seen` is a head of before that the log must begin with. What ties the sequences to the root is their leaf, the node
    above it, and the right edge; the whole tree is `verify`'s to compute.
    """
    remembered = signed_check.remembered_text(key) if key is not None else None
    with db.read() as session:
        head = read.head(session)
        head = replace(head, root=hashes({"root": head.root})["root"])
        beyond = tree_check.beyond(session, head)
    found = Comparison(head=head, findings=beyond)
    sequences = choose(head.size)
    store = StoreCheck(found=found, copy=copy) if copy is not None else None
    kept = ArchiveCheck(found=found, reader=ArchiveReader(archive)) if archive is not None else None
    tree = TreeCheck(found=found, copy=store, archive=kept)
    for first in range(0, len(sequences), read.SLICE_MAX):
        with db.read() as session:
            tree.some(session, sequences[first : first + read.SLICE_MAX])
    if store is not None:
        store.beyond(db)
    check = SignedCheck(found=found)
    with db.read() as session:
        tree.root(session)
        if seen is not None:
            tree.extends(session, *seen)
        checkpoints = check.checkpoints(session, signed + 1, key.verifier if key is not None else None, clock)
        if key is not None:
            check.remembered(session, remembered, key.verifier, checkpoints)
    awaited = 0 if copy is None else sum(sequence > copy.done for sequence in sequences)
    return Verdict(
        size=head.size,
        root=head.root,
        first=sequences[0] if sequences else 1,
        last=sequences[-1] if sequences else 0,
        is_whole=True,
        documents=store.documents if store is not None else 0,
        lines=kept.lines if kept is not None else 0,
        compared=len(sequences),
        awaited=awaited,
        checkpoints=checkpoints,
        findings=tuple(found.findings[:FINDINGS_MAX]),
    )


def tell(session: Session, verdict: Verdict, ctx: Context) -> str:
    """Record the verdict as an event and return its id."""
    return outbox.record(session, event_of(verdict), ctx)


def event_of(verdict: Verdict) -> LogVerified | LogTampered:
    """Return the event that says what was found; one of a part alone names the part."""
    root = verdict.root.hex()
    if verdict.findings:
        return LogTampered(size=verdict.size, root=root, state="broken", cause=str(verdict.findings[0]))
    part = None if verdict.is_of_all else verdict.span
    return LogVerified(size=verdict.size, root=root, state="sound", cause=part, outcome=Outcome.SUCCESS)
