"""The ten longest files and functions, to look at and not to obey: python -m benchmarks.figures."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("app", "compliance", "dashboards", "detectors", "ingest", "payments", "playbooks")
SHOWN = 10


def files() -> list[Path]:
    """Return the product's own modules; revisions describe a schema and are as long as it is."""
    found = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return [file for file in found if "migrations" not in file.parts]


def functions(file: Path) -> Iterator[tuple[int, str]]:
    """Yield lines and place of each function."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (
                (node.end_lineno or node.lineno) - node.lineno + 1,
                f"{file.relative_to(ROOT)}:{node.lineno} {node.name}",
            )


def main() -> None:
    """Print both lists."""
    by_file = sorted(((len(file.read_text("utf-8").splitlines()), file) for file in files()), reverse=True)
    by_function = sorted((found for file in files() for found in functions(file)), reverse=True)
    print(f"{len(by_file)} modules, {sum(lines for lines, _ in by_file)} lines")
    for lines, file in by_file[:SHOWN]:
        print(f"{lines:6}  {file.relative_to(ROOT)}")
    print(f"{len(by_function)} functions")
    for lines, place in by_function[:SHOWN]:
        print(f"{lines:6}  {place}")


if __name__ == "__main__":
    main()
