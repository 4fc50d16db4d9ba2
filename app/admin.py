"""The admin port of a process: health, lag, metrics, and commands for who can read the home's token."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, request
from prometheus_client import generate_latest

from app import health
from app.beside import token_of
from app.commands import registry
from app.commands.lines import Line
from app.compose import System
from app.kernel.errors import OnePayError
from app.kernel.logs import logger
from playbooks import incidents

_log = logger(__name__)


def make_admin(system: System) -> Flask:
    """Return the application of the admin port; it listens on loopback and nothing of it passes an edge."""
    app = Flask("onepay-admin", static_folder=None)
    token = token_of(system.settings.home)

    def allowed() -> bool:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())

    @app.get("/health/live")
    def live() -> Response:
        return _json({"live": True})

    @app.get("/health/ready")
    def ready() -> Response:
        found = health.ready(system)
        return _json({"ready": not found, "problems": found}, 503 if found else 200)

    @app.get("/health/lag")
    def lag() -> Response:
        return _json(health.lag(system))

    @app.get("/metrics")
    def metrics() -> Response:
        with system.db.read() as session:
            for severity, count in incidents.count_open(session).items():
                system.metrics.incidents_open.labels(severity=str(severity)).set(count)
        health.lag(system)
        return Response(generate_latest(system.metrics.registry), mimetype="text/plain")

    @app.post("/commands/<name>")
    def command(name: str) -> Response:
        if not allowed():
            return _json({"error": "the token of the home is needed"}, 401)
        run = registry.COMMANDS.get(name)
        if run is None:
            return _json({"error": "there is no such command"}, 404)
        arguments = request.get_json(silent=True) or {}
        return Response(_lines(run(system, arguments)), mimetype="application/x-ndjson")

    return app


def _lines(found: Iterator[Line]) -> Iterator[str]:
    try:
        for line in found:
            yield json.dumps(line, ensure_ascii=False) + "\n"
    except OnePayError as error:
        yield json.dumps(failure(error)) + "\n"
    except Exception:  # noqa: BLE001 - the stream has begun, so the failure is its last line
        _log.exception("command failed")
        yield json.dumps({"text": "The command failed; the log of the process says why.", "exit": 1}) + "\n"


def failure(error: OnePayError) -> Line:
    """Return the last line of a command that was refused."""
    return {"text": f"{error} ({error.code})", "exit": 1}


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status=status, mimetype="application/json")
