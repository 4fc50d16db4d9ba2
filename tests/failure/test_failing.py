"""A part that fails is told once, with each new reason, and once more when it works again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import health
from app.kernel import canonical
from app.kernel.clock import StillClock
from app.kernel.jobs import Job
from app.worker import Worker, run_guarded
from ingest.log.outbox import LogFull
from ingest.models import body
from ingest.store.port import StoreUnavailable
from tests.failure.served import wait
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
FAILED, STOPPED, RESTORED = "health.job.failed", "health.control.failed", "health.control.restored"


def told(house: Installation) -> list[tuple[str, str, str | None]]:
    """Return what the log tells about parts that fail: kind, part, reason."""
    house.system.sequencer.drain()
    with house.system.db.read() as session:
        documents = [canonical.decode(row) for row in session.scalars(sa.select(body.c.body).order_by(body.c.sequence))]
    return [
        (
            kind,
            document["onepay"]["health"].get("job") or document["onepay"]["health"]["control"],
            document.get("error", {}).get("type") or document["onepay"]["health"].get("cause"),
        )
        for document in documents
        if (kind := document["event"]["action"]) in (FAILED, STOPPED, RESTORED)
    ]


class Part:
    """A job that fails as it is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.job = Job(name="detectors.run", every=timedelta(seconds=2), run=self._run)

    def _run(self, at: datetime) -> str | None:
        if self.error is not None:
            raise self.error
        return "done"


def test_each_reason_is_told_once_and_the_end_once(tmp_path: Path) -> None:
    part = Part()
    with installed(tmp_path / "home", clock=StillClock(START)) as house:
        assert run_guarded(house.system, part.job) == "done"
        part.error = StoreUnavailable()
        for _ in range(30):
            assert run_guarded(house.system, part.job) is None
        part.error = ZeroDivisionError()
        for _ in range(3):
            run_guarded(house.system, part.job)
        part.error = StoreUnavailable()
        run_guarded(house.system, part.job)
        first = [
            (FAILED, "detectors.run", "StoreUnavailable"),
            (STOPPED, "detectors.run", "StoreUnavailable"),
            (FAILED, "detectors.run", "ZeroDivisionError"),
        ]
        assert told(house) == first

        part.error = None
        for _ in range(3):
            run_guarded(house.system, part.job)
        assert told(house) == [*first, (RESTORED, "detectors.run", None)]

        # The next time is told anew.
        part.error = StoreUnavailable()
        run_guarded(house.system, part.job)
        assert told(house)[4:] == first[:2]


def test_what_could_not_be_recorded_is_recorded_with_the_next_failure(tmp_path: Path) -> None:
    part = Part()
    with installed(tmp_path / "home", clock=StillClock(START)) as house:
        part.error = LogFull()
        house.system.recording.is_full = True
        run_guarded(house.system, part.job)
        assert told(house) == []
        # The log cannot tell it, so health does.
        assert parts(house)["Jobs"] == ("1 failing", False)
        house.system.recording.is_full = False
        run_guarded(house.system, part.job)
        assert told(house) == [(FAILED, "detectors.run", "LogFull"), (STOPPED, "detectors.run", "LogFull")]


def test_a_pump_that_fails_is_told_as_a_job_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(tmp_path / "home") as house:
        system, step, broken = house.system, house.system.shipper.step, [True, True]

        def breaking() -> object:
            if broken:
                broken.pop()
                raise ZeroDivisionError
            return step()

        monkeypatch.setattr(system.shipper, "step", breaking)
        worker = Worker(system, [])
        worker.start()
        try:
            until(lambda: (RESTORED, "ship", None) in told(house))
        finally:
            worker.stop()
        assert told(house) == [
            (FAILED, "ship", "ZeroDivisionError"),
            (STOPPED, "ship", "ZeroDivisionError"),
            (RESTORED, "ship", None),
        ]


def test_a_failure_that_was_never_told_ends_untold(tmp_path: Path) -> None:
    part = Part()
    with installed(tmp_path / "home", clock=StillClock(START)) as house:
        part.error = LogFull()
        house.system.recording.is_full = True
        run_guarded(house.system, part.job)
        house.system.recording.is_full, part.error = False, None
        run_guarded(house.system, part.job)
        assert told(house) == []
        assert parts(house)["Jobs"] == ("none failing", True)


def parts(house: Installation) -> dict[str, tuple[str, bool]]:
    return {part.name: (part.says, part.ok) for part in health.parts(house.system)}


def until(holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        wait(0.05)
    raise AssertionError("it did not happen")
