"""What a command of an operator answers: lines to print, progress, files to write, the exit code."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from app.compose import System

Line: TypeAlias = dict[str, Any]
Arguments: TypeAlias = Mapping[str, Any]
Run: TypeAlias = Callable[[System, Arguments], Iterator[Line]]


def text(value: str) -> Line:
    """Return a line to print."""
    return {"text": value}


def progress(done: int, total: int, unit: str) -> Line:
    """Return how far something has come."""
    return {"progress": [done, total, unit]}


def file(name: str, content: bytes) -> Line:
    """Return a file to write where the command was given."""
    return {"file": name, "content": base64.b64encode(content).decode("ascii")}


def leave(code: int) -> Line:
    """Return the exit code."""
    return {"exit": code}
