"""The commands about a home itself: its first administrators, its letters, how its parts do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from app import health
from app.commands.lines import Arguments, Line, Run, leave, text
from app.compose import System
from app.identity import signup
from app.kernel.access import IAM_ACCOUNT_INVITE, service
from app.messaging.console import KEPT_MAX

STOPPED: Final = 1
_OPERATOR: Final = service("operator", IAM_ACCOUNT_INVITE)


def admin_invite(system: System, args: Arguments) -> Iterator[Line]:
    """Invite one of the first two administrators."""
    try:
        with system.db.begin() as session:
            account = signup.bootstrap(
                session, str(args["email"]), str(args["name"]), system.context(_OPERATOR), parts=system.identity
            )
    except signup.BootstrapOver as error:
        raise signup.BootstrapOver(
            f"{error} Theirs is {system.settings.url}/admin/users. This home is {system.settings.home}/: "
            "another installation has a folder of its own, which --home or ONEPAY_HOME names."
        ) from error
    when = "within a second" if system.is_served else "once `onepay serve` runs"
    yield text(f"Invited as administrator: {account}. The letter with the link is delivered {when}: `onepay mail`.")


def mail(system: System, args: Arguments) -> Iterator[Line]:
    """Print the newest letters of the console messenger's mailbox, the newest last."""
    letters = system.messenger.mailbox(limit=KEPT_MAX, to=args.get("to") or None)
    shown = letters[: int(args.get("limit", 5))]
    for letter in reversed(shown):
        yield text(f"── {letter['at']}  to {letter['to']}\n{letter['subject']}\n\n{letter['text'].rstrip()}\n")
    if not letters and args.get("to"):
        yield text(f"There is no letter to {args['to']}; without --to all letters are shown.")
    elif not letters:
        yield text("The mailbox is empty.")
    elif len(shown) < len(letters):
        yield text(f"The newest {len(shown)} of {len(letters)} letters; -n shows more.")
    else:
        yield text(f"{len(shown)} of {len(letters)} letters.")


def status(system: System, args: Arguments) -> Iterator[Line]:
    """Print how each part does, or, as JSON, how far each is behind; exit 1 where nobody serves the home."""
    if args.get("json"):
        yield text(json.dumps({"served": system.is_served, **health.lag(system)}, indent=2))
        yield leave(0 if system.is_served else STOPPED)
        return
    if not system.is_served:
        yield text(
            f"Stopped: nobody serves {system.settings.home}/ now. What follows is how it was left; "
            "what is behind goes on with the next `onepay serve`, or `make up`."
        )
    for part in health.parts(system):
        detail = f" ({part.detail})" if part.detail else ""
        yield text(f"{'ok' if part.ok else 'LOOK':<5} {part.name:<12} {part.says}{detail}")
    yield leave(0 if system.is_served else STOPPED)


COMMANDS: Final[Mapping[str, Run]] = {"admin invite": admin_invite, "mail": mail, "status": status}
