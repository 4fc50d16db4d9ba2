"""What the Elasticsearch store makes of answers that no healthy server gives; recorded, and no proof of the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.kernel.errors import ConfigurationRefused
from ingest.store.columns import shipped
from ingest.store.elastic import BUSY_TRIES, ElasticStore
from ingest.store.elastic_layout import Layout
from ingest.store.port import BatchTooLarge, StorePartial, StoreUnavailable
from ingest.store.query import EVERYTHING, Search, Window
from tests.ingest.store.documents import sequenced

Answer = tuple[int, dict[str, Any]]
ALL = Window()
INDEX = "onepay-security-2026.11"


@dataclass
class Recorded:
    """Answers as recorded by path; what a test says overrides, and what was asked is kept."""

    answers: dict[str, Callable[[bytes], Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bulks: list[bytes] = field(default_factory=list)

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> tuple[int, dict[str, Any]]:
        self.asked.append(f"{method} {path}")
        for key, answer in self.answers.items():
            if f"{method} {path}".startswith(key):
                if isinstance(body, bytes):
                    self.bulks.append(body)
                return answer(body if isinstance(body, bytes) else b"")
        return self.usual(method, path)

    def usual(self, method: str, path: str) -> Answer:
        layout = Layout(self, namespace="onepay", origin="onepay", schema=shipped(), shards={})
        meta = {"origin": "onepay", "catalogue": shipped().hash}
        if path.startswith("/_cluster/health"):
            return 200, {"status": "green", "number_of_nodes": 1, "number_of_data_nodes": 1}
        if path == "/_nodes":
            return 200, {"nodes": {"a": {"version": "9.2.4"}}}
        if path.startswith("/_index_template/"):
            found = {"_meta": meta, "index_patterns": layout.patterns()}
            return 200, {"index_templates": [{"index_template": found}]}
        if path == "/_bulk":
            return 200, {"items": [{"create": {"status": 404, "error": {"type": "index_not_found_exception"}}}]}
        if method == "GET" and path.startswith("/onepay-"):
            mappings = {"dynamic": "strict", "_meta": meta, "properties": {}}
            return 200, {INDEX: {"settings": {}, "mappings": mappings, "aliases": {}}}
        if path.endswith("_mapping"):
            return 200, {}
        return 404, {"error": {"type": "unknown"}}

    def close(self) -> None:
        """Nothing is open."""


def says(status: int, answer: dict[str, Any]) -> Callable[[bytes], Answer]:
    return lambda _: (status, answer)


def items(*statuses: int, error: str = "x") -> dict[str, Any]:
    return {
        "items": [
            {"create": {"status": status, **({"error": {"type": error, "reason": "why"}} if status >= 400 else {})}}
            for status in statuses
        ]
    }


@pytest.fixture
def server() -> Recorded:
    return Recorded()


@pytest.fixture
def store(server: Recorded) -> ElasticStore:
    store = ElasticStore(shipper=server, reader=server, lifecycle=server, pause=lambda _: None)
    store.open()
    return store


@pytest.mark.parametrize(
    "spoiled",
    [
        {"_shards": {"total": 2, "successful": 1, "failed": 1}},
        {"timed_out": True, "_shards": {"failed": 0}},
    ],
)
def test_an_answer_in_part_is_no_answer(server: Recorded, store: ElasticStore, spoiled: dict[str, Any]) -> None:
    hits = {"count": 7, "hits": {"hits": []}, "aggregations": {"high": {"value": 7}}}
    server.answers["POST /onepay-events"] = says(200, {**hits, **spoiled})
    for ask in (
        lambda: store.count(EVERYTHING, ALL),
        lambda: store.coverage(0, 7),
        lambda: store.search(Search()),
        lambda: store.missing(0, 7),
        lambda: list(store.groups(EVERYTHING, ALL, ["user.id"])),
        store.settle,
    ):
        with pytest.raises(StorePartial):
            ask()


def test_a_search_that_fails_is_no_answer(server: Recorded, store: ElasticStore) -> None:
    server.answers["POST /onepay-events"] = says(503, {"error": {"type": "search_phase_execution_exception"}})
    with pytest.raises(StorePartial):
        store.count(EVERYTHING, ALL)


def test_busy_items_go_again_alone(server: Recorded, store: ElasticStore) -> None:
    answers = iter([items(201, 429, 409, 503), items(429, 201), items(201)])
    server.answers["POST /_bulk"] = lambda _: (200, next(answers))

    done = store.append([sequenced(n) for n in (1, 2, 3, 4)])

    assert (done.stored, done.repeated) == (3, 1)
    assert [bulk.count(b'{"create"') for bulk in server.bulks] == [4, 2, 1]


def test_a_server_that_stays_busy_stops_the_batch(server: Recorded, store: ElasticStore) -> None:
    server.answers["POST /_bulk"] = says(200, items(429))
    with pytest.raises(StoreUnavailable):
        store.append([sequenced(1)])
    assert len(server.bulks) == BUSY_TRIES + 1


def test_a_batch_that_is_too_large_says_so(server: Recorded, store: ElasticStore) -> None:
    server.answers["POST /_bulk"] = says(413, {})
    with pytest.raises(BatchTooLarge):
        store.append([sequenced(1), sequenced(2)])


@pytest.mark.parametrize(
    "answer",
    [
        (200, items(201)),  # one answer for two documents
        (200, items(201, 404)),
        (200, items(201, 403)),
        (200, items(201, 500)),
        (200, items(201, 400, error="index_closed_exception")),
        (429, {"error": {"type": "es_rejected_execution_exception"}}),
        (500, {}),
    ],
)
def test_any_other_answer_stops_the_batch(server: Recorded, store: ElasticStore, answer: Answer) -> None:
    server.answers["POST /_bulk"] = says(*answer)
    with pytest.raises(StoreUnavailable):
        store.append([sequenced(1), sequenced(2)])


def test_a_document_the_server_refuses_is_named(server: Recorded, store: ElasticStore) -> None:
    server.answers["POST /_bulk"] = says(200, items(201, 400, error="document_parsing_exception"))
    done = store.append([sequenced(1), sequenced(2)])
    assert [refusal.sequence for refusal in done.refused] == [2]
    assert "document_parsing_exception" in done.refused[0].reason


@pytest.mark.parametrize(
    ("path", "answer", "sentence"),
    [
        (
            "GET /_nodes",
            (200, {"nodes": {"a": {"version": "8.19.0"}}}),
            "Elasticsearch 8.19.0 was found, 9.x is expected",
        ),
        ("POST /_bulk", (200, items(201)), "makes indices by itself"),
        ("GET /_cluster/health/onepay", (200, {"status": "red"}), "red"),
        ("GET /_data_stream", (200, {"data_streams": [{"name": "onepay-security-x"}]}), "is a data stream"),
    ],
)
def test_what_does_not_fit_stops_the_start(server: Recorded, path: str, answer: Answer, sentence: str) -> None:
    server.answers[path] = says(*answer)
    with pytest.raises(ConfigurationRefused, match=sentence):
        ElasticStore(shipper=server, reader=server, lifecycle=server).open()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"index.lifecycle.name": "thirty-days"}, r"has index\.lifecycle\.name"),
        ({"index.plugins.index_state_management.policy_id": "p"}, "index_state_management"),
        ({"index.mapping.source.mode": "synthetic"}, "does not keep documents"),
    ],
)
def test_a_foreign_hand_on_an_index_stops_start_and_upkeep(
    server: Recorded, store: ElasticStore, settings: dict[str, str], sentence: str
) -> None:
    mappings = {"dynamic": "strict", "_meta": {"origin": "onepay", "catalogue": shipped().hash}, "properties": {}}
    server.answers["GET /onepay-"] = says(200, {INDEX: {"settings": settings, "mappings": mappings, "aliases": {}}})
    with pytest.raises(ConfigurationRefused, match=sentence):
        store.tend(sequenced(1).ingested)
    with pytest.raises(ConfigurationRefused, match=sentence):
        ElasticStore(shipper=server, reader=server, lifecycle=server).open()


def test_a_loose_index_of_our_name_stops_the_start(server: Recorded) -> None:
    mappings = {"_meta": {"origin": "onepay"}, "properties": {}}
    server.answers["GET /onepay-"] = says(200, {INDEX: {"settings": {}, "mappings": mappings, "aliases": {}}})
    with pytest.raises(ConfigurationRefused, match="was not made by us"):
        ElasticStore(shipper=server, reader=server, lifecycle=server).open()
