"""The classes of retention, read strictly from `retention.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from app.kernel import documents
from app.kernel.errors import ConfigurationRefused
from compliance.catalog.periods import Period, parse

_KEYS = {"says", "anchor", "keep", "floor", "ceiling", "then", "blocks_erasure", "ground"}
BEGINS: Final[Mapping[str, str]] = {
    "account.closed": "after the account is closed",
    "authorisation done": "after the payment is authorised",
    "closed": "after it is closed",
    "created": "after it was made",
    "decided": "after the decision",
    "end of book year": "after the end of the book year",
    "ended": "after it ended",
    "last seen": "after it was seen last",
    "made": "after it was made",
    "month of ingested": "after the end of the month in which it was recorded",
    "period end": "after the end of the period it is about",
    "ready": "after it is ready",
    "relationship.ended": "after the customer relationship ends",
    "removed": "after it is removed",
    "sent": "after it was sent",
    "withdrawn": "after it is taken back",
}
"""What each anchor means, in the words of the person whose data it is."""
_THEN = ("drop units", "delete", "shred", "anonymise")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionClass:
    """How long a class is kept, from when, what then, whether that stands against erasure, and by which ground."""

    id: str
    says: str
    anchor: str
    keep: Period
    floor: Period | None
    ceiling: Period | None
    then: str
    blocks_erasure: str
    ground: str

    @property
    def begins(self) -> str:
        """Return from when it is kept, in words for the person whose data it is."""
        return BEGINS[self.anchor]

    @property
    def in_words(self) -> str:
        """Return how long it is kept and from when, in the same words wherever a person reads it."""
        if self.keep.is_nothing:
            return "only as long as it is used"
        return f"{self.keep.in_words()} {self.begins}"


@cache
def shipped() -> Mapping[str, RetentionClass]:
    """Return the shipped classes by their id; a file that says something else than classes stops the start."""
    return read(resources.files("compliance.catalog").joinpath("retention.yaml").read_text("utf-8"))


def read(text: str) -> Mapping[str, RetentionClass]:
    """Read classes from YAML; raises `ConfigurationRefused` with every class that is wrong."""
    document = documents.load(text, name="retention.yaml")
    found, wrong = {}, []
    for name, said in document["classes"].items():
        unknown = set(said) - _KEYS
        missing = _KEYS - set(said) - {"floor", "ceiling"}
        if unknown or missing:
            wrong.append(f"{name}: unknown {sorted(unknown)}, missing {sorted(missing)}")
            continue
        try:
            keep = parse(said["keep"])
            floor, ceiling = (parse(said[name]) if name in said else None for name in ("floor", "ceiling"))
        except ValueError as error:
            wrong.append(f"{name}: {error}")
            continue
        if said["anchor"] not in BEGINS:
            wrong.append(f"{name}: no words for the anchor {said['anchor']!r}")
        if said["then"] not in _THEN:
            wrong.append(f"{name}: {said['then']!r} is nothing that can be done")
        if floor is not None and floor.exceeds(keep):
            wrong.append(f"{name}: {keep.text} is below its legal floor of {floor.text}")
        if ceiling is not None and keep.exceeds(ceiling):
            wrong.append(f"{name}: {keep.text} is above its ceiling of {ceiling.text}")
        found[name] = RetentionClass(
            id=name,
            says=said["says"],
            anchor=said["anchor"],
            keep=keep,
            floor=floor,
            ceiling=ceiling,
            then=said["then"],
            blocks_erasure=said["blocks_erasure"],
            ground=said["ground"],
        )
    if wrong:
        raise ConfigurationRefused("retention.yaml: " + "\n".join(wrong))
    return found
