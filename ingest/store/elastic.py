"""The event store of the server profile: Elasticsearch, one plain index a class and month."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from app.kernel.clock import rfc3339
from app.kernel.errors import ConfigurationRefused
from ingest.events.envelope import FieldType
from ingest.store import dsl, paging, reckon
from ingest.store.arrow import Tables
from ingest.store.columns import Schema, add_place, from_millis, lies_within, parse_body, shipped
from ingest.store.elastic_client import Answer, Requester, error_type
from ingest.store.elastic_layout import Layout
from ingest.store.matches import compiled, order_key
from ingest.store.paging import After
from ingest.store.placing import CLASSES, Place
from ingest.store.port import (
    SCAN_MAX,
    BatchTooLarge,
    QueryTooBroad,
    StorePartial,
    StoreUnavailable,
    check_bins,
    check_top,
    check_window,
    walk_leaves,
)
from ingest.store.query import (
    EVERYTHING,
    PAGE_MAX,
    Appended,
    Bin,
    Capabilities,
    Document,
    Dropped,
    Group,
    Key,
    Order,
    Page,
    Refusal,
    Search,
    Sequenced,
    Stats,
    Terms,
    Unit,
    Where,
    Window,
)

VERSION_MAJOR: Final = 9
GROUPS_PAGE: Final = 5_000
MISSING_SPAN: Final = 1_000
BUSY_TRIES: Final = 5
BUSY_SECONDS: Final = 0.2
_SORTS: Final[Mapping[Order, list[dict[str, str]]]] = {
    Order.NEWEST: [{"@timestamp": "desc"}, {"event.sequence": "desc"}],
    Order.OLDEST: [{"@timestamp": "asc"}, {"event.sequence": "asc"}],
    Order.SEQUENCE: [{"event.sequence": "asc"}],
}
# Only these say that the document is at fault; other answers of 400, as of a closed index, say the store is.
_MISFITS: Final = frozenset(
    (
        "document_parsing_exception",
        "illegal_argument_exception",
        "mapper_parsing_exception",
        "strict_dynamic_mapping_exception",
    )
)


class ElasticStore:
    """Asks Elasticsearch; an answer that is not whole is none."""

    backend: Final = "elastic"

    def __init__(
        self,
        *,
        shipper: Requester,
        reader: Requester,
        lifecycle: Requester,
        namespace: str = "onepay",
        origin: str = "onepay",
        shards: Mapping[str, int] | None = None,
        schema: Schema | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.schema = schema or shipped()
        self._tables = Tables(self.schema)
        self.namespace = namespace
        self._shipper, self._reader, self._lifecycle = shipper, reader, lifecycle
        self._layout = Layout(lifecycle, namespace=namespace, origin=origin, schema=self.schema, shards=shards or {})
        self._pause = pause

    def open(self) -> Capabilities:
        _, answer = self._whole(self._lifecycle, "GET", "/_cluster/health")
        nodes = int(answer["number_of_nodes"])
        _, answer = self._whole(
            self._lifecycle, "GET", "/_nodes", {"filter_path": "nodes.*.version,nodes.*.modules.name"}
        )
        versions = sorted({str(node["version"]) for node in answer["nodes"].values()})
        if any(int(version.split(".", 1)[0]) != VERSION_MAJOR for version in versions):
            raise ConfigurationRefused(f"Elasticsearch {versions[0]} was found, {VERSION_MAJOR}.x is expected")
        self._layout.prepare()
        self._layout.check_owners()
        self._check_health()
        self._layout.check_no_stray()
        return Capabilities(
            backend=self.backend,
            version=versions[-1],
            namespace=self.namespace,
            is_secured=self._is_secured(),
            notes=(f"{nodes} node{'s' if nodes > 1 else ''}",),
        )

    def append(self, documents: Sequence[Sequenced]) -> Appended:
        places, refused = self._tables.places(documents)
        units = {(item.class_, item.month) for item in places}
        indices = {unit: self._layout.ensure(*unit) for unit in sorted(units)}
        lines: list[tuple[Place, str, bytes]] = []
        for item in places:
            index = indices[item.class_, item.month]
            lines.append((item, index, _line("create", index, item)))
        stored = repeated = 0
        tries = 0
        while lines:
            again: list[tuple[Place, str, bytes]] = []
            answers = self._bulk(self._shipper, [line for _, _, line in lines])
            for (item, index, line), answer in zip(lines, answers, strict=True):
                match answer["status"]:
                    case 201:
                        stored += 1
                    case 409:
                        repeated += 1
                    case 429 | 503:
                        again.append((item, index, line))
                    case 400 if error_type(answer) in _MISFITS:
                        refused.append(Refusal(sequence=item.source.sequence, reason=_reason(answer)))
                    case status:
                        self._layout.forget(index)
                        raise StoreUnavailable(f"{index} does not take documents: {status} {_reason(answer)}")
            if again:
                tries += 1
                if tries > BUSY_TRIES:
                    raise StoreUnavailable(f"Elasticsearch is too busy for {len(again)} documents")
                self._pause(BUSY_SECONDS * 2**tries)
            lines = again
        return Appended(stored=stored, repeated=repeated, refused=tuple(refused))

    def settle(self) -> None:
        self._read("POST", f"/{self._layout.alias}/_refresh")

    def tend(self, at: datetime) -> None:
        self._layout.check_owners()
        self._layout.make_ready(at)

    def coverage(self, lo: int, hi: int) -> int:
        return self.count(EVERYTHING, Window(lo=lo, hi=hi))

    def missing(self, lo: int, hi: int) -> list[range]:
        if hi == lo:
            return []
        present = self.coverage(lo, hi)
        if present == hi - lo:
            return []
        if present == 0:
            return [range(lo + 1, hi + 1)]
        if hi - lo > MISSING_SPAN:
            middle = (lo + hi) // 2
            return _joined([*self.missing(lo, middle), *self.missing(middle, hi)])
        answer = self._search(EVERYTHING, Window(lo=lo, hi=hi), {"size": MISSING_SPAN, "sort": _SORTS[Order.SEQUENCE]})
        return reckon.gaps([int(hit["sort"][0]) for hit in answer["hits"]["hits"]], lo, hi)

    def search(self, search: Search) -> Page:
        after = paging.check(search, self.schema)
        hi = after.hi if after else self._high(search.window)
        window = replace(search.window, hi=max(hi, search.window.lo))
        rendered = dsl.render(search.where, window, self.schema)
        holds = None if rendered.is_exact else compiled(search.where, self.schema)
        found: list[Document] = []
        looked_at = 0
        while True:
            hits = self._page(rendered.query, search, after, is_whole=holds is not None)
            for number, hit in enumerate(hits[: search.limit], 1):
                after = _after(search.order, hit, hi)
                if holds is None or holds(hit["_source"]):
                    found.append(hit["_source"])
                if len(found) == search.limit and number < len(hits):
                    return self._page_of(found, search, after, hi)
            if len(hits) <= search.limit:
                return self._page_of(found, search, None, hi)
            looked_at += search.limit
            if looked_at > SCAN_MAX:
                raise QueryTooBroad

    def count(self, where: Where, window: Window) -> int:
        check_window(window)
        rendered = dsl.render(where, window, self.schema)
        if not rendered.is_exact:
            return sum(1 for _ in self._decided(where, window))
        answer = self._read("POST", f"/{self._layout.alias}/_count", body={"query": rendered.query})
        return int(answer.get("count", 0))

    def leaves(self, where: Where, window: Window) -> Iterator[tuple[int, bytes]]:
        return walk_leaves(self, where, window)

    def histogram(
        self, where: Where, window: Window, every: timedelta, *, split: str | None = None, top: int = 10
    ) -> list[Bin]:
        span = check_bins(window, every, top)
        if split is not None:
            self.schema.type_of(split)
        if not dsl.render(where, window, self.schema).is_exact:
            return reckon.histogram_of(self._decided(where, window), span, every, split, top, self.schema)
        width = every // timedelta(milliseconds=1)
        aggregation: Answer = {
            "date_histogram": {"field": "@timestamp", "fixed_interval": f"{width}ms", "min_doc_count": 1}
        }
        if split is not None:
            leading = [key for key, _ in self.terms(where, window, split, top).counts]
            values = [str(key).lower() if isinstance(key, bool) else key for key in leading] or [""]
            # Named values are counted exactly on every shard, which the leading ones of each shard are not.
            aggregation["aggs"] = {"split": {"terms": {"field": split, "include": values, "size": len(values)}}}
        answer = self._aggregate(where, window, {"bins": aggregation})
        counts: dict[int, int] = {}
        parts: dict[tuple[int, Key], int] = {}
        for bucket in answer.get("bins", {}).get("buckets", []):
            number = int(bucket["key"]) // width
            counts[number] = int(bucket["doc_count"])
            for part in bucket.get("split", {}).get("buckets", []):
                parts[number, self._key(str(split), part)] = int(part["doc_count"])
        return reckon.bins(span, every, counts, parts)

    def terms(self, where: Where, window: Window, field: str, top: int = 10) -> Terms:
        check_top(top)
        check_window(window)
        self.schema.type_of(field)
        if not dsl.render(where, window, self.schema).is_exact:
            return reckon.terms_of(self._decided(where, window), field, top, self.schema)
        terms = {"field": field, "size": top, "shard_size": max(1_000, 10 * top)}
        answer = self._aggregate(where, window, {"terms": {"terms": terms}}).get("terms", {})
        counts = [(self._key(field, bucket), int(bucket["doc_count"])) for bucket in answer.get("buckets", [])]
        return Terms(
            counts=counts,
            other=int(answer.get("sum_other_doc_count", 0)),
            error_max=int(answer.get("doc_count_error_upper_bound", 0)),
        )

    def groups(self, where: Where, window: Window, by: Sequence[str], *, at_least: int = 1) -> Iterator[Group]:
        check_window(window)
        for field in by:
            self.schema.type_of(field)
        # Pages of groups are asked one after the other, so all of them look at the same sequences.
        window = replace(window, hi=max(self._high(window), window.lo))
        if not dsl.render(where, window, self.schema).is_exact:
            yield from reckon.groups_of(self._decided(where, window), by, at_least, self.schema)
            return
        ends = {"first": {"min": {"field": "@timestamp"}}, "last": {"max": {"field": "@timestamp"}}}
        if not by:
            answer = self._aggregate(where, window, ends)
            count = self.count(where, window)
            if count >= max(1, at_least):
                yield _group((), count, answer)
            return
        sources = [{f"k{number}": {"terms": {"field": field}}} for number, field in enumerate(by)]
        after: Answer = {}
        while True:
            composite: Answer = {"size": GROUPS_PAGE, "sources": sources, **after}
            answer = self._aggregate(where, window, {"groups": {"composite": composite, "aggs": ends}}).get(
                "groups", {}
            )
            for bucket in answer.get("buckets", []):
                if int(bucket["doc_count"]) >= at_least:
                    key = tuple(
                        self._key(field, {"key": bucket["key"][f"k{number}"]}) for number, field in enumerate(by)
                    )
                    yield _group(key, int(bucket["doc_count"]), bucket)
            if len(answer.get("buckets", [])) < GROUPS_PAGE:
                return
            after = {"after": answer["after_key"]}

    def altered(self, documents: Sequence[Sequenced]) -> list[tuple[int, str]]:
        """Nothing: no call of the server changes what it searches by without the document it returns."""
        return []

    def replace(self, documents: Sequence[Sequenced]) -> int:
        places, _ = self._tables.places(documents)
        wanted = [(item, self._layout.index(item.class_, item.month)) for item in places]
        if not wanted:
            return 0
        ask = {"docs": [{"_index": index, "_id": item.id, "_source": ["onepay.parked"]} for item, index in wanted]}
        _, answer = self._whole(self._lifecycle, "POST", "/_mget", None, ask)
        lines: list[bytes] = []
        for (item, index), found in zip(wanted, answer["docs"], strict=True):
            if found.get("found") and found["_source"].get("onepay", {}).get("parked"):
                same = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
                lines.append(_line("index", index, item, same))
        answers = self._bulk(self._lifecycle, lines) if lines else []
        for answer in answers:
            if answer["status"] not in (200, 409):
                raise StoreUnavailable(f"a stub cannot be replaced: {answer['status']} {_reason(answer)}")
        return sum(answer["status"] == 200 for answer in answers)

    def drop(
        self, class_: str, before: datetime, keep: Mapping[str, Collection[int]], *, since: datetime | None = None
    ) -> Dropped:
        assert class_ in CLASSES, "a hold is not a class"
        self.settle()
        gone = {name for month, name in self._layout.months(class_).items() if lies_within(month, since, before)}
        if not gone:
            return Dropped(units=(), documents=0, kept=0)
        names = sorted(gone)
        answer = self._read("POST", f"/{','.join(names)}/_count", body={"query": {"match_all": {}}})
        held: set[int] = set()
        holds: list[str] = []
        for case in sorted(keep):
            wanted = sorted(set(keep[case]) - held)
            hold = self._layout.ensure_hold(case)
            holds.append(hold)
            held.update(self._copy(names, hold, wanted))
        actions: list[Answer] = [{"add": {"index": hold, "alias": self._layout.alias}} for hold in holds]
        actions += [{"remove_index": {"index": name}} for name in names]
        self._whole(self._lifecycle, "POST", "/_aliases", None, {"actions": actions})
        self._layout.forget(*names)
        for hold in holds:
            self._whole(self._lifecycle, "POST", f"/{hold}/_refresh")
        left = set(self._layout.months(class_).values()) & gone
        assert not left, f"dropped indices are still there: {sorted(left)}"
        return Dropped(units=tuple(names), documents=int(answer["count"]), kept=len(held))

    def holds(self, class_: str, month: str) -> bool:
        return month in self._layout.months(class_)

    def stats(self) -> Stats:
        indices = sorted(self._layout.described())
        if not indices:
            return Stats(documents=0, bytes=0, high=0, units=())
        self.settle()
        _, sizes = self._whole(self._reader, "GET", f"/{','.join(indices)}/_stats/store")
        ends = {"low": {"min": {"field": "event.sequence"}}, "high": {"max": {"field": "event.sequence"}}}
        asked = {"units": {"terms": {"field": "_index", "size": 10_000}, "aggs": ends}}
        found = {
            str(bucket["key"]): bucket
            for bucket in self._aggregate(EVERYTHING, Window(), asked).get("units", {}).get("buckets", [])
        }
        units = tuple(
            Unit(
                name=name,
                documents=int(found[name]["doc_count"]) if name in found else 0,
                bytes=int(sizes["indices"][name]["primaries"]["store"]["size_in_bytes"]),
                low=int(found[name]["low"]["value"]) if name in found else 0,
                high=int(found[name]["high"]["value"]) if name in found else 0,
            )
            for name in indices
        )
        return Stats(
            documents=sum(unit.documents for unit in units),
            bytes=sum(unit.bytes for unit in units),
            high=max(unit.high for unit in units),
            units=units,
        )

    def close(self) -> None:
        for requester in {id(item): item for item in (self._shipper, self._reader, self._lifecycle)}.values():
            requester.close()

    # -- asking ---------------------------------------------------------------------------------------------------

    def _whole(
        self,
        requester: Requester,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        body: Answer | None = None,
    ) -> tuple[int, Answer]:
        status, answer = requester.request(method, path, params, body)
        if not 200 <= status < 300:
            raise StoreUnavailable(f"{method} {path.split('?')[0]}: {status} {_reason(answer)}")
        return status, answer

    def _read(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Answer | None = None
    ) -> Answer:
        """Return a whole answer; nothing where there is no index yet, and `StorePartial` where a part is missing."""
        status, answer = self._reader.request(method, path, params, body)
        if status == 404 and error_type(answer) == "index_not_found_exception":
            return {}
        if status == 400 and "determinize" in _reason(answer):
            raise QueryTooBroad("the pattern is too complex for the search server")
        if status != 200:
            raise StorePartial(f"the search server answered {status}: {_reason(answer)}")
        if answer.get("timed_out") or int(answer.get("_shards", {}).get("failed", 0)) > 0:
            raise StorePartial("a part of the search server did not answer")
        return answer

    def _search(self, where: Where, window: Window, body: Answer) -> Answer:
        query = dsl.render(where, window, self.schema).query
        return self._search_for(query, body)

    def _search_for(self, query: dsl.Query, body: Answer) -> Answer:
        params = {"allow_partial_search_results": "false"}
        found = self._read("POST", f"/{self._layout.alias}/_search", params, {"query": query, **body})
        return found or {"hits": {"hits": []}, "aggregations": {}}

    def _aggregate(self, where: Where, window: Window, aggregations: Answer) -> Answer:
        body = {"size": 0, "track_total_hits": False, "aggs": aggregations}
        found: Answer = self._search(where, window, body).get("aggregations", {})
        return found

    def _high(self, window: Window) -> int:
        if window.hi is not None:
            return window.hi
        value = self._aggregate(EVERYTHING, Window(), {"high": {"max": {"field": "event.sequence"}}})
        return int(value.get("high", {}).get("value") or 0)

    def _page(self, query: dsl.Query, search: Search, after: After | None, *, is_whole: bool) -> list[Answer]:
        body: Answer = {"size": search.limit + 1, "sort": _SORTS[search.order], "track_total_hits": False}
        if after is not None:
            is_by_time = search.order is not Order.SEQUENCE
            body["search_after"] = [after.millis, after.sequence] if is_by_time else [after.sequence]
        if search.fields is not None and not is_whole:
            # The key of the page comes with the sort values, so only what was asked for is fetched.
            body["_source"] = list(search.fields)
        hits: list[Answer] = self._search_for(query, body)["hits"]["hits"]
        return hits

    def _page_of(self, documents: list[Document], search: Search, after: After | None, hi: int) -> Page:
        if search.fields is not None:
            documents = [paging.projected(document, search.fields) for document in documents]
        return Page(documents=documents, after=after.text() if after else None, hi=hi)

    def _decided(self, where: Where, window: Window) -> Iterator[Document]:
        """Yield what a condition finds that the server can only narrow, decided here, up to a bound."""
        window = replace(window, hi=max(self._high(window), window.lo))
        search = Search(window=window, order=Order.SEQUENCE, limit=PAGE_MAX)
        rendered, holds = dsl.render(where, window, self.schema), compiled(where, self.schema)
        after: After | None = None
        looked_at = 0
        while True:
            hits = self._page(rendered.query, search, after, is_whole=True)
            for hit in hits[:PAGE_MAX]:
                if holds(hit["_source"]):
                    yield hit["_source"]
            looked_at += len(hits)
            if len(hits) <= PAGE_MAX:
                return
            if looked_at > SCAN_MAX:
                raise QueryTooBroad
            after = _after(search.order, hits[PAGE_MAX - 1], int(window.hi or 0))

    def _key(self, field: str, bucket: Mapping[str, Any]) -> Key:
        value = bucket["key"]
        match self.schema.type_of(field):
            case FieldType.BOOLEAN:
                return bool(value)
            case FieldType.DATE:
                return rfc3339(from_millis(int(value)))
            case FieldType.LONG:
                return int(value)
            case _:
                return str(value)

    def _check_health(self) -> None:
        path = f"/_cluster/health/{','.join(self._layout.patterns())}"
        status, answer = self._lifecycle.request("GET", path)
        if status == 200 and answer.get("status") == "red":
            raise ConfigurationRefused("an index of ours is red: parts of the events cannot be read")

    def _is_secured(self) -> bool | None:
        status, answer = self._lifecycle.request("GET", "/_security/_authenticate")
        return status == 200 and "username" in answer

    # -- writing --------------------------------------------------------------------------------------------------

    def _bulk(self, requester: Requester, lines: list[bytes]) -> list[Answer]:
        status, answer = requester.request("POST", "/_bulk", {"refresh": "false"}, b"".join(lines))
        if status == 413:
            raise BatchTooLarge
        if status != 200:
            raise StoreUnavailable(f"Elasticsearch does not take documents: {status} {_reason(answer)}")
        items: list[Answer] = [next(iter(item.values())) for item in answer["items"]]
        if len(items) != len(lines):
            raise StoreUnavailable(f"{len(lines)} documents were sent and {len(items)} answered")
        return items

    def _copy(self, names: list[str], hold: str, wanted: list[int]) -> list[int]:
        copied: list[int] = []
        for start in range(0, len(wanted), PAGE_MAX):
            some = wanted[start : start + PAGE_MAX]
            body: Answer = {"query": {"terms": {"event.sequence": some}}, "size": len(some)}
            params = {"allow_partial_search_results": "false"}
            answer = self._read("POST", f"/{','.join(names)}/_search", params, body)
            hits = answer["hits"]["hits"]
            lines = [
                json.dumps({"create": {"_index": hold, "_id": hit["_id"]}}).encode()
                + b"\n"
                + json.dumps(hit["_source"], ensure_ascii=False, separators=(",", ":")).encode()
                + b"\n"
                for hit in hits
            ]
            for hit, done in zip(hits, self._bulk(self._lifecycle, lines) if lines else [], strict=True):
                if done["status"] not in (201, 409):
                    raise StoreUnavailable(f"{hit['_id']} cannot be copied to {hold}: {done['status']}")
                copied.append(order_key(hit["_source"])[1])
        return copied


def _line(action: str, index: str, item: Place, extra: Mapping[str, Any] | None = None) -> bytes:
    source = item.source
    head = json.dumps({action: {"_index": index, "_id": item.id, **(extra or {})}}, separators=(",", ":"))
    if _EVENT not in source.body:
        whole = add_place(parse_body(source.body), source.sequence, _text_of(source.ingested), source.hash)
        return b"%s\n%s\n" % (head.encode(), json.dumps(whole, ensure_ascii=False).encode())
    # The body is text in canonical form and `event` is a field of its top alone, so its place is put in as text.
    place = (
        f'"event":{{"sequence":{source.sequence},"ingested":"{_text_of(source.ingested)}",'
        f'"hash":{json.dumps(source.hash)},'
    )
    return b"%s\n%s\n" % (head.encode(), source.body.replace(_EVENT, place.encode(), 1))


_EVENT: Final = b'"event":{'
_text_of: Final = lru_cache(maxsize=1_024)(rfc3339)


def _after(order: Order, hit: Answer, hi: int) -> After:
    *times, sequence = hit["sort"]
    return After(millis=int(times[0]) if times else 0, sequence=int(sequence), hi=hi)


def _group(key: tuple[Key, ...], count: int, ends: Mapping[str, Any]) -> Group:
    first, last = int(ends["first"]["value"]), int(ends["last"]["value"])
    return Group(key=key, count=count, first=from_millis(first), last=from_millis(last))


def _joined(ranges: list[range]) -> list[range]:
    joined: list[range] = []
    for item in ranges:
        if joined and joined[-1].stop == item.start:
            joined[-1] = range(joined[-1].start, item.stop)
        else:
            joined.append(item)
    return joined


def _reason(answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    if not isinstance(error, Mapping):
        return str(error or answer.get("message", ""))[:300]
    causes = error.get("root_cause") or []
    deepest = error.get("caused_by") or (causes[0] if causes else {})
    return f"{error.get('type', '')}: {error.get('reason', '')} {deepest.get('reason', '')}".strip()[:300]
