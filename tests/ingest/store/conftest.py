"""The search server of the run, and a store in a namespace of its own on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from ingest.settings import ElasticLogin, ElasticSettings
from ingest.store.elastic import ElasticStore
from ingest.store.elastic_client import OfficialClient
from tests.support.search import SearchServer


@pytest.fixture(scope="session")
def client(search_server: SearchServer) -> Iterator[OfficialClient]:
    client = OfficialClient(ElasticSettings(urls=(search_server.url,)), ElasticLogin())
    yield client
    client.close()


@pytest.fixture
def namespace(client: OfficialClient) -> Iterator[str]:
    name = f"onepay-t{secrets.token_hex(3)}"
    yield name
    status, answer = client.request("GET", f"/{name}-*", {"expand_wildcards": "open,closed,hidden"})
    for index in answer if status == 200 else ():
        client.request("DELETE", f"/{index}")
    client.request("DELETE", f"/_index_template/{name}")


@pytest.fixture
def elastic(client: OfficialClient, namespace: str) -> ElasticStore:
    store = ElasticStore(shipper=client, reader=client, lifecycle=client, namespace=namespace, pause=lambda _: None)
    store.open()
    return store
