"""The row of steps every request passes, in one place and one order.

Before anything is parsed (WSGI): trace, proxies, shape, network. Before the view (Flask): policy, guard, csrf,
permission. After it: headers. What a step refuses goes to one renderer, and leaves its event in a transaction of its
own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Flask, Response, g, request
from flask import session as flask_session

from app.gateway import agents, csrf, headers, shape, told
from app.gateway.folding import Folding
from app.gateway.networks import Blocked, NetworkRefused
from app.gateway.policy import BODY_MAX, Policy
from app.gateway.proxies import TrustedProxies, plain
from app.identity import sessions
from app.identity.policy import SecurityPolicy
from app.kernel import classify, crypto
from app.kernel.access import ANONYMOUS, Permission
from app.kernel.clock import Clock
from app.kernel.context import Context, Source
from app.kernel.crypto import Secret
from app.kernel.db import Database
from app.kernel.errors import Malformed, OnePayError, SignInRequired, Unavailable
from app.kernel.ids import Ids
from app.kernel.logs import logger
from app.oauth import guard
from app.oauth.guard import Cookies
from ingest.events.access import RequestBlocked

_REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9_-]{8,64}$")
PASSIVE_HEADER: Final = "X-OnePay-Passive"
_LOST: Final = "onepay.unavailable"
_STATIC: Final = "/assets/"
_STAFF_STATIC: Final = ("/console/_dash-component-suites/", "/console/assets/")
_log: Final = logger(__name__)

Start = Callable[..., Any]
Render = Callable[[OnePayError, dict[str, Any]], Response]
Look = Callable[[str], dict[str, Any]]
"""Port: what the network table says of an address, as fields of Source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The parts of the pipeline, made by `compose`."""

    db: Database
    clock: Clock
    ids: Ids
    proxies: TrustedProxies
    blocked: Blocked
    hosts: Collection[str]
    origins: frozenset[str]
    cookies: Cookies
    pre_session: Secret
    is_tls: bool
    look: Look
    folding: Folding = field(default_factory=Folding)


def install(app: Flask, gateway: Gateway, render: Render) -> None:
    """Put the row of steps around an application."""
    app.session_interface = csrf.RowSessions()
    app.config.update(
        SECRET_KEY=crypto.derive(gateway.pre_session, "csrf").reveal(),
        WTF_CSRF_TIME_LIMIT=None,
        MAX_CONTENT_LENGTH=BODY_MAX,
    )
    app.before_request(lambda: _before(app, gateway))
    app.after_request(lambda response: _after(response, gateway))
    app.wsgi_app = _Doors(app.wsgi_app, gateway, render, _larger(app))  # type: ignore[method-assign,assignment]  # Flask's own way


def _larger(app: Flask) -> dict[str, int]:
    """Return how much may be sent to the few paths that take more than others."""
    policies: dict[str, Policy] = app.extensions["onepay_policies"]
    limits = ((rule.rule, policies.get(rule.endpoint)) for rule in app.url_map.iter_rules())
    return {path: policy.body_max for path, policy in limits if policy is not None and policy.body_max > BODY_MAX}


def check(app: Flask) -> None:
    """Refuse to start while a route has no policy."""
    policies = app.extensions["onepay_policies"]
    open_ = [rule.endpoint for rule in app.url_map.iter_rules() if rule.endpoint not in policies]
    assert not open_, f"routes without a policy: {', '.join(open_)}"


def policy_of(app: Flask) -> Policy | None:
    """Return the policy of the present request's route."""
    found: Policy | None = app.extensions["onepay_policies"].get(request.endpoint)
    return found


class _Doors:
    """Steps 1 to 5, before a framework sees the request."""

    def __init__(self, inner: Callable[..., Any], gateway: Gateway, render: Render, larger: Mapping[str, int]) -> None:
        self._inner, self._gateway, self._render, self._larger = inner, gateway, render, larger

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        gate = self._gateway
        environ["onepay.request_id"] = gate.ids.new("req", gate.clock.now())
        layer = "proxy"
        try:
            asked = environ.get("HTTP_X_REQUEST_ID")
            client = gate.proxies.establish(environ)
            if asked and "HTTP_X_REQUEST_ID" in environ and is_request_id(asked):
                environ["onepay.request_id"] = asked
            layer = "shape"
            shape.check(environ, gate.hosts, self._larger.get(environ.get("PATH_INFO", ""), BODY_MAX))
            layer = "network"
            if client in gate.blocked:
                raise NetworkRefused
        except Unavailable as lost:
            # Nobody is turned away: whether the address is blocked is unknown. Told inside, as page or document.
            environ[_LOST] = lost
        except OnePayError as refusal:
            self._trace(environ, layer, refusal)
            response = self._render(refusal, environ)
            headers.apply(response.headers, policy=headers.API_POLICY, is_tls=gate.is_tls)
            response.headers["X-Request-Id"] = environ["onepay.request_id"]
            return response(environ, start)
        result: Iterable[bytes] = self._inner(environ, start)
        return result

    def _trace(self, environ: dict[str, Any], layer: str, refusal: OnePayError) -> None:
        ip = environ.get("REMOTE_ADDR")
        try:
            plain(str(ip))
        except Malformed:
            ip = None
        ctx = Context(
            actor=ANONYMOUS,
            at=self._gateway.clock.now(),
            request_id=environ["onepay.request_id"],
            source=Source(ip=ip, **(self._gateway.look(ip) if ip else {})),
            ids=self._gateway.ids,
        )
        event = RequestBlocked(
            method=str(environ.get("REQUEST_METHOD", ""))[:16],
            path=told.path(str(environ.get("PATH_INFO", ""))),
            layer=layer,
            reason=refusal.code,
        )
        try:
            self._gateway.folding.tell(self._gateway.db, event, event, ctx)
        except Unavailable as error:
            # Nothing behind the door was reached, so the refusal stands; that it left no event, operators are told.
            _log.warning("a blocked request left no event", extra={"error__type": type(error).__name__})


