"""The tree as C2SP tlog-tiles: paths, widths, bundles, and tiles that hash to the root at every size."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ingest.log import merkle, tiles


@pytest.mark.parametrize(
    ("number", "path"),
    [(0, "000"), (7, "007"), (999, "999"), (1_000, "x001/000"), (1_234_067, "x001/x234/067")],
)
def test_a_tile_lies_where_the_specification_says(number: int, path: str) -> None:
    assert tiles.tile_path(0, number) == f"tile/0/{path}"
    assert tiles.entries_path(number) == f"tile/entries/{path}"
    assert tiles.tile_path(3, number, 17) == f"tile/3/{path}.p/17"


def test_a_bundle_gives_its_entries_back_and_a_cut_one_nothing() -> None:
    entries = [b"", b"a", b"x" * 65_535, "é".encode()]
    data = tiles.bundled(entries)
    assert data[:2] == b"\x00\x00"
    assert list(tiles.unbundled(data)) == entries
    with pytest.raises(ValueError, match="cut"):
        list(tiles.unbundled(data[:-1]))


def grown(folder: Path, steps: list[int]) -> tuple[list[bytes], bytes]:
    """Write a tree in steps; returns its entries and root."""
    entries = [f"entry {n}".encode() for n in range(steps[-1])]
    leaves = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
    edge, nodes = merkle.append(merkle.Edge(0, ()), leaves)
    by_place = {(level, idx): value for level, idx, value in nodes}
    old = 0
    for new in steps:
        tiles.grow(
            folder,
            old,
            new,
            hashes=lambda level, first, end: [by_place[level, idx] for idx in range(first, end)],
            entries=lambda lo, hi: entries[lo:hi],
        )
        old = new
    return entries, merkle.root(edge)


def root_from(folder: Path, size: int) -> bytes:
    """Return the root as any client finds it: of the hashes in the tiles of the lowest level alone."""
    leaves = [leaf for number in range(-(-size // 256)) for leaf in tiles.read_leaves(folder, number, size)]
    return merkle.root(merkle.append(merkle.Edge(0, ()), leaves)[0])


@pytest.mark.parametrize("steps", [[1], [255], [256], [257], [3, 256, 300], [511, 512, 513, 1_100], [65_535, 65_793]])
def test_every_size_can_be_read_back(tmp_path: Path, steps: list[int]) -> None:
    entries, root = grown(tmp_path, steps)
    size = steps[-1]
    read = [entry for number in range(-(-size // 256)) for entry in tiles.read_entries(tmp_path, number, size)]
    assert read == entries
    assert root_from(tmp_path, size) == root


def test_the_hash_of_a_full_tile_is_one_of_the_level_above(tmp_path: Path) -> None:
    grown(tmp_path, [600])
    above = (tmp_path / tiles.tile_path(1, 0, 2)).read_bytes()
    for number in range(2):
        data = (tmp_path / tiles.tile_path(0, number)).read_bytes()
        level = [data[at : at + 32] for at in range(0, len(data), 32)]
        while len(level) > 1:
            level = [merkle.node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
        assert above[32 * number : 32 * number + 32] == level[0]


def test_narrow_tiles_go_once_the_full_one_is_there(tmp_path: Path) -> None:
    grown(tmp_path, [100, 200, 256, 260])
    assert not (tmp_path / "tile/0/000.p").exists()
    assert not (tmp_path / "tile/entries/000.p").exists()
    assert (tmp_path / "tile/0/001.p/4").exists()


@pytest.mark.parametrize("steps", [[1], [3, 256, 300], [511, 512, 513, 1_100], [65_535, 65_793]])
def test_every_node_of_a_proof_is_read_from_tiles_alone(tmp_path: Path, steps: list[int]) -> None:
    entries, root = grown(tmp_path, steps)
    size = len(entries)
    nodes = tiles.read_nodes(tmp_path, size)
    for index in {0, size // 3, size - 1}:
        leaf = hashlib.sha256(b"\x00" + entries[index]).digest()
        assert merkle.verify_inclusion(leaf, index, size, merkle.inclusion(nodes, index, size), root)
    assert nodes([(0, size), (30, 0)]) == {}, "of what the tree does not have there is nothing"
