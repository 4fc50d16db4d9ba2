"""Every door of the application, route or callback: who may pass it, and whether it turns a stranger away (7.3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flask import Flask
from werkzeug.routing import Rule

from app.gateway.policy import Policy
from app.kernel.access import Permission
from app.kernel.errors import OnePayError
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation
from dashboards import guard
from dashboards.mount import BASE, Console

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A route or a callback: `refuses` tells whether it turned a stranger away, None where it has nothing to ask."""

    kind: str
    name: str
    demands: str | None
    is_public: bool
    refuses: bool | None


class Doors:
    """The doors of the application that is served; empty until one is."""

    def __init__(self) -> None:
        self._app: Flask | None = None

    def of(self, app: Flask) -> None:
        """Look at the doors of this application from now on."""
        self._app = app

    def all(self) -> list[Door]:
        """Return every door; each that is not public is tried by somebody who is not signed in."""
        return [] if self._app is None else [*_routes(self._app), *_callbacks(self._app)]


def probe(doors: Doors) -> Probe:
    """Return the probe that tries all doors."""

    def read(look: Look) -> Reading:
        return _read([*doors.all(), *look.fence.get("doors", ())])

    return Probe(
        name="app.deny_by_default",
        kind=Kind.LIVE,
        asks="Routes and callbacks; wrong is one with neither permission nor reason, or that lets a stranger in.",
        read=read,
        plant=_plant,
    )


def _read(doors: Sequence[Door]) -> Reading:
    wrong = []
    population: dict[str, int] = {}
    for door in doors:
        population[door.kind] = population.get(door.kind, 0) + 1
        if door.demands is None and not door.is_public:
            says = "demands no permission and is not on the public list"
            wrong.append(Violation(component=door.kind, object_id=door.name, says=says))
        elif door.refuses is False:
            says = f"demands {door.demands}, and lets in somebody who is not signed in"
            wrong.append(Violation(component=door.kind, object_id=door.name, says=says))
    return Reading(population=population, violations=wrong)


def _plant(look: Look) -> str:
    door = Door(kind="route", name="GET /planted", demands=None, is_public=False, refuses=None)
    look.fence["doors"] = (door,)
    return door.name


def _routes(app: Flask) -> Iterator[Door]:
    policies: dict[str, Policy] = app.extensions["onepay_policies"]
    for rule in app.url_map.iter_rules():
        policy = policies.get(rule.endpoint)
        demands = policy.permission.name if policy and isinstance(policy.permission, Permission) else None
        is_public = policy is not None and policy.is_public
        for method in _METHODS:
            if method in (rule.methods or ()):
                refuses = None if is_public else _refuses(app, rule, method)
                name = f"{method} {rule.rule}"
                yield Door(kind="route", name=name, demands=demands, is_public=is_public, refuses=refuses)


def _refuses(app: Flask, rule: Rule, method: str) -> bool:
    """Pass the row of steps as a stranger, up to the view and not into it: nothing is done, and nothing recorded."""
    values = dict.fromkeys(rule.arguments, "1")
    path = rule.build(values, append_unknown=False)
    url = path[1] if path is not None else rule.rule
    seen = {"onepay.request_id": "req_probe", "REMOTE_ADDR": "127.0.0.1"}
    with app.test_request_context(url, method=method, environ_overrides=seen):
        try:
            return app.preprocess_request() is not None
        except OnePayError:
            return True


def _callbacks(app: Flask) -> Iterator[Door]:
    """Try the guard of each callback as somebody who got past the route and is nobody."""
    console: Console | None = app.extensions.get("onepay_console")
    if console is None:
        return
    with app.test_request_context(f"{BASE}_dash-update-component", method="POST"):
        for output, known in console.callback_map.items():
            if "callback" in known:
                permission = console.demands.get(output)
                demands = permission.name if permission is not None else None
                refuses = guard.refuses(console, output)
                yield Door(kind="callback", name=output, demands=demands, is_public=False, refuses=refuses)
