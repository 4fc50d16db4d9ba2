"""A scratch of identity: its own tables in a database of their own, for acts that no real account may suffer.

The services, the policy and the hasher are those of the installation; nothing that is tried here is seen anywhere else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyotp
import sqlalchemy as sa

from app.identity import accounts, kept_passwords
from app.identity.models import account, contact, factor, metadata
from app.identity.parts import Identity
from app.kernel import crypto
from app.kernel.access import ActorKind
from app.kernel.context import Context
from app.kernel.db import Database
from ingest import models as log
from ingest.log.outbox import RECORDING, Recording

ADDRESS = "probe@onepay.invalid"
PASSWORD = "probe only this sentence opens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who exists in the scratch alone."""

    account_id: str
    kind: ActorKind
    seed: str

    def code(self, ctx: Context) -> str:
        """Return the code of this moment."""
        return pyotp.TOTP(self.seed).at(ctx.at)


@contextmanager
def database() -> Iterator[Database]:
    """Open an empty database with the tables of identity and the outbox; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="onepay-probe-") as folder:
        recording = Recording(seal=lambda *_: None)
        db = Database(f"sqlite:///{Path(folder) / 'scratch.db'}", info={RECORDING: recording})
        try:
            with db.begin() as session:
                metadata.create_all(session.connection())
                log.outbox.create(session.connection())
            yield db
        finally:
            db.close()


def person(db: Database, kind: ActorKind, ctx: Context, *, parts: Identity, hashed: str) -> Person:
    """Make somebody with a password and a second factor."""
    account_id, seed = ctx.new_id("acc"), pyotp.random_base32()
    with db.begin() as session:
        session.execute(
            sa.insert(account).values(id=account_id, kind=kind.value, state="active", epoch=1, created_at=ctx.at)
        )
        session.execute(
            sa.insert(contact).values(
                id=ctx.new_id("con"),
                account_id=account_id,
                account_kind=kind.value,
                kind="email",
                value_ct=b"",
                lookup=accounts.identifier_of(ADDRESS, parts=parts),
                verified_at=ctx.at,
            )
        )
        kept_passwords.store(session, account_id, hashed, ctx)
        factor_id = ctx.new_id("fac")
        session.execute(
            sa.insert(factor).values(
                id=factor_id,
                account_id=account_id,
                kind="totp",
                label="probe",
                secret_ct=crypto.seal_text(parts.credentials, seed, f"{account_id}|{factor_id}"),
                last_step=0,
                enrolled_at=ctx.at,
            )
        )
    return Person(account_id=account_id, kind=kind, seed=seed)
