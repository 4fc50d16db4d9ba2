"""Where the console meets the system: its sources, its place in the application, its feeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

from flask import Blueprint, Flask, Response, g, request
from sqlalchemy.orm import Session

from app import edge, health
from app.compose import System
from app.gateway import told
from app.gateway.policy import Policy, route
from app.identity import accounts, roles
from app.kernel import numbers
from app.kernel.access import (
    COMPLIANCE_REPORT_READ,
    LOG_PROOF_READ,
    SECURITY_OWN_READ,
    SOC_INCIDENT_WRITE,
    Actor,
    Permission,
)
from app.kernel.context import Context
from app.kernel.errors import Forbidden, NotFound, OnePayError
from app.oauth import guard
from compliance.reports import taking
from dashboards import console as dash_console
from dashboards import feeds, mount
from dashboards.mount import Console
from dashboards.page import View
from dashboards.pages import soc
from dashboards.ports import Colleague, Part
from detectors.sigma.ast import Rule
from ingest.events.access import RequestDenied
from ingest.log import checkpoint, receipts, verify
from ingest.log.receipts import Receipt
from ingest.store.port import EventStore
from playbooks.parts import Parts

Result = TypeVar("Result")
# Each callback demands its own permission (dashboards.guard); what Dash serves itself needs a staff session.
STAFF: Final = Policy(permission=SECURITY_OWN_READ, surface=guard.STAFF)


class ConsoleSources:
    """Keeps `dashboards.ports.Sources` over one system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.store: EventStore = system.store
        self.rules: Mapping[str, Rule] = system.runner.rules
        self.controls = system.controls
        self.reports = system.reports
        self.retention = system.retention
        self.desk = system.desk
        self.reviews = system.reviews
        self.privacy = system.compliance.privacy
        self.registers = system.registers
        self.is_demo = system.settings.demo

    @property
    def response(self) -> Parts:
        return self._system.response

    def viewer(self) -> Actor:
        """Return who asks; the guard has found them."""
        actor: Actor = g.actor
        return actor

    def context(self) -> Context:
        return edge.context()

    def scheme(self) -> str:
        return "light" if request.cookies.get("onepay_scheme") == "light" else "dark"

    def read(self) -> AbstractContextManager[Session]:
        return self._system.db.read()

    def acted(self, work: Callable[[Session], Result]) -> Result:
        return edge.acted(work)

    def denied(self, permission: Permission, path: str) -> None:
        event = RequestDenied(
            method=request.method,
            status=int(HTTPStatus.FORBIDDEN),
            path=told.path(path),
            permission=permission.name,
            reason=Forbidden.code,
        )
        self._system.gateway.folding.tell(self._system.db, event, event, edge.context())

    def leave_trace(self, problem: OnePayError) -> None:
        edge.leave_trace(problem)

    def colleagues(self, session: Session) -> Sequence[Colleague]:
        held = accounts.active_with_roles(session, roles.holders_of(SOC_INCIDENT_WRITE), edge.context().at)
        return [
            Colleague(id=id_, roles=", ".join(roles.WORD_OF_ROLE[role] for role in sorted(mine)))
            for id_, mine in held.items()
        ]

    def name_of_colleague(self, account_id: str) -> str | None:
        """Return the name of a member of staff, looked up once a request."""
        known: dict[str, str | None] = g.setdefault("onepay_colleagues", {})
        if account_id not in known:
            with self.read() as session:
                known[account_id] = accounts.name_of_staff(session, account_id, parts=self._system.identity)
        return known[account_id]

    def holders_of(self, permission: Permission) -> Sequence[str]:
        return [roles.WORD_OF_ROLE[role] for role in roles.holders_of(permission)]

    def approvals_waiting(self, session: Session) -> int:
        return len(self._system.approvals.pending_for(session, self.viewer(), self.context().at))

    def proof(self, session: Session, event_id: str) -> Receipt | None:
        return receipts.of_event(session, event_id)

    def parts(self) -> Sequence[Part]:
        return health.parts(self._system, self.lag())

    def lag(self) -> Mapping[str, Any]:
        """Return how far each part is behind, measured once a request: a page draws several things from it."""
        if "onepay_lag" not in g:
            g.onepay_lag = health.lag(self._system)
        measured: Mapping[str, Any] = g.onepay_lag
        return measured


def install(app: Flask, system: System) -> Console:
    """Put the console on the application; everything it serves is behind a staff session."""
    sources = ConsoleSources(system)
    app.register_blueprint(_feeds(sources))
    app.register_blueprint(_files(system))
    made = dash_console.make(app, sources)
    app.extensions["onepay_console"] = made
    policies = app.extensions["onepay_policies"]
    for endpoint in mount.endpoints(app):
        policies.setdefault(endpoint, STAFF)
    return made


def _files(system: System) -> Blueprint:
    """Return where files of reports and exports are fetched, and what verifies them; always as attachments."""
    blueprint = Blueprint("console_files", __name__)

    @route(
        blueprint,
        "GET",
        "/console/files/<report_id>/<name>",
        Policy(permission=COMPLIANCE_REPORT_READ, surface=guard.STAFF),
    )
    def kept(report_id: str, name: str) -> Response:
        ctx = edge.context()
        return _attached(
            name, edge.acted(lambda session: taking.take(session, report_id, name, ctx, parts=system.reports))
        )

    @route(blueprint, "GET", "/console/files/log/<name>", Policy(permission=LOG_PROOF_READ, surface=guard.STAFF))
    def of_log(name: str) -> Response:
        if name == "onepay_verify.py":
            return _attached(name, Path(verify.__file__).read_bytes())
        if name == "policy":
            return _attached(name, system.reports.policy().encode())
        with system.db.read() as session:
            signed = checkpoint.newest(session)
        if name != "checkpoint" or signed is None:
            raise NotFound(object_id=name)
        return _attached(name, signed.note.encode())

    return blueprint


def _attached(name: str, data: bytes) -> Response:
    answer = Response(data, mimetype="application/octet-stream")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _feeds(sources: ConsoleSources) -> Blueprint:
    blueprint = Blueprint("console_feeds", __name__)
    for name, (page, rows) in soc.FEEDS.items():
        policy = Policy(permission=page.permission, surface=guard.STAFF)

        def feed(rows: soc.Feed = rows) -> Response:
            words = request.args.to_dict()
            asked = numbers.whole(words.pop("limit", None))
            limit = feeds.LIMIT_MAX if asked is None else asked
            after = words.pop("after", None)
            view = View(sources=sources, now=edge.context().at, scheme=sources.scheme(), words=words)
            return Response(json.dumps(rows(view, after=after, limit=limit)), mimetype="application/json")

        feed.__name__ = f"feed_{name}"
        route(blueprint, "GET", f"/console/api/{name}", policy)(feed)
    return blueprint
