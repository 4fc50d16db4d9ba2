"""Browsers that an account is known with (LCK-3): a token in a cookie there, its hash here."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import sessions
from app.identity.models import device
from app.kernel import crypto
from app.kernel.context import Context


def know(session: Session, device_id: str | None, account_id: str, ctx: Context) -> tuple[str, str | None]:
    """Note that a known device was seen, or get to know a new one; returns its id, and the token of a new one."""
    if device_id is not None:
        session.execute(sa.update(device).where(device.c.id == device_id).values(last_seen_at=ctx.at))
        return device_id, None
    token, device_id = crypto.token(), ctx.new_id("dev")
    session.execute(
        sa.insert(device).values(
            id=device_id,
            account_id=account_id,
            token_hash=crypto.sha256(token.encode()),
            label=sessions.agent_of(ctx),
            first_seen_at=ctx.at,
            last_seen_at=ctx.at,
        )
    )
    return device_id, token
