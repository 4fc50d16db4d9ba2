"""What comparing the log collects: findings, what is believed in place of damage, and rows that nobody can read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest.log import merkle, read
from ingest.log.merkle import Edge, Place
from ingest.log.read import Head

FINDINGS_MAX: Final = 100
MISREAD: Final = (sa.exc.OperationalError, TypeError, ValueError, OverflowError)
"""What reading a row raises that SQLite keeps and nobody can read, and of the first of them more than that."""
# SQLite keeps any bytes as text, and its driver says which column it could not read.
_UNDECODED: Final = re.compile(r"Could not decode to UTF-8 column '(\w+)'")
Name = TypeVar("Name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place that is not what was sealed."""

    table: str
    sequence: int
    field: str
    said: str

    def __str__(self) -> str:
        return f"{self.table} sequence {self.sequence} {self.field}: {self.said}"


@dataclass(slots=True)
class Comparison:
    """One comparison under way, up to a head that was read first."""

    head: Head
    findings: list[Finding] = field(default_factory=list)
    # What a damaged node must have been, so that one damage is one finding and does not spread upwards.
    corrected: dict[Place, bytes] = field(default_factory=dict)

    def add(self, table: str, sequence: int, field: str, said: str) -> None:
        """Keep a finding, once."""
        finding = Finding(table=table, sequence=sequence, field=field, said=said)
        if finding not in self.findings:
            self.findings.append(finding)

    def edges(self, session: Session, sizes: Sequence[int]) -> Mapping[Place, bytes]:
        """Return the nodes on the edges of trees of these sizes, as they stand or were corrected."""
        wanted = sorted({place for size in sizes for place in merkle.places(0, size)})
        return {**hashes(read.nodes(session, wanted)), **self.corrected}


def root_of(nodes: Mapping[Place, bytes], size: int) -> bytes | None:
    """Return the root of the tree of a size, or None where a node of its edge is missing."""
    wanted = merkle.places(0, size)
    edge = Edge(size, tuple(nodes[place] for place in wanted if place in nodes))
    return merkle.root(edge) if len(edge.hashes) == len(wanted) else None


def unread_field(error: BaseException) -> str | None:
    """Return which field of a row one of `MISREAD` is about, or None where the error tells of something else."""
    if not isinstance(error, sa.exc.OperationalError):
        return "one of its fields"
    found = _UNDECODED.search(str(error.orig))
    return None if found is None else found.group(1)


def hashes(nodes: Mapping[Name, object]) -> dict[Name, bytes]:
    """Return hashes with what is none as an empty one: it is equal to nothing that is computed."""
    return {place: value if isinstance(value, bytes) else b"" for place, value in nodes.items()}
