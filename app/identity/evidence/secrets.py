"""Probes over what proves a person: how passwords are kept, that seeds are enveloped, that no two people share one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from app.identity.models import account, factor, password
from app.identity.parts import Identity
from app.identity.passwords import MEMORY_KIB
from app.kernel import crypto
from app.kernel.access import ActorKind
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation, WhenEmpty

_ARGON: Final = re.compile(r"^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[A-Za-z0-9+/]{22,}\$[A-Za-z0-9+/]{43,}$")
PASSWORD_AGE: Final = timedelta(days=90)
_SLICE: Final = 1_000


def probes(parts: Identity) -> tuple[Probe, ...]:
    """Return the probes that need the keys of credentials."""
    return (
        Probe(
            name="identity.credentials",
            kind=Kind.STATE,
            asks="Passwords and seeds, customers' too; wrong is a hash below the policy or a seed in clear.",
            read=partial(_kept, parts=parts),
            plant=_plant_weak,
        ),
        Probe(
            name="identity.shared_factors",
            kind=Kind.STATE,
            asks="Second factors in use; wrong is a seed that two accounts share.",
            read=partial(_shared, parts=parts),
            plant=partial(_plant_shared, parts=parts),
        ),
        Probe(
            name="identity.password_alone",
            kind=Kind.STATE,
            asks="Staff who sign in by a password alone; wrong is one whose password is older than 90 days.",
            read=_alone,
            plant=_plant_alone,
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
    )


def _kept(look: Look, *, parts: Identity) -> Reading:
    """Every kept hash by its parameters, every seed by opening its envelope (8.3.1, 8.3.2)."""
    wrong: list[Violation] = []
    hashes = look.session.execute(sa.select(password.c.account_id, password.c.n, password.c.hash)).all()
    for row in hashes:
        found = _ARGON.match(row.hash)
        if found is None or int(found[1]) < MEMORY_KIB or int(found[2]) < 1:
            says = "is no Argon2id hash" if found is None else f"was hashed with {int(found[1]) // 1024} MiB"
            wrong.append(Violation(component="passwords", object_id=f"{row.account_id}.{row.n}", says=says))
    seeds = 0
    for row in _factors(look):
        seeds += 1
        if seeds % _SLICE == 0:
            look.deadline.check()
        if _seed(row, parts) is None:
            wrong.append(Violation(component="seeds", object_id=row.id, says="does not open as a sealed seed"))
    return Reading(population={"passwords": len(hashes), "seeds": seeds}, violations=wrong, asked={"kib": MEMORY_KIB})


def _plant_weak(look: Look) -> str:
    id_ = look.ctx.new_id("acc")
    weak = f"$argon2id$v=19$m=1024,t=1,p=1${'A' * 22}${'A' * 43}"
    look.session.execute(
        sa.insert(password).values(account_id=id_, n=0, hash=weak, pepper_id="planted", set_at=look.at)
    )
    return f"{id_}.0"


def _shared(look: Look, *, parts: Identity) -> Reading:
    """Every seed in use, compared as a keyed hash (8.3.11)."""
    owners: dict[bytes, set[str]] = defaultdict(set)
    factors: dict[bytes, str] = {}
    count = 0
    for row in _factors(look):
        count += 1
        seed = _seed(row, parts)
        if seed is not None:
            mark = crypto.mac(parts.lookup, b"seed|" + seed.encode())
            owners[mark].add(row.account_id)
            factors[mark] = max(row.id, factors.get(mark, ""))
    wrong = [
        Violation(component="seeds", object_id=factors[mark], says=f"{len(mine)} accounts share the seed")
        for mark, mine in owners.items()
        if len(mine) > 1
    ]
    return Reading(population={"seeds": count}, violations=wrong)


def _plant_shared(look: Look, *, parts: Identity) -> str:
    made = sorted(look.ctx.new_id("fac") for _ in range(2))
    for planted in made:
        account_id = look.ctx.new_id("acc")
        look.session.execute(
            sa.insert(factor).values(
                id=planted,
                account_id=account_id,
                kind="totp",
                label="planted",
                secret_ct=crypto.seal_text(parts.credentials, "PLANTEDSEED", f"{account_id}|{planted}"),
                last_step=0,
                enrolled_at=look.at,
            )
        )
    return made[-1]


def _alone(look: Look) -> Reading:
    """Staff without a second factor, by the age of the password (8.3.9)."""
    has_factor = sa.exists().where(factor.c.account_id == account.c.id, factor.c.removed_at.is_(None))
    rows = look.session.execute(
        sa.select(account.c.id, password.c.set_at)
        .join(password, sa.and_(password.c.account_id == account.c.id, password.c.n == 0))
        .where(account.c.kind == ActorKind.STAFF.value, account.c.state == "active", ~has_factor)
    ).all()
    wrong = [
        Violation(component="people", object_id=row.id, says=f"the password is of {row.set_at:%Y-%m-%d}")
        for row in rows
        if look.at - row.set_at > PASSWORD_AGE
    ]
    return Reading(population={"people": len(rows)}, violations=wrong, asked={"days": PASSWORD_AGE.days})


def _plant_alone(look: Look) -> str:
    id_ = look.ctx.new_id("acc")
    then = look.at - PASSWORD_AGE - timedelta(days=1)
    look.session.execute(
        sa.insert(account).values(id=id_, kind=ActorKind.STAFF.value, state="active", epoch=1, created_at=then)
    )
    look.session.execute(sa.insert(password).values(account_id=id_, n=0, hash="-", pepper_id="-", set_at=then))
    return id_


def _factors(look: Look) -> Iterable[Any]:  # rows of `factor`
    of = factor.c
    return look.session.execute(sa.select(of.id, of.account_id, of.secret_ct).where(of.removed_at.is_(None)))


def _seed(row: Any, parts: Identity) -> str | None:  # a row of `factor`
    try:
        return crypto.open_text(parts.credentials, row.secret_ct, f"{row.account_id}|{row.id}")
    except crypto.Unreadable:
        return None
