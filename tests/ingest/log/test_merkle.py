"""The tree: every size, index and pair up to 70, and everything that must not verify."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.log import merkle
from ingest.log.merkle import Edge, NodeMissing, Place
from tests.support.sealing import root_of

SIZE_MAX = 70
STEADY = settings(derandomize=True, deadline=None)
LEAVES = [hashlib.sha256(b"\x00" + bytes([n])).digest() for n in range(SIZE_MAX)]
NODES: dict[Place, bytes] = {(level, idx): value for level, idx, value in merkle.append(Edge(0, ()), LEAVES)[1]}


def read(wanted: Collection[Place]) -> Mapping[Place, bytes]:
    return {place: NODES[place] for place in wanted if place in NODES}


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


ROOTS = [by_definition(LEAVES[:size]) for size in range(SIZE_MAX + 1)]


def test_the_published_vectors_of_certificate_transparency_hold() -> None:
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [hashlib.sha256(b"\x00" + bytes.fromhex(text)).digest() for text in data]

    assert root_of(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert root_of(leaves[:3]).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"


@pytest.mark.parametrize("size", range(SIZE_MAX + 1))
def test_root_is_that_of_the_definition_however_the_leaves_arrive(size: int) -> None:
    at_once, _ = merkle.append(Edge(0, ()), LEAVES[:size])
    one_by_one = Edge(0, ())
    for leaf in LEAVES[:size]:
        one_by_one, _ = merkle.append(one_by_one, [leaf])

    assert merkle.root(at_once) == merkle.root(one_by_one) == merkle.root(merkle.edge_at(read, size)) == ROOTS[size]
    assert len(at_once.hashes) == size.bit_count()


@pytest.mark.parametrize("size", range(1, SIZE_MAX + 1))
def test_every_leaf_of_every_size_is_proven_and_no_other(size: int) -> None:
    for index in range(size):
        proof = merkle.inclusion(read, index, size)
        assert merkle.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
        assert not merkle.verify_inclusion(LEAVES[index], index, size, [*proof, LEAVES[0]], ROOTS[size])
        assert not proof or not merkle.verify_inclusion(LEAVES[index], index, size, proof[:-1], ROOTS[size])
        for other in range(size):
            assert other == index or not merkle.verify_inclusion(LEAVES[index], other, size, proof, ROOTS[size])
            assert other == index or not merkle.verify_inclusion(LEAVES[other], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("new", range(SIZE_MAX + 1))
def test_every_pair_of_sizes_is_consistent_and_only_so(new: int) -> None:
    for old in range(new + 1):
        proof = merkle.consistency(read, old, new)
        assert merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)
        assert not merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], [*proof, LEAVES[0]])
        assert not merkle.verify_consistency(old, LEAVES[5], new, ROOTS[new], proof)
        assert old == 0 or not merkle.verify_consistency(old, ROOTS[old], new, LEAVES[5], proof)
        assert not proof or not merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], proof[:-1])
        assert old == new or not merkle.verify_consistency(new, ROOTS[new], old, ROOTS[old], proof)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (4, 3)])
def test_what_is_no_leaf_of_the_tree_has_no_proof(index: int, size: int) -> None:
    assert not merkle.verify_inclusion(LEAVES[0], index, size, [], ROOTS[size])


@STEADY
@given(st.integers(1, SIZE_MAX), st.data())
def test_no_flipped_bit_leaves_an_inclusion_proof_valid(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    values = [LEAVES[index], *merkle.inclusion(read, index, size), ROOTS[size]]
    at, bit = data.draw(st.integers(0, len(values) - 1)), data.draw(st.integers(0, 255))
    values[at] = flipped(values[at], bit)

    assert not merkle.verify_inclusion(values[0], index, size, values[1:-1], values[-1])


@STEADY
@given(st.integers(2, SIZE_MAX), st.data())
def test_no_flipped_bit_leaves_a_consistency_proof_valid(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    values = [ROOTS[old], *merkle.consistency(read, old, new), ROOTS[new]]
    at, bit = data.draw(st.integers(0, len(values) - 1)), data.draw(st.integers(0, 255))
    values[at] = flipped(values[at], bit)

    assert not merkle.verify_consistency(old, values[0], new, values[-1], values[1:-1])


@STEADY
@given(st.integers(2, SIZE_MAX), st.data())
def test_no_reordered_proof_verifies(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    proof = merkle.consistency(read, old, new)
    shuffled = data.draw(st.permutations(proof))

    assert merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], shuffled) == (shuffled == proof)


def test_a_missing_node_is_named() -> None:
    with pytest.raises(NodeMissing, match="level 6, index 0"):
        merkle.inclusion(lambda wanted: {p: NODES[p] for p in wanted if p != (6, 0)}, 69, 70)


def test_a_proof_reads_once_and_few_nodes() -> None:
    asked: list[int] = []

    def counted(wanted: Collection[Place]) -> Mapping[Place, bytes]:
        asked.append(len(wanted))
        return read(wanted)

    merkle.inclusion(counted, 3, 70)
    merkle.consistency(counted, 37, 70)

    assert len(asked) == 2
    assert max(asked) <= 2 * SIZE_MAX.bit_length()


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(len(value), "big")
