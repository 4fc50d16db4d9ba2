"""How Elasticsearch is laid out: plain indices by class and month, one template, and nobody else's hand in them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from app.kernel.errors import ConfigurationRefused
from ingest.events import catalog
from ingest.store.columns import ELASTIC, Schema, month_end
from ingest.store.elastic_client import Answer, Requester, error_type
from ingest.store.placing import CLASSES, hold_case
from ingest.store.port import StoreUnavailable

PRIORITY: Final = 500
HOLD: Final = "hold"
REBUILD: Final = "run `onepay store rebuild`"
# An index setting by which something else than us would one day delete evidence.
_FOREIGN: Final = ("lifecycle", "plugins.index_state_management", "opendistro.index_state_management")


class Layout:
    """Keeps template and indices as they must be, and says where a unit lies."""

    def __init__(
        self, request: Requester, *, namespace: str, origin: str, schema: Schema, shards: Mapping[str, int]
    ) -> None:
        self.namespace = namespace
        self.origin = origin
        self.schema = schema
        self._request = request
        self._shards = dict(shards)
        self._known: set[str] = set()
        self._guard = threading.Lock()

    @property
    def alias(self) -> str:
        """Return the name under which everything is read."""
        return f"{self.namespace}-events"

    def index(self, class_: str, month: str) -> str:
        """Return the index of a class and month: `onepay-security-2026.11`."""
        return f"{self.namespace}-{class_}-{month.replace('-', '.')}"

    def hold_index(self, case: str) -> str:
        """Return the index of what is held for a case."""
        return f"{self.namespace}-{HOLD}-{hold_case(case)}"

    def patterns(self) -> list[str]:
        """Return what the template applies to: each class by name, so that one namespace may begin another's."""
        return [f"{self.namespace}-{class_}-*" for class_ in sorted(CLASSES)] + [f"{self.namespace}-{HOLD}-*"]

    def prepare(self) -> None:
        """Put the template, add new fields to what exists, and refuse everything that is not as we laid it."""
        self._check_template()
        for name, index in self.described().items():
            self._check_index(name, index)

    def described(self) -> dict[str, Answer]:
        """Return our indices with their settings, mappings and aliases."""
        params = {"flat_settings": "true", "expand_wildcards": "open,closed,hidden"}
        status, answer = self._request.request("GET", f"/{','.join(self.patterns())}", params)
        if status == 404:
            return {}
        self._expect(status, answer, "the indices cannot be read")
        return answer

    def check_owners(self) -> None:
        """Raise `ConfigurationRefused` naming an index that something else than our `drop` might delete."""
        for name, index in self.described().items():
            self._check_settings(name, index["settings"])
        status, answer = self._request.request("GET", f"/_data_stream/{self.namespace}-*")
        if status == 200 and answer.get("data_streams"):
            raise ConfigurationRefused(
                f"{answer['data_streams'][0]['name']} is a data stream: only plain indices are ours"
            )

    def ensure(self, class_: str, month: str) -> str:
        """Return the index of a unit, making it explicitly, under a checked template, where there is none."""
        name = self.index(class_, month)
        with self._guard:
            if name not in self._known:
                self._create(name, class_, {"aliases": {self.alias: {}}})
                self._known.add(name)
        return name

    def ensure_hold(self, case: str) -> str:
        """Return the index of a hold; it is read only once it replaces what it was copied from."""
        name = self.hold_index(case)
        with self._guard:
            # What is copied here must not be seen twice, so nothing is refreshed before its source is gone.
            self._create(name, HOLD, {"settings": {"index.refresh_interval": "-1"}})
        return name

    def forget(self, *names: str) -> None:
        """Look anew for these indices before the next document."""
        with self._guard:
            self._known.difference_update(names)

    def months(self, class_: str) -> dict[str, str]:
        """Return the months that a class has an index for, and their names."""
        prefix = f"{self.namespace}-{class_}-"
        return {
            name.removeprefix(prefix).replace(".", "-"): name for name in self.described() if name.startswith(prefix)
        }

    def make_ready(self, at: datetime) -> None:
        """Make the next month's index of each class in use, a day before it is needed."""
        tomorrow = at + timedelta(days=1)
        if (tomorrow.year, tomorrow.month) == (at.year, at.month):
            return
        for class_ in sorted(CLASSES):
            if f"{at:%Y-%m}" in self.months(class_):
                self.ensure(class_, f"{month_end(f'{at:%Y-%m}'):%Y-%m}")

    def check_no_stray(self) -> None:
        """Raise `ConfigurationRefused` where a bulk request makes an index by itself: it would be a loose one."""
        name = f"{self.namespace}-security-1970.01"
        line = f'{{"create":{{"_index":"{name}","_id":"probe"}}}}\n{{}}\n'
        status, answer = self._request.request("POST", "/_bulk", None, line.encode())
        self._expect(status, answer, "a bulk request is refused")
        found = answer["items"][0]["create"]["status"]
        if found in (403, 404):
            return
        if found == 201 or name in self.described():
            self._request.request("DELETE", f"/{name}")
        raise ConfigurationRefused(
            f"the server makes indices by itself (a probe answered {found}): "
            f'set `action.auto_create_index: "-{self.namespace}*,+*"`'
        )

    def _template(self) -> Answer:
        return {
            "index_patterns": self.patterns(),
            "priority": PRIORITY,
            "template": {
                "settings": {
                    "index.number_of_replicas": self._replicas(),
                    "index.refresh_interval": "1s",
                    "index.codec": "best_compression",
                    "index.sort.field": ["event.sequence"],
                    "index.sort.order": ["asc"],
                },
                "mappings": self._mappings(),
            },
            "_meta": self._meta(),
        }

    def _mappings(self) -> Answer:
        properties: Answer = {}
        for path, type in self.schema.fields.items():
            *parents, leaf = path.split(".")
            place = properties
            for parent in parents:
                place = place.setdefault(parent, {"properties": {}})["properties"]
            place[leaf] = dict(ELASTIC[type])
        return {"dynamic": "strict", "_meta": self._meta(), "properties": properties}

    def _meta(self) -> Answer:
        said = {path: category for path, category in catalog.categories().items() if path in self.schema.fields}
        return {"origin": self.origin, "catalogue": self.schema.hash, "onepay": {"personal": said}}

    def _replicas(self) -> int:
        status, answer = self._request.request("GET", "/_cluster/health")
        self._expect(status, answer, "the cluster's health cannot be read")
        return 0 if int(answer["number_of_data_nodes"]) <= 1 else 1

    def _check_template(self) -> None:
        path = f"/_index_template/{self.namespace}"
        status, answer = self._request.request("GET", path)
        if status == 200:
            found = answer["index_templates"][0]["index_template"]
            self._check_origin(f"the template {self.namespace}", found.get("_meta") or {})
            if found.get("_meta") == self._meta() and found.get("index_patterns") == self.patterns():
                return
        elif status != 404:
            self._expect(status, answer, "the template cannot be read")
        status, answer = self._request.request("PUT", path, None, self._template())
        self._expect(status, answer, "the template cannot be put")

    def _check_index(self, name: str, index: Answer) -> None:
        mappings = index["mappings"]
        self._check_origin(f"the index {name}", mappings.get("_meta") or {})
        self._check_settings(name, index["settings"])
        if mappings.get("dynamic") != "strict":
            raise ConfigurationRefused(f"the index {name} was not made by us: its mapping is not strict; {REBUILD}")
        found = _types(mappings.get("properties", {}))
        wanted = {path: str(ELASTIC[type]["type"]) for path, type in self.schema.fields.items()}
        for path, type in found.items():
            if wanted.get(path, type) != type:
                raise ConfigurationRefused(f"{path} is {type} in {name} and {wanted[path]} in the catalogue: {REBUILD}")
        if not wanted.keys() <= found.keys() or mappings.get("_meta") != self._meta():
            status, answer = self._request.request("PUT", f"/{name}/_mapping", None, self._mappings())
            self._expect(status, answer, f"the new fields cannot be put into {name}")

    def _check_settings(self, name: str, settings: Mapping[str, Any]) -> None:
        for key, value in settings.items():
            if value and key.removeprefix("index.").startswith(_FOREIGN):
                raise ConfigurationRefused(f"the index {name} has {key}: something else than OnePay would delete it")
        if str(settings.get("index.mapping.source.mode", "stored")) != "stored":
            raise ConfigurationRefused(f"the index {name} does not keep documents as they were sent; {REBUILD}")

    def _check_origin(self, thing: str, meta: Mapping[str, Any]) -> None:
        if meta.get("origin") != self.origin:
            raise ConfigurationRefused(
                f"{thing} belongs to {meta.get('origin', 'somebody else')!r}, not to {self.origin!r}: "
                "choose another namespace, or " + REBUILD
            )

    def _create(self, name: str, class_: str, body: Answer) -> None:
        status, answer = self._request.request("GET", f"/{name}", {"flat_settings": "true"})
        if status == 200:
            self._check_index(name, answer[name])
            return
        if status != 404:
            self._expect(status, answer, f"the index {name} cannot be read")
        status, answer = self._request.request("GET", f"/_index_template/{self.namespace}")
        if status != 200 or answer["index_templates"][0]["index_template"].get("_meta") != self._meta():
            raise StoreUnavailable(f"the template {self.namespace} is gone or changed, so {name} is not made")
        settings = {**body.get("settings", {}), "index.number_of_shards": self._shards.get(class_, 1)}
        status, answer = self._request.request("PUT", f"/{name}", None, {**body, "settings": settings})
        if status == 400 and error_type(answer) == "resource_already_exists_exception":
            return
        self._expect(status, answer, f"the index {name} cannot be made")
        status, answer = self._request.request("GET", f"/{name}", {"flat_settings": "true"})
        self._expect(status, answer, f"the index {name} cannot be read")
        try:
            self._check_index(name, answer[name])
        except ConfigurationRefused:
            # A stronger template took it; it is empty, and nobody else's.
            self._request.request("DELETE", f"/{name}")
            raise

    def _expect(self, status: int, answer: Answer, what: str) -> None:
        if not 200 <= status < 300:
            raise StoreUnavailable(f"{what}: {status} {error_type(answer)}")


def _types(properties: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, mapping in properties.items():
        if "properties" in mapping:
            found.update(_types(mapping["properties"], f"{prefix}{name}."))
        else:
            found[prefix + name] = str(mapping.get("type", "object"))
    return found
