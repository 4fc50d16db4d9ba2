"""What a browser may send to a callback: checked in full before Dash reads it, so that a forged call is a bad request.

Dash takes ids, wildcards and the number of values from the body itself. Here they must be those that were registered:
the output is one of ours, every input and state stands in its place, one wildcard has one value throughout.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from flask import request

from app.kernel.errors import Malformed

ROUTE: Final = "_dash-update-component"
MATCH, ALL = ["MATCH"], ["ALL"]
ID_CHARS_MAX: Final = 200
MANY_MAX: Final = 200
CHANGED_MAX: Final = 20
VALUE_DEPTH_MAX: Final = 8

Callbacks = Mapping[str, Mapping[str, Any]]  # as Dash keeps them, by output
Body: Final = frozenset({"output", "outputs", "inputs", "changedPropIds", "state", "parsedChangedPropsIds"})


class BadCall(Malformed):
    """This is no call that the console makes."""

    code = "bad_call"


def strict(view: Callable[..., Any], callbacks: Callable[[], Callbacks]) -> Callable[..., Any]:
    """Return Dash's own view behind the check; `callbacks` are those with code of ours."""

    @functools.wraps(view)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        check(request.get_json(silent=True), callbacks())
        return view(*args, **kwargs)

    return dispatch


def check(body: object, callbacks: Callbacks) -> None:
    """Raise `BadCall`, naming the part, unless a body is a call of one of these callbacks."""
    if not isinstance(body, dict) or not body.keys() <= Body:
        raise BadCall(param="body")
    output = body.get("output")
    known = callbacks.get(output) if isinstance(output, str) else None
    if known is None:
        raise BadCall("The console has no such callback.", param="output")
    bound: dict[str, object] = {}
    inputs = _all_in_place(body.get("inputs"), known["inputs"], bound, "inputs")
    _all_in_place(body.get("state", []), known["state"], bound, "state")
    _check_outputs(body.get("outputs"), str(output), bound)
    changed = body.get("changedPropIds", [])
    if not isinstance(changed, list) or len(changed) > CHANGED_MAX:
        raise BadCall(param="changedPropIds")
    if not all(isinstance(one, str) and one in inputs for one in changed):
        raise BadCall("What changed is none of the inputs.", param="changedPropIds")


def _all_in_place(
    given: object, wanted: Sequence[Mapping[str, str]], bound: dict[str, object], param: str
) -> frozenset[str]:
    """Check that every wanted input is given, in order; returns the names of all that is given."""
    if not isinstance(given, list) or len(given) != len(wanted):
        raise BadCall(f"The callback takes {len(wanted)} values here.", param=param)
    names: set[str] = set()
    for one, want in zip(given, wanted, strict=True):
        is_many = ALL in _id_of(want).values() if want["id"].startswith("{") else False
        if is_many != isinstance(one, list) or (isinstance(one, list) and len(one) > MANY_MAX):
            raise BadCall(param=param)
        for part in one if isinstance(one, list) else [one]:
            names.add(_in_place(part, want, bound, param))
    return frozenset(names)


def _in_place(part: object, want: Mapping[str, str], bound: dict[str, object], param: str) -> str:
    if not isinstance(part, dict) or part.get("property") != want["property"] or not {"id", "property"} <= part.keys():
        raise BadCall(param=param)
    if not part.keys() <= {"id", "property", "value"} or not _is_plain(part.get("value"), VALUE_DEPTH_MAX):
        raise BadCall(param=param)
    name = _match(part["id"], want["id"], bound, param)
    if want["property"] == "n_clicks" and not _is_clicks(part.get("value")):
        raise BadCall("A button counts its clicks.", param=param)
    return f"{name}.{want['property']}"


def _match(given: object, wanted: str, bound: dict[str, object], param: str) -> str:
    """Return an id in the form in which Dash names it, if it is the wanted one, or fits its wildcards."""
    if not wanted.startswith("{"):
        if given != wanted:
            raise BadCall(param=param)
        return wanted
    pattern = _id_of({"id": wanted})
    if not isinstance(given, dict) or given.keys() != pattern.keys():
        raise BadCall(param=param)
    for name, want in pattern.items():
        value = given[name]
        if want not in (MATCH, ALL):
            if value != want or type(value) is not type(want):
                raise BadCall(param=param)
            continue
        _check_wildcard(name, value, param)
        if want == MATCH and bound.setdefault(name, value) != value:
            raise BadCall("One form is about one thing.", param=param)
    return json.dumps(given, sort_keys=True, separators=(",", ":"))


def _check_wildcard(name: str, value: object, param: str) -> None:
    if name == "seen":
        is_fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    else:
        is_fine = isinstance(value, str) and 0 < len(value) <= ID_CHARS_MAX and value.isprintable() and is_text(value)
    if not is_fine:
        raise BadCall(param=param)


def _check_outputs(given: object, output: str, bound: dict[str, object]) -> None:
    """Check that the answer goes where the callback answers to; every callback of ours has one place."""
    wanted, _, property_ = output.rpartition(".")
    # A second callback of one place is told apart by what follows an @.
    if not isinstance(given, dict) or given.get("property") not in (property_, property_.partition("@")[0]):
        raise BadCall(param="outputs")
    _match(given.get("id"), wanted, bound, "outputs")


def _is_clicks(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53)


def _is_plain(value: object, depth: int) -> bool:
    if depth == 0:
        return False
    if isinstance(value, dict):
        return all(_is_plain(part, depth - 1) for part in value.values())
    if isinstance(value, list):
        return all(_is_plain(part, depth - 1) for part in value)
    return not isinstance(value, str) or is_text(value)


def is_text(value: str) -> bool:
    """Tell whether a text can be kept anywhere: no NUL, which PostgreSQL refuses, and no half of a character."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\x00" not in value


def _id_of(want: Mapping[str, str]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(want["id"])
    return found
