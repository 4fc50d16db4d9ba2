"""The revisions make exactly the tables the code describes, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel.db import one_off_engine
from app.kernel.errors import SchemaMismatch
from app.migrations import run
from ingest.models import keys_metadata
from tests.architecture.test_marks import ALL
from tests.support.postgres import Server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'onepay.db'}"
    server: Server = request.getfixturevalue("server")
    return server.empty_database()


def test_the_schema_is_what_the_models_say(url: str) -> None:
    run.upgrade(url, "main")
    wanted = {name: table for _, metadata in ALL for name, table in metadata.tables.items()}
    assert _differences(url, wanted) == []


def test_the_keys_schema_is_what_the_models_say(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    run.upgrade(url, "keys")
    assert _differences(url, dict(keys_metadata.tables)) == []


def test_upgrading_twice_changes_nothing(url: str) -> None:
    run.upgrade(url, "main")
    run.upgrade(url, "main")
    run.check(url, "main")


def test_an_old_schema_is_named_with_both_revisions(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="revision none, this code needs"):
        run.check(f"sqlite:///{tmp_path / 'empty.db'}", "main")


def _differences(url: str, wanted: dict[str, sa.Table]) -> list[str]:
    engine = one_off_engine(url)
    try:
        found = sa.inspect(engine)
        tables = {name for name in found.get_table_names() if not name.startswith("app_schema_")}
        wrong = [f"table {name}" for name in tables ^ set(wanted)]
        for name in tables & set(wanted):
            have = {one["name"]: bool(one["nullable"]) for one in found.get_columns(name)}
            want = {column.name: bool(column.nullable) for column in wanted[name].columns}
            wrong += [f"{name}.{column}" for column in set(have) ^ set(want)]
            wrong += [f"{name}.{column} null" for column in set(have) & set(want) if have[column] != want[column]]
            key = set(found.get_pk_constraint(name)["constrained_columns"])
            wrong += [f"{name} key"] if key != {column.name for column in wanted[name].primary_key} else []
        return sorted(wrong)
    finally:
        engine.dispose()
