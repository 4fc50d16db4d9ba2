"""Single-use links sent by mail: 256 bits, kept as a digest, consumed by a POST alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity.models import link
from app.identity.parts import Identity
from app.kernel import crypto
from app.kernel.context import Context
from app.kernel.db import change_one
from app.kernel.errors import Gone


class LinkClosed(Gone):
    """This link was used or has expired. Ask for a new one."""

    code = "link_closed"


class LinkPurpose(StrEnum):
    """What a link does when its button is pressed."""

    SIGN_UP = "sign_up"
    INVITATION = "invitation"
    RECOVERY = "recovery"
    DISOWN = "disown"
    FACTOR = "factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An open link: what it does and for whom; `address` only where there is no account yet."""

    id: str
    purpose: LinkPurpose
    account_id: str | None
    address: str | None


def make(
    session: Session,
    purpose: LinkPurpose,
    ctx: Context,
    *,
    parts: Identity,
    seconds: int,
    account_id: str | None = None,
    address: str | None = None,
) -> str:
    """Make a link and return its address; the token stands nowhere else."""
    token, link_id = crypto.token(), ctx.new_id("lnk")
    session.execute(
        sa.insert(link).values(
            id=link_id,
            token_hash=crypto.sha256(token.encode()),
            purpose=purpose.value,
            account_id=account_id,
            address_ct=crypto.seal_text(parts.messages, address, link_id) if address else None,
            expires_at=ctx.at + timedelta(seconds=seconds),
        )
    )
    return f"{parts.public_url}/link/{token}"


def look(session: Session, token: str, ctx: Context, *, parts: Identity) -> Link:
    """Return what an open link would do, changing nothing; raises `LinkClosed` for all others alike."""
    row = session.execute(sa.select(link).where(link.c.token_hash == crypto.sha256(token.encode()))).one_or_none()
    if row is None or row.used_at is not None or row.expires_at <= ctx.at:
        raise LinkClosed
    address = crypto.open_text(parts.messages, row.address_ct, row.id) if row.address_ct else None
    return Link(id=row.id, purpose=LinkPurpose(row.purpose), account_id=row.account_id, address=address)


def consume(session: Session, token: str, purpose: LinkPurpose, ctx: Context, *, parts: Identity) -> Link:
    """Use a link up, by compare-and-set; of two presses one gets `LinkClosed`."""
    found = look(session, token, ctx, parts=parts)
    if found.purpose is not purpose:
        raise LinkClosed
    change_one(
        session,
        sa.update(link).where(link.c.id == found.id, link.c.used_at.is_(None)).values(used_at=ctx.at, address_ct=None),
        otherwise=LinkClosed,
    )
    return found


def close_others(session: Session, account_id: str, purpose: LinkPurpose, ctx: Context) -> None:
    """Close what is still open of the same purpose: one use answers for all letters that were asked for."""
    session.execute(
        sa.update(link)
        .where(link.c.account_id == account_id, link.c.purpose == purpose.value, link.c.used_at.is_(None))
        .values(used_at=ctx.at, address_ct=None)
    )


def open_until(session: Session, account_id: str, purpose: LinkPurpose, ctx: Context) -> datetime | None:
    """Return until when the newest link of a purpose opens that was sent to an account, or None."""
    query = sa.select(sa.func.max(link.c.expires_at)).where(
        link.c.account_id == account_id,
        link.c.purpose == purpose.value,
        link.c.used_at.is_(None),
        link.c.expires_at > ctx.at,
    )
    until: datetime | None = session.execute(query).scalar_one()
    return until
