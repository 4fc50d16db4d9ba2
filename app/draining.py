"""Ending a waitress server so that every request which had begun is answered, and none begins that would not be."""

from __future__ import annotations

import time
from threading import Event
from typing import Any, Final

from waitress import wasyncore

LOOK_AGAIN_SECONDS: Final = 0.02
_pause: Final = Event()


def drain(server: Any, seconds: float) -> bool:  # waitress has no types of its servers
    """Stop listening, answer what has begun, hang up, and close; returns whether all were answered in time.

    Connections are judged in the server's own loop, which alone reads from them: one without a request is closed before
    it can bring another, so what a client did not hear an answer to was not done either.
    """
    deadline, is_deaf = time.monotonic() + seconds, Event()
    server.trigger.pull_trigger(lambda: _stop_listening(server, is_deaf))
    is_deaf.wait(seconds)
    while is_busy := bool(server.active_channels):
        if time.monotonic() >= deadline:
            break
        server.trigger.pull_trigger(lambda: _hang_up_idle(server))
        _pause.wait(LOOK_AGAIN_SECONDS)
    # The threads still wake the loop once their last answer is out, so they end before what wakes it is closed.
    server.task_dispatcher.shutdown(timeout=max(1.0, deadline - time.monotonic()))
    server.close()
    return not is_busy


def _stop_listening(server: Any, is_deaf: Event) -> None:
    wasyncore.dispatcher.close(server)
    is_deaf.set()


def _hang_up_idle(server: Any) -> None:
    for channel in list(server.active_channels.values()):
        with channel.requests_lock:
            if not channel.requests and not channel.total_outbufs_len:
                channel.will_close = True
