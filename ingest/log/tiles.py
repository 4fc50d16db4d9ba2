"""The tree as static files any C2SP tlog-tiles client reads: tiles of 256 hashes, and bundles of 256 entries."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from ingest.log import durable, merkle

WIDTH: Final = 256
HEIGHT: Final = 8
HASH_BYTES: Final = 32
_PREFIX_BYTES: Final = 2

Hashes = Callable[[int, int, int], Sequence[bytes]]
"""Returns the hashes of the complete subtrees at a level, from one index up to another."""
Bundle = Callable[[int, int], Sequence[bytes]]
"""Returns the entries with lo < sequence ≤ hi."""


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Return where a tile lies; one that is not full yet says how wide it is."""
    return f"tile/{level}/{_number(number)}{_partial(width)}"


def entries_path(number: int, width: int = WIDTH) -> str:
    """Return where a bundle of entries lies."""
    return f"tile/entries/{_number(number)}{_partial(width)}"


def bundled(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of a bundle: each entry behind its length in two bytes."""
    return b"".join(len(entry).to_bytes(_PREFIX_BYTES, "big") + entry for entry in entries)


def unbundled(data: bytes) -> Iterator[bytes]:
    """Yield the entries of a bundle; raises `ValueError` where it is cut short."""
    at = 0
    while at < len(data):
        end = at + _PREFIX_BYTES + int.from_bytes(data[at : at + _PREFIX_BYTES], "big")
        if end > len(data):
            raise ValueError("the bundle is cut short")
        yield data[at + _PREFIX_BYTES : end]
        at = end


def grow(folder: Path, old: int, new: int, *, hashes: Hashes, entries: Bundle) -> None:
    """Write what a tree of `new` entries has more than one of `old`; writing it again changes nothing.

    A tile that became full is there before the narrower ones of its place are removed.
    """
    for number in _touched(old, new):
        lo, hi = number * WIDTH, min(new, (number + 1) * WIDTH)
        _put(folder, entries_path(number), entries_path(number, hi - lo), bundled(entries(lo, hi)), hi - lo)
    level = 0
    while (count := new >> HEIGHT * level) > 0:
        for number in _touched(old >> HEIGHT * level, count):
            lo, hi = number * WIDTH, min(count, (number + 1) * WIDTH)
            data = b"".join(hashes(HEIGHT * level, lo, hi))
            _put(folder, tile_path(level, number), tile_path(level, number, hi - lo), data, hi - lo)
        level += 1


def read_entries(folder: Path, number: int, size: int) -> list[bytes]:
    """Return the entries of a bundle as a tree of this size has them; empty where the file is missing or cut short."""
    try:
        return list(unbundled(_get(folder, entries_path, number, size)))
    except ValueError:
        return []


def read_leaves(folder: Path, number: int, size: int) -> list[bytes]:
    """Return the leaf hashes of a tile as a tree of this size has them; empty where the file is missing."""
    data = _get(folder, lambda n, width=WIDTH: tile_path(0, n, width), number, size)
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def read_nodes(folder: Path, size: int) -> merkle.Read:
    """Return how `merkle` reads the nodes of a tree of this size from its tiles; what is not there it is not given."""

    def read(wanted: Collection[merkle.Place]) -> dict[merkle.Place, bytes]:
        found = {place: _node(folder, size, *place) for place in wanted}
        return {place: value for place, value in found.items() if value is not None}

    return read


def _node(folder: Path, size: int, level: int, idx: int) -> bytes | None:
    """Return the hash of a complete subtree, folded from those of the level that tiles keep."""
    kept, above = divmod(level, HEIGHT)
    number, first = divmod(idx << above, WIDTH)
    data = _get(folder, lambda n, width=WIDTH: tile_path(kept, n, width), number, size >> HEIGHT * kept)
    some = data[first * HASH_BYTES : (first + (1 << above)) * HASH_BYTES]
    if len(some) != HASH_BYTES << above:
        return None
    hashes = [some[at : at + HASH_BYTES] for at in range(0, len(some), HASH_BYTES)]
    while len(hashes) > 1:
        hashes = [merkle.node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def _get(folder: Path, path: Callable[..., str], number: int, size: int) -> bytes:
    width = min(WIDTH, size - number * WIDTH)
    # A tile may have become full since its size was asked, and the narrow one removed.
    for name in (path(number, width), path(number)):
        try:
            return (folder / name).read_bytes()
        except FileNotFoundError:
            continue
    return b""


def _touched(old: int, new: int) -> range:
    return range(old // WIDTH, (new - 1) // WIDTH + 1) if new > old else range(0)


def _put(folder: Path, full: str, path: str, data: bytes, width: int) -> None:
    file = folder / path
    durable.make_folder(file.parent)
    durable.write(file, data)
    if width == WIDTH:
        shutil.rmtree(folder / f"{full}.p", ignore_errors=True)


def _number(number: int) -> str:
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + [groups[-1]])


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
