"""What the steps of a playbook are given: parameters with the values of variables filled in, each of its type."""

from __future__ import annotations

from collections.abc import Mapping

from playbooks.engine.conditions import Undecided
from playbooks.form import GIVEN, Type, Value


def resolved(params: Mapping[str, str], variables: Mapping[str, Value]) -> dict[str, str]:
    """Return parameters with their variables filled in; raises `Undecided` naming one without a value."""
    return {name: _text(_value(value, variables)) for name, value in params.items()}


def given(params: Mapping[str, str], variables: Mapping[str, Value]) -> dict[str, Value]:
    """Return what a called playbook is given, each of its declared type; a given fact sets its claim too."""
    filled: dict[str, Value] = {}
    for name, value in params.items():
        found = _value(value, variables)
        filled[name] = int(found) if GIVEN[name] is Type.INTEGER and isinstance(found, str) else found
    if "account" in filled:
        filled["has_account"] = True
    return filled


def _value(value: str, variables: Mapping[str, Value]) -> Value:
    if not value.startswith("$"):
        return value
    if value[1:] not in variables:
        raise Undecided(value)
    return variables[value[1:]]


def _text(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return ",".join(value)
        case _:
            return str(value)
