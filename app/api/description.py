"""The description of the API (OpenAPI 3.1), made from the policies of its routes: there is no second list."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any, Final

from flask import Blueprint, Flask, Response, current_app
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from app import edge
from app.gateway.policy import Policy, Public, route
from app.kernel.access import Permission

blueprint = Blueprint("api_description", __name__, url_prefix="/api/v1")
_MODES: Final[tuple[JsonSchemaMode, ...]] = ("validation", "serialization")
_REF: Final = "#/components/schemas/{model}"
_OPEN = Policy(permission=Public(reason="the description of the API"), is_api=True)


@route(blueprint, "GET", "/openapi.json", _OPEN)
def openapi() -> Response:
    """Return the description of this API."""
    return edge.json_answer(describe(current_app))


def describe(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of an application's routes under /api/v1."""
    found = [
        (rule, policy, app.view_functions[rule.endpoint])
        for rule in app.url_map.iter_rules()
        if (policy := app.extensions["onepay_policies"].get(rule.endpoint)) is not None and policy.is_api
    ]
    models = {model for _, policy, _ in found for model in (policy.body, policy.answer, policy.query) if model}
    keys: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, mode) for model in models for mode in _MODES]
    names, schemas = models_json_schema(keys, ref_template=_REF)
    paths: dict[str, Any] = {}
    for rule, policy, view in sorted(found, key=lambda item: item[0].rule):
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(
                rule.rule, policy, view.__doc__ or "", names, schemas
            )
    components = {"schemas": schemas.get("$defs", {}) | {"Problem": _PROBLEM}, "securitySchemes": _SCHEMES}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OnePay",
            "version": version("onepay"),
            "description": "Wallets and transfers. Money is decimal text; errors are RFC 9457 problem documents.",
        },
        "paths": paths,
        "components": components,
    }


def _operation(path: str, policy: Policy, doc: str, names: Any, schemas: Any) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done"}
    if policy.answer is not None:
        success["content"] = {"application/json": {"schema": names[policy.answer, "serialization"]}}
    problem = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    operation: dict[str, Any] = {
        "summary": doc.splitlines()[0] if doc else path,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"<(\w+)>", path)
        ],
        "responses": {str(int(policy.status)): success, "default": {"description": "Refused", **problem}},
        "security": [] if policy.is_public else [{"session": []}],
    }
    if isinstance(policy.permission, Permission):
        operation["x-permission"] = policy.permission.name
    if policy.body is not None:
        content = {"application/json": {"schema": names[policy.body, "validation"]}}
        operation["requestBody"] = {"required": True, "content": content}
        if policy.csrf:
            operation["parameters"].append(_header("X-CSRFToken", "The token of the session."))
    if policy.idempotent:
        operation["parameters"].append(
            _header("Idempotency-Key", "Makes a repeat harmless: 1 to 255 visible characters.")
        )
    if policy.query is not None:
        operation["parameters"] += _query(policy.query.model_json_schema())
    return operation


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "description": description, "schema": {"type": "string"}}


def _query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema["properties"].items()
    ]


_SCHEMES: Final = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "onepay-local",
        "description": "The cookie POST /sessions sets.",
    }
}
_PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457, with a stable code and the id of the request.",
    "required": ["type", "title", "status", "code", "detail", "instance", "request_id", "retryable"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean"},
        "param": {"type": "string"},
        "object": {"type": "string"},
        "acr_values": {"type": "string"},
        "max_age": {"type": "integer"},
    },
}
