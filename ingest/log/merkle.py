"""The tree of RFC 6962 section 2.1 over leaf hashes, kept as the hashes of all complete subtrees; pure functions.

A place `(level, idx)` names the complete subtree over leaves `idx * 2^level` to `(idx + 1) * 2^level`, counted from 0.
A tree of any size is its right edge: one complete subtree for every set bit of the size, largest first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Place = tuple[int, int]
Range = tuple[int, int]
Read = Callable[[Collection[Place]], Mapping[Place, bytes]]

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
PROOF_HASHES_MAX: Final = 64


class NodeMissing(LookupError):
    """A node that the tree of this size must have is not there."""

    def __init__(self, place: Place) -> None:
        super().__init__(f"the node at level {place[0]}, index {place[1]} is missing")
        self.place = place


@dataclass(frozen=True, slots=True)
class Edge:
    """A tree as its size and right edge, largest subtree first."""

    size: int
    hashes: tuple[bytes, ...]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def append(edge: Edge, leaves: Iterable[bytes]) -> tuple[Edge, list[tuple[int, int, bytes]]]:
    """Return the tree after these leaf hashes, and every complete subtree they made as (level, idx, hash)."""
    size, stack = edge.size, list(edge.hashes)
    made: list[tuple[int, int, bytes]] = []
    sha256 = hashlib.sha256
    for leaf in leaves:
        level, idx, value = 0, size, leaf
        made.append((0, idx, value))
        while idx & 1:
            value = sha256(b"\x01" + stack.pop() + value).digest()
            level, idx = level + 1, idx >> 1
            made.append((level, idx, value))
        stack.append(value)
        size += 1
    return Edge(size, tuple(stack)), made


def root(edge: Edge) -> bytes:
    """Return the root of a tree; that of the empty one is the hash of nothing."""
    return _folded(edge.hashes) if edge.hashes else EMPTY_ROOT


def places(lo: int, hi: int) -> list[Place]:
    """Return the complete subtrees that cover leaves lo to hi, left to right; lo is aligned as in any proof."""
    found = []
    while lo < hi:
        level = (hi - lo).bit_length() - 1
        assert lo % (1 << level) == 0, "a range of a proof begins at a multiple of its largest power of two"
        found.append((level, lo >> level))
        lo += 1 << level
    return found


def edge_at(read: Read, size: int) -> Edge:
    """Read the right edge of the tree as it was at this size."""
    return Edge(size, tuple(_taken(read, places(0, size))))


def inclusion(read: Read, index: int, size: int) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` (RFC 6962 section 2.1.1), in one read."""
    assert 0 <= index < size, "only a leaf of the tree has a path"
    return _hashes(read, _path(index, 0, size))


def consistency(read: Read, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `new` extends that of `old` (RFC 6962 section 2.1.2), in one read."""
    assert 0 <= old <= new, "a tree only grows"
    if old in (0, new):
        return []
    return _hashes(read, _subproof(old, 0, new, whole=True))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Tell whether the path leads from the leaf to the root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size or len(proof) > PROOF_HASHES_MAX:
        return False
    place, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            value = node_hash(sibling, value)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and value == expected


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether the new tree begins with the old one (RFC 9162 section 2.1.4.2); all begin with the empty one."""
    if not 0 <= old <= new or len(proof) > 2 * PROOF_HASHES_MAX:
        return False
    if old in (0, new):
        return not proof and old_root == (EMPTY_ROOT if old == 0 else new_root) and (new > 0 or new_root == EMPTY_ROOT)
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _folded(hashes: Sequence[bytes]) -> bytes:
    value = hashes[-1]
    for left in reversed(hashes[:-1]):
        value = node_hash(left, value)
    return value


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _path(index: int, lo: int, hi: int) -> list[Range]:
    if hi - lo == 1:
        return []
    middle = lo + _split(hi - lo)
    if index < middle:
        return [*_path(index, lo, middle), (middle, hi)]
    return [*_path(index, middle, hi), (lo, middle)]


def _subproof(old: int, lo: int, hi: int, *, whole: bool) -> list[Range]:
    # `old` counts leaves from 0; `whole` says that lo to old is the old tree itself, whose root the verifier holds.
    if old == hi:
        return [] if whole else [(lo, hi)]
    middle = lo + _split(hi - lo)
    if old <= middle:
        return [*_subproof(old, lo, middle, whole=whole), (middle, hi)]
    return [*_subproof(old, middle, hi, whole=False), (lo, middle)]


def _hashes(read: Read, ranges: Sequence[Range]) -> list[bytes]:
    parts = [places(lo, hi) for lo, hi in ranges]
    found = iter(_taken(read, [place for part in parts for place in part]))
    return [_folded([next(found) for _ in part]) for part in parts]


def _taken(read: Read, wanted: Sequence[Place]) -> list[bytes]:
    found = read(wanted) if wanted else {}
    try:
        return [found[place] for place in wanted]
    except KeyError as error:
        raise NodeMissing(error.args[0]) from error
