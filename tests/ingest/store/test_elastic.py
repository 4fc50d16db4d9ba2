"""The Elasticsearch store on a real server: the contract, what conditions mean, and what others do to its indices."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from app.kernel.errors import ConfigurationRefused
from ingest.events.envelope import FieldType
from ingest.settings import ElasticSettings, ShipperSettings, StoreSettings
from ingest.shipper import Shipper
from ingest.store import backends
from ingest.store.columns import Schema, shipped
from ingest.store.elastic import ElasticStore
from ingest.store.elastic_client import OfficialClient
from ingest.store.port import EventStore, StorePartial, StoreUnavailable, walk
from ingest.store.query import EVERYTHING, Contains, Eq, Exists, Not, Prefix, Search, Window
from tests.ingest.store import meaning
from tests.ingest.store.documents import START, sequenced
from tests.ingest.store.store_contract import StoreContract
from tests.ingest.store.test_meaning import CONDITIONS, disagreements
from tests.support import sealing
from tests.support.ground import Ground
from tests.support.search import SearchServer

pytestmark = [pytest.mark.needs("search"), pytest.mark.xdist_group("search")]

ALL = Window()


class TestElasticStore(StoreContract):
    @pytest.fixture
    def store(self, elastic: ElasticStore) -> ElasticStore:
        return elastic


def another(client: OfficialClient, namespace: str, **options: object) -> ElasticStore:
    return ElasticStore(
        shipper=client, reader=client, lifecycle=client, namespace=namespace, pause=lambda _: None, **options
    )


def indices(client: OfficialClient, namespace: str) -> list[str]:
    status, answer = client.request("GET", f"/{namespace}-*")
    return sorted(answer) if status == 200 else []


def test_elasticsearch_means_what_the_reference_means(elastic: ElasticStore) -> None:
    assert disagreements(elastic, meaning.conditions(5, CONDITIONS)) == []


def test_the_settings_lead_to_a_store(search_server: SearchServer, namespace: str) -> None:
    store = backends.make(
        StoreSettings(
            backend="elastic", namespace=namespace, elastic=ElasticSettings(urls=(search_server.url,), origin="test")
        )
    )
    found = store.open()
    store.close()

    assert (found.backend, found.namespace, found.is_secured) == ("elastic", namespace, False)
    assert found.version.startswith("9.")


def test_each_class_and_month_is_an_index_and_only_ours(elastic: ElasticStore, client: OfficialClient) -> None:
    elastic.append([sequenced(1), sequenced(2, class_="money", ingested=datetime(2025, 1, 5, tzinfo=UTC))])

    name = elastic.namespace
    assert indices(client, name) == [f"{name}-money-2025.01", f"{name}-security-2026.11"]
    _, found = client.request("GET", f"/{name}-money-2025.01", {"flat_settings": "true"})
    (index,) = found.values()
    assert index["mappings"]["dynamic"] == "strict"
    assert index["aliases"] == {f"{name}-events": {}}
    settings = index["settings"]
    assert settings["index.sort.field"] == ["event.sequence"]
    assert settings["index.codec"] == "best_compression"
    assert settings["index.number_of_replicas"] == "0"


def test_what_is_stored_minus_its_place_is_the_body_byte_for_byte(elastic: ElasticStore) -> None:
    item = sequenced(1, user__id='quote " and \\ and "event":{ and é', onepay__subject__id=["b", "a"])
    elastic.append([item])
    elastic.settle()
    (document,) = elastic.search(Search()).documents
    for name in ("sequence", "ingested", "hash"):
        del document["event"][name]

    assert json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() == item.body


def test_a_condition_the_server_cannot_say_is_decided_here(elastic: ElasticStore) -> None:
    elastic.append([sequenced(n, source__port=n, source__ip=f"10.0.{n}.1") for n in range(1, 61)])
    elastic.settle()
    fives = Prefix("source.port", "5")

    assert elastic.count(fives, ALL) == 11
    assert elastic.count(Not(fives), ALL) == 49
    found = [document["source"]["port"] for document in walk(elastic, Search(where=fives, limit=4))]
    assert sorted(found) == [5, *range(50, 60)]
    assert sum(group.count for group in elastic.groups(fives, ALL, ["source.ip"])) == 11
    assert elastic.terms(Contains("source.ip", "10.0.6."), ALL, "source.ip").counts == [("10.0.6.1", 1)]
    window = Window(since=START, until=START + timedelta(minutes=1))
    assert sum(bin.count for bin in elastic.histogram(fives, window, timedelta(seconds=10))) == 11


def test_index_and_template_gone_leaves_no_loose_index(
    elastic: ElasticStore, client: OfficialClient, ground: Ground
) -> None:
    ship = Shipper(ground.db, elastic, ground.clock, settings=ShipperSettings(), ids=ground.ids, jitter=lambda: 1.0)
    sealing.record(ground)
    sealing.sequencer(ground).drain()
    ship.drain()
    client.request("DELETE", f"/{elastic.namespace}-security-2026.11")
    client.request("DELETE", f"/_index_template/{elastic.namespace}")
    sealing.record(ground)
    sealing.sequencer(ground).drain()

    for _ in range(5):
        ship.step()
        ground.clock.move(timedelta(minutes=2))

    assert indices(client, elastic.namespace) == []
    with ground.db.read() as session:
        found = ship.standing(session)
    assert found.done == 1
    assert "StoreUnavailable" in str(found.error)


def test_an_index_that_was_deleted_is_made_anew_and_filled_again(
    elastic: ElasticStore, client: OfficialClient, ground: Ground
) -> None:
    ship = Shipper(ground.db, elastic, ground.clock, settings=ShipperSettings(), ids=ground.ids, jitter=lambda: 1.0)
    sealing.record(ground, *[sealing.failed_login() for _ in range(5)])
    sealing.sequencer(ground).drain()
    ship.drain()
    client.request("DELETE", f"/{elastic.namespace}-security-2026.11")
    sealing.record(ground)
    sealing.sequencer(ground).drain()
    for _ in range(6):
        ship.step()
        ground.clock.move(timedelta(minutes=2))
    elastic.settle()

    assert elastic.coverage(0, 6) == 6


def test_a_closed_index_is_no_answer(elastic: ElasticStore, client: OfficialClient) -> None:
    elastic.append([sequenced(1), sequenced(2, class_="money")])
    elastic.settle()
    client.request("POST", f"/{elastic.namespace}-money-2026.11/_close")

    for ask in (
        lambda: elastic.count(EVERYTHING, ALL),
        lambda: elastic.coverage(0, 2),
        lambda: elastic.search(Search()),
        lambda: list(elastic.groups(EVERYTHING, ALL, ["user.id"])),
    ):
        with pytest.raises(StorePartial):
            ask()
    with pytest.raises(StoreUnavailable):
        elastic.append([sequenced(3, class_="money")])


def test_a_new_field_is_added_to_what_exists(client: OfficialClient, namespace: str) -> None:
    fields = dict(shipped().fields)
    older = Schema({path: type for path, type in fields.items() if path != "user.id"})
    store = another(client, namespace, schema=older)
    store.open()
    store.append([sequenced(1)])

    store = another(client, namespace)
    store.open()
    store.append([sequenced(2, user__id="u")])
    store.settle()
    assert store.count(Eq("user.id", "u"), ALL) == 1
    assert store.count(Not(Exists("user.id")), ALL) == 1


def test_an_index_says_which_of_its_fields_are_about_people(elastic: ElasticStore, client: OfficialClient) -> None:
    elastic.append([sequenced(1)])
    _, found = client.request("GET", f"/{elastic.namespace}-*/_mapping")
    assert found
    for index in found.values():
        said = index["mappings"]["_meta"]["onepay"]["personal"]
        assert (said["user.id"], said["source.ip"]) == ("account.id", "network.address")
        assert "event.action" not in said


def test_a_retyped_field_stops_the_start(elastic: ElasticStore, client: OfficialClient) -> None:
    elastic.append([sequenced(1)])
    retyped = Schema({**shipped().fields, "user.id": FieldType.LONG})
    with pytest.raises(ConfigurationRefused, match=r"user\.id is keyword in .* and long in the catalogue: run"):
        another(client, elastic.namespace, schema=retyped).open()


def test_the_data_of_another_installation_stops_the_start(elastic: ElasticStore, client: OfficialClient) -> None:
    with pytest.raises(ConfigurationRefused, match="belongs to 'onepay', not to 'elsewhere'"):
        another(client, elastic.namespace, origin="elsewhere").open()


def test_a_stronger_template_of_the_cluster_gets_none_of_our_documents(
    elastic: ElasticStore, client: OfficialClient
) -> None:
    loose = {"index_patterns": [f"{elastic.namespace}-*"], "priority": 900, "template": {"mappings": {"dynamic": True}}}
    client.request("PUT", f"/_index_template/{elastic.namespace}-stronger", None, loose)
    try:
        with pytest.raises(ConfigurationRefused, match="belongs to 'somebody else'"):
            elastic.append([sequenced(1)])
        assert indices(client, elastic.namespace) == []
    finally:
        client.request("DELETE", f"/_index_template/{elastic.namespace}-stronger")


def test_next_months_index_is_ready_a_day_ahead(elastic: ElasticStore, client: OfficialClient) -> None:
    elastic.append([sequenced(1)])
    elastic.tend(datetime(2026, 11, 29, 12, tzinfo=UTC))
    assert len(indices(client, elastic.namespace)) == 1
    elastic.tend(datetime(2026, 11, 30, 12, tzinfo=UTC))
    assert indices(client, elastic.namespace)[1] == f"{elastic.namespace}-security-2026.12"


def test_a_namespace_that_begins_anothers_sees_only_itself(client: OfficialClient, elastic: ElasticStore) -> None:
    longer = another(client, f"{elastic.namespace}-b")
    longer.open()
    longer.append([sequenced(1)])
    longer.settle()
    elastic.append([sequenced(1), sequenced(2)])
    elastic.settle()

    stores: list[EventStore] = [elastic, longer]
    assert [store.coverage(0, 10) for store in stores] == [2, 1]
    assert [store.stats().documents for store in stores] == [2, 1]
    client.request("DELETE", f"/_index_template/{elastic.namespace}-b")
