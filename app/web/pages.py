"""Rendering a page: what every template finds, how a refused form comes back, how a refusal looks."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from flask import Response, current_app, g, redirect, render_template, request

from app.edge import system
from app.gateway import csrf, pipeline
from app.identity import roles
from app.kernel.access import ANONYMOUS, PERMISSION_BY_NAME, ActorKind
from app.kernel.clock import STAFF_ZONE, ZONE
from app.kernel.deceiving import deceives
from app.kernel.errors import Conflict, Forbidden, Invalid, NotFound, OnePayError, SignInRequired, StepUpRequired
from app.oauth import guard
from app.problems import Problem
from app.web import formats
from app.web.assets import Assets

VALUE_MAX: Final = 2_000
Read = TypeVar("Read")


@dataclass(slots=True)
class Form:
    """What a person typed, kept while it is wrong; secrets are never given back."""

    values: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    def says(self, name: str) -> str | None:
        """Return the message about a field."""
        return self.wrong.get(name)

    def hold(self, name: str, read: Callable[[], Read]) -> Read | None:
        """Return what a field says, or None with the refusal noted at it: so all that is wrong is told at once."""
        try:
            return read()
        except (Invalid, NotFound, Conflict) as error:
            self.refuse(error, name)
        return None

    def refuse(self, error: OnePayError, fallback: str) -> None:
        """Note a service's refusal at the field it names."""
        name = (error.param or fallback).split(".")[0]
        self.wrong[name if name in self.values else fallback] = str(error)


def read(*names: str) -> Form:
    """Return the posted fields, bounded and in normal form."""
    form = Form()
    for name in names:
        text = unicodedata.normalize("NFC", request.form.get(name, "")[:VALUE_MAX])
        form.values[name] = text
        if deceives(text, has_lines=True):
            form.wrong[name] = "Leave out invisible and control characters."
    return form


def secret(name: str) -> str:
    """Return a posted secret as it was typed; it never goes into a form that is shown again."""
    return request.form.get(name, "")[:VALUE_MAX]


def render(template: str, status: int = 200, *, is_out: bool = False, **values: Any) -> Response:
    """Return a page; with `is_out` as whoever is not signed in sees it, since the session ended on the way here."""
    live, actor = (None, ANONYMOUS) if is_out else (g.live, g.actor)
    text = render_template(
        template,
        asset=assets().address,
        csrf_token=csrf.token,
        actor=actor,
        is_customer=actor.kind is ActorKind.CUSTOMER,
        is_staff=actor.kind is ActorKind.STAFF,
        has_approvals=actor.kind is ActorKind.STAFF and system().approvals.concerns(actor),
        is_demo=system().settings.demo,
        idle_minutes=live.idle_seconds // 60 if live else None,
        now=g.at,
        zone=STAFF_ZONE if actor.kind is ActorKind.STAFF else ZONE,
        fmt=formats,
        policy=system().identity.policy,
        path=request.path,
        **values,
    )
    return Response(text, status=status, mimetype="text/html")


def again(template: str, form: Form, **values: Any) -> Response:
    """Return a refused form with its messages (422)."""
    return render(template, 422, form=form, **values)


def go(address: str) -> Response:
    """Redirect to an address of our own after a form was carried out."""
    made = redirect(address, 303)
    assert isinstance(made, Response)
    return made


def own_path(text: str | None, fallback: str) -> str:
    """Return a return address if it is a path of our own, else the fallback."""
    if not text or len(text) > 500:
        return fallback
    parts = urlsplit(text)
    safe = not parts.scheme and not parts.netloc and text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if safe and "\\" not in text and text.isprintable() else fallback


def assets() -> Assets:
    """Return the files of the pages."""
    found = current_app.extensions["onepay_assets"]
    assert isinstance(found, Assets)
    return found


def refusal(error: OnePayError, problem: Problem) -> Response:
    """Return the page of a refusal; who is not signed in, or not freshly enough, is led to where that is mended."""
    here = request.full_path.rstrip("?") if request.method == "GET" else _page_before()
    if isinstance(error, StepUpRequired):
        policy = pipeline.policy_of(current_app)
        door = "/staff/step-up" if policy and policy.surface == guard.STAFF else "/step-up"
        return _with(go(f"{door}?next={quote(here, safe='/')}"), problem)
    if isinstance(error, SignInRequired) and problem.code == "sign_in_required":
        over = f"&over={g.ended}" if g.get("ended") in ("idle", "absolute", "superseded", "revoked") else ""
        return _with(go(f"/sign-in?next={quote(here)}{over}"), problem)
    try:
        made = render(
            "refusal.html",
            int(problem.status),
            problem=problem,
            holders=_holders(problem, error),
            is_waiting=isinstance(error, Forbidden) and g.actor.kind is ActorKind.STAFF and not g.actor.roles,
        )
    except OnePayError:
        made = Response(f"{problem.detail}\n{problem.request_id}", int(problem.status), mimetype="text/plain")
    return _with(made, problem)


def _with(response: Response, problem: Problem) -> Response:
    retry = problem.headers().get("Retry-After")
    if retry:
        response.headers["Retry-After"] = retry
    return response


def _page_before() -> str:
    referrer = urlsplit(request.referrer or "")
    return own_path(referrer.path + (f"?{referrer.query}" if referrer.query else ""), "/")


def _holders(problem: Problem, error: OnePayError) -> Mapping[str, Any]:
    name = getattr(error, "permission", None)
    permission = PERMISSION_BY_NAME.get(name) if isinstance(name, str) else None
    if permission is None or isinstance(error, NotFound):
        return {}
    return {
        "permission": permission,
        "roles": [roles.WORD_OF_ROLE[role] for role in roles.holders_of(permission)],
    }
