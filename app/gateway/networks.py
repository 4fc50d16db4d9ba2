"""Blocked networks: rows that lapse by themselves, looked up in sorted intervals, in force within a second."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.gateway.proxies import TrustedProxies
from app.kernel import words
from app.kernel.clock import Clock
from app.kernel.containment import BadParameter, ContainmentRefused, Radius, Standing
from app.kernel.context import Context
from app.kernel.db import Database, UtcDateTime, insert_once
from app.kernel.errors import Forbidden, Unavailable
from app.kernel.marks import NOBODY, personal, technical
from app.kernel.networks import MAPPED, count_clients, network_of, of_client
from ingest.events.admin import AllowlistChanged
from ingest.log import outbox

metadata = sa.MetaData()
REFRESH_SECONDS: Final = 0.5
HOURS_MAX: Final = 24 * 30
WIDEST: Final = {4: 24, 6: 48}
# What is never blocked, and what it holds: whoever blocked these would shut out everybody.
OWN: Final = {
    ipaddress.ip_network("127.0.0.0/8"): "this machine itself",
    ipaddress.ip_network("::1/128"): "this machine itself",
    MAPPED: "all of IPv4",
}

_T = technical("governance")
network_rule = sa.Table(
    "app_network_rule",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("key", sa.Text, nullable=False, unique=True, info=_T),
    sa.Column(
        "network",
        sa.Text,
        nullable=False,
        info=personal(
            "network.address",
            NOBODY,
            retention="governance",
            on_erase="keep_to_class_end",
            export="never",
            purposes=("security",),
        ),
    ),
    sa.Column(
        "reason",
        sa.Text,
        nullable=False,
        info=personal(
            "free_text", "author", retention="governance", on_erase="keep_to_class_end", purposes=("security",)
        ),
    ),
    sa.Column("author", sa.Text, nullable=True, info=personal("staff", "author", retention="governance")),
    sa.Column("from_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True, info=_T),
    sa.Column("ended_at", UtcDateTime, nullable=True, info=_T),
)


class NetworkRefused(Forbidden):
    """This request is not accepted from where you are."""

    code = "network_refused"


class Blocked:
    """Answers whether an address is blocked now, from rows read at most half a second ago."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._guard = threading.Lock()
        self._read_at = self._failed_at = -math.inf
        self._failed: Unavailable | None = None
        self._starts: tuple[int, ...] = ()
        self._ends: tuple[int, ...] = ()

    def __contains__(self, address: str) -> bool:
        self._refresh()
        starts, ends = self._starts, self._ends
        value = _number(ipaddress.ip_address(address))
        place = bisect_right(starts, value) - 1
        return place >= 0 and value <= ends[place]

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < REFRESH_SECONDS:
            return
        with self._guard:
            if time.monotonic() - self._read_at < REFRESH_SECONDS:
                return
            if self._failed is not None and time.monotonic() - self._failed_at < REFRESH_SECONDS:
                # A database that is away is asked by one request; those behind it do not wait one after the other.
                raise self._failed.with_traceback(None)
            try:
                self._starts, self._ends = merged(self._stand())
            except Unavailable as error:
                self._failed, self._failed_at = error, time.monotonic()
                raise
            self._failed, self._read_at = None, time.monotonic()

    def _stand(self) -> Sequence[str]:
        now = self._clock.now()
        query = sa.select(network_rule.c.network).where(
            network_rule.c.ended_at.is_(None), network_rule.c.from_at <= now, network_rule.c.expires_at > now
        )
        with self._db.read() as session:
            return session.execute(query).scalars().all()


class BlockNetwork:
    """Containment `network.block`: refuses every request from an address for some hours."""

    name = "network.block"

    def __init__(self, proxies: TrustedProxies) -> None:
        self._proxies = proxies

    def preview(self, session: Session, params: Mapping[str, str], ctx: Context) -> Radius:
        networks, hours = self._checked(params, ctx)
        return Radius(
            counts={"addresses": count_clients(map(ipaddress.ip_network, networks))},
            lines=(
                f"Refuses every request from {', '.join(networks)} for {hours} h.",
                "Everybody behind it is shut out.",
            ),
        )

    def run(self, session: Session, params: Mapping[str, str], key: str, ctx: Context) -> str:
        networks, hours = self._checked(params, ctx)
        for place, network in enumerate(networks):
            row = {
                "id": ctx.new_id("net"),
                "key": f"{key}|{place}",
                "network": network,
                "reason": words.shortened(params.get("reason", "containment"), 200),
                "author": ctx.actor.id,
                "from_at": ctx.at,
                "expires_at": ctx.at + timedelta(hours=hours),
            }
            if insert_once(session, network_rule, row):
                outbox.record(session, AllowlistChanged(object="network.deny", field="rule", after=network), ctx)
        return key

    def undo(self, session: Session, ref: str, key: str, ctx: Context) -> None:
        rows = session.execute(
            sa.update(network_rule)
            .where(network_rule.c.key.startswith(f"{ref}|", autoescape=True), network_rule.c.ended_at.is_(None))
            .values(ended_at=ctx.at)
            .returning(network_rule.c.network)
        )
        for network in list(rows.scalars()):
            event = AllowlistChanged(object="network.deny", field="rule", before=network, weaker=True)
            outbox.record(session, event, ctx)

    def check(self, session: Session, key: str) -> Standing:
        query = sa.select(network_rule.c.ended_at).where(network_rule.c.key.startswith(f"{key}|", autoescape=True))
        rows = list(session.execute(query).scalars())
        if not rows:
            return Standing.UNKNOWN
        return Standing.DONE if any(ended is None for ended in rows) else Standing.UNDONE

    def _checked(self, params: Mapping[str, str], ctx: Context) -> tuple[Sequence[str], int]:
        try:
            hours = int(params.get("hours", "1"))
            named = list(map(network_of, params["addresses"].split(",")))
        except (KeyError, ValueError) as error:
            raise BadParameter("Name one or more addresses and a number of hours.", param="addresses") from error
        if not 1 <= hours <= HOURS_MAX:
            raise BadParameter(f"A block lasts 1 to {HOURS_MAX} hours.", param="hours")
        networks = list(dict.fromkeys(map(of_client, named)))
        for network in networks:
            if network.prefixlen < WIDEST[network.version]:
                raise BadParameter(f"{network} is wider than /{WIDEST[network.version]}.", param="addresses")
            for own, what in OWN.items():
                if network.version == own.version and network.overlaps(own):
                    raise ContainmentRefused(f"{network} holds {what} and is never blocked.")
            if self._proxies.overlaps(network):
                raise ContainmentRefused(f"{network} holds a proxy of our own and is never blocked.")
            if ctx.source.ip and ipaddress.ip_address(ctx.source.ip) in network:
                raise ContainmentRefused("This would shut out the address you are using now.")
        return [str(network) for network in networks], hours


def merged(networks: Sequence[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return sorted, disjoint intervals of both address families as starts and ends; IPv4 lies in its mapped range."""
    spans = sorted(
        (_number(network.network_address), _number(network.broadcast_address))
        for network in map(ipaddress.ip_network, networks)
    )
    starts: list[int] = []
    ends: list[int] = []
    for start, end in spans:
        if ends and start <= ends[-1] + 1:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return tuple(starts), tuple(ends)


def _number(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    return int(address) | 0xFFFF << 32 if address.version == 4 else int(address)
