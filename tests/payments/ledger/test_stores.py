"""Both stores keep the contract, and the same operations give byte-identical rows on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.payments.ledger.bookkeeping import Ledger, make_ledger
from tests.payments.ledger.ledger_contract import LedgerContract
from tests.support import postgres


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def books(self, home: Path) -> Iterator[Ledger]:
        made = make_ledger(home)
        yield made
        made.ground.close()


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def books(self, home: Path, server: postgres.Server) -> Iterator[Ledger]:
        made = make_ledger(home, server.fresh_database())
        yield made
        made.ground.close()
