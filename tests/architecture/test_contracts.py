"""The import contracts hold, and each of them breaks when somebody goes against it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT

# contract: (file, the line that goes against it)
PLANTED = {
    "floors": ("payments/planted.py", "import playbooks.cases"),
    "roof": ("ingest/planted.py", "import app.config"),
    "app": ("app/identity/planted.py", "import app.compose"),
    "cde": ("playbooks/planted.py", "import payments.money"),
    "contracts-only": ("payments/planted.py", "import compliance.catalog"),
    "frameworks": ("detectors/planted.py", "import flask"),
    "stores": ("dashboards/planted.py", "import duckdb"),
    "pure": ("payments/money.py", "import sqlalchemy"),
    "acyclic": ("payments/money.py", "import payments.transfers"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [tool, "--no-cache"], cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )


def test_the_house_keeps_its_contracts(copy: Path) -> None:
    found = check(copy)
    assert found.returncode == 0, found.stdout
    assert f"{len(PLANTED)} kept, 0 broken" in found.stdout


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_import_breaks_the_contract(copy: Path, contract: str) -> None:
    name, line = PLANTED[contract]
    file = copy / name
    before = file.read_text("utf-8") if file.exists() else None
    file.write_text((before or "") + f"\n{line}\n", "utf-8")
    try:
        tool = Path(sys.executable).with_name("lint-imports")
        found = subprocess.run(
            [tool, "--no-cache", "--contract", contract],
            cwd=copy,
            env={"PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode != 0
        assert "1 broken" in found.stdout
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before, "utf-8")
