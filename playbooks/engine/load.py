"""Reading playbooks from YAML: a wrong key, kind or value is refused with the step that has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from app.kernel import crypto, documents
from app.kernel.errors import ConfigurationRefused
from playbooks import spans
from playbooks.form import Ask, Call, Decide, Do, Field, Playbook, Step, Type

LIBRARY: Final = Path(__file__).parents[1] / "library"
STEPS_MAX: Final = 100
_KEYS: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    # the key that tells the kind: what it needs beside itself, and what it may have
    "do": (frozenset({"next"}), frozenset({"with", "failed"})),
    "task": (
        frozenset({"role", "within", "next"}),
        frozenset({"form", "does", "with", "any", "facts", "contradicted_by", "other_than", "second", "required"}),
    ),
    "if": (frozenset({"then", "else"}), frozenset({"asks", "else_because", "failed"})),
    "playbook": (frozenset({"next"}), frozenset({"with"})),
}


class PlaybookRefused(ConfigurationRefused):
    """The playbook is not what the strict reader accepts."""

    code = "playbook_refused"

    def __init__(self, slug: str, step: str | None, reason: str) -> None:
        super().__init__(f"{slug}{f', step {step}' if step else ''}: {reason}")
        self.slug, self.step, self.reason = slug, step, reason


def folder(path: Path = LIBRARY) -> dict[str, Playbook]:
    """Return the playbooks of a folder by slug; each file is named after its slug."""
    return {file.stem: parse(file.read_text("utf-8"), file.stem) for file in sorted(path.glob("*.yaml"))}


def parse(text: str, slug: str) -> Playbook:
    """Read one playbook; what it means is checked by `validate`."""
    data = documents.load(text, name=f"{slug}.yaml")
    if not isinstance(data, dict) or set(data) != {"slug", "title", "owner", "steps"}:
        raise PlaybookRefused(slug, None, "a playbook has slug, title, owner and steps, nothing else")
    if data["slug"] != slug:
        raise PlaybookRefused(slug, None, f"the file is named {slug} and the slug is {data['slug']}")
    steps = data["steps"]
    if not isinstance(steps, dict) or not 1 <= len(steps) <= STEPS_MAX:
        raise PlaybookRefused(slug, None, f"a playbook has 1 to {STEPS_MAX} steps")
    return Playbook(
        slug=slug,
        title=_text(slug, None, "title", data["title"]),
        owner=_text(slug, None, "owner", data["owner"]),
        steps={name: _step(slug, name, value) for name, value in steps.items()},
        source=text,
        content_hash=crypto.sha256(text.encode("utf-8")).hex(),
    )


def _step(slug: str, name: str, data: Any) -> Step:  # YAML is a documented border of untyped data
    if not isinstance(data, dict):
        raise PlaybookRefused(slug, name, "a step is a mapping")
    kinds = [key for key in _KEYS if key in data]
    if len(kinds) != 1:
        raise PlaybookRefused(slug, name, "a step is one of do, task, if, playbook")
    (kind,) = kinds
    needed, allowed = _KEYS[kind]
    present = set(data) - {kind}
    if unknown := sorted(present - needed - allowed):
        raise PlaybookRefused(slug, name, f"a step of kind {kind} has no {', '.join(unknown)}")
    if missing := sorted(needed - present):
        raise PlaybookRefused(slug, name, f"a step of kind {kind} needs {', '.join(missing)}")
    match kind:
        case "do":
            return Do(
                action=_text(slug, name, "do", data["do"]),
                params=_params(slug, name, data.get("with", {})),
                next=_text(slug, name, "next", data["next"]),
                failed=_maybe(slug, name, "failed", data),
            )
        case "if":
            return Decide(
                condition=_text(slug, name, "if", data["if"]),
                asks=_maybe(slug, name, "asks", data) or _question(data["if"]),
                then=_text(slug, name, "then", data["then"]),
                otherwise=_text(slug, name, "else", data["else"]),
                otherwise_because=_maybe(slug, name, "else_because", data) or "",
                failed=_maybe(slug, name, "failed", data),
            )
        case "playbook":
            return Call(
                playbook=_text(slug, name, "playbook", data["playbook"]),
                given=_params(slug, name, data.get("with", {})),
                next=_text(slug, name, "next", data["next"]),
            )
        case _:
            return _ask(slug, name, data)


def _question(condition: str) -> str:
    words = condition.strip().replace("$", "").replace("_", " ")
    return f"Is it so: {words}?"


def _ask(slug: str, name: str, data: Mapping[str, Any]) -> Ask:
    form, facts = data.get("form", {}), data.get("facts", [])
    if not isinstance(form, dict):
        raise PlaybookRefused(slug, name, "a form maps names to types")
    if not isinstance(facts, list):
        raise PlaybookRefused(slug, name, "facts is a list")
    try:
        within = spans.parse(_text(slug, name, "within", data["within"]))
    except ValueError as error:
        raise PlaybookRefused(slug, name, str(error)) from error
    return Ask(
        text=_text(slug, name, "task", data["task"]),
        role=_text(slug, name, "role", data["role"]),
        within=within,
        fields={field: _field(slug, name, field, value) for field, value in form.items()},
        does=_maybe(slug, name, "does", data),
        params=_params(slug, name, data.get("with", {})),
        is_any=_flag(slug, name, "any", data, default=False),
        facts=tuple(_text(slug, name, "facts", fact) for fact in facts),
        contradicted_by=_params(slug, name, data.get("contradicted_by", {})),
        other_than=_maybe(slug, name, "other_than", data),
        needs_second=_flag(slug, name, "second", data, default=False),
        is_required=_flag(slug, name, "required", data, default=True),
        next=_text(slug, name, "next", data["next"]),
    )


def _field(slug: str, step: str, name: str, value: Any) -> Field:
    text = _text(slug, step, name, value)
    if "|" in text:
        choices = tuple(text.split("|"))
        if len(set(choices)) != len(choices) or not all(choices):
            raise PlaybookRefused(slug, step, f"the choices of {name} are not different words")
        return Field(type=Type.TEXT, choices=choices)
    if text not in {kind.value for kind in Type if kind is not Type.ADDRESSES}:
        raise PlaybookRefused(slug, step, f"{name} has the unknown type {text}")
    return Field(type=Type(text))


def _params(slug: str, step: str, data: Any) -> dict[str, str]:
    if not isinstance(data, dict) or any(isinstance(value, dict | list | float) for value in data.values()):
        raise PlaybookRefused(slug, step, "with maps names to variables or plain values")
    return {name: str(value) for name, value in data.items()}


def _text(slug: str, step: str | None, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PlaybookRefused(slug, step, f"{key} is a text")
    return value.strip()


def _maybe(slug: str, step: str, key: str, data: Mapping[str, Any]) -> str | None:
    return _text(slug, step, key, data[key]) if key in data else None


def _flag(slug: str, step: str, key: str, data: Mapping[str, Any], *, default: bool) -> bool:
    value = data.get(key, default)
    if not isinstance(value, bool):
        raise PlaybookRefused(slug, step, f"{key} is true or false")
    return value
