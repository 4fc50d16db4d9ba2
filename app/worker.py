"""What goes on without a request: pumps that turn as long as there is work, and jobs on an alarm clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from apscheduler.schedulers.background import BackgroundScheduler

from app.compose import System
from app.kernel.jobs import Job, Pump, Step, guarded

IDLE_SECONDS = 1.0


class Worker:
    """The pumps and jobs of one process."""

    def __init__(self, system: System, jobs: Sequence[Job]) -> None:
        self._system = system
        self._jobs = jobs
        self._pumps = (
            Pump("sequence", lambda: _turned(system, "sequence", system.sequencer.step), idle_seconds=IDLE_SECONDS),
            Pump("ship", lambda: _turned(system, "ship", system.shipper.step), idle_seconds=IDLE_SECONDS),
        )
        self._alarm = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin: every job once at its own pace, the pumps as soon as something is recorded."""
        for pump in self._pumps:
            self._system.db.committed.append(pump.wake)
            pump.start()
        for job in self._jobs:
            self._alarm.add_job(
                run_guarded, "interval", args=[self._system, job], seconds=job.every.total_seconds(), id=job.name
            )
        self._alarm.start()

    def stop(self) -> None:
        """End: no new job, the present ones to their end, then the pumps."""
        self._alarm.shutdown(wait=True)
        for pump in self._pumps:
            pump.stop()


def run_guarded(system: System, job: Job, at: datetime | None = None) -> str | None:
    """Run a job once and return its note; a failure is logged, counted, and told once, and the others go on."""
    began, notes = time.perf_counter(), []
    moment = at or system.clock.now()
    error = guarded(job.name, lambda: notes.append(job.run(moment)))
    system.metrics.job_seconds.labels(job=job.name).observe(time.perf_counter() - began)
    _tell(system, job.name, error, moment)
    return notes[0] if error is None else None


def _turned(system: System, name: str, step: Callable[[], Step]) -> Step:
    """Turn a pump once; as with a job, its failure is told once, and goes on to the pump, which waits then."""
    try:
        done = step()
    except Exception as error:
        _tell(system, name, error, system.clock.now())
        raise
    _tell(system, name, None, system.clock.now())
    return done


def _tell(system: System, part: str, error: BaseException | None, at: datetime) -> None:
    ctx = system.job_context("worker", at)
    if error is None:
        guarded(part, lambda: system.failing.worked(part, ctx))
        return
    system.metrics.job_failures_total.labels(job=part).inc()
    guarded(part, lambda: system.failing.failed(part, error, ctx))
