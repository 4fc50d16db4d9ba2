"""How a customer lives: signs up, is paid, signs in by day, pays friends and shops, mistypes now and then."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from typing import Final

from app.simulator.intents import Enrol, Nothing, Outcome, Pay, SignIn, SignOut, SignUp, TopUp, Wish
from app.simulator.streams import Stream
from app.simulator.world import Person, World

NOTES: Final = ("Coffee", "Lunch", "Groceries", "Rent share", "Cinema", "Bus ticket", "Book", "Garden", "Gift", "")
SPENDING: Final = ((0.45, 2_400), (0.18, 1_800), (0.12, 990), (0.12, 1_400), (0.10, 5_200), (0.03, 62_000))
EARLY_VISITS_MAX: Final = 40
# Two humps, at noon and in the evening, by hour of the day.
HOURS: Final = (1, 1, 1, 1, 1, 2, 4, 7, 8, 8, 8, 9, 11, 10, 8, 7, 7, 8, 10, 12, 12, 9, 5, 2)

Life = Generator[Wish, Outcome, None]


def live(person: Person, world: World) -> Life:
    """Yield what a person wants over the days of the world, reacting to what comes of it."""
    stream = world.stream("life", person.id)
    joined = world.start + timedelta(hours=8 + stream.between(0.0, 10.0))
    paid_at, secret = yield from _join(person, stream, joined)
    for day in range(world.days):
        yield from _day(person, world, stream, day, paid_at, secret)


def found(person: Person, world: World, until: datetime, secrets: dict[str, str | None]) -> Life:
    """Yield the sparse life of a founder before the days of the world: signs up, then comes by every week or two."""
    stream = world.stream("founder", person.id)
    joined = world.dawn + timedelta(hours=stream.between(8.0, 60.0))
    _, secret = yield from _join(person, stream, joined)
    secrets[person.id] = secret
    at = joined + timedelta(days=1)
    for visit in range(EARLY_VISITS_MAX):
        at += timedelta(hours=stream.between(100.0, 260.0))
        if at >= until:
            return
        yield from _visit(person, stream, at, f"early-{visit}", secret)


def stay(person: Person, world: World, secrets: dict[str, str | None]) -> Life:
    """Yield the life of a founder through the days of the world."""
    stream = world.stream("life", person.id)
    for day in range(world.days):
        yield from _day(person, world, stream, day, world.start, secrets.get(person.id))


def _join(person: Person, stream: Stream, joined: datetime) -> Generator[Wish, Outcome, tuple[datetime, str | None]]:
    """Sign up, add a factor where one has it, and be paid; return when, and the factor's secret."""
    yield SignUp(
        at=joined,
        actor=person.id,
        key="sign-up",
        address=person.address,
        name=person.name,
        handle=person.handle,
        password=person.password,
    )
    secret = None
    if person.has_factor:
        made = yield Enrol(at=joined + timedelta(seconds=stream.whole(40, 200)), actor=person.id, key="enrol")
        secret = made.made.get("secret")
    yield SignOut(at=joined + timedelta(minutes=4), actor=person.id, key="leave")
    paid_at = joined + timedelta(minutes=stream.whole(20, 90))
    yield TopUp(at=paid_at, actor=person.id, key="wage", owner=person.id, minor=person.wage_minor)
    return paid_at, secret


def _day(person: Person, world: World, stream: Stream, day: int, after: datetime, secret: str | None) -> Life:
    midnight = world.start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=day)
    weekend = 0.85 if midnight.weekday() >= 5 else 1.0
    times = sorted(_moment(stream, midnight, person) for _ in range(stream.poisson(1.1 * person.activity * weekend)))
    for n, at in enumerate(times):
        if at <= after:
            continue
        after = at + timedelta(minutes=6)
        yield from _visit(person, stream, at, f"{day}-{n}", secret)


def _visit(person: Person, stream: Stream, at: datetime, key: str, secret: str | None) -> Life:
    ip = person.mobile_ip if stream.chance(0.45) else person.home_ip
    agent = stream.one_of(person.agents)
    entered = SignIn(
        at=at,
        actor=person.id,
        key=f"{key}-in",
        address=person.address,
        password=person.password,
        ip=ip,
        agent=agent,
        secret=secret,
    )
    if stream.chance(person.typo_rate):
        yield _typo(entered)
        at += timedelta(seconds=stream.whole(8, 40))
        entered = _again(entered, at, f"{key}-in2")
    outcome = yield entered
    if not outcome.ok:
        yield Nothing(at=at + timedelta(minutes=1), actor=person.id, key=f"{key}-gives-up")
        return
    if secret is not None and stream.chance(0.75):
        at += timedelta(seconds=stream.whole(20, 150))
        yield Pay(
            at=at,
            actor=person.id,
            key=f"{key}-pay",
            payee=stream.one_of(person.friends),
            minor=_amount(stream),
            note=stream.one_of(NOTES),
            secret=secret,
        )
    yield SignOut(at=at + timedelta(seconds=stream.whole(15, 120)), actor=person.id, key=f"{key}-out")


def _typo(right: SignIn) -> SignIn:
    wrong = right.password[:-1]
    return SignIn(
        at=right.at,
        actor=right.actor,
        key=f"{right.key}-typo",
        address=right.address,
        password=wrong,
        ip=right.ip,
        agent=right.agent,
        secret=right.secret,
    )


def _again(first: SignIn, at: datetime, key: str) -> SignIn:
    return SignIn(
        at=at,
        actor=first.actor,
        key=key,
        address=first.address,
        password=first.password,
        ip=first.ip,
        agent=first.agent,
        secret=first.secret,
    )


def _moment(stream: Stream, midnight: datetime, person: Person) -> datetime:
    hour = _weighted(stream, list(enumerate(HOURS)))
    seconds = (hour + stream.uniform() + person.phase_hours) % 24 * 3600
    return midnight + timedelta(milliseconds=round(seconds * 1000))


def _amount(stream: Stream) -> int:
    median = _weighted(stream, [(median, share) for share, median in SPENDING])
    return max(50, int(stream.log_normal(median, 0.5)))


def _weighted(stream: Stream, choices: Sequence[tuple[int, float]]) -> int:
    place, total = stream.uniform() * sum(weight for _, weight in choices), 0.0
    for value, weight in choices:
        total += weight
        if place < total:
            return value
    return choices[-1][0]
