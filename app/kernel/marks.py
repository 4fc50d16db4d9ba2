"""Privacy marks: what a column or event field means for the person it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CATEGORIES: Final = frozenset(
    (
        "account.id",
        "name",
        "contact",
        "credential",
        "device.id",
        "network.address",
        "location",
        "card",
        "money",
        "behaviour",
        "decision",
        "communication",
        "free_text",
        "staff",
        "none",
    )
)
ON_ERASE: Final = frozenset(("delete", "null", "shred", "anonymise", "keep_to_class_end", "none"))
EXPORTS: Final = frozenset(("as_is", "masked", "reveal", "counterparty", "never"))
ORIGINS: Final = frozenset(("provided", "observed", "derived"))
NOBODY: Final = "none"
"""The path of a value about somebody whom nothing leads to, such as a counter for a network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Category, path to the person, retention class and what erasure does; `subject` is None for technical values.

    In a table erasure ends the row where a column says `delete`, else it ends values alone; what says `account.id`
    goes or stays with its row.
    """

    category: str
    subject: str | None
    retention: str
    on_erase: str
    purposes: tuple[str, ...] = ()
    origin: str = "provided"
    export: str = "as_is"

    def __post_init__(self) -> None:
        assert self.category in CATEGORIES, f"unknown category {self.category}"
        assert self.on_erase in ON_ERASE, f"unknown erasure {self.on_erase}"
        assert self.export in EXPORTS, f"unknown export {self.export}"
        assert self.origin in ORIGINS, f"unknown origin {self.origin}"

    def as_info(self) -> dict[str, object]:
        """Return the form SQLAlchemy columns take as `info=`."""
        return {"mark": self}


def technical(retention: str = "operations") -> dict[str, object]:
    """Return the mark of a column that says nothing about a person."""
    return Mark(category="none", subject=None, retention=retention, on_erase="none", export="never").as_info()


def personal(
    category: str,
    subject: str,
    *,
    retention: str,
    on_erase: str | None = None,
    export: str = "as_is",
    origin: str = "provided",
    purposes: tuple[str, ...] = ("service",),
) -> dict[str, object]:
    """Return the mark of a column about a person.

    `subject` is the path to them: `account_id`, or over the key of another table `wallet_id>payments_book.owner_id`, or
    over another column of it `incident_id>playbooks_incident_entity.incident_id:value`; `entities*` is a document that
    holds their id, `NOBODY` what leads to nobody. What staff did stays with what they did it to unless said otherwise.
    """
    return Mark(
        category=category,
        subject=subject,
        retention=retention,
        on_erase=on_erase or ("keep_to_class_end" if category == "staff" else "delete"),
        export=export,
        origin=origin,
        purposes=purposes,
    ).as_info()


def written(author: str, *, retention: str, purposes: tuple[str, ...] = ("claims",)) -> dict[str, object]:
    """Return the mark of what people write at work: reasons, statements, findings, names of files.

    `author` is the path to who wrote it. It may name anybody, so it is looked through as words are, told to nobody in a
    copy of their data, and stays with what it was written about.
    """
    return personal(
        "free_text", author, retention=retention, on_erase="keep_to_class_end", export="never", purposes=purposes
    )
