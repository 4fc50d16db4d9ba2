"""The commands about retention: what is due, which runs there are, whether what went is gone, and the monthly epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from app.commands.lines import Arguments, Line, Run, leave, text
from app.compose import System
from app.kernel.access import PRIVACY_REQUEST_READ, PRIVACY_RUN_PROPOSE, service
from app.kernel.errors import NotFound
from compliance.retention import execute, plan, policies, runs, shown
from ingest.log import shredding

LEFT: Final = 6
_OPERATOR: Final = service("operator", PRIVACY_REQUEST_READ, PRIVACY_RUN_PROPOSE)


def plan_(system: System, args: Arguments) -> Iterator[Line]:
    """Print what of a class is due, or of every class, changing nothing: a dry run that is not kept."""
    with system.db.read() as session:
        known = policies.in_force(session)
        wanted = [str(args["class"])] if args.get("class") else sorted(known)
        for name in wanted:
            if name not in known:
                raise NotFound(f"There is no class {name}.")
            made = plan.make(session, known[name], system.clock.now(), parts=system.retention)
            if not made.batches and not args.get("class"):
                continue
            yield text(f"{name}: kept {known[name].keep.in_words()}, due before {made.before:%Y-%m-%d}: {made.total}")
            for place in made.places:
                span = f", {place.oldest:%Y-%m-%d} to {place.newest:%Y-%m-%d}" if place.oldest and place.newest else ""
                yield text(f"    {place.store}: {place.count}{span}, {place.held} held; {' '.join(place.samples)}")
            yield text(f"    root {made.root}; held for {', '.join(made.conflicts) or 'no case'}")


def runs_(system: System, args: Arguments) -> Iterator[Line]:
    """Print the newest runs."""
    with system.db.read() as session:
        found = shown.listed(session, _OPERATOR)
    for run in found:
        held = run.skipped if run.executed_at else sum(int(one["held"]) for one in run.facts["places"])
        counts = f"{run.done} of {run.total} gone, {held} held"
        yield text(f"{run.id}  {run.planned_at:%Y-%m-%d}  {run.state:<10} {run.policy}: {counts}")
    if not found:
        yield text("No run yet.")


def verify(system: System, args: Arguments) -> Iterator[Line]:
    """Look again for what a certified run removed; exit 6 where some of it is there."""
    with system.db.read() as session:
        run = runs.by_id(session, str(args["run"]))
        left = execute.left(session, run, parts=system.retention)
        certificate = execute.certificate_of(session, run.id)
    for one in left.values():
        yield text(f"still there: {one}")
    number = f"certificate {certificate['id']} of {certificate['at']:%Y-%m-%d}" if certificate else "no certificate"
    yield text(f"{run.policy}: {'NOT GONE' if left else 'gone'}, {number}")
    yield leave(LEFT if left else 0)


def rotate_epoch(system: System, args: Arguments) -> Iterator[Line]:
    """End the present epoch of subject keys: live keys are wrapped anew, and copies of destroyed ones die with it."""
    done = shredding.roll_epoch(system.context(_OPERATOR), parts=system.shredding)
    ended = ", ".join(str(number) for number in done.ended)
    yield text(f"epoch {done.epoch} began, {done.rewrapped} keys wrapped anew, ended: {ended}")


COMMANDS: Final[Mapping[str, Run]] = {
    "retention plan": plan_,
    "retention runs": runs_,
    "retention verify": verify,
    "retention rotate-epoch": rotate_epoch,
}
