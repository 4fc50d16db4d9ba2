"""Probes that look for card data where none may be: in text that is kept in clear, and in the names of columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import classify
from app.kernel.marks import Mark
from compliance import models
from compliance.contracts.probes import VIOLATIONS_KEPT, Kind, Look, NothingToPlantIn, Probe, Reading, Violation
from compliance.engine import sealed
from ingest import models as log
from ingest.log import read

_SENSITIVE: Final = re.compile(r"(?:^|_)(?:cvv2?|cvc2?|cid|csc|track[12]?|pin(?:_?block)?|pan|card_number)(?:_|$)")
IDS: Final = ("none", "account.id", "credential", "device.id", "staff", "network.address")
"""What is not looked through: codes of ours, ids and digests that we make ourselves, and addresses of machines."""
BODIES_MAX: Final = 10_000
"""So many of the newest bodies are looked through at every reading."""
OLDER_MAX: Final = 10_000
"""So many of those before them: each reading goes on where the one before it ended, and begins again at the end."""
TEXTS_MAX: Final = 20_000
"""So many values of a column are looked through at every reading, the newest by key; those before them in turn."""
NUMBERS: Final = "scanner.card_numbers"
_LOOKED_AT: Final = 50
"""Among so many of the newest readings the last one that looked is searched for."""
_ALL: Final = 2**62
_BODY: Final = re.compile(r"#\d{1,18}")


def probes(tables: Sequence[sa.MetaData]) -> tuple[Probe, ...]:
    """Return the scanner over the tables of the house and the bodies of the log."""
    return (
        Probe(
            name=NUMBERS,
            kind=Kind.STATE,
            asks="Text that is kept in clear and bodies of the log; wrong is one that holds a card number.",
            read=partial(_numbers, tables=tables),
            plant=_plant_number,
        ),
        Probe(
            name="scanner.no_place_for_codes",
            kind=Kind.STATE,
            asks="Columns; wrong is one made for a security code, a track, a PIN or a whole card number.",
            read=_places,
            plant=_plant_place,
        ),
    )


def _numbers(look: Look, *, tables: Sequence[sa.MetaData]) -> Reading:
    """Look through the newest texts and bodies, where a number was found before, and on among the older ones.

    A reading keeps the names of so many finds. Where there are more it stops among the older ones, and the next one
    goes on from there: nothing that was found is passed over.
    """
    population = {"texts": 0, "bodies": 0}
    wrong: list[Violation] = []
    size = read.head(look.session).size
    before = _before(look)
    columns = dict(before.columns)
    for place, id_, text in _texts(look, tables, before, columns):
        population["texts"] += 1
        if population["texts"] % 500 == 0:
            look.deadline.check()
        if classify.holds_card_number(text):
            wrong.append(Violation(component="texts", object_id=f"{place} {id_}", says="holds a card number"))
    if len(wrong) > VIOLATIONS_KEPT:
        columns = dict(before.columns)
    # Also what has fallen out of the newest since, which may hold more than was named.
    newest = range(max(0, size - BODIES_MAX - OLDER_MAX, min(before.newest, size - BODIES_MAX)), size)
    turn = _turn(before.reached, newest.start)
    apart = [one for one in _sequences(before.named) if one not in newest and not any(one in part for part in turn)]
    for body in read.bodies_by_sequence(look.session, [one + 1 for one in apart]).values():
        population["bodies"] += 1
        wrong += _found(body)
    for lo in newest[:: read.SLICE_MAX]:
        for body in read.bodies(look.session, lo, min(lo + read.SLICE_MAX, size)):
            population["bodies"] += 1
            wrong += _found(body)
        look.deadline.check()
    reached = before.reached
    for lo, hi in ((lo, min(lo + read.SLICE_MAX, part.stop)) for part in turn for lo in part[:: read.SLICE_MAX]):
        bodies = read.bodies(look.session, lo, hi)
        population["bodies"] += len(bodies)
        found = [one for body in bodies for one in _found(body)]
        wrong += found
        if found and len(wrong) > VIOLATIONS_KEPT:
            break
        reached = hi
        look.deadline.check()
    # What was named before comes first among the names that are kept: nothing else pushes it out.
    wrong.sort(key=lambda one: one.object_id not in before.named)
    asked = {
        "bodies": f"newest {min(BODIES_MAX, size):,} of {size:,}",
        "newest": max(0, size - BODIES_MAX),
        "older": [part.start for part in turn[:1]] + [reached] if turn else [],
        "texts": f"newest {TEXTS_MAX:,} of a column, and {OLDER_MAX:,} in turn" if columns else "all",
        "columns": columns,
    }
    return Reading(population=population, violations=wrong, asked=asked)


def _found(body: read.Body) -> list[Violation]:
    if not classify.find_card_numbers(body.body.decode("utf-8", "replace")):
        return []
    return [Violation(component="bodies", object_id=f"#{body.sequence}", says="the event holds a card number")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """Where the last reading began with the newest bodies, how far it came among the older ones, what it named.

    `columns` has how far it came among the older texts, by column: the key of the last one, or nothing at their end.
    """

    newest: int = _ALL
    reached: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    named: Sequence[str] = ()


def _before(look: Look) -> _Before:
    """Return what the last reading says that looked, and lies as it was sealed; one that broke off says nothing.

    What was found stays named until it is gone from there, also where the turn has gone on.
    """
    of = models.observation
    query = sa.select(of).where(of.c.probe == NUMBERS).order_by(of.c.hi.desc(), of.c.id.desc()).limit(_LOOKED_AT)
    rows = [dict(row) for row in look.session.execute(query).mappings() if "newest" in row["asked"]]
    whole = sealed.intact(look.session, rows)
    last = next((row for row in rows if row["id"] in whole), None)
    if last is None:
        return _Before()
    asked = last["asked"]
    named = [str(one["object_id"]) for one in last["violations"]]
    reached = asked["older"][-1] if asked["older"] else 0
    return _Before(newest=asked["newest"], reached=reached, columns=asked.get("columns", {}), named=named)


def _turn(reached: int, end: int) -> list[range]:
    """Return the older bodies of one reading: from where the last one came to, and on from the first behind the end."""
    first = reached if reached < end else 0
    tail = range(first, min(first + OLDER_MAX, end))
    head = range(min(OLDER_MAX - len(tail), first))
    return [part for part in (tail, head) if part]


def _sequences(named: Sequence[str]) -> list[int]:
    """Return which bodies were named, counted from nothing as ranges of the log are."""
    return sorted({int(one[1:]) - 1 for one in named if _BODY.fullmatch(one)})


def _texts(
    look: Look, tables: Sequence[sa.MetaData], before: _Before, columns: dict[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Yield (place, key, text) of texts that say something of a person in clear: of each column the newest by key.

    Of a longer column follow those that were named before, and some of the rest in turn; `columns` keeps how far.
    """
    for metadata in tables:
        for table in metadata.tables.values():
            key = next(iter(table.primary_key.columns))
            for column in table.columns:
                if not _is_text(column):
                    continue
                place, typed = f"{table.name}.{column.name}", key.type.python_type
                query = sa.select(key, column).where(column.is_not(None)).order_by(key.desc())
                newest, is_all = _first(look.session, query, key, TEXTS_MAX)
                yield from ((place, str(id_), str(text)) for id_, text in newest)
                if is_all:
                    columns.pop(place, None)
                    continue
                end = newest[-1][0]
                named = [typed(one.partition(" ")[2]) for one in before.named if one.startswith(f"{place} ")]
                # The database compares, as it is its order that a turn follows.
                rest, reached = query.where(key < end), before.columns.get(place)
                rest = rest.where(key < typed(reached)) if reached else rest
                older, is_end = _first(look.session, rest, key, OLDER_MAX)
                again = look.session.execute(
                    query.where(key < end, key.in_(named), key.not_in([row[0] for row in older]))
                )
                yield from ((place, str(id_), str(text)) for id_, text in (*again, *older))
                columns[place] = "" if is_end else str(older[-1][0])


