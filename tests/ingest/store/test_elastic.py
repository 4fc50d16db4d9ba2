"""The Elasticsearch store keeps the contract, on a real server."""

from __future__ import annotations

import pytest

from ingest.store.elastic import ElasticStore
from tests.ingest.store import meaning
from tests.ingest.store.store_contract import StoreContract
from tests.ingest.store.test_meaning import CONDITIONS, disagreements

pytestmark = [pytest.mark.needs("search"), pytest.mark.xdist_group("search")]


class TestElasticStore(StoreContract):
    @pytest.fixture
    def store(self, elastic: ElasticStore) -> ElasticStore:
        return elastic


def test_elasticsearch_means_what_the_reference_means(elastic: ElasticStore) -> None:
    assert disagreements(elastic, meaning.conditions(5, CONDITIONS)) == []
