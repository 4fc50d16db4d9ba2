"""A code a client meets means one thing: no two kinds of refusal carry the same one unless one is the other."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.architecture import tree


def test_each_code_is_given_by_one_class() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path, module in tree.modules().items():
        for node in ast.walk(module):
            if not isinstance(node, ast.ClassDef):
                continue
            for line in node.body:
                match line:
                    case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
                        homes[code].append(f"{path}:{node.name}")
    assert "payment_refused" in homes
    assert {code: where for code, where in homes.items() if len(where) > 1} == {}
