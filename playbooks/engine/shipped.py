"""What ships: the library of playbooks and the rules of clocks, read and checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from app.kernel.containment import Containment
from playbooks import clocks
from playbooks.engine import load, validate
from playbooks.form import Playbook
from playbooks.parts import BreachRegister, Contradiction, Parts
from playbooks.settings import PlaybookSettings


def parts(
    containments: Mapping[str, Containment],
    *,
    contradictions: Mapping[str, Contradiction] | None = None,
    settings: PlaybookSettings | None = None,
    library: Mapping[str, Playbook] | None = None,
    open_breach: BreachRegister | None = None,
) -> Parts:
    """Join the parts of response; a broken playbook or clock, or an unknown probe, stops the start with its reason."""
    found = _library() if library is None else library
    validate.library(found, contradictions or {})
    return Parts(
        containments=containments,
        library=found,
        clock_rules=clocks.load(),
        contradictions=contradictions or {},
        settings=settings or PlaybookSettings(),
        open_breach=open_breach,
    )


@cache
def _library() -> Mapping[str, Playbook]:
    """Return the playbooks that are shipped, read once a process."""
    return load.folder()
