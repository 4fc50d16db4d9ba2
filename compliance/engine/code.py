"""What a probe is made of: the functions that read and plant, what they were given, and the files those stand in.

Of two observations with one hash the same was asked. What the functions call in other files is not in it: that is
named by the build, which stands beside the hash in the evidence.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from enum import Enum
from functools import cache, partial
from pathlib import Path
from types import FunctionType, MethodType
from typing import Final

from app.kernel import canonical, crypto
from compliance.contracts.probes import Probe

_PLAIN: Final = (str, int, float, bool, bytes, date, timedelta, Enum, type(None))


class _Made:
    """Goes through a probe's functions once, and notes the modules they stand in."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self._met: set[int] = set()

    def of(self, thing: object) -> object:
        """Return what a function, a constant or another part is, in plain values."""
        if isinstance(thing, partial):
            given = [self.of(one) for one in thing.args]
            return [self.of(thing.func), given, {name: self.of(one) for name, one in sorted(thing.keywords.items())}]
        if isinstance(thing, MethodType):
            return [self.of(thing.__func__), self.of(thing.__self__)]
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if isinstance(thing, _PLAIN):
            return repr(thing)
        if isinstance(thing, Mapping):
            return {repr(key): self.of(one) for key, one in thing.items()}
        if isinstance(thing, Iterable) and isinstance(thing, list | tuple | set | frozenset):
            found = [self.of(one) for one in thing]
            return sorted(found, key=canonical.encode) if isinstance(thing, set | frozenset) else found
        # A part of the installation: which kind of part, as its content is no source.
        return f"{type(thing).__module__}:{type(thing).__qualname__}"

    def _function(self, function: FunctionType) -> object:
        name = f"{function.__module__}:{function.__qualname__}:{function.__code__.co_firstlineno}"
        if id(function) in self._met:
            return name
        self._met.add(id(function))
        self.modules.add(function.__module__)
        held = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        return {
            "function": name,
            "held": {each: self.of(cell.cell_contents) for each, cell in sorted(held.items())},
            "given": [self.of(one) for one in function.__defaults__ or ()],
            "wraps": self.of(getattr(function, "__wrapped__", None)),
        }


def modules(probe: Probe) -> frozenset[str]:
    """Return the modules in which a probe's functions stand, and those that they were given."""
    made = _Made()
    made.of(probe.read)
    made.of(probe.plant)
    return frozenset(made.modules)


@cache
def code_hash(probe: Probe) -> str:
    """Return the hash of a probe: its functions, the constants they hold, and the files all of it stands in."""
    made = _Made()
    said = {
        "probe": [probe.name, probe.kind.value, probe.empty_means.value, probe.asks],
        "read": made.of(probe.read),
        "plant": made.of(probe.plant),
    }
    files = {name: crypto.sha256(Path(str(sys.modules[name].__file__)).read_bytes()).hex() for name in made.modules}
    return crypto.sha256(canonical.encode({**said, "files": files})).hex()
