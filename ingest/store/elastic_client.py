"""Speaking to Elasticsearch: one call, `request`, under which lies the official client."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

import elasticsearch
from elastic_transport import TransportError

from app.kernel.errors import ConfigurationRefused
from ingest.settings import ElasticLogin, ElasticSettings
from ingest.store.port import StoreUnavailable

Answer: TypeAlias = dict[str, Any]
_JSON: Final = "application/json"
_LINES: Final = "application/x-ndjson"


class Requester(Protocol):
    """Sends one request and returns status and JSON; raises `StoreUnavailable` when there is no answer."""

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Answer | bytes | None = None
    ) -> tuple[int, Answer]: ...

    def close(self) -> None: ...


class OfficialClient:
    """The official client. It refuses servers that are not Elasticsearch; retries are the shipper's business."""

    def __init__(self, settings: ElasticSettings, login: ElasticLogin) -> None:
        options: dict[str, Any] = {
            "request_timeout": settings.timeout_seconds,
            "max_retries": 0,
            "retry_on_timeout": False,
            "http_compress": False,
        }
        if login.api_key is not None:
            options["api_key"] = login.api_key.reveal().decode()
        if settings.ca_file is not None:
            options["ca_certs"] = str(settings.ca_file)
        client = elasticsearch.Elasticsearch(list(settings.urls), **options)
        self._client = client.options(ignore_status=tuple(range(300, 600)))

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Answer | bytes | None = None
    ) -> tuple[int, Answer]:
        headers = {"accept": _JSON}
        if body is not None:
            headers["content-type"] = _LINES if isinstance(body, bytes) else _JSON
        try:
            with warnings.catch_warnings():
                # The server warns of missing security on every answer; opening says so once, on the health page.
                warnings.simplefilter("ignore", elasticsearch.ElasticsearchWarning)
                answer = self._client.perform_request(method, path, params=params or {}, headers=headers, body=body)
        except elasticsearch.UnsupportedProductError as error:
            raise ConfigurationRefused(
                "the search server is not Elasticsearch, which `ONEPAY_STORE=elastic` expects"
            ) from error
        except TransportError as error:
            raise StoreUnavailable(f"Elasticsearch does not answer: {error.message}") from error
        found = answer.body
        return answer.meta.status, found if isinstance(found, dict) else {"answer": found}

    def close(self) -> None:
        self._client.close()


class Impatient:
    """Asks for people: once the server was silent, all are refused at once for a while, and then one asks again.

    So a server that takes connections and answers nothing holds the threads of one moment, never those of a minute.
    """

    def __init__(self, inner: Requester, *, rest_seconds: float, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._inner, self._rest_seconds, self._elapsed = inner, rest_seconds, elapsed
        self._guard = threading.Lock()
        self._not_before: float | None = None
        self._said = ""

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Answer | bytes | None = None
    ) -> tuple[int, Answer]:
        with self._guard:
            if self._not_before is not None:
                if self._elapsed() < self._not_before:
                    raise StoreUnavailable(self._said)
                self._not_before = self._elapsed() + self._rest_seconds  # while this one asks, the others go on resting
        try:
            found = self._inner.request(method, path, params, body)
        except StoreUnavailable as silence:
            with self._guard:
                self._not_before, self._said = self._elapsed() + self._rest_seconds, str(silence)
            raise
        with self._guard:
            self._not_before = None
        return found

    def close(self) -> None:
        self._inner.close()


def error_type(answer: Mapping[str, Any]) -> str:
    """Return the server's name of an error."""
    error = answer.get("error")
    return str(error.get("type", "")) if isinstance(error, Mapping) else str(error or "")
