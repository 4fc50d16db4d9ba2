"""The way into a process. What is loaded stays loaded, so no garbage is looked for while it loads."""

from __future__ import annotations

import gc


def main() -> None:
    """Load the program and run the command line."""
    gc.disable()
    from app import cli

    gc.enable()
    cli.main()
