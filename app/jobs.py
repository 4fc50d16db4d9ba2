"""All jobs of the installation: the one list, made of what each package declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from app.compose import System
from app.gateway import folding
from app.identity import expiry, letters, role_grants, sessions
from app.kernel.jobs import Job
from app.kernel.logs import logger
from compliance.attest import jobs as papers
from compliance.privacy import jobs as privacy
from compliance.privacy import selftest
from compliance.registers import jobs as registers
from compliance.reports import jobs as reports
from compliance.retention import jobs as retention
from compliance.reviews import jobs as reviews
from ingest.log import epochs, shredding
from payments import idempotency
from playbooks import jobs as playbooks

# So often a run goes on while there is more, each turn in a transaction of its own that holds the database shortly.
PURGE_TURNS: Final = 20
LETTERS_A_TURN: Final = 50
_log: Final = logger(__name__)


def all_jobs(system: System) -> Sequence[Job]:
    """Return every job with its pace."""
    return (
        Job(name="identity.expire", every=timedelta(seconds=60), run=lambda at: _expire(system, at)),
        Job(name="identity.approvers", every=timedelta(hours=1), run=lambda at: _approvers(system, at)),
        Job(name="identity.sod", every=timedelta(days=1), run=lambda at: _duties(system, at)),
        Job(name="gateway.fold", every=folding.FLUSH, run=lambda at: _fold(system, at)),
        Job(name="messaging.deliver", every=timedelta(seconds=1), run=lambda at: _deliver(system, at)),
        Job(name="payments.purge", every=timedelta(minutes=1), run=lambda at: _purge(system, at)),
        system.signer.job(),
        *system.rounds.jobs(is_on=lambda: system.is_served),
        Job(name="detectors.run", every=timedelta(seconds=2), run=lambda at: system.runner.run()),
        *privacy.jobs(system.db, system.ids, system.compliance.privacy, lambda: system.shredding),
        *reviews.jobs(system.db, system.ids, system.reviews),
        *papers.jobs(system.db, system.ids, system.desk),
        selftest.job(
            system.db, system.ids, system.compliance.privacy, system.compliance.gate, lambda: system.shredding
        ),
        registers.job(system.db, system.ids, system.desk.remind),
        *retention.jobs(system.ids, system.retention),
        Job(name="privacy.epoch", every=timedelta(hours=6), run=lambda at: _roll(system, at)),
        *reports.jobs(system.ids, system.reports),
        *playbooks.jobs(system.db, system.clock, system.ids, system.response),
        system.watch.job(),
        system.controls.job(),
    )


def _roll(system: System, at: datetime) -> str | None:
    """End the epoch of subject keys once in a calendar month; a roll that broke off goes on at once."""
    with system.keys_db.read() as session:
        begun, pending = epochs.current_since(session), epochs.retiring(session)
    if not pending and (begun.year, begun.month) == (at.year, at.month):
        return None
    done = shredding.roll_epoch(system.job_context("retention", at), parts=system.shredding)
    return f"epoch {done.epoch}, {done.rewrapped} keys wrapped anew"


def _expire(system: System, at: datetime) -> str | None:
    ctx, policy = system.job_context("identity", at), system.identity.policy
    with system.db.begin() as session:
        role_grants.lapse(session, ctx)
    with system.db.begin() as session:
        system.approvals.expire(session, ctx)
    with system.db.begin() as session:
        letters.expire(session, at)
        given_up = letters.set_aside(session, at)
    if given_up:
        _log.error("letters whose handing over never ended were set aside", extra={"message__count": given_up})
    ended = _in_turns(system, lambda session: sessions.sweep(session, ctx), sessions.SWEEP_MAX)
    gone = _in_turns(system, lambda session: expiry.purge(session, ctx, policy=policy), expiry.ROWS_MAX)
    return f"{ended} sessions ended, {gone} rows deleted" if ended or gone else None


def _approvers(system: System, at: datetime) -> str | None:
    """Say for which approvals too few people are there; the health page says so at any time (APR-3)."""
    with system.db.read() as session:
        lacking = system.approvals.lacking(session, at)
    if not lacking:
        return None
    kinds = ", ".join(lack.kind for lack in lacking)
    _log.warning("too few people could decide some approvals", extra={"onepay__approvals": kinds})
    return f"too few people for {kinds}"


def _duties(system: System, at: datetime) -> str | None:
    """Search for people who hold roles that exclude each other (SOD-1)."""
    with system.db.read() as session:
        held = role_grants.excluded_held(session, at)
    for one in held:
        _log.error("somebody holds roles that exclude each other", extra={"onepay__roles": " and ".join(one.pair)})
    return f"{len(held)} excluded pairs held" if held else None


def _fold(system: System, at: datetime) -> str | None:
    told = system.gateway.folding.flush(system.db, at)
    return f"{told} counts told" if told else None


def _deliver(system: System, at: datetime) -> str | None:
    with system.db.read() as session:
        if not letters.are_due(session, at):
            return None
    gone = 0
    # One by one: what ends a turn, such as a letter that a messenger cannot bear, holds up that letter alone.
    for _ in range(LETTERS_A_TURN):
        with system.db.begin() as session:
            taken = letters.claim(session, system.clock.now(), parts=system.identity)
        if taken is None:
            break
        gone += _hand_over(system, taken)
    return f"{gone} letters" if gone else None


def _hand_over(system: System, taken: letters.Taken) -> bool:
    if taken.letter is None:
        _log.error("a letter cannot be deciphered and was set aside", extra={"message__id": taken.id})
        return False
    try:
        system.messenger.send(taken.id, taken.letter, system.clock.now())
    except letters.MessengerFailed:
        with system.db.begin() as session:
            letters.failed(session, taken, system.clock.now())
        return False
    with system.db.begin() as session:
        letters.delivered(session, taken.id)
    return True


def _purge(system: System, at: datetime) -> str | None:
    ctx = system.job_context("payments", at)
    gone = _in_turns(system, lambda session: idempotency.purge(session, ctx), idempotency.PURGE_MAX)
    return f"{gone} keys" if gone else None


def _in_turns(system: System, work: Callable[[Session], int], full: int) -> int:
    """Do what counts its rows again, until a turn does fewer than a full one or the last turn is over."""
    total = 0
    for _ in range(PURGE_TURNS):
        with system.db.begin() as session:
            done = work(session)
        total += done
        if done < full:
            break
    return total
