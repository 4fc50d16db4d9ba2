"""Reading YAML strictly: rules, playbooks, catalogues and policies are data, never programs."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from app.kernel.errors import Invalid

BYTES_MAX: Final = 262_144
DEPTH_MAX: Final = 30


class DocumentRefused(Invalid):
    """The document is not what a strict reader accepts."""

    code = "document_refused"

    def __init__(self, file: str, line: int, column: int, reason: str) -> None:
        super().__init__(f"{file}:{line}:{column}: {reason}")
        self.file, self.line, self.column, self.reason = file, line, column, reason


class _StrictLoader(yaml.CSafeLoader):
    """Knows null, true, false, integers and floats; everything else that is plain stays text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|false)$", list("tf")),
    ("tag:yaml.org,2002:int", r"^-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
    ("tag:yaml.org,2002:float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$", list("-0123456789")),
):
    _StrictLoader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def load(text: str, *, name: str = "document") -> Any:  # YAML is a documented border of untyped data
    """Return the one document of a text; raises `DocumentRefused` with file, line and column."""
    documents = load_all(text, name=name)
    if len(documents) != 1:
        raise DocumentRefused(name, 1, 1, f"one document expected, {len(documents)} found")
    return documents[0]


def load_all(text: str, *, name: str = "document") -> list[Any]:  # as `load`
    """Return all documents of a text, refusing duplicate keys, aliases, tags, more than 256 KiB or depth 30."""
    if len(text.encode("utf-8")) > BYTES_MAX:
        raise DocumentRefused(name, 1, 1, f"more than {BYTES_MAX} bytes")
    try:
        _check_events(text, name)
        loader = _StrictLoader(text)
        try:
            nodes = []
            while loader.check_node():
                node = loader.get_node()
                if node is not None:
                    _check_keys(node, name)
                    nodes.append(loader.construct_document(node))
            return nodes
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise DocumentRefused(name, line, column, error.problem or "not YAML") from error
    except yaml.YAMLError as error:
        raise DocumentRefused(name, 1, 1, "not YAML") from error


def _check_events(text: str, name: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise DocumentRefused(name, line, column, "aliases are not allowed")
        if getattr(event, "tag", None):
            raise DocumentRefused(name, line, column, "tags are not allowed")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                raise DocumentRefused(name, line, column, f"deeper than {DEPTH_MAX}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_keys(node: yaml.Node, name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line, column = (key.start_mark.line + 1, key.start_mark.column + 1) if key.start_mark else (1, 1)
            if not isinstance(key, yaml.ScalarNode):
                raise DocumentRefused(name, line, column, "a key must be text")
            if key.value in seen:
                raise DocumentRefused(name, line, column, f"the key {key.value!r} stands twice")
            seen.add(key.value)
            _check_keys(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, name)
