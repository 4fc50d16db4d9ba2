"""How the register of scans stands: by kind its quarters and gaps, and what each row of PCI DSS 11 may rest on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from compliance.scans import register
from compliance.scans.quarters import Quarter, gaps, quarters
from compliance.scans.register import CONTROL, Kind

COUNTED: Final = 4
YEARLY: Final = timedelta(days=366)
QUARTERLY: Final = (Kind.INTERNAL, Kind.ASV)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One kind that is due each quarter."""

    kind: Kind
    quarters: tuple[Quarter, ...]
    gaps: tuple[tuple[str, date, date], ...]

    @property
    def closed(self) -> tuple[Quarter, ...]:
        """The closed quarters that count: the last four since the register began."""
        return tuple(one for one in self.quarters if one.is_closed)[-COUNTED:]


def of_kind(session: Session, kind: Kind, today: date, *, anchor: date, until: datetime | None = None) -> Standing:
    """Return how a kind stands, or stood by what was entered until then; the register begins with its first scan.

    Quarters count from `anchor`, the first day of a year of assessment.
    """
    scans = register.all_of(session, kind, until=until)
    since = scans[0].performed_on if scans else today
    return Standing(
        kind=kind,
        quarters=tuple(quarters(anchor, scans, today, since=since)),
        gaps=tuple(gaps(scans, today)),
    )


def lack(session: Session, key: str, today: date, *, anchor: date) -> str | None:
    """Return why a row of PCI DSS cannot be attested by the register, or None where it can or is not about scans."""
    kinds = [kind for kind, control in CONTROL.items() if control == key]
    for kind in kinds:
        scans = register.all_of(session, kind)
        if kind in QUARTERLY:
            found = of_kind(session, kind, today, anchor=anchor)
            missed = next((one for one in found.closed if not one.is_passed), None)
            if missed is not None:
                return f"The quarter from {missed.begin} has no pass for {', '.join(missed.lacking)}."
        if not any(one.is_passed and today - one.performed_on <= YEARLY for one in scans):
            return f"There is no {kind.value.replace('_', ' ')} scan of the last twelve months that passed."
    return None
