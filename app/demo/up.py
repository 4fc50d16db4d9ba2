"""From nothing to a demonstration that serves: machine, world, process, self-check, board, first attack."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from app import health, process
from app.compose import System
from app.config import Settings
from app.demo import accounts
from app.demo.attacks import Attacks
from app.demo.board import board
from app.demo.making import SeedFailed, make
from app.kernel.errors import ConfigurationRefused
from app.lock import HomeLock, MachineLacks
from app.simulator.world import build
from app.terminal import Shows

FREE_BYTES_MIN: Final = 500 * 2**20
READY_SECONDS_MAX: Final = 30
ATTACK_AFTER: Final = timedelta(seconds=15)


def up(settings: Settings, *, world: str, seed: int, show: Shows) -> None:
    """Make the world if there is none, serve it, check it, print the board; serve until a signal ends it."""
    lock = HomeLock(settings.home)
    lock.take()
    try:
        _check_machine(settings)
        settings = replace(settings, port=_free_port(settings, show.say))
        began = time.monotonic()
        if not (settings.home / accounts.FILE).exists():
            make(settings, world, seed, show)
        show.phase("Keys and schema")
        process.prepare(settings)
        show.done()
        with process.opened(settings) as system:
            running = process.start(system, lock)
            server = threading.Thread(target=lambda: process.serve_quietly(running.server), name="web", daemon=True)
            server.start()
            _self_check(system, show)
            facts = accounts.read(settings.home)
            live = Attacks(
                running, build(facts["seed"], facts["world"], accounts.start_of(facts)), settings.home / "demo"
            )
            system.replay = live.replay
            show.say(board(settings, facts, time.monotonic() - began))
            if facts["world"] != "empty":
                live.begin(ATTACK_AFTER)
            process.wait_for_signal(running)
            live.stop()
            process.finish(running)
    finally:
        lock.release()


def _self_check(system: System, show: Shows) -> None:
    """Wait until the process says that it may take traffic; the board is printed after that, never before."""
    show.phase("Self-check")
    deadline = time.monotonic() + READY_SECONDS_MAX
    while problems := health.ready(system):
        if time.monotonic() > deadline:
            raise SeedFailed(f"not ready: {problems}")
        threading.Event().wait(0.2)
    show.done()


def _check_machine(settings: Settings) -> None:
    if not settings.is_loopback:
        raise ConfigurationRefused("A demonstration is served on a loopback address only.")
    free = shutil.disk_usage(settings.home if settings.home.exists() else Path.cwd()).free
    if free < FREE_BYTES_MIN:
        raise MachineLacks("Less than 500 MB of disk are free.")


def _free_port(settings: Settings, say: Callable[[str], None]) -> int:
    for port in range(settings.port, settings.port + process.PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.bind, port))
            except OSError:
                continue
        if port != settings.port:
            say(f"Port {settings.port} is taken; {port} is used.")
        return port
    raise MachineLacks(f"Ports {settings.port} to {settings.port + process.PORTS_TRIED - 1} are taken.")
