"""A command beside a running process, or help alone, loads none of the program: loading takes seconds."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("dash", "flask", "sqlalchemy", "duckdb", "pyarrow", "compliance", "payments", "detectors")


def test_the_command_line_is_read_without_the_program() -> None:
    program = f"import sys; from app import cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
