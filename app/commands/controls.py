"""The commands about controls: list, show, run, rerun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app.commands import working
from app.commands.lines import Arguments, Line, Run, leave, progress, text
from app.compose import System
from app.identity import accounts
from app.kernel.access import (
    COMPLIANCE_CONTROL_READ,
    COMPLIANCE_CONTROL_RUN,
    COMPLIANCE_EVIDENCE_READ,
    service,
)
from app.kernel.errors import Invalid, NotFound
from compliance.catalog.controls import GDPR, PCI, Control
from compliance.engine import rerun as reruns
from compliance.engine import standing
from compliance.engine.standing import Standing
from compliance.states import REASON_WORDS, State

FRAMEWORKS: Final = {"pci": PCI, "gdpr": GDPR}
VIOLATED: Final = 6
_REQUIREMENTS: Final = 12
_OPERATOR: Final = service("operator", COMPLIANCE_CONTROL_READ, COMPLIANCE_CONTROL_RUN, COMPLIANCE_EVIDENCE_READ)


class StateUnknown(Invalid):
    """There is no such state of a control."""

    code = "state_unknown"


def list_(system: System, args: Arguments) -> Iterator[Line]:
    """Print where controls stand, in the order of the catalogue."""
    wanted = FRAMEWORKS.get(args.get("framework") or "")
    state = _state(args.get("state"))
    counts: dict[State, int] = dict.fromkeys(State, 0)
    for one in _all(system).values():
        if wanted not in (None, one.control.framework):
            continue
        counts[one.state] += 1
        if state in (None, one.state):
            why = f"  ({REASON_WORDS[one.reason]})" if one.reason else ""
            yield text(f"{one.state.value:<15} {one.name:<18} {one.control.title}{why}")
    yield text(", ".join(f"{count} {word.value}" for word, count in counts.items() if count))


def show(system: System, args: Arguments) -> Iterator[Line]:
    """Print a control with its legs and the newest evidence of each probe, or one evidence by its number."""
    key = str(args["key"])
    if key.upper().startswith(reruns.EV):
        yield from _evidence(system, key.upper())
        return
    standings, found = _all(system), _found(system, key)
    if other := _other(key, found):
        yield text(other)
    for control in found:
        now = standings[control.framework, control.key]
        why = f": {REASON_WORDS[now.reason]}" if now.reason else ""
        yield text(f"{control.name}  {control.title}")
        yield text(f"  ids {' '.join(control.ids)}")
        for edge in control.edges:
            yield text(f"  {edge.probe}: {edge.reason}")
        if not control.edges:
            yield text(f"  to be shown: {control.holds_when}")
        yield text(f"  {now.state.value}{why}; proposed finding: {now.state.finding}")
        for leg in now.legs:
            yield text(f"  {leg.name}: {leg.state.value}" + (f", as of {leg.at:%Y-%m-%d %H:%M:%S}Z" if leg.at else ""))
            if leg.observation_id is not None:
                yield from _evidence(system, leg.observation_id)


def run(system: System, args: Arguments) -> Iterator[Line]:
    """Ask the probes of a control, or all, and print what each says."""
    probes = system.controls.parts.probes
    key = args.get("key")
    names = sorted(probes) if not key else [name for one in _found(system, str(key)) for name in one.probes]
    if not names:
        raise NotFound("No probe looks at this control.")
    failed = False
    working.catch_up(system)
    for done, name in enumerate(names, 1):
        seen = system.controls.observe(probes[name], ctx=system.context(_OPERATOR))
        yield progress(done, len(names), "probes")
        if seen is None:
            yield text(f"{name}: another worker is at it")
            continue
        failed |= seen.verdict.state is State.FAIL
        why = f" ({REASON_WORDS[seen.verdict.reason]})" if seen.verdict.reason else ""
        yield text(f"{seen.verdict.state.value:<15} {name}: {seen.reading.counted} looked at{why}")
        for one in seen.reading.violations[:10]:
            yield text(f"    {one.component} {_named(system, one.object_id)}: {one.says}")
    yield leave(VIOLATED if failed else 0)


def rerun(system: System, args: Arguments) -> Iterator[Line]:
    """Read the window of an evidence number again."""
    made = reruns.rerun(
        str(args["number"]),
        system.context(_OPERATOR),
        db=system.db,
        store=system.working_store,
        parts=system.controls.parts,
    )
    seen = made.observation
    yield text(f"{seen.number}: {seen.probe} over sequences {seen.lo + 1} to {seen.hi}")
    then, now = sum(seen.population.values()), sum(made.population.values())
    yield text(f"  then {then} looked at, {seen.total} violations; now {now} looked at, {made.total} violations")
    yield text("same" if made.is_same else "CONTRADICTED: what it says now is not what was sealed")
    yield leave(0 if made.is_same else VIOLATED)


def _evidence(system: System, named: str) -> Iterator[Line]:
    """Print one observation, named by its id or evidence number."""
    with system.db.read() as session:
        seen = reruns.find(session, named, _OPERATOR)
    if named.startswith(reruns.EV):
        keys = ", ".join(seen.controls)
        yield text(f"{seen.number}: {seen.probe} for {keys}, {seen.started_at:%Y-%m-%d %H:%M:%S}Z: {seen.state}")
        yield text(f"  of sequences {seen.lo + 1} to {seen.hi}; its event with proof: `onepay log pack {seen.number}`")
    yield text(
        f"    {seen.number}: {sum(seen.population.values())} looked at, {seen.total} violations, "
        f"canary {seen.canary or 'never'}, code {seen.code_hash[:12]}"
    )
    if not seen.is_as_sealed:
        yield text("      CHANGED: it does not lie as it was sealed, so it is no evidence; its event says what it was")
    for one in seen.violations[:10]:
        yield text(f"      {one['component']} {_named(system, one['object_id'])}: {one['says']}")


def _named(system: System, object_id: str) -> str:
    """Return the id of an object, and the name with it where it is a member of staff."""
    with system.db.read() as session:
        name = accounts.name_of_staff(session, object_id, parts=system.identity)
    return f"{name} ({object_id})" if name else object_id


def _all(system: System) -> Mapping[tuple[str, str], Standing]:
    with system.db.read() as session:
        return standing.all_of(session, system.clock.now(), system.controls.parts)


def _found(system: System, words: str) -> list[Control]:
    """Return the rows of a name as `control list` and the console print it, or of a key or id alone."""
    catalogue = system.controls.parts.catalogue
    asked = " ".join(words.split()).casefold()
    named = [one for one in catalogue.controls.values() if asked in _names(one)]
    if not named and not (named := catalogue.find(words.strip())):
        raise NotFound(f"No control is called {words}; `onepay control list` prints the names.")
    return named


def _names(control: Control) -> tuple[str, ...]:
    name = control.name.casefold()
    return (name, name.removeprefix("gdpr "), f"{'pci' if control.framework == PCI else 'gdpr'}:{control.key}")


def _other(words: str, found: Sequence[Control]) -> str | None:
    """Return what else a bare number could have meant: an article is also the number of a requirement."""
    is_requirement = words.isdigit() and 1 <= int(words) <= _REQUIREMENTS
    if not is_requirement or any(one.framework == PCI for one in found):
        return None
    return f"{words} is read as {found[0].name}; rows of requirement {words} of PCI DSS have names such as {words}.1.1"


def _state(text: str | None) -> State | None:
    if not text:
        return None
    try:
        return State(text.upper().replace(" ", "_"))
    except ValueError as error:
        raise StateUnknown(f"There is no state {text}; states are {', '.join(State)}.") from error


COMMANDS: Final[Mapping[str, Run]] = {
    "control list": list_,
    "control show": show,
    "control run": run,
    "control rerun": rerun,
}