def _first(
    session: Session, query: sa.Select[tuple[Any, Any]], key: sa.Column[Any], most: int
) -> tuple[Sequence[tuple[Any, Any]], bool]:
    """Return the first rows of a query, and whether those are all; rows that share a part of a key stay together.

    So a turn that goes on behind a key passes nothing over.
    """
    rows = [(row[0], row[1]) for row in session.execute(query.limit(most))]
    if len(rows) < most:
        return rows, True
    edge = rows[-1][0]
    together = [(row[0], row[1]) for row in session.execute(query.where(key == edge))]
    return [row for row in rows if row[0] != edge] + together, False


def _is_text(column: sa.Column[Any]) -> bool:
    mark = column.info.get("mark")
    return isinstance(mark, Mark) and mark.category not in IDS and isinstance(column.type, sa.Text | sa.JSON)


def _plant_number(look: Look) -> str:
    """Put a number of a scheme's test range into the newest body."""
    head = read.head(look.session).size
    if head == 0:
        raise NothingToPlantIn
    body = b'{"message":"my card is 4' + b'111 1111 1111 1111"}'
    look.session.execute(sa.update(log.body).where(log.body.c.sequence == head).values(body=body))
    return f"#{head}"


def _places(look: Look) -> Reading:
    found = sa.inspect(look.session.connection())
    columns = [
        f"{table}.{column['name']}" for table in found.get_table_names() for column in found.get_columns(table)
    ] + list(look.fence.get("columns", ()))
    wrong = [
        Violation(component="columns", object_id=name, says="is made for card data that is never kept")
        for name in columns
        if _SENSITIVE.search(name.split(".", 1)[1])
    ]
    return Reading(population={"columns": len(columns)}, violations=wrong)


def _plant_place(look: Look) -> str:
    look.fence["columns"] = ("payments_card.cvv",)
    return "payments_card.cvv"
