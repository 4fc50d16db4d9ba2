"""Fences: where a planted violation stands while a probe looks at it, and nothing of it remains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from sqlalchemy.orm import Session

from app.kernel.db import Database
from compliance.contracts.probes import Kind, Look, Probe, Window
from compliance.engine.verdict import Canary
from ingest.store.memory import MemoryStore

WINDOW_MAX = 1_000


class _Undone(Exception):
    """Ends a fence: whatever was planted is rolled back."""


@contextmanager
def rows(db: Database) -> Iterator[Session]:
    """Open a transaction that is always rolled back."""
    with suppress(_Undone), db.begin() as session:
        yield session
        raise _Undone


def test(probe: Probe, look: Look, db: Database) -> Canary:
    """Plant one violation and tell whether the probe names it."""
    if probe.kind is Kind.STATE:
        with rows(db) as session:
            return _looked(probe, replace(look, session=session, is_fence=True, fence={}))
    with db.read() as session:
        scratch = MemoryStore()
        scratch.open()
        window = Window(lo=0, hi=WINDOW_MAX)
        return _looked(probe, replace(look, session=session, store=scratch, window=window, is_fence=True, fence={}))


def _looked(probe: Probe, look: Look) -> Canary:
    planted = probe.plant(look)
    seen = probe.read(look)
    return Canary.CAUGHT if any(one.object_id == planted for one in seen.violations) else Canary.MISSED
