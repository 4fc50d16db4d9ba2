"""The passwords of an account as they are kept: hashes only, the present one first, some of before it behind."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import passwords
from app.identity.models import password
from app.identity.passwords import Hasher, PasswordRefused
from app.kernel.context import Context

# PCI DSS 8.3.7: a new password of staff is none of the last four.
KEPT: Final = 4
PRESENT: Final = 0


def store(session: Session, account_id: str, hashed: str, ctx: Context) -> None:
    """Keep a new password hash as the present one; the others are moved up by one."""
    if present(session, account_id) is not None:
        _move_up(session, account_id)
    session.execute(
        sa.insert(password).values(
            account_id=account_id, n=PRESENT, hash=hashed, pepper_id=passwords.PEPPER_ID, set_at=ctx.at
        )
    )
    session.execute(sa.delete(password).where(password.c.account_id == account_id, password.c.n >= KEPT))


def void(session: Session, account_id: str) -> bool:
    """Leave an account without a present password, and tell whether there was one.

    What was one opens nothing, until its owner sets another; and it is not taken again.
    """
    if present(session, account_id) is None:
        return False
    _move_up(session, account_id)
    return True


def present(session: Session, account_id: str) -> str | None:
    """Return the hash of the present password, or None where there is none yet, or none any more."""
    query = sa.select(password.c.hash).where(password.c.account_id == account_id, password.c.n == PRESENT)
    return session.execute(query).scalar_one_or_none()


def barred(session: Session, account_id: str, *, is_staff: bool) -> tuple[str, ...]:
    """Return the hashes that a new password may not match: of staff the last four, of customers those of before."""
    query = sa.select(password.c.hash).where(password.c.account_id == account_id).order_by(password.c.n)
    if not is_staff:
        query = query.where(password.c.n > PRESENT)
    return tuple(session.execute(query).scalars())


def refusal(typed: str, hashes: Collection[str], *, is_staff: bool, hasher: Hasher) -> PasswordRefused | None:
    """Return why a new password is refused that matches one of the `barred`; slow, so outside of transactions.

    It tells whoever asks that they guessed a password, so of staff nobody is told who has not proven who they are; nor
    by the time it takes, which is that of all that may be kept.
    """
    kept = [*hashes, *[None] * (KEPT - len(hashes))]
    matches = [hasher.verify(old, typed) for old in kept]  # all of them, whichever does
    if not any(matches):
        return None
    last = "one of your last four passwords" if is_staff else "a password of before"
    return PasswordRefused(f"This is {last}. Choose another.", param="password")


def _move_up(session: Session, account_id: str) -> None:
    query = sa.select(password.c.n).where(password.c.account_id == account_id).order_by(password.c.n.desc())
    for n in list(session.scalars(query)):
        where = (password.c.account_id == account_id) & (password.c.n == n)
        session.execute(sa.update(password).where(where).values(n=n + 1))
