"""SQLite databases at the newest revision: copies of one that the real revisions made, once a process and history."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from app.migrations import run


def migrate(url: str, history: str) -> None:
    """Bring a database to the newest revision; one in a file that is not there yet begins as a copy."""
    at = sa.make_url(url)
    if at.get_backend_name() == "sqlite" and not Path(at.database or "").exists():
        shutil.copyfile(_template(history), at.database or "")
    run.upgrade(url, history)


@cache
def _template(history: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="onepay-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / f"{history}.db"
    run.upgrade(f"sqlite:///{file}", history)
    return file
