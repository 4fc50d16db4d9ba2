"""The web process: one Flask application over one system, served by waitress on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask, Response
from waitress.server import create_server

from app import console, edge, problems, unparsed
from app.api import description, money, sessions
from app.api import privacy as api_privacy
from app.compose import System
from app.gateway import pipeline
from app.gateway.policy import BODY_MAX
from app.kernel import access
from app.kernel.errors import OnePayError
from app.web import (
    approvals,
    assets,
    coming_in,
    evidence,
    general,
    pages,
    privacy,
    records,
    security,
    send,
    signing_in,
    wallet,
)
from app.web.admin import people

_TEMPLATES = Path(__file__).parent / "web" / "templates"


def make_app(system: System) -> Flask:
    """Return the application: pages, API and console behind the one row of steps."""
    app = Flask("onepay", template_folder=str(_TEMPLATES), static_folder=None)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["may"] = access
    files = assets.Assets()
    app.extensions.update(onepay=system, onepay_assets=files, onepay_policies={})
    for blueprint in (
        assets.blueprint(files),
        general.blueprint,
        signing_in.blueprint,
        coming_in.blueprint,
        security.blueprint,
        privacy.blueprint,
        wallet.blueprint,
        send.blueprint,
        people.blueprint,
        records.blueprint,
        approvals.blueprint,
        evidence.blueprint,
        sessions.blueprint,
        money.blueprint,
        api_privacy.blueprint,
        description.blueprint,
    ):
        app.register_blueprint(blueprint)
    console.install(app, system)
    edge.install(app, pages.refusal)
    pipeline.install(app, system.gateway, _at_the_door)
    pipeline.check(app)
    system.doors.of(app)
    return app


def serve(app: Flask, system: System) -> Any:  # waitress has no types of its server
    """Return a listening server; `run()` serves until `close()`."""
    settings = system.settings
    server = create_server(
        app,
        host=settings.bind,
        port=settings.port,
        threads=settings.threads,
        ident=None,
        clear_untrusted_proxy_headers=False,  # the gateway decides which it believes
        channel_timeout=60,
        max_request_header_size=32_768,
        max_request_body_size=evidence.UPLOAD_MAX + BODY_MAX,  # what a path takes, the gateway says
    )
    server.channel_class = unparsed.channel(system)  # type: ignore[union-attr]  # one address, one server
    return server


def _at_the_door(error: OnePayError, environ: dict[str, Any]) -> Response:
    """Answer what the gateway refuses before the framework sees it."""
    problem = problems.of(error, request_id=environ["onepay.request_id"], instance=str(environ.get("PATH_INFO", "")))
    return edge.document(problem)
