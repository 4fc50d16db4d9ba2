"""Handing a copy over: inside the app, each time with a fresh proof, five times within seven days, then never again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.access import PRIVACY_SELF_DOWNLOAD, Acr
from app.kernel.context import Context
from app.kernel.crypto import NONCE_BYTES, Secret, Unreadable
from app.kernel.errors import Gone, NotFound, StepUpRequired, WrongState
from compliance.privacy import letters, moving, packing, requests, whose
from compliance.privacy.models import PACKAGE_CLASS, request
from compliance.privacy.models import package as table
from compliance.privacy.parts import CoolDown, PackageGone, Privacy
from compliance.privacy.request import ENDED, Request, State
from ingest.events.privacy import PackageDelivered, RequestCompleted
from ingest.log import outbox

EXPIRED_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """How the copy of a request stands."""

    sha256: str
    size: int
    downloads: int
    left: int
    ready_at: Any
    expires_at: Any
    is_gone: bool


def standing(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> Package | None:
    """Return how the copy of a request stands, or None where there is none yet."""
    row = session.execute(sa.select(table).where(table.c.request_id == request_id)).one_or_none()
    if row is None:
        return None
    left = max(0, parts.settings.downloads_max - row.downloads)
    is_gone = row.deleted_at is not None or row.expires_at <= ctx.at or left == 0
    return Package(
        sha256=row.sha256,
        size=row.size,
        downloads=row.downloads,
        left=left,
        ready_at=row.ready_at,
        expires_at=row.expires_at,
        is_gone=is_gone,
    )


def fetch(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> bytes:
    """Return the zip to its person, counted and recorded, and write to them that it was fetched.

    Raises `NotFound` for another's, `StepUpRequired` unless a factor was proven since the last time and lately,
    `CoolDown` while a change of a way to sign in is younger than three days, `PackageGone` after five times or days,
    and where it was made about somebody else; `RequestDiffers` where the log does not say that it is theirs and stands.
    """
    ctx.actor.require(PRIVACY_SELF_DOWNLOAD)
    found = requests.own(session, request_id, ctx)
    found = requests.locked(session, found.id)
    row = session.execute(sa.select(table).where(table.c.request_id == request_id)).one_or_none()
    if row is None or found.linked_to is not None:
        raise NotFound
    if found.state in ENDED or row.deleted_at is not None or row.expires_at <= ctx.at:
        raise PackageGone
    if row.downloads >= parts.settings.downloads_max:
        raise PackageGone
    if found.state not in (State.READY, State.DELIVERED):
        raise WrongState("A person of ours looks at it first.")
    whose.demand(session, found, is_answered=True)
    _demand_proof(row, ctx, parts)
    _demand_calm(session, found, ctx, parts)
    data = _opened(row, found, parts)
    session.execute(
        sa.update(table).where(table.c.request_id == request_id).values(downloads=row.downloads + 1, last_at=ctx.at)
    )
    delivered = PackageDelivered(request=request_id, sha256=row.sha256, about=(found.subject,))
    event_id = outbox.record(session, delivered, ctx)
    if found.state is State.READY:
        event = moving.event_of(RequestCompleted, found)
        moving.move(session, found, State.DELIVERED, ctx, event=event, note=f"fetched, as {event_id} says")
    letters.fetched(session, found, parts.settings.downloads_max - row.downloads - 1, ctx, parts=parts)
    return data


def over(session: Session, ctx: Context, *, parts: Privacy) -> list[str]:
    """Return the requests whose copies expired, were fetched as often as they may be, or that ended."""
    is_over = sa.or_(
        table.c.expires_at <= ctx.at,
        table.c.downloads >= parts.settings.downloads_max,
        table.c.request_id.in_(sa.select(request.c.id).where(request.c.state.in_([state.value for state in ENDED]))),
    )
    query = sa.select(table.c.request_id).where(table.c.deleted_at.is_(None), is_over).order_by(table.c.expires_at)
    return list(session.execute(query.limit(EXPIRED_MAX)).scalars())


def expire(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Destroy a copy whose time is over, and close its request."""
    found = requests.locked(session, request_id)
    destroy(session, request_id, ctx, parts=parts)
    if not found.is_open:
        return
    event = moving.event_of(RequestCompleted, found, reason="not_fetched") if found.state is State.READY else None
    note = "the copy was destroyed" if found.state is State.DELIVERED else "the copy was never fetched"
    moving.end(session, found, State.CLOSED, ctx, event=event, note=note, parts=parts)


def destroy(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Destroy a copy: its key, then its file."""
    session.execute(
        sa.update(table)
        .where(table.c.request_id == request_id, table.c.deleted_at.is_(None))
        .values(key_ct=None, deleted_at=ctx.at)
    )
    packing.path(request_id, parts).unlink(missing_ok=True)


def _demand_proof(row: Any, ctx: Context, parts: Privacy) -> None:  # a row of `package`
    ctx.actor.require_fresh(Acr.MFA, parts.settings.step_up, ctx.at)
    proven = ctx.actor.authenticated_at
    if row.last_at is not None and (proven is None or proven <= row.last_at):
        raise StepUpRequired("Each time needs a code of its own.", acr=Acr.MFA.value)


def _demand_calm(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    changed = parts.people.last_change(session, found.subject)
    calm = [at for at in (found.not_before, changed and changed + parts.settings.cool_down) if at]
    until = max(calm, default=None)
    if until is not None and until > ctx.at:
        zone = parts.settings.legal_timezone
        said = f"It can be fetched from {until.astimezone(zone):%-d %B %Y, %H:%M} ({zone.key}) on."
        raise CoolDown(said, retry_after=int((until - ctx.at).total_seconds()) + 1)


def _opened(row: Any, found: Request, parts: Privacy) -> bytes:  # a row of `package`
    try:
        key = parts.keys.open_value(row.key_ct, found.id, PACKAGE_CLASS, packing.place(found))
        sealed = packing.path(found.id, parts).read_bytes()
        cipher = sealed[NONCE_BYTES:]
        data = crypto.open_sealed(
            Secret(bytes.fromhex(key)), sealed[:NONCE_BYTES], cipher, packing.place(found).encode()
        )
    except (Gone, FileNotFoundError, Unreadable) as error:
        raise PackageGone from error
    if crypto.sha256(data).hex() != row.sha256:
        raise PackageGone
    return data
