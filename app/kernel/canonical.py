"""Canonical JSON: one value, one byte string (RFC 8785 for the subset without floats)."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

INTEGER_MAX: Final = 2**53 - 1
_write: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class NotCanonical(ValueError):
    """The value or text has no canonical form."""


def encode(value: object) -> bytes:
    """Return the canonical bytes of a value built of dict, list, str, int, bool and None.

    Keys are ASCII and sorted, integers stay within 2^53, lone surrogates and floats are refused with `NotCanonical`.
    """
    _check(value)
    try:
        return _write(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonical("a lone surrogate") from error


def decode(data: bytes) -> Any:  # JSON is the documented border of untyped data
    """Parse canonical bytes, refusing floats, NaN, duplicate keys and anything `encode` would not give back."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_float=_refuse,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise NotCanonical(str(error)) from error
    if encode(value) != data:
        raise NotCanonical("the text is JSON, but not in canonical form")
    return value


def _check(value: object) -> None:
    # Every event passes here: the frequent texts cost no call.
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise NotCanonical("a key is not ASCII text")
            if type(item) is not str:
                _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            if type(item) is not str:
                _check(item)
    elif isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise NotCanonical("an integer passes 2^53")
    elif value is not None and not isinstance(value, str):
        raise NotCanonical(f"{type(value).__name__} has no canonical form")


def _refuse(text: str) -> NoReturn:
    raise NotCanonical(f"{text[:20]} is not an integer")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotCanonical("a key stands twice")
    return value
