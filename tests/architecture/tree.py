"""The tree as the architecture tests read it: product modules, their syntax, and every file that is kept."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("app", "compliance", "dashboards", "detectors", "ingest", "payments", "playbooks")


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax of every product module by its path from the root."""
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text("utf-8")) for file in files}


@functools.cache
def uses() -> list[tuple[str, str, int]]:
    """Return every name that a product module imports or calls: path from the root, name, line."""
    return [(path, name, line) for path, module in modules().items() for name, line in names_used(module)]


def kept() -> list[Path]:
    """Return every file under version control, or, in an unpacked archive, every file but what tools make."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [file for file in ROOT.rglob("*") if file.is_file() and not any(part[0] == "." for part in file.parts[1:])]


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for an attribute chain, or an empty text."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def names_used(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield every name a module imports or calls, as it is known outside, with its line."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield f"{node.module}.{alias.name}", node.lineno
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            head, dot, rest = dotted(node).partition(".")
            if head in known:
                yield known[head] + dot + rest, node.lineno
            elif isinstance(node, ast.Name):
                yield node.id, node.lineno
