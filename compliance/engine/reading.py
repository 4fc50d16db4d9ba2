"""Asking one probe: over the right window, within its deadline, and never more than the store can vouch for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import Unavailable
from app.kernel.jobs import guarded
from compliance.contracts.probes import (
    VIOLATIONS_KEPT,
    Deadline,
    Kind,
    Look,
    Probe,
    ProbeOverran,
    Reading,
    Violation,
    Window,
)
from compliance.engine import fences
from compliance.engine.parts import Parts
from compliance.engine.verdict import Canary, Tested, Verdict, judge
from compliance.states import Reason, State
from ingest.log import forgotten, read
from ingest.shipper import Health
from ingest.store.port import EventStore

_NOTHING: Final = Reading(population={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One reading with its verdict, the window it is of, and how the probe was tested."""

    reading: Reading
    verdict: Verdict
    window: Window
    tested: Tested
    error: str | None = None


def ask(
    probe: Probe,
    ctx: Context,
    *,
    sealed_hi: int,
    tested: Tested,
    is_test_due: bool,
    db: Database,
    store: EventStore,
    parts: Parts,
) -> Seen:
    """Ask a probe of what lies after `sealed_hi`; it is tested in a fence before where a test is due."""
    with db.read() as session:
        window, lack = _window(session, probe, sealed_hi, store, parts)
    if lack is not None:
        return Seen(reading=_NOTHING, verdict=_unknown(lack), window=Window(lo=sealed_hi, hi=sealed_hi), tested=tested)
    if not is_test_due:
        return read_window(probe, ctx, window, tested, db=db, store=store, parts=parts)
    if probe.kind is Kind.LIVE:
        # What it does is dear, and no transaction fixes it: the reading itself says what was wrong before the test.
        def test(found: Reading) -> Tested:
            return _test(probe, ctx, window, db, store, parts, before=found.violations) or tested

        return read_window(probe, ctx, window, tested, db=db, store=store, parts=parts, test=test)
    tested = _test(probe, ctx, window, db, store, parts) or tested
    return read_window(probe, ctx, window, tested, db=db, store=store, parts=parts)


def read_window(
    probe: Probe,
    ctx: Context,
    window: Window,
    tested: Tested,
    *,
    db: Database,
    store: EventStore,
    parts: Parts,
    test: Callable[[Reading], Tested] | None = None,
) -> Seen:
    """Read one window, whole, and judge it; with `test`, the probe is tested after it was read."""
    made: list[tuple[Reading, bool]] = []

    def call() -> None:
        with db.read() as session:
            look = _look(session, probe, ctx, window, store, parts)
            made.append((probe.read(look), parts.in_use(session, probe.use)))
            look.deadline.check()

    error = guarded(f"compliance.probe.{probe.name}", call)
    if error is not None:
        reason = Reason.TIMEOUT if isinstance(error, ProbeOverran) else Reason.PROBE_ERROR
        if isinstance(error, Unavailable) and reason is not Reason.TIMEOUT:
            reason = Reason.COVERAGE
        return Seen(
            reading=_NOTHING,
            verdict=_unknown(reason),
            window=replace(window, hi=window.lo),
            tested=tested,
            error=type(error).__name__,
        )
    read_now, is_in_use = made[0]
    tested = test(read_now) if test is not None else tested
    verdict = judge(
        read_now,
        tested,
        at=ctx.at,
        canary_max_age=parts.settings.canary_max_age,
        empty_means=probe.empty_means,
        is_in_use=is_in_use,
    )
    return Seen(reading=read_now, verdict=verdict, window=window, tested=tested)


def named(found: Reading) -> list[dict[str, str]]:
    """Return the violations that are kept, as they stand in the evidence."""
    return [
        {"component": one.component, "object_id": one.object_id, "says": one.says}
        for one in found.violations[:VIOLATIONS_KEPT]
    ]


def _test(
    probe: Probe,
    ctx: Context,
    window: Window,
    db: Database,
    store: EventStore,
    parts: Parts,
    *,
    before: Sequence[Violation] | None = None,
) -> Tested | None:
    found: list[Canary] = []

    def call() -> None:
        with db.read() as session:
            look = _look(session, probe, ctx, window, store, parts)
        found.append(fences.test(probe, look, db, before=before))

    error = guarded(f"compliance.canary.{probe.name}", call)
    if isinstance(error, Unavailable):
        return None  # whether it would have seen it is not known; the age of the last test tells
    return Tested(canary=Canary.MISSED if error else found[0], at=ctx.at)


def _look(session: Session, probe: Probe, ctx: Context, window: Window, store: EventStore, parts: Parts) -> Look:
    return Look(
        session=session,
        store=store,
        window=window,
        ctx=ctx,
        profile=parts.profile,
        deadline=Deadline(parts.settings.probe_seconds_max),
        baselines=parts.baseline,
    )


def _window(
    session: Session, probe: Probe, sealed_hi: int, store: EventStore, parts: Parts
) -> tuple[Window, Reason | None]:
    """Return the next window, and why it cannot be read where it cannot."""
    if probe.kind is not Kind.WINDOW:
        head = read.head(session).size
        return Window(lo=0, hi=head), None
    standing = parts.shipped(session)
    if standing.health is Health.INCIDENT:
        return Window(lo=sealed_hi, hi=sealed_hi), Reason.COVERAGE
    hi = min(standing.done, sealed_hi + parts.settings.window_max)
    window = Window(lo=sealed_hi, hi=max(hi, sealed_hi))
    return window, None if is_whole(session, store, window) else Reason.COVERAGE


def is_whole(session: Session, store: EventStore, window: Window) -> bool:
    """Tell whether the store holds every sequence of a window but those that were lawfully dropped."""
    present = store.coverage(window.lo, window.hi)
    return present + forgotten.dropped(session, window.lo, window.hi) == window.hi - window.lo


def _unknown(reason: Reason) -> Verdict:
    return Verdict(state=State.NOT_EVALUABLE, reason=reason)
