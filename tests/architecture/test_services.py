"""What a service never does, and the few homes of what only some may do."""

from __future__ import annotations

import ast

import pytest

from tests.architecture import tree

# name: the homes where it may stand. Names end at a dot: `random` holds `random.Random`.
HOMES = {
    "os.environ": ("app/config.py",),
    "os.getenv": ("app/config.py",),
    "datetime.datetime.now": ("app/kernel/clock.py", "app/demo.py"),
    "datetime.datetime.utcnow": (),
    "datetime.date.today": (),
    "time.time": ("app/kernel/clock.py", "app/demo.py"),
    # Waits of the process loops use events; a store that answers "later" is waited for in its client.
    "time.sleep": ("ingest/store/elastic.py",),
    "uuid.uuid4": (),
    "random": ("app/simulator/", "app/kernel/ids.py"),
    "pickle": (),
    "marshal": (),
    "shelve": (),
    "yaml.load": (),
    "eval": (),
    "exec": (),
    "print": ("app/cli.py", "app/demo.py"),
    "logging.getLogger": ("app/kernel/logs.py",),
    "flask.g": (
        "app/edge.py",
        "app/browser.py",
        "app/console.py",
        "app/problems.py",
        "app/gateway/",
        "app/api/",
        "app/web/",
        "app/oauth/guard.py",
        "app/entrance.py",
        "app/admin.py",
        "dashboards/guard.py",
        "dashboards/mount.py",
    ),
    "flask.request": (
        "app/edge.py",
        "app/browser.py",
        "app/console.py",
        "app/problems.py",
        "app/gateway/",
        "app/api/",
        "app/web/",
        "app/oauth/guard.py",
        "app/entrance.py",
        "app/admin.py",
        "dashboards/guard.py",
        "dashboards/mount.py",
    ),
    "subprocess": (),
    "socket": ("app/demo.py",),
    "urllib.request": ("app/cli.py",),
    "dash.callback": ("dashboards/guard.py",),
    "dash_ag_grid.AgGrid": ("dashboards/tables.py",),
    "dash.dcc.Graph": ("dashboards/charts.py",),
    "hashlib.md5": (),
    "hashlib.sha1": ("app/identity/password_filter.py",),
    "hmac.new": ("app/kernel/crypto.py",),
}
COMMITS = ("app/kernel/db.py", "app/migrations/main/env.py", "app/migrations/keys/env.py")


@pytest.mark.parametrize("name", sorted(HOMES))
def test_it_stands_only_in_its_homes(name: str) -> None:
    found = {
        f"{path}:{line}"
        for path, module in tree.modules().items()
        if not path.startswith(HOMES[name])
        for used, line in tree.names_used(module)
        if used == name or used.startswith(name + ".")
    }
    assert not found


def test_only_the_edge_commits() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, module in tree.modules().items()
        if path not in COMMITS
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]
    assert not found


def test_nothing_is_swallowed() -> None:
    """No bare except, and no handler whose whole body is `pass` or `...`."""
    found = [
        f"{path}:{node.lineno}"
        for path, module in tree.modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(isinstance(part, ast.Pass) for part in node.body))
    ]
    assert not found


def test_the_check_sees_a_planted_clock() -> None:
    module = ast.parse("from datetime import datetime as dt\n\ndef f():\n    return dt.now()\n")
    assert "datetime.datetime.now" in {name for name, _ in tree.names_used(module)}
