"""The DuckDB store keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.settings import DuckSettings
from ingest.store.duck import DuckStore
from tests.ingest.store.store_contract import StoreContract


class TestDuckStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[DuckStore]:
        store = DuckStore(DuckSettings(folder=tmp_path / "events"))
        store.open()
        yield store
        store.close()
