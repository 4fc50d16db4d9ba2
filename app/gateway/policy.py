"""The rules of one route, written beside it: who may, how fresh, with which body, at which cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint
from pydantic import BaseModel

from app.kernel.access import Acr, Permission

BODY_MAX: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """A route that anybody may use, with the written reason why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a request must fulfil. `surface` names whose session counts: customer or staff.

    `acr` must have been proven within the step-up time of the installation's security policy. A larger `body_max` is
    for a route whose path has no variable.
    """

    permission: Permission | Public
    surface: str = "customer"
    acr: Acr | None = None
    body_max: int = BODY_MAX
    idempotent: bool = False
    passive: bool = False
    csrf: bool = True
    is_api: bool = False
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200

    @property
    def is_public(self) -> bool:
        return isinstance(self.permission, Public)


View = Callable[..., Any]  # a Flask view

POLICY: Final = "onepay_policy"


def route(blueprint: Blueprint, methods: str, path: str, policy: Policy) -> Callable[[View], View]:
    """Register a view with its policy; a route without one stops the start (`pipeline.check`)."""

    def bind(view: View) -> View:
        endpoint = f"{view.__name__}_{methods.replace(' ', '_').lower()}"
        setattr(view, POLICY, {**getattr(view, POLICY, {}), f"{blueprint.name}.{endpoint}": policy})
        blueprint.add_url_rule(path, endpoint, view, methods=methods.split())
        blueprint.record_once(lambda state: state.app.extensions["onepay_policies"].update(getattr(view, POLICY)))
        return view

    return bind
