"""Probes that look for card data where none may be: in text that is kept in clear, and in the names of columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from app.kernel import classify
from app.kernel.marks import Mark
from compliance import models
from compliance.contracts.probes import VIOLATIONS_KEPT, Kind, Look, NothingToPlantIn, Probe, Reading, Violation
from ingest import models as log
from ingest.log import read

_SENSITIVE: Final = re.compile(r"(?:^|_)(?:cvv2?|cvc2?|cid|csc|track[12]?|pin(?:_?block)?|pan|card_number)(?:_|$)")
IDS: Final = ("none", "account.id", "credential", "device.id", "staff", "network.address")
"""What is not looked through: codes of ours, ids and digests that we make ourselves, and addresses of machines."""
BODIES_MAX: Final = 20_000
"""So many of the newest bodies are looked through at every reading."""
OLDER_MAX: Final = 30_000
"""So many of those before them: each reading goes on where the one before it ended, and begins again at the end."""
TEXTS_MAX: Final = 50_000
"""How many values of one column are looked through, the newest by key, at a reading."""
NUMBERS: Final = "scanner.card_numbers"


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
    """Look through the newest, some of the older, and where the reading before this one found a number."""
    population = {"texts": 0, "bodies": 0}
    wrong: list[Violation] = []
    cut: dict[str, int] = {}
    older, named = _before(look)
    for place, id_, text in _texts(look, tables, cut, named):
        population["texts"] += 1
        if population["texts"] % 500 == 0:
            look.deadline.check()
        if classify.find_card_numbers(text):
            wrong.append(Violation(component="texts", object_id=f"{place} {id_}", says="holds a card number"))
    for sequence, body in _bodies(look, older, named):
        population["bodies"] += 1
        if population["bodies"] % 500 == 0:
            look.deadline.check()
        if classify.find_card_numbers(body):
            wrong.append(Violation(component="bodies", object_id=f"#{sequence}", says="the event holds a card number"))
        if len(wrong) > 10 * VIOLATIONS_KEPT:
            break
    size = read.head(look.session).size
    of = {"bodies": f"newest {min(BODIES_MAX, size):,} of {size:,}", "older": [older.start, older.stop]}
    columns = [f"newest {TEXTS_MAX:,} of {count:,} in {place}" for place, count in cut.items() if count > TEXTS_MAX]
    return Reading(population=population, violations=wrong, asked={**of, "texts": "; ".join(columns) or "all"})


def _before(look: Look) -> tuple[range, Sequence[str]]:
    """Return the older bodies whose turn it is, and where the newest reading that is kept found a number.

    What was found stays named until it is gone from there, also where the turn has gone on.
    """
    of = models.observation.c
    query = sa.select(of.asked, of.violations).where(of.probe == NUMBERS).order_by(of.ended_at.desc()).limit(1)
    last = look.session.execute(query).one_or_none()
    newest = max(0, read.head(look.session).size - BODIES_MAX)
    reached = int(last.asked.get("older", (0, 0))[1]) if last else 0
    first = reached if reached < newest else 0
    named = [str(one["object_id"]) for one in last.violations] if last else []
    return range(first, min(first + OLDER_MAX, newest)), named


def _texts(
    look: Look, tables: Sequence[sa.MetaData], cut: dict[str, int], named: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield (place, key, text) of every text that says something of a person in clear, the newest by their key.

    What is left of a column is counted in `cut`: an answer about some of it says of how much. Of that rest those are
    looked at that were `named` before.
    """
    for metadata in tables:
        for table in metadata.tables.values():
            key = next(iter(table.primary_key.columns))
            for column in table.columns:
                if not _is_text(column):
                    continue
                place, is_written = f"{table.name}.{column.name}", column.is_not(None)
                query = sa.select(key, column).where(is_written).order_by(key.desc()).limit(TEXTS_MAX)
                rows = look.session.execute(query).all()
                for id_, text in rows:
                    yield place, str(id_), str(text)
                if len(rows) == TEXTS_MAX:
                    whole = sa.select(sa.func.count()).select_from(table).where(is_written)
                    cut[place] = look.session.scalar(whole) or 0
                    seen = {str(id_) for id_, _ in rows}
                    again = {one.partition(" ")[2] for one in named if one.startswith(f"{place} ")} - seen
                    keys = [key.type.python_type(one) for one in sorted(again)]
                    for id_, text in look.session.execute(sa.select(key, column).where(is_written, key.in_(keys))):
                        yield place, str(id_), str(text)


def _is_text(column: sa.Column[Any]) -> bool:
    mark = column.info.get("mark")
    return isinstance(mark, Mark) and mark.category not in IDS and isinstance(column.type, sa.Text | sa.JSON)


def _bodies(look: Look, older: range, named: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the bodies of one reading: those named before, the newest, and the older ones whose turn it is."""
    size = read.head(look.session).size
    newest = range(max(0, size - BODIES_MAX), size)
    again = {int(one[1:]) for one in named if one.startswith("#")}
    apart = [one for one in again if one - 1 not in newest and one - 1 not in older]
    for body in read.bodies_by_sequence(look.session, apart).values():
        yield body.sequence, body.body.decode("utf-8", "replace")
    for part in (newest, older):
        for lo in part[:: read.SLICE_MAX]:
            for body in read.bodies(look.session, lo, min(lo + read.SLICE_MAX, part.stop)):
                yield body.sequence, body.body.decode("utf-8", "replace")


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
