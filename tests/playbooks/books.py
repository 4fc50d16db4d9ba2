"""Small playbooks for tests, written as they are in the library."""

from __future__ import annotations

from playbooks.engine import load
from playbooks.form import Playbook


def book(steps: str, slug: str = "probe", owner: str = "incident_commander") -> Playbook:
    """Return a playbook of some steps, one a line, as the loader reads it."""
    lines = "\n".join(f"  {line}" for line in steps.strip().splitlines())
    return load.parse(f"slug: {slug}\ntitle: Probe\nowner: {owner}\nsteps:\n{lines}\n", slug)


# Twelve automatic and deciding steps with a child in the middle and no person: what the crash test kills.
LONG = """
snapshot: {do: evidence.snapshot, next: known, failed: known}
known: {if: "$has_account = true", then: revoke, else: done}
revoke: {do: sessions.revoke_all, with: {account: $account}, next: hold, failed: hold}
hold: {do: wallet.hold_outgoing, with: {account: $account}, next: block, failed: block}
block: {do: network.block, with: {addresses: $source_ips, hours: 1}, next: worse, failed: worse}
worse: {if: "$severity = 1", then: child, else: done}
child: {playbook: child, with: {account: $account}, next: refused}
refused: {do: network.block, with: {addresses: 127.0.0.1, hours: 1}, next: done, failed: again}
again: {if: "$has_sources = true AND NOT $severity > 1", then: second, else: done}
second: {do: network.block, with: {addresses: 198.19.7.7, hours: 1}, next: third, failed: third}
third: {do: network.block, with: {addresses: 198.19.7.8, hours: 1}, next: last, failed: last}
last: {do: evidence.snapshot, next: done, failed: done}
"""
CHILD = """
sure: {if: "$has_account = true", then: lock, else: done}
lock: {do: account.lock, with: {account: $account}, next: done, failed: done}
"""
