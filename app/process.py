"""One embedded process from start to end: home, keys, schema, system, worker, servers, and a clean stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from flask import Flask
from waitress.server import create_server

from app import admin, draining, jobs, main
from app.compose import System, make_keys, make_system, missing_keys
from app.config import Settings
from app.kernel import logs
from app.kernel.access import service
from app.kernel.clock import Clock
from app.kernel.errors import ConfigurationRefused, Unavailable
from app.kernel.ids import Ids
from app.kernel.jobs import guarded
from app.lock import HomeLock, MachineLacks
from app.migrations import run as migrations
from app.worker import Worker
from compliance.privacy import jobs as privacy
from ingest.events.health import ProcessStarted, ProcessStopped
from ingest.log import outbox

PORTS_TRIED = 10
ADMIN_DRAIN_SECONDS = 2
_log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class Running:
    """What a started process consists of."""

    system: System
    app: Flask
    server: Any  # waitress has no types of its servers
    admin_server: Any
    worker: Worker
    stopping: threading.Event


def prepare(settings: Settings) -> None:
    """Make folder, keys and schema where they are missing, and close the folder to others.

    A database is never older than its keys: where one is missing it was lost, and a new one would open nothing.
    """
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(settings.home)
    except OSError as error:
        raise MachineLacks(f"The home {settings.home} cannot be written: {error.strerror}.") from error
    lost = missing_keys(settings)
    if lost and migrations.revision(settings.main_database, "main") is not None:
        raise ConfigurationRefused(
            f"{settings.home / 'keys'}/ lacks {', '.join(lost)}, which this database was made with: "
            "put back what was there, for a new key opens nothing of it."
        )
    make_keys(settings)
    migrations.upgrade(settings.main_database, "main")
    migrations.upgrade(settings.keys_database, "keys")


def _close_to_others(home: Path) -> None:
    """Take from others what an earlier umask gave them: the home, and the databases in it."""
    for path in (home, *home.glob("*.db*")):
        mode = path.stat().st_mode
        if mode & 0o077:
            path.chmod(mode & 0o700)


@contextmanager
def alone(settings: Settings) -> Iterator[System]:
    """Open an installation that nobody serves at the moment, for one piece of work."""
    prepare(settings)
    with opened(settings) as system:
        yield system


@contextmanager
def opened(settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None) -> Iterator[System]:
    """Open a system and close it."""
    logs.configure(settings.log_level, folder=settings.home / "log", console=False)
    system = make_system(settings, clock=clock, ids=ids)
    try:
        yield system
    finally:
        system.close()


def run(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Serve an installation until a signal ends it."""
    lock = HomeLock(settings.home)
    lock.take()
    try:
        prepare(settings)
        with opened(settings) as system:
            running = start(system, lock)
            say(f"OnePay serves {system.settings.url}; Ctrl-C stops it.")
            serve(running)
    finally:
        lock.release()


def start(system: System, lock: HomeLock) -> Running:
    """Bind the ports, start worker and admin port; the pages are served by `serve`.

    From the beginning of it a signal is a wish to end in order, so that nobody who sees it ready kills it.
    """
    stopping = listen()
    app = main.make_app(system)
    try:
        server = main.serve(app, system)
    except OSError as error:
        port = system.settings.port
        raise MachineLacks(f"Port {port} cannot be served: {error.strerror}. Choose another with --port.") from error
    admin_server = create_server(
        admin.make_admin(system), host="127.0.0.1", port=system.settings.admin_port, threads=4, ident=None
    )
    admin_url = f"http://127.0.0.1:{admin_server.effective_port}"  # type: ignore[union-attr]  # one address, one server
    lock.tell(system.settings.url, admin_url)
    worker = Worker(system, jobs.all_jobs(system))
    _look_back(system)
    _forget_again(system)
    threading.Thread(target=lambda: serve_quietly(admin_server), name="admin", daemon=True).start()
    worker.start()
    system.is_served = True
    with system.db.begin() as session:
        outbox.record(session, ProcessStarted(component="web"), system.context(service("process")))
    return Running(system=system, app=app, server=server, admin_server=admin_server, worker=worker, stopping=stopping)


def _look_back(system: System) -> None:
    """Let whoever has seen the log say whether it was taken back, before anything is numbered in it."""
    looked = guarded("log.look_back", lambda: system.signer.look_back(system.context(service("log"))))
    if looked is not None:
        _log.warning("the log could not be compared with what was signed before; signing tells why")


def _forget_again(system: System) -> None:
    """Erase again whom the log says were erased, before anybody is served: an older database may have them back.

    Where the store is away, or the log numbers nothing since it was taken back, the job goes on with it; access of whom
    it began with has ended.
    """
    ctx = system.job_context("privacy", system.clock.now())
    try:
        said = privacy.recall(system.db, ctx, system.compliance.privacy, system.shredding)
    except Unavailable as error:
        _log.warning("who was erased is looked for, and erased again, once this has ended: %s", error)
        return
    if said:
        _log.warning(said)


def serve(running: Running) -> None:
    """Serve until SIGTERM or SIGINT, then stop in order."""
    threading.Thread(target=lambda: serve_quietly(running.server), name="web", daemon=True).start()
    wait_for_signal(running)
    finish(running)


def serve_quietly(server: Any) -> None:
    """Serve in this thread until the server is closed."""
    try:
        server.run()
    except OSError:
        # What wakes the loop is closed under it when the process ends; anything else is a real failure.
        if server.accepting:
            raise


def listen() -> threading.Event:
    """Return what SIGTERM and SIGINT set; a second signal stops at once and loses nothing acknowledged."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            raise SystemExit(130)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping


def wait_for_signal(running: Running) -> None:
    """Return once somebody wants it to end."""
    while not running.stopping.wait(0.5):
        pass


def finish(running: Running) -> None:
    """Answer what has begun, end worker and ports, say so in the log, and number what was said."""
    system = running.system
    system.is_draining = True
    if not draining.drain(running.server, system.settings.drain_seconds):
        _log.warning("requests were left unanswered", extra={"onepay__seconds": system.settings.drain_seconds})
    running.worker.stop()
    draining.drain(running.admin_server, ADMIN_DRAIN_SECONDS)
    # What cannot be written, as on a full disk, keeps nothing behind it from being written.
    guarded("gateway.fold", lambda: system.gateway.folding.flush(system.db, system.clock.now()))
    guarded("process.stop", lambda: _tell_stop(system))
    guarded("log.sequence", system.sequencer.drain)


def _tell_stop(system: System) -> None:
    with system.db.begin() as session:
        outbox.record(session, ProcessStopped(component="web"), system.context(service("process")))
