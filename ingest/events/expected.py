"""Which `event.type` goes with which `event.category` (ECS 9.2, "allowed values" of `event.category`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

TYPES_BY_CATEGORY: Final[Mapping[str, frozenset[str]]] = {
    category: frozenset(types.split())
    for category, types in {
        "api": "access admin allowed change creation deletion denied end info start user",
        "authentication": "start end info",
        "configuration": "access change creation deletion info",
        "database": "access change info error",
        "driver": "change end info start",
        "email": "info",
        "file": "access change creation deletion info",
        "host": "access change end info start",
        "iam": "admin change creation deletion group info user",
        "intrusion_detection": "allowed denied info",
        "library": "start",
        "malware": "info",
        "network": "access allowed connection denied end info protocol start",
        "package": "access change deletion info installation start",
        "process": "access change end info start",
        "registry": "access change creation deletion",
        "session": "start end info",
        "threat": "indicator",
        "vulnerability": "info",
        "web": "access error info",
    }.items()
}


def is_expected(categories: Collection[str], types: Collection[str]) -> bool:
    """Tell whether ECS expects each of these types in one of these categories; without a category nothing is asked."""
    if not categories:
        return True
    if not set(categories) <= TYPES_BY_CATEGORY.keys():
        return False
    return set(types) <= {name for category in categories for name in TYPES_BY_CATEGORY[category]}
