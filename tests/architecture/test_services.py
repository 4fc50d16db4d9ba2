"""What a service never does, and the few homes of what only some may do."""

from __future__ import annotations

import ast

import pytest

from tests.architecture import tree

# name: the homes where it may stand. Names end at a dot: `random` holds `random.Random`.
HOMES = {
    "os.environ": ("app/config.py",),
    "os.getenv": ("app/config.py",),
    "datetime.datetime.now": ("app/kernel/clock.py", "app/demo/accounts.py"),
    "datetime.datetime.utcnow": (),
    "datetime.date.today": (),
    "time.time": ("app/kernel/clock.py", "app/demo/accounts.py", "app/demo/board.py"),
    # Waits of the process loops use events; a store that answers "later" is waited for in its client, the first of two
    # clicks on the page it was made on, another signer of the log where it signs.
    "time.sleep": ("app/web/send.py", "ingest/log/checkpoint.py", "ingest/store/elastic.py"),
    "uuid.uuid4": (),
    "random": ("app/simulator/", "app/kernel/ids.py"),
    "pickle": (),
    "marshal": (),
    "shelve": (),
    "yaml.load": (),
    "eval": (),
    "exec": (),
    "print": (),
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
        "dashboards/calls.py",
        "dashboards/feeds.py",
        "dashboards/guard.py",
        "dashboards/mount.py",
    ),
    "subprocess": ("compliance/reports/pdf.py",),
    "socket": ("app/demo/up.py",),
    "urllib.request": ("app/beside.py",),
    "dash.callback": ("dashboards/guard.py",),
    "dash_ag_grid.AgGrid": ("dashboards/tables.py",),
    "dash.dcc.Graph": ("dashboards/charts.py",),
    "hashlib.md5": (),
    "hashlib.sha1": (),
    "hmac.new": ("app/kernel/crypto.py",),
}
# Who may catch everything and go on: the guarded loop, and a stream of lines that has begun. Others raise it again.
CATCHES_ALL = ("app/kernel/jobs.py", "app/admin.py")
ALL = {"Exception", "BaseException"}
# What an assertion may call, for it only looks: a program must do the same where assertions are off.
LOOKS = frozenset(
    [
        "all",
        "any",
        "fields",
        "isinstance",
        "issubclass",
        "len",
        "set",
        "sorted",
        "type",
        "endswith",
        "exists",
        "fullmatch",
        "startswith",
        "values",
        "is_expected",
        "is_stored",
    ]
)
COMMITS = ("app/kernel/db.py", "app/migrations/main/env.py", "app/migrations/keys/env.py")


@pytest.mark.parametrize("name", sorted(HOMES))
def test_it_stands_only_in_its_homes(name: str) -> None:
    found = {
        f"{path}:{line}"
        for path, used, line in tree.uses()
        if (used == name or used.startswith(name + ".")) and not path.startswith(HOMES[name])
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


def swallowing(module: ast.Module) -> list[int]:
    """Return the lines of handlers that catch without naming what, or do nothing with it: `pass`, `...`, a text."""
    return [
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(_does_nothing(statement) for statement in node.body))
    ]


def catching_all(module: ast.Module) -> list[int]:
    """Return the lines that catch every exception and do not raise it again."""
    handlers = [
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler) and node.type is not None
        if _names(node.type) & ALL and not _raises_again(node.body[-1])
    ]
    suppressed = [
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and tree.dotted(node.func).rpartition(".")[2] == "suppress"
        if any(_names(argument) & ALL for argument in node.args)
    ]
    return handlers + suppressed


def test_nothing_is_swallowed() -> None:
    assert not [f"{path}:{line}" for path, module in tree.modules().items() for line in swallowing(module)]


def test_only_its_homes_catch_everything() -> None:
    found = {path for path, module in tree.modules().items() if catching_all(module)}
    assert found == set(CATCHES_ALL)


def acting(module: ast.Module) -> list[int]:
    """Return the lines of assertions that may change something: they call more than what looks, or assign."""
    return [
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.Assert)
        if any(
            isinstance(part, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom)
            or (isinstance(part, ast.Call) and _called(part.func) not in LOOKS)
            for part in ast.walk(node.test)
        )
    ]


def test_no_assertion_does_anything() -> None:
    assert not [f"{path}:{line}" for path, module in tree.modules().items() for line in acting(module)]


@pytest.mark.parametrize(
    ("assertion", "is_found"),
    [
        ("assert rows.move(session, id)", True),
        ("assert insert_once(session, table, row), 'the row is held'", True),
        ("assert (found := first(rows))", True),
        ("assert not cache.pop(key, None)", True),
        ("assert isinstance(mark, Mark) and all(len(one) > 2 for one in rows)", False),
        ("assert found is not None", False),
    ],
)
def test_the_check_of_assertions_sees_planted_ones(assertion: str, is_found: bool) -> None:
    assert acting(ast.parse(assertion)) == ([1] if is_found else [])


@pytest.mark.parametrize(
    ("handler", "swallows", "catches"),
    [
        ("except:\n    log()", 1, 0),
        ("except ValueError:\n    pass", 1, 0),
        ("except ValueError:\n    ...", 1, 0),
        ("except ValueError:\n    'it happens'", 1, 0),
        ("except ValueError:\n    log()", 0, 0),
        ("except Exception:\n    log()", 0, 1),
        ("except (OSError, BaseException):\n    log()", 0, 1),
        ("except Exception as error:\n    if error:\n        raise", 0, 1),
        ("except Exception as error:\n    log()\n    raise", 0, 0),
        ("except OSError as error:\n    raise Gone from error", 0, 0),
        ("except OSError:\n    with suppress(Exception):\n        log()", 0, 1),
    ],
)
def test_the_checks_of_handlers_see_planted_ones(handler: str, swallows: int, catches: int) -> None:
    module = ast.parse(f"try:\n    work()\n{handler}\n")
    assert (len(swallowing(module)), len(catching_all(module))) == (swallows, catches)


def test_the_check_sees_a_planted_clock() -> None:
    module = ast.parse("from datetime import datetime as dt\n\ndef f():\n    return dt.now()\n")
    assert "datetime.datetime.now" in {name for name, _ in tree.names_used(module)}


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _names(kind: ast.expr) -> set[str]:
    parts = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return {tree.dotted(part).removeprefix("builtins.") for part in parts}


def _raises_again(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Raise) and statement.exc is None
