"""The registry of actions: what each takes, who may do it, how it is undone, how long it lasts, what people are told.

Only what stands here acts on the world. The acts themselves belong to the owners of things and arrive as containments,
joined in `compose` by name; actions marked own are done by this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from app.kernel import networks, numbers, words
from app.kernel.access import SOC_ACTION_RUN, Permission
from app.kernel.containment import BadParameter
from app.kernel.errors import Invalid
from playbooks.settings import PlaybookSettings

BLOCK_HOURS_MAX: Final = 24
PARAMETER_CHARS_MAX: Final = 20_000


class UnknownAction(Invalid):
    """The registry has no such action."""

    code = "unknown_action"


class Undo(StrEnum):
    """Who may take an action back."""

    NEVER = "never"
    ANYONE = "anyone"
    ANOTHER = "another"


class Lasts(StrEnum):
    """What happens at the end of an action's time: nothing, it is undone, or it stays and calls people."""

    FOR_GOOD = "for_good"
    LAPSES = "lapses"
    STAYS = "stays"


def _never(params: Mapping[str, str], settings: PlaybookSettings) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionType:
    """One action. `needs_second` says above which limit a second person approves, and why, in words."""

    name: str
    title: str
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    permission: Permission = SOC_ACTION_RUN
    is_automatic: bool = False
    needs_second: Callable[[Mapping[str, str], PlaybookSettings], str | None] = _never
    undo: Undo = Undo.ANYONE
    undo_in_words: str = ""
    lasts: Lasts = Lasts.FOR_GOOD
    customer_is_told: str | None = None
    is_own: bool = False
    target: str | None = None
    """The parameter that names whom or what the action touches."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The kind of entity of a parameter, for forms that offer those of the incident."""

    def target_of(self, params: Mapping[str, str]) -> str:
        """Return whom or what an action with these parameters touches, as it stands in the timeline."""
        if self.target is None:
            return "incident"
        return params[self.target]


def _clients_of(addresses: str) -> int:
    """Count whom a block shuts out; what is no address shuts out nobody, and whoever does the act refuses it."""
    named = []
    for text in addresses.split(","):
        with suppress(ValueError):
            named.append(networks.network_of(text))
    return networks.count_clients(named)


def _wide_block(params: Mapping[str, str], settings: PlaybookSettings) -> str | None:
    count = _clients_of(params["addresses"])
    if count > settings.block_addresses_alone_max:
        return f"{count} addresses (of IPv6: /64 networks) are more than {settings.block_addresses_alone_max}."
    if int(params.get("hours", "1")) > settings.block_hours_alone_max:
        return f"{params['hours']} hours are more than {settings.block_hours_alone_max}."
    return None


REGISTRY: Final[Mapping[str, ActionType]] = {
    one.name: one
    for one in (
        ActionType(
            name="sessions.revoke_all",
            title="End all sessions",
            needed=("account",),
            target="account",
            kinds={"account": "account"},
            is_automatic=True,
            undo=Undo.NEVER,
            undo_in_words="Not undone: the person signs in again.",
            customer_is_told="You were signed out everywhere",
        ),
        ActionType(
            name="account.lock",
            title="Lock the account",
            needed=("account",),
            target="account",
            kinds={"account": "account"},
            is_automatic=True,
            undo=Undo.ANOTHER,
            undo_in_words="Another commander than the one who locked it unlocks it.",
            lasts=Lasts.STAYS,
            customer_is_told="Your account is locked",
        ),
        ActionType(
            name="wallet.hold_outgoing",
            title="Hold outgoing money",
            needed=("account",),
            target="account",
            kinds={"account": "account"},
            is_automatic=True,
            undo_in_words="Released by a commander; what the owner's own report holds ends with it.",
            lasts=Lasts.STAYS,
            customer_is_told="Your payments are on hold",
        ),
        ActionType(
            name="network.block",
            title="Block addresses",
            needed=("addresses",),
            optional=("hours", "reason"),
            target="addresses",
            kinds={"addresses": "address"},
            is_automatic=True,
            needs_second=_wide_block,
            undo_in_words="Unblocked by a commander, and by itself at its end.",
            lasts=Lasts.LAPSES,
        ),
        ActionType(
            name="evidence.snapshot",
            title="Name the evidence",
            is_automatic=True,
            is_own=True,
            undo=Undo.NEVER,
            undo_in_words="Nothing to undo.",
        ),
        ActionType(
            name="actions.undo_all",
            title="Undo what was done to an account",
            needed=("account",),
            target="account",
            kinds={"account": "account"},
            is_automatic=True,
            is_own=True,
            undo=Undo.NEVER,
            undo_in_words="Each action can be done again.",
        ),
        ActionType(
            name="breach.open",
            title="Start the clock of a breach",
            is_automatic=True,
            is_own=True,
            undo=Undo.NEVER,
            undo_in_words="Not undone: every breach stays in the register, and two people decide about it.",
        ),
    )
}


def named(name: str) -> ActionType:
    """Return an action; raises `UnknownAction`."""
    found = REGISTRY.get(name)
    if found is None:
        raise UnknownAction(f"There is no action {name[:100]!r}.", param="name")
    return found


def checked(kind: ActionType, params: Mapping[str, str]) -> dict[str, str]:
    """Return parameters that an action takes; raises `BadParameter` for what is missing, unknown or out of bounds."""
    found = {name: str(value).strip() for name, value in params.items() if str(value).strip()}
    for name in kind.needed:
        if name not in found:
            raise BadParameter(f"The parameter {name} is missing.", param=name)
    for name, value in found.items():
        if name not in (*kind.needed, *kind.optional):
            raise BadParameter(f"{kind.name} has no parameter {name[:50]!r}.", param=name[:50])
        if len(value) > PARAMETER_CHARS_MAX:
            raise BadParameter(f"The parameter {name} is too long.", param=name)
    if "addresses" in found:
        found["addresses"] = ",".join(sorted({part.strip() for part in found["addresses"].split(",") if part.strip()}))
    if "reason" in found:
        # It goes into the rule that stands at the gateway, so it is held like every other word of people.
        found["reason"] = words.checked(found["reason"], param="reason", shortest=1)
    if "hours" in found and not 1 <= (numbers.whole(found["hours"]) or 0) <= BLOCK_HOURS_MAX:
        raise BadParameter(f"A block lasts 1 to {BLOCK_HOURS_MAX} hours.", param="hours")
    return found
