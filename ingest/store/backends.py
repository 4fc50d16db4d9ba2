"""Which store there is: made from the settings, opened by whoever asked for it.

The client of Elasticsearch is loaded where it is used alone: it takes as long as a tenth of the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from app.kernel.errors import ConfigurationRefused
from ingest.settings import ElasticLogin, ElasticSettings, StoreSettings
from ingest.store.duck import DuckStore
from ingest.store.port import EventStore

if TYPE_CHECKING:
    from ingest.store.elastic import ElasticStore
    from ingest.store.elastic_client import Requester


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
            from ingest.store.elastic_client import OfficialClient

            logins = {settings.elastic.shipper, settings.elastic.reader, settings.elastic.lifecycle}
            clients = {login: OfficialClient(settings.elastic, login) for login in logins}
            return _elastic(settings.elastic, settings.namespace, clients)
        case _:
            assert_never(settings.backend)


def for_pages(settings: StoreSettings, store: EventStore) -> EventStore:
    """Return the same store as pages ask it: only reading, and with little patience where it is another server."""
    if settings.elastic is None:
        return store
    from ingest.store.elastic_client import Impatient, OfficialClient

    brief = replace(settings.elastic, timeout_seconds=settings.elastic.page_timeout_seconds)
    reader = Impatient(OfficialClient(brief, brief.reader), rest_seconds=brief.page_rest_seconds)
    return _elastic(brief, settings.namespace, dict.fromkeys((brief.shipper, brief.reader, brief.lifecycle), reader))


def _elastic(settings: ElasticSettings, namespace: str, clients: Mapping[ElasticLogin, Requester]) -> ElasticStore:
    from ingest.store.elastic import ElasticStore

    return ElasticStore(
        shipper=clients[settings.shipper],
        reader=clients[settings.reader],
        lifecycle=clients[settings.lifecycle],
        namespace=namespace,
        origin=settings.origin,
        shards=settings.shards,
    )
