"""Every kind of event is recorded by some code, or marked as reserved: what is published does not promise silence."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from ingest.events import catalog
from tests.architecture.tree import modules


def made_by(tree: ast.Module) -> set[str]:
    """Return the names a module uses, imports apart."""
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    }


def wrongly_marked(trees: Mapping[str, ast.Module]) -> set[str]:
    """Return the kinds that are neither used outside the catalogue nor reserved, and those that are both."""
    used = {name for path, tree in trees.items() if not path.startswith("ingest/events/") for name in made_by(tree)}
    return {kind.kind for kind in catalog.KINDS if (kind.__name__ in used) == kind.is_reserved}


def test_every_kind_is_recorded_somewhere_or_reserved() -> None:
    assert wrongly_marked(modules()) == set()


def test_a_kind_that_nothing_records_and_a_reserved_one_that_is_recorded_are_both_found() -> None:
    trees = {path: tree for path, tree in modules().items() if path != "app/process.py"}
    assert wrongly_marked(trees) == {"health.process.started", "health.process.stopped"}
    trees = {
        **modules(),
        "app/heart.py": ast.parse("outbox.record(session, health.HeartbeatSent(component='web'), ctx)"),
    }
    assert wrongly_marked(trees) == {"health.heartbeat.sent"}
