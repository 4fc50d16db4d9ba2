"""Which store there is: made from the settings, opened by whoever asked for it."""

from __future__ import annotations

from typing import assert_never

from app.kernel.errors import ConfigurationRefused
from ingest.settings import ElasticSettings, StoreSettings
from ingest.store.duck import DuckStore
from ingest.store.elastic import ElasticStore
from ingest.store.elastic_client import OfficialClient
from ingest.store.port import EventStore


def make(settings: StoreSettings) -> EventStore:
    """Return the store that the settings name, not yet open; raises `ConfigurationRefused` where they lack its part."""
    match settings.backend:
        case "duck":
            if settings.duck is None:
                raise ConfigurationRefused("the embedded store needs a folder")
            return DuckStore(settings.duck, namespace=settings.namespace)
        case "elastic":
            if settings.elastic is None or not settings.elastic.urls:
                raise ConfigurationRefused("Elasticsearch needs an address: set ONEPAY_STORE_URLS")
            return _elastic(settings.elastic, settings.namespace)
        case _:
            assert_never(settings.backend)


def _elastic(settings: ElasticSettings, namespace: str) -> ElasticStore:
    clients = {
        login: OfficialClient(settings, login) for login in {settings.shipper, settings.reader, settings.lifecycle}
    }
    return ElasticStore(
        shipper=clients[settings.shipper],
        reader=clients[settings.reader],
        lifecycle=clients[settings.lifecycle],
        namespace=namespace,
        origin=settings.origin,
        shards=settings.shards,
    )
