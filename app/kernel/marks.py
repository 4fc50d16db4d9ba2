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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Category, path to the person, retention class and what erasure does; `subject` is None for technical values."""

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
    on_erase: str = "delete",
    export: str = "as_is",
    origin: str = "provided",
    purposes: tuple[str, ...] = ("service",),
) -> dict[str, object]:
    """Return the mark of a column about a person.

    `subject` is the path to them: `account_id`, or over another table `wallet_id>payments_book.owner_id`.
    """
    return Mark(
        category=category,
        subject=subject,
        retention=retention,
        on_erase=on_erase,
        export=export,
        origin=origin,
        purposes=purposes,
    ).as_info()
