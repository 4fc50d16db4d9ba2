"""Every command an operator can give: a generator of lines, run here or beside a running system.

A line is text to print, a progress, a file to write, or the exit code. Embedded, the event store lets no second process
in; so the command line runs a command in the process that has the home, through its admin port.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.commands import auditing, controls, demo, home, importing, ledger, log, reporting, retention
from app.commands.lines import Run

COMMANDS: Final[Mapping[str, Run]] = {
    **home.COMMANDS,
    **log.COMMANDS,
    **ledger.COMMANDS,
    **importing.COMMANDS,
    **controls.COMMANDS,
    **auditing.COMMANDS,
    **retention.COMMANDS,
    **reporting.COMMANDS,
    **demo.COMMANDS,
}