def is_request_id(text: str) -> bool:
    """Tell whether a caller's own id can stand in events: short, plain, and nothing that looks like a card."""
    return _REQUEST_ID.match(text) is not None and not classify.find_card_numbers(text)


def _before(app: Flask, gate: Gateway) -> None:
    g.csp_nonce = headers.new_nonce()
    g.request_id = request.environ["onepay.request_id"]
    g.at = gate.clock.now()
    g.source = _source(gate)
    g.actor, g.live, g.ended = ANONYMOUS, None, None
    if _LOST in request.environ:
        raise request.environ[_LOST]
    policy = policy_of(app)
    if policy is not None:
        request.max_content_length = policy.body_max
    surface = policy.surface if policy else surface_of(request.path)
    ctx = Context(actor=ANONYMOUS, at=g.at, request_id=g.request_id, source=g.source, ids=gate.ids)
    if not is_static(request.path):
        # A page that asks by itself says so; whoever lies about it only shortens their own session.
        asks_itself = request.headers.get(PASSIVE_HEADER) == "1"
        _identify(gate, surface, ctx, is_passive=asks_itself or bool(policy and policy.passive))
    if policy is None:
        return  # routing answers 404 or 405, after the guard, so that the page knows who asks
    if isinstance(policy.permission, Permission) and g.actor.id is None:
        # Before the token, which ends with its session: whoever was signed out is led to the sign-in.
        raise SignInRequired
    if request.method not in ("GET", "HEAD") and policy.csrf:
        csrf.check(request, gate.origins)
    if isinstance(policy.permission, Permission):
        g.actor.require(policy.permission)
    if policy.acr is not None:
        security: SecurityPolicy = app.extensions["onepay"].identity.policy
        g.actor.require_fresh(policy.acr, security.step_up, g.at)


def _identify(gate: Gateway, surface: str, ctx: Context, *, is_passive: bool) -> None:
    found = guard.identify(gate.db, request.cookies, gate.cookies, surface, ctx)
    g.actor, g.live, g.ended = found.actor, found.live, found.ended
    if found.live is not None:
        g.source = _source(gate, session_id=found.live.session_id, device_id=found.live.device_id)
        flask_session[csrf.FIELD] = found.live.csrf
        if found.live.is_worth_touching(g.at) and not is_passive:
            with gate.db.begin() as session:
                sessions.touch(session, found.live.session_id, g.at)
    else:
        pre = request.cookies.get(gate.cookies.pre)
        g.new_pre = None if pre else headers.new_nonce()
        flask_session[csrf.FIELD] = csrf.secret_of_pre(gate.pre_session, pre or g.new_pre)


def _after(response: Response, gate: Gateway) -> Response:
    is_console = request.path.startswith("/console")
    if response.mimetype == "text/html":
        policy = headers.console_policy(g.csp_nonce) if is_console and not g.get("plain_page") else headers.PAGE_POLICY
    else:
        policy = headers.API_POLICY
    cache = _cache(request.path) if response.status_code in (200, 304) else headers.NEVER_CACHED
    if getattr(g, "new_pre", None) and response.mimetype == "text/html" and cache == headers.NEVER_CACHED:
        set_cookie(response, gate, gate.cookies.pre, g.new_pre, strict=False, seconds=None)
    headers.apply(response.headers, policy=policy, is_tls=gate.is_tls, cache=cache)
    response.headers["X-Request-Id"] = g.get("request_id", "")
    return response


def set_cookie(
    response: Response,
    gate: Gateway,
    name: str,
    value: str,
    *,
    strict: bool,
    seconds: int | None,
    readable: bool = False,
) -> None:
    """Set a cookie with every attribute that keeps it at home; an empty value removes it."""
    response.set_cookie(
        name,
        value,
        max_age=0 if not value else seconds,
        path="/",
        secure=gate.is_tls,
        httponly=not readable,
        samesite="Strict" if strict else "Lax",
    )


def surface_of(path: str) -> str:
    """Return whose session counts for an address that no policy tells it of."""
    return guard.STAFF if path.startswith(("/console", "/admin", "/staff")) else guard.CUSTOMER


def is_static(path: str) -> bool:
    """Tell whether an address is a file served unchanged to everybody."""
    return path.startswith(_STATIC)


def _cache(path: str) -> str:
    if is_static(path):
        return headers.IMMUTABLE
    return headers.IMMUTABLE_STAFF if path.startswith(_STAFF_STATIC) else headers.NEVER_CACHED


def _source(gate: Gateway, *, session_id: str | None = None, device_id: str | None = None) -> Source:
    agent = agents.parse(request.headers.get("User-Agent", ""))
    ip = request.environ.get("REMOTE_ADDR")
    port = request.environ.get("REMOTE_PORT")
    return Source(
        ip=ip,
        port=int(port) if port and str(port).isdigit() else None,
        user_agent_name=agent.name,
        user_agent_version=agent.version,
        os_name=agent.system,
        device_id=device_id,
        session_id=session_id,
        **(gate.look(ip) if ip else {}),
    )
