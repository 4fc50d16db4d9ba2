"""Handles: the names by which people send each other money."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.db import change_one, insert_once
from app.kernel.errors import Conflict, Invalid
from payments import notes
from payments.models import handle

KEPT: Final = timedelta(days=730)
_SHAPE: Final = re.compile(r"[a-z0-9_]{3,20}")
# What could be taken for the house, its staff or its machines.
_RESERVED: Final = (
    "abuse account accounts admin administrator all anonymous api auth bank billing bot business cancel card "
    "cards cash checkout compliance console contact customer customers deleted everyone finance fraud help "
    "helpdesk house info legal login logout mail me merchant merchants money null official one_pay onepay owner "
    "pay payment payments payout payouts police postmaster privacy refund refunds register root safety security "
    "service settings signin signup staff status support suspense system team test transfer transfers undefined "
    "user users verify wallet wallets webmaster www you"
)
RESERVED: Final = frozenset(_RESERVED.split())


class HandleInvalid(Invalid):
    """A handle has 3 to 20 of the characters a–z, 0–9 and _."""

    code = "handle_invalid"


class HandleTaken(Conflict):
    """This handle is not free."""

    code = "handle_taken"


def read(text: str) -> str:
    """Return the name a person typed to reach another: without @, in small letters."""
    return text.strip().removeprefix("@").lower()


def check(name: str) -> None:
    """Raise `HandleInvalid` or `CardNumberRefused` for what cannot be a handle, `HandleTaken` for what is reserved."""
    if _SHAPE.fullmatch(name) is None:
        raise HandleInvalid(param="handle")
    notes.refuse_card_numbers(name, "handle")
    if name in RESERVED or name.strip("_") in RESERVED or name.startswith("onepay"):
        raise HandleTaken(param="handle")


def of(session: Session, owner: str) -> str | None:
    """Return the handle of a person."""
    where = (handle.c.owner_id == owner) & handle.c.released_at.is_(None)
    return session.execute(sa.select(handle.c.name).where(where)).scalar_one_or_none()


def claim(session: Session, owner: str, name: str, ctx: Context) -> None:
    """Give a name to somebody who has none, or raise `HandleInvalid` or `HandleTaken`."""
    check(name)
    row = {"name": name, "owner_id": owner, "claimed_at": ctx.at, "released_at": None}
    if insert_once(session, handle, row):
        return
    lapsed = (handle.c.name == name) & (handle.c.released_at <= ctx.at - KEPT)
    again = sa.update(handle).where(lapsed).values(row)
    change_one(session, again, otherwise=HandleTaken(param="handle"))
