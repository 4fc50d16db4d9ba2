"""What never becomes a request, and numbers nobody can hold, get a clear answer too."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.support.browser import Served, served
from tests.support.installation import Installation


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home")) as made:
        yield made


def ask(house: Served, request: bytes) -> tuple[str, dict]:
    with socket.create_connection(("127.0.0.1", urlsplit(house.url).port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        # What was not read of the request resets the connection behind the answer.
        with suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode("latin-1"), json.loads(body)


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"POST /api/v1/transfers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", 413, "too_large"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n", 431, "too_large"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "malformed"),
        (b"no request at all\r\n\r\n", 400, "malformed"),
        (b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "malformed"),
    ],
)
def test_what_is_no_request_is_a_problem(house: Served, request_: bytes, status: int, code: str) -> None:
    head, problem = ask(house, request_)
    assert head.startswith((f"HTTP/1.1 {status} ", f"HTTP/1.0 {status} "))
    assert "Content-Type: application/problem+json" in head
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] in head


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
OLD = b"POST /sign-in HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n" + CHUNKED,
        OLD + b"Content-Length: 4\r\n" + CHUNKED,
        OLD + CHUNKED,
    ],
)
def test_a_body_whose_end_has_two_readings_ends_the_connection(house: Served, request_: bytes) -> None:
    """RFC 9112, 6.1: what follows could be read as a request of its own that no proxy before us has seen."""
    head, problem = ask(house, request_ + b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert head.startswith(("HTTP/1.1 400 ", "HTTP/1.0 400 "))
    assert "connection: close" in head.lower()
    assert (problem["code"], problem["instance"]) == ("malformed", "/sign-in")


def test_a_number_of_thousands_of_digits_is_no_json(installation: Installation) -> None:
    browser = installation.browser()
    browser.sign_in(installation.customer("digits", euros=1))
    answer = browser.client.post(
        "/api/v1/transfers",
        data='{"amount": ' + "9" * 5_000 + "}",
        headers={
            "Host": "localhost",
            "Content-Type": "application/json",
            "X-CSRFToken": browser.token,
            "Idempotency-Key": "digits",
        },
        environ_base={"REMOTE_ADDR": "127.0.0.1"},
    )
    assert (answer.status_code, answer.json["code"]) == (400, "malformed")
