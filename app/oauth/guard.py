"""Who a request comes from: one credential, read anew from rows, turned into the Actor here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.identity import sessions
from app.identity.sessions import Live
from app.kernel.access import ANONYMOUS, Actor
from app.kernel.context import Context
from app.kernel.db import Database

CUSTOMER: Final = "customer"
STAFF: Final = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookies:
    """Names of the cookies of this installation: `__Host-` ones behind TLS, plain ones on loopback (SES-1)."""

    customer: str
    staff: str
    device: str
    login: str
    pre: str

    def session_of(self, surface: str) -> str:
        """Return the session cookie of a surface."""
        return self.staff if surface == STAFF else self.customer


PLAIN: Final = Cookies(
    customer="onepay-local", staff="onepay-local-staff", device="onepay-device", login="onepay-login", pre="onepay-pre"
)
SECURE: Final = Cookies(
    customer="__Host-onepay",
    staff="__Host-onepay-staff",
    device="__Host-onepay-device",
    login="__Host-onepay-login",
    pre="__Host-onepay-pre",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What the request's cookie of a surface stands for. `ended` says why a session that was there counts no more."""

    actor: Actor
    live: Live | None = None
    ended: str | None = None


def identify(db: Database, cookies: Mapping[str, str], names: Cookies, surface: str, ctx: Context) -> Credential:
    """Return the actor of a request on a surface; a session that is over is ended in a transaction of its own."""
    token = cookies.get(names.session_of(surface))
    if not token:
        return Credential(actor=ANONYMOUS)
    with db.read() as session:
        live = sessions.resolve(session, token, ctx.at)
    if live is None or (live.actor.kind.value == STAFF) != (surface == STAFF):
        return Credential(actor=ANONYMOUS, ended="unknown")
    if live.ended is not None:
        if live.ended in ("idle", "absolute"):
            with db.begin() as session:
                sessions.end(session, live.session_id, live.ended, ctx.acting_as(live.actor))
        return Credential(actor=ANONYMOUS, ended=live.ended)
    return Credential(actor=live.actor, live=live)
