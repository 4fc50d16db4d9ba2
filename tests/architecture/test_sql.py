"""Statement texts stand in their homes, values are parameters, and lists page by key."""

from __future__ import annotations

import ast

from tests.architecture import tree

# Raw statement texts: the ledger's two stores, what the log prepares once, DuckDB's dialect, migrations, the
# engine, the overlay of a fence.
HOMES = (
    "app/kernel/db.py",
    "app/migrations/",
    "compliance/engine/overlay.py",
    "ingest/log/statements.py",
    "ingest/store/",
    "payments/ledger/postgres.py",
    "payments/ledger/sqlite.py",
)
VERBS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "ALTER ", "DROP ", "PRAGMA ", "SET ")
TEXTS = ("text", "exec_driver_sql")


def test_statement_texts_stand_in_their_homes() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, module in tree.modules().items()
        if not path.startswith(HOMES)
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(VERBS)
        if " " in node.value.strip() and node.value.split()[0].isupper() and node.value.split()[0] != "SET"
    ]
    assert not found


def test_no_statement_is_built_from_parts() -> None:
    """What is handed to `text` or `exec_driver_sql` outside migrations is no f-string, sum or format call."""
    found = [
        f"{path}:{node.lineno}"
        for path, module in tree.modules().items()
        if not path.startswith("app/migrations/")
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr == "exec_driver_sql" or tree.dotted(node.func) in ("sa.text", "sqlalchemy.text"))
        and any(isinstance(part, ast.JoinedStr | ast.BinOp) for part in node.args)
    ]
    assert not found


def test_nothing_pages_by_offset() -> None:
    # One place skips rows to find the oldest session to keep; it reads one row, not a page.
    found = [
        f"{path}:{node.lineno}"
        for path, module in tree.modules().items()
        if path != "app/identity/sessions.py"
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "offset"
    ]
    assert not found
