"""A process that dies at its n-th write of a file, and everything it had written before is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ingest.log import durable

WRITES = ("write", "append", "remove", "sync")


class Died(BaseException):
    """The process ended here; nothing of ours catches it."""


@contextmanager
def dying_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[None]:
    """End the work before its n-th write, the first being 0; an append is cut in half instead."""
    left = [number]

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            if left[0] == 0:
                if name == "append":
                    file, content = args
                    call(file, content[: len(content) // 2])
                raise Died
            left[0] -= 1
            return call(*args)

        return run

    with monkeypatch.context() as patch:
        for name in WRITES:
            patch.setattr(durable, name, counted(name, getattr(durable, name)))
        yield
