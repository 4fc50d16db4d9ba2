"""The port between the fold and a database: load what is touched, write what was made, decide nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.errors import Unavailable
from payments.ledger.model import Rows, State, Wanted


class PostingRaced(Unavailable):
    """Another request came first; please send yours again."""

    # A deadlock or a late unique violation: the edge retries the unit of work once (LED-11).
    code = "posting_raced"

    def __init__(self) -> None:
        super().__init__(retry_after=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One row of another payments table, written in the same trip if its operation is accepted.

    Values are as the database holds them: instants in microseconds.
    """

    operation_id: str
    table: sa.Table
    row: Mapping[str, Any]


class LedgerStore(Protocol):
    """What a database must do for the ledger.

    Each method raises `PostingRaced` where the unit of work may be tried again at once, and `DatabaseBusy` where the
    database is away or a lock is not given in time; nothing has changed then.
    """

    def load(self, session: Session, wanted: Wanted, *, lock: bool) -> State:
        """Return the rows wanted; with `lock`, holds first, then balances, each in the order of their ids."""

    def write(
        self, session: Session, rows: Rows, events: Sequence[Mapping[str, Any]], besides: Sequence[Beside]
    ) -> None:
        """Write what the fold made, the rows of its events (`outbox.row_of`) and the rows beside them."""
