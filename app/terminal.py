"""What a person at a terminal sees: text that can do nothing but be read, and how far a long piece of work is."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable
from typing import Any, Final, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Controls, marks without a width, surrogates, private and unassigned ones, ends of lines and paragraphs (UAX 44).
_NO_SIGNS: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def say(text: str) -> None:
    """Print a text as it may stand on a terminal."""
    click.echo(readable(text))


def say_beside(text: str) -> None:
    """Do as `say` on the error output."""
    click.echo(readable(text), err=True)


def readable(text: str) -> str:
    """Return a text as it may stand on a terminal: what is no sign, as in a line of a log, is written as its escape.

    A terminal does what control characters say, and marks of direction show other words than there are.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_sign(char) else char.encode("unicode_escape").decode("ascii") for char in text)


def _is_sign(char: str) -> bool:
    return char in "\n\t" or unicodedata.category(char) not in _NO_SIGNS


class Shows(Protocol):
    """Shows phases with progress; the command line has one."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def step(self, done: int, total: int | None = None) -> None: ...

    def done(self) -> None: ...

    def say(self, text: str) -> None: ...


class PlainProgress:
    """Progress without a terminal: one line a phase, then one every five seconds that says more; no control codes."""

    EVERY_SECONDS = 5.0

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._name, self._total, self._unit, self._told_at = say, "", 0, "", 0.0
        self._said = ""

    def phase(self, name: str, total: int | None, unit: str = "") -> None:
        self._name, self._total, self._unit, self._told_at = name, total or 0, unit, time.monotonic()
        self._said = ""
        self._say(f"{name} …")

    def step(self, done: int, total: int | None) -> None:
        if time.monotonic() - self._told_at >= self.EVERY_SECONDS:
            self._told_at = time.monotonic()
            of = total or self._total
            said = f"{done:,} of {of:,}" if of else f"{done:,}"
            if said != self._said:
                self._said = said
                self._say(f"{self._name}: {said} {self._unit}".rstrip())


class Shown:
    """Shows phases and progress: bars on a terminal, else one line a phase and every five seconds."""

    def __init__(self, print_: Callable[[str], None] = say, *, stderr: bool = False) -> None:
        self._print = print_
        self._console = Console(highlight=False, soft_wrap=True, stderr=stderr)
        self._bars: Progress | None = None
        self._task: Any = None  # rich's own id
        self._plain = PlainProgress(self._print)

    def phase(self, name: str, total: int | None = None, unit: str = "") -> None:
        """Begin a phase; with a total it has a bar, which counts units."""
        self.done()
        if not self._console.is_terminal:
            self._plain.phase(name, total, unit)
            return
        self._bars = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bars.start()
        self._task = self._bars.add_task(name, total=total)

    def step(self, done: int, total: int | None = None) -> None:
        """Say how far the phase has come."""
        if self._bars is None:
            self._plain.step(done, total)
        else:
            self._bars.update(self._task, completed=done, total=total)

    def done(self) -> None:
        """End the phase."""
        if self._bars is not None:
            self._bars.update(self._task, completed=self._bars.tasks[0].total or self._bars.tasks[0].completed)
            self._bars.stop()
            self._bars = None

    def say(self, text: str) -> None:
        """Print a line as it is."""
        self.done()
        self._print(text)
