"""Probes over what is installed and deployed: components against the lock, and no secret in the code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from app.kernel import classify
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation

_ROOT: Final = Path(__file__).parents[1]
_PACKAGES: Final = ("app", "compliance", "dashboards", "detectors", "ingest", "payments", "playbooks")
_KINDS: Final = frozenset((".py", ".yml", ".yaml", ".json", ".tsv", ".txt", ".html", ".js", ".css"))
LOCK: Final = "requirements.lock"
OTHER_LOCKS: Final = ("deploy/reports.lock", "tests/requirements.lock")
"""What may stand beside the program: the compiler of reports and, in a checkout, the tools of its tests."""
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
# What installs the others, and ourselves.
_TOOLS: Final = frozenset({"pip", "setuptools", "wheel", "onepay"})
# A pattern of a secret is no secret: the words that describe them stand where they are looked for.
_DESCRIBES: Final = frozenset({"password"})


def probes() -> tuple[Probe, ...]:
    """Return the probes over the deployment."""
    return (
        Probe(
            name="app.components",
            kind=Kind.STATE,
            asks="Installed distributions; wrong is one that the lock does not name, or names in another version.",
            read=_components,
            plant=_plant_component,
        ),
        Probe(
            name="app.no_secrets",
            kind=Kind.STATE,
            asks="Files of the program; wrong is one that holds a key, a token or a card number.",
            read=_secrets,
            plant=_plant_secret,
        ),
    )


def _locked(text: str) -> dict[str, str]:
    return {_normal(name): version for name, version in _PIN.findall(text)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _components(look: Look) -> Reading:
    file = _ROOT / LOCK
    if not file.exists():
        return Reading(population={}, asked={"lock": "absent"})
    locked = _locked(file.read_text("utf-8"))
    for name in OTHER_LOCKS:
        if (_ROOT / name).exists():
            locked = {**_locked((_ROOT / name).read_text("utf-8")), **locked}
    found: dict[str, str] = {}
    for one in distributions():
        if one.name:
            found.setdefault(_normal(one.name), one.version)
    found |= look.fence.get("installed", {})
    wrong = [
        Violation(component="distributions", object_id=name, says=_differs(version, locked.get(name)))
        for name, version in sorted(found.items())
        if name not in _TOOLS and locked.get(name) != version
    ]
    return Reading(
        population={"distributions": len(found)}, violations=wrong, asked={"lock": LOCK, "pins": len(locked)}
    )


def _differs(version: str, locked: str | None) -> str:
    return f"{version} is installed, and the lock names " + (locked or "none")


def _plant_component(look: Look) -> str:
    look.fence["installed"] = {"planted-package": "1.0"}
    return "planted-package"


def _secrets(look: Look) -> Reading:
    texts: Mapping[str, str] = look.fence.get("texts", {})
    count, wrong = 0, []
    for name, text in (*_files(), *texts.items()):
        look.deadline.check()
        count += 1
        hits = {one.kind for one in classify.find_secrets(text)} - _DESCRIBES
        if hits:
            wrong.append(Violation(component="files", object_id=name, says=f"holds {', '.join(sorted(hits))}"))
    return Reading(population={"files": count}, violations=wrong)


def _files() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        for file in sorted((_ROOT / package).rglob("*")):
            if file.suffix in _KINDS and file.is_file():
                yield str(file.relative_to(_ROOT)), file.read_text("utf-8", "replace")


def _plant_secret(look: Look) -> str:
    look.fence["texts"] = {"planted.py": "-----BEGIN " + "PRIVATE KEY-----\nnone\n-----END " + "PRIVATE KEY-----"}
    return "planted.py"
