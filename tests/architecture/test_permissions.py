"""A permission that roles or services hold is demanded somewhere, or it promises what it does not do."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from app.kernel import access
from app.kernel.access import Permission
from tests.architecture import tree

GRANTED_IN = ("app/kernel/access.py", "app/identity/roles.py")
# Roles hold these for the scope of an assessment; they leave this list with the service that demands them.
AWAITED = frozenset(("COMPLIANCE_SCOPE_APPROVE", "COMPLIANCE_SCOPE_WRITE"))


def demanded(module: ast.AST) -> Iterator[str]:
    """Yield the names a module uses in any other way than to import them or to give them to an actor."""
    for child in ast.iter_child_nodes(module):
        match child:
            case ast.Import() | ast.ImportFrom():
                continue
            case ast.Call(func=ast.Name(id="service")):
                continue
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
        yield from demanded(child)


def test_every_permission_is_demanded() -> None:
    used = {name for path, module in tree.modules().items() if path not in GRANTED_IN for name in demanded(module)}
    names = {name for name, value in vars(access).items() if isinstance(value, Permission)}
    assert names - used - AWAITED == set()


def test_what_is_awaited_is_a_permission() -> None:
    assert {name for name, value in vars(access).items() if isinstance(value, Permission)} >= AWAITED


def test_giving_it_away_is_not_demanding_it() -> None:
    given = "from app.kernel.access import A, service\nservice('jobs', A)\nctx.actor.require(B)"
    assert "A" not in set(demanded(ast.parse(given)))
    assert "B" in set(demanded(ast.parse(given)))
