"""A command given beside a running process: asked through its admin port, by who can read the token of the home."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from app.kernel import crypto
from app.kernel.crypto import write_private_once
from app.kernel.errors import OnePayError
from app.lock import AlreadyRunning, holder

TOKEN: Final = "admin.token"
REQUEST_SECONDS: Final = 3600


class NoAnswer(OnePayError):
    """The process that has the home does not answer."""

    code = "no_answer"


def token_of(home: Path) -> str:
    """Return the token of a home, made once and readable by its owner alone."""
    write_private_once(home / TOKEN, crypto.token().encode())
    return (home / TOKEN).read_text("ascii").strip()


def ask(home: Path, name: str, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the lines the process that has this home answers a command with.

    Raises `AlreadyRunning` where it has not said yet how it is reached, and `NoAnswer`.
    """
    running = holder(home)
    if running is None:
        raise AlreadyRunning(None)
    request = urllib.request.Request(  # noqa: S310 - the address is our own admin port on loopback
        f"{running.admin}/commands/{name.replace(' ', '%20')}",
        data=json.dumps(arguments).encode(),
        headers={"Authorization": f"Bearer {token_of(home)}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310 - as above
            for line in answer:
                yield json.loads(line)
    except urllib.error.URLError as error:
        raise NoAnswer(f"The running process {running.pid} does not answer: {error}") from error
