"""The in-memory store keeps the contract."""

from __future__ import annotations

import pytest

from ingest.store.memory import MemoryStore
from ingest.store.port import EventStore
from tests.ingest.store.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> EventStore:
        store = MemoryStore()
        store.open()
        return store
