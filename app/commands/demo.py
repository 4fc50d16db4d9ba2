"""The commands of a demonstration: the bank played, and its attacks started again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from app.commands.lines import Arguments, Line, Run, text
from app.compose import System
from app.kernel.access import OPS_RECONCILE_IMPORT, service
from app.kernel.errors import Conflict
from app.web import money_input
from payments import topups
from payments.money import EUR
from payments.topups import BankLine

_OPERATOR: Final = service("operator", OPS_RECONCILE_IMPORT)


class NotADemo(Conflict):
    """This is for demonstration homes that are running; `make up` starts one."""

    code = "not_a_demo"


def bank_line(system: System, args: Arguments) -> Iterator[Line]:
    """Play the bank: report a transfer with a customer's reference. Demonstration homes alone."""
    if not system.settings.demo:
        raise NotADemo
    identity = str(args.get("identity") or f"demo:{system.ids.new('bnk', system.clock.now())}")
    line = BankLine(identity=identity, amount=money_input.read(str(args["amount"]), EUR), text=str(args["reference"]))
    with system.db.begin(posting=True) as session:
        done = topups.bank_line(session, line, system.context(_OPERATOR))
    yield text(f"Credited {done.amount} to {done.wallet_id} ({done.id}).")


def demo_replay(system: System, args: Arguments) -> Iterator[Line]:
    """Start an attack of the demonstration again, live."""
    if system.replay is None:
        raise NotADemo
    yield text(system.replay(str(args["kind"])))


COMMANDS: Final[Mapping[str, Run]] = {"demo bank-line": bank_line, "demo replay": demo_replay}
