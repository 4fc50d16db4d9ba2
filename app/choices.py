"""What the command line lets one choose: known before the program is loaded, and to those who do the work."""

from __future__ import annotations

from typing import Final

FORMATS: Final = ("sshd",)
WORLDS: Final = ("small", "empty")
ATTACKS: Final = ("credential_stuffing",)
TAIL_MAX: Final = 1_000
