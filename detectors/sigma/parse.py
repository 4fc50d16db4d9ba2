"""Reading a rule file: Sigma documents, the outermost last, with an `onepay` part. The unknown is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from app.kernel import canonical, crypto, documents
from detectors.sigma import lower, reasons
from detectors.sigma.ast import (
    Correlation,
    CorrelationType,
    Document,
    EventRule,
    IncidentKey,
    Level,
    Rule,
    RuleTest,
)
from detectors.sigma.lower import RuleRefused
from ingest.events import catalog

TIMESPAN_MAX: Final = timedelta(days=30)
DEPTH_MAX: Final = 2
_SPAN: Final = re.compile(r"^([1-9][0-9]{0,4})([smhd])$")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_KINDS: Final = ("security", "health", "privacy", "aml")
_EVENT_KEYS: Final = frozenset(("title", "name", "logsource", "detection", "id", "description", "status"))
_OUTER_KEYS: Final = _EVENT_KEYS | {"correlation", "level", "tags", "onepay", "references", "falsepositives"}


def rule(text: str, slug: str) -> Rule:
    """Return the rule of a file; raises `RuleRefused` or `DocumentRefused` saying what is wrong."""
    parts = documents.load_all(text, name=f"{slug}.yml")
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise RuleRefused(f"{slug}: a rule file holds one or more documents")
    read = [_document(part, slug, is_last=part is parts[-1]) for part in parts]
    _check_names(read, slug)
    outer = parts[-1]
    own = _own(outer, slug)
    made = Rule(
        slug=slug,
        id=_text(outer, "id", slug),
        title=_text(outer, "title", slug),
        description=str(outer.get("description", "")),
        level=Level(_text(outer, "level", slug)),
        tags=tuple(str(tag) for tag in outer.get("tags", ())),
        documents=tuple(read),
        owner=_text(own, "owner", slug),
        playbook=_text(own, "playbook", slug),
        reason=_text(own, "reason", slug),
        incident=_incident(own.get("incident"), slug),
        risk=tuple(own.get("risk", ())),
        tests=tuple(_test(item, slug) for item in own.get("tests", ())),
        content_hash=crypto.sha256(canonical.encode(_plain(parts))).hex(),
        source=text,
    )
    _check(made)
    return made


def span(text: Any, slug: str) -> timedelta:  # a scalar of a YAML document
    """Return a timespan such as 5m, 1h or 7d."""
    found = _SPAN.match(str(text))
    if not found:
        raise RuleRefused(f"{slug}: {text!r} is no timespan such as 5m")
    value = timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
    if value > TIMESPAN_MAX:
        raise RuleRefused(f"{slug}: a timespan is at most 30d")
    return value


def _document(part: Mapping[str, Any], slug: str, *, is_last: bool) -> Document:
    unknown = set(part) - (_OUTER_KEYS if is_last else _EVENT_KEYS | {"correlation"})
    if unknown:
        raise RuleRefused(f"{slug}: rule.unsupported: {sorted(unknown)[0]}")
    name = str(part.get("name", slug if is_last else ""))
    if "correlation" in part:
        return _correlation(part, name, slug)
    detection = part.get("detection")
    if not isinstance(detection, dict) or "condition" not in detection:
        raise RuleRefused(f"{slug}: a document has a detection with a condition, or a correlation")
    selections = {key: lower.selection(value, key) for key, value in detection.items() if key != "condition"}
    where = lower.condition(str(detection["condition"]), selections)
    return EventRule(name=name, title=_text(part, "title", slug), where=where)


def _correlation(part: Mapping[str, Any], name: str, slug: str) -> Correlation:
    body = part["correlation"]
    allowed = {"type", "rules", "group-by", "timespan", "condition", "aliases", "generate"}
    if not isinstance(body, dict) or set(body) - allowed:
        raise RuleRefused(f"{slug}: rule.unsupported in a correlation")
    try:
        kind = CorrelationType(str(body["type"]))
    except (KeyError, ValueError) as error:
        raise RuleRefused(f"{slug}: rule.unsupported: the correlation {body.get('type')}") from error
    children = tuple(body.get("rules", ()))
    limits = dict(body.get("condition", {}))
    field = limits.pop("field", None)
    at_least = len(children) if kind is CorrelationType.TEMPORAL_ORDERED else _at_least(limits, slug)
    if (kind is CorrelationType.VALUE_COUNT) != (field is not None):
        raise RuleRefused(f"{slug}: value_count, and it alone, names a field")
    for path in (*body.get("group-by", ()), *([field] if field else [])):
        if path not in catalog.columns() and path not in body.get("aliases", {}):
            raise RuleRefused(f"{slug}: {path} is no field of the event catalogue")
    return Correlation(
        name=name,
        title=_text(part, "title", slug),
        type=kind,
        children=children,
        group_by=tuple(body.get("group-by", ())),
        timespan=span(body.get("timespan"), slug),
        at_least=at_least,
        field=field,
        aliases={key: dict(value) for key, value in body.get("aliases", {}).items()},
    )


def _at_least(limits: Mapping[str, Any], slug: str) -> int:
    if set(limits) not in ({"gte"}, {"gt"}) or not all(isinstance(value, int) for value in limits.values()):
        raise RuleRefused(f"{slug}: rule.not_monotone: a condition is gte or gt with a whole number")
    return int(limits["gte"]) if "gte" in limits else int(limits["gt"]) + 1


def _own(outer: Mapping[str, Any], slug: str) -> Mapping[str, Any]:
    own = outer.get("onepay")
    allowed = {"owner", "playbook", "reason", "incident", "risk", "tests"}
    if not isinstance(own, dict) or set(own) - allowed:
        raise RuleRefused(f"{slug}: the onepay block has {', '.join(sorted(allowed))}")
    return own


def _incident(value: Any, slug: str) -> IncidentKey:
    if not isinstance(value, dict) or value.get("kind") not in _KINDS or not value.get("key"):
        raise RuleRefused(f"{slug}: an incident has a kind, a key and join_within")
    return IncidentKey(kind=value["kind"], fields=tuple(value["key"]), join_within=span(value.get("join_within"), slug))


def _test(value: Any, slug: str) -> RuleTest:
    if not isinstance(value, dict) or not isinstance(value.get("fires"), int) or not value.get("events"):
        raise RuleRefused(f"{slug}: a test has a name, fires and events")
    return RuleTest(
        name=str(value["name"]),
        fires=value["fires"],
        events=tuple(value["events"]),
        is_canary=bool(value.get("canary", False)),
    )


def _check_names(read: Sequence[Document], slug: str) -> None:
    names = [document.name for document in read]
    if len(set(names)) != len(names) or names[-1] != slug:
        raise RuleRefused(f"{slug}: each document has a name of its own, the last that of the file")
    for place, document in enumerate(read):
        for child in document.children if isinstance(document, Correlation) else ():
            if child not in names[:place]:
                raise RuleRefused(f"{slug}: {document.name} names {child}, which does not stand before it")


def _check(made: Rule) -> None:
    if _depth(made, made.outermost) > DEPTH_MAX:
        raise RuleRefused(f"{made.slug}: chains are at most {DEPTH_MAX} deep")
    for path in (*made.incident.fields, *made.risk):
        if path not in catalog.columns():
            raise RuleRefused(f"{made.slug}: {path} is no field of the event catalogue")
    # An alert keeps its group and these entities; what else its events say is no longer at hand when it grows.
    unknown = sorted(set(reasons.placeholders(made.reason)) - reasons.known_to(made))
    if unknown:
        raise RuleRefused(f"{made.slug}: the reason names {unknown[0]}, which is in no group, key or risk")
    if not any(test.fires for test in made.tests) or all(test.fires for test in made.tests):
        raise RuleRefused(f"{made.slug}: a rule has a test that fires and one that does not")


def _depth(made: Rule, document: Document) -> int:
    if isinstance(document, EventRule):
        return 0
    return 1 + max(_depth(made, made.document(child)) for child in document.children)


def _text(part: Mapping[str, Any], key: str, slug: str) -> str:
    value = part.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RuleRefused(f"{slug}: {key} is missing")
    return value.strip()


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float():
            return str(value)
        case _:
            return value
