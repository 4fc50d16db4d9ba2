"""Floods do not flood the log: the first refusals are told alone, the rest with a count that adds up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.gateway.folding import ALONE_ALL_MAX, ALONE_MAX, KEYS_MAX, PERSON_ALONE_MAX, PERSON_KEYS_MAX, Folding
from app.identity.models import attempts
from app.kernel import canonical
from app.kernel.access import Actor, ActorKind
from app.kernel.context import Source
from app.kernel.errors import Unavailable
from app.kernel.networks import client_of
from ingest.events.access import RequestBlocked, RequestDenied
from ingest.log import outbox as log
from ingest.models import outbox
from tests.support.ground import Ground, make_ground
from tests.support.installation import Browser, Installation

EVENT = RequestBlocked(layer="shape", reason="wrong_host", method="GET", path="/a")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = make_ground(tmp_path)
    yield made
    made.close()


def told(ground: Ground) -> list[dict]:
    with ground.db.read() as session:
        return [
            canonical.decode(body) for body in session.execute(sa.select(outbox.c.body).order_by(outbox.c.n)).scalars()
        ]


def count_of(document: dict) -> int:
    return document["onepay"].get("access", {}).get("count", 1)


def refuse(
    folding: Folding, ground: Ground, ip: str, event: RequestBlocked | RequestDenied = EVENT, actor=None
) -> None:
    ctx = ground.ctx(source=Source(ip=ip)) if actor is None else ground.ctx(actor, source=Source(ip=ip))
    folding.tell(ground.db, event, event, ctx)


def test_ten_thousand_refusals_of_one_source_are_few_events_that_add_up(ground: Ground) -> None:
    folding = Folding()
    for n in range(10_000):
        refuse(folding, ground, "198.18.0.1")
        if n % 100 == 99:
            ground.clock.move(timedelta(seconds=1))
    folding.flush(ground.db, ground.clock.now())

    events = told(ground)
    assert len(events) <= 120
    assert sum(map(count_of, events)) == 10_000
    assert {event["source"]["ip"] for event in events} == {"198.18.0.1"}


def test_what_differs_among_the_counted_is_left_out(ground: Ground) -> None:
    folding = Folding()
    for n in range(ALONE_MAX + 5):
        refuse(folding, ground, "198.18.0.1", RequestBlocked(layer="shape", reason="x", method="GET", path=f"/{n}"))
    folding.flush(ground.db, ground.clock.now())

    last = told(ground)[-1]
    assert (count_of(last), last["http"]["request"]["method"], last.get("url")) == (5, "GET", None)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("198.18.0.1", "198.18.0.2", False),
    ],
)
def test_the_addresses_of_one_client_are_one_source(ground: Ground, one: str, other: str, together: bool) -> None:
    folding = Folding()
    for n in range(ALONE_MAX * 2):
        refuse(folding, ground, one if n % 2 else other)
    assert len(told(ground)) == (ALONE_MAX if together else ALONE_MAX * 2)


def test_persons_behind_one_address_are_told_apart(ground: Ground) -> None:
    folding = Folding()
    event = RequestDenied(reason="forbidden", status=403)
    for n in range(ALONE_MAX * 2):
        refuse(folding, ground, "198.18.0.1", event, Actor(id=f"acc_{n % 2}", kind=ActorKind.STAFF))
    assert len(told(ground)) == ALONE_MAX * 2


def test_more_sources_than_can_be_kept_are_counted_together(ground: Ground) -> None:
    folding, sources = Folding(), KEYS_MAX + 200
    for n in range(sources):
        refuse(folding, ground, f"10.{n // 250}.{n % 250}.1")
    folding.flush(ground.db, ground.clock.now())

    events = told(ground)
    assert sum(map(count_of, events)) == sources
    assert len([event for event in events if count_of(event) == 1]) <= ALONE_ALL_MAX + KEYS_MAX
    without = [event for event in events if "source" not in event or "ip" not in event["source"]]
    assert [count_of(event) for event in without] == [200]
    assert len(folding._strangers.seen) <= KEYS_MAX + 1


def test_no_flood_of_strangers_hides_what_a_person_is_denied(ground: Ground) -> None:
    folding, insider = Folding(), Actor(id="acc_insider", kind=ActorKind.STAFF)
    for n in range(KEYS_MAX + 200):
        refuse(folding, ground, f"10.{n // 250}.{n % 250}.1", RequestDenied(reason="forbidden", status=403))
    denied = RequestDenied(reason="forbidden", status=403, path="/admin/users", permission="iam:account:read")
    refuse(folding, ground, "198.18.0.7", denied, insider)

    last = told(ground)[-1]
    assert (last["user"]["id"], last["url"]["path"], count_of(last)) == ("acc_insider", "/admin/users", 1)
    assert last["source"]["ip"] == "198.18.0.7"


def test_harmless_denials_of_a_person_hide_no_other(ground: Ground) -> None:
    folding, insider = Folding(), Actor(id="acc_insider", kind=ActorKind.STAFF)
    look = RequestDenied(reason="forbidden", status=403, method="GET", path="/admin/users", route="/admin/users")
    for _ in range(PERSON_ALONE_MAX + 5):
        refuse(folding, ground, "198.18.0.7", look, insider)
    act = RequestDenied(reason="forbidden", status=403, method="POST", path="/admin/users/acc_1/disable", route="off")
    refuse(folding, ground, "198.18.0.7", act, insider)
    folding.flush(ground.db, ground.clock.now())

    acts = [event for event in told(ground) if event["http"]["request"]["method"] == "POST"]
    assert [(event["url"]["path"], count_of(event)) for event in acts] == [("/admin/users/acc_1/disable", 1)]


def test_what_one_person_is_denied_is_bounded_and_stays_theirs(ground: Ground) -> None:
    folding, tries = Folding(), 500
    insider, colleague = (Actor(id=f"acc_{name}", kind=ActorKind.STAFF) for name in ("insider", "colleague"))
    for n in range(tries):
        refuse(folding, ground, f"10.0.{n // 250}.{n % 250}", RequestDenied(reason="forbidden", status=403), insider)
    refuse(folding, ground, "198.18.0.7", RequestDenied(reason="forbidden", status=403), colleague)
    folding.flush(ground.db, ground.clock.now())

    events = told(ground)
    own = [event for event in events if event["user"]["id"] == "acc_insider"]
    assert sum(map(count_of, own)) == tries
    assert len(own) <= PERSON_ALONE_MAX + PERSON_KEYS_MAX + 1
    assert [count_of(event) for event in events if event["user"]["id"] == "acc_colleague"] == [1]


def test_a_person_whose_minute_is_over_takes_no_room(ground: Ground) -> None:
    folding = Folding()
    for n in range(3):
        refuse(folding, ground, "198.18.0.1", actor=Actor(id=f"acc_{n}", kind=ActorKind.CUSTOMER))
    ground.clock.move(timedelta(minutes=1))
    folding.flush(ground.db, ground.clock.now())
    assert folding._people == {}


def test_counts_that_could_not_be_written_stay_owed(ground: Ground) -> None:
    folding = Folding()
    for _ in range(ALONE_MAX + 3):
        refuse(folding, ground, "198.18.0.1")
    ground.recording.is_full = True
    with pytest.raises(Unavailable):
        folding.flush(ground.db, ground.clock.now())
    ground.recording.is_full = False
    folding.flush(ground.db, ground.clock.now())

    assert count_of(told(ground)[-1]) == 3
    assert issubclass(log.LogFull, Unavailable)


def test_a_flood_needs_no_job_to_be_counted(ground: Ground) -> None:
    folding = Folding()
    for _ in range(ALONE_MAX + 3):
        refuse(folding, ground, "198.18.0.1")
    ground.clock.move(timedelta(seconds=11))
    refuse(folding, ground, "198.18.0.1")
    assert count_of(told(ground)[-1]) >= 3


def kinds_after(installation: Installation, since: int) -> list[tuple[str, int]]:
    with installation.system.db.read() as session:
        rows = session.execute(
            sa.select(outbox.c.kind, outbox.c.body).where(outbox.c.n > since).order_by(outbox.c.n)
        ).all()
    return [(row.kind, count_of(canonical.decode(row.body))) for row in rows]


def newest(installation: Installation) -> int:
    with installation.system.db.read() as session:
        return session.execute(sa.select(sa.func.coalesce(sa.func.max(outbox.c.n), 0))).scalar_one()


def throttled(browser: Browser) -> int:
    browser.get("/sign-in")
    return browser.post("/sign-in", {"address": "no@onepay.example", "password": "wrong wrong wrong"}).status_code


def report(browser: Browser) -> int:
    body = '{"csp-report": {"effective-directive": "script-src"}}'
    return browser.client.post(
        "/csp-report", data=body, headers={"Host": "localhost"}, environ_base={"REMOTE_ADDR": browser.ip}
    ).status_code


def blocked(browser: Browser) -> int:
    return browser.client.get(
        "/", headers={"Host": "evil.example"}, environ_base={"REMOTE_ADDR": browser.ip}
    ).status_code


@pytest.mark.parametrize(
    ("act", "ip", "status", "kind"),
    [
        (throttled, "198.18.40.1", 429, "auth.login.throttled"),
        (report, "198.18.40.2", 204, "access.csp.violated"),
        (blocked, "198.18.40.3", 421, "access.request.blocked"),
    ],
)
def test_forty_requests_of_a_stranger_leave_ten_events_and_a_count(
    installation: Installation, act, ip: str, status: int, kind: str
) -> None:
    system, browser = installation.system, installation.browser(ip)
    now = system.clock.now()
    with system.db.begin() as session:
        closed = {"scope": "address", "key": client_of(ip), "failures": 20, "first_at": now}
        session.execute(sa.insert(attempts).values(**closed, locked_until=now + timedelta(hours=1)))
    system.gateway.folding.flush(system.db, now)
    since = newest(installation)
    statuses = {act(browser) for _ in range(40)}
    system.gateway.folding.flush(system.db, system.clock.now())

    found = kinds_after(installation, since)
    assert statuses == {status}
    assert [name for name, _ in found[:ALONE_MAX]] == [kind] * ALONE_MAX
    assert sum(count for _, count in found) == 40
    assert len(found) == ALONE_MAX + 1
