"""A source of personal data made of the marks on columns: search, export, erasure, retention without a second list."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.crypto import Secret
from app.kernel.db import UtcDateTime, delete_for_good
from app.kernel.errors import NotFound
from app.kernel.marks import NOBODY, Mark
from compliance.contracts import masking
from compliance.contracts.files import Files
from compliance.contracts.personal import (
    Change,
    FieldUnknown,
    Record,
    Redaction,
    Seed,
    StoreInfo,
    Target,
    ids_of,
    subject_of,
)

BATCH: Final = 500
APPEND_ONLY: Final = "append_only"
"""Key of `Table.info` under which a table says that its rows are never changed."""
_FINDS: Final = ("account.id", "device.id", "contact", "card")
Row: TypeAlias = "sa.RowMapping | Mapping[str, Any]"  # a row is untyped data
Column: TypeAlias = sa.Column[Any]
Reader: TypeAlias = Callable[[Row, str], Any]
"""Returns what a column says for a person, given its row and the person; None where it cannot be read any more."""
Writer: TypeAlias = Callable[[Row, str], Any]
"""Returns what a column holds for a text, given its row."""


class PathUnknown(ValueError):
    """A mark names a path to a person that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path: the table it leads to, by which column of it, and what is read there."""

    table: str
    key: str | None
    column: str


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path: the column it begins at, whether that is a document that holds the id, and the steps."""

    column: str
    is_document: bool
    hops: tuple[Hop, ...]


def parse(text: str) -> Path:
    """Read a path as `app.kernel.marks.personal` describes it; raises `PathUnknown`."""
    first, *rest = text.split(">")
    hops = []
    for part in rest:
        table, dot, columns = part.partition(".")
        key, colon, column = columns.partition(":")
        if not dot or not columns or (colon and not column):
            raise PathUnknown(f"{text} is no path to a person")
        hops.append(Hop(table, key if colon else None, column if colon else key))
    return Path(first.removesuffix("*"), first.endswith("*"), tuple(hops))


def mark_of(column: Column) -> Mark | None:
    """Return the mark of a column."""
    mark = column.info.get("mark")
    return mark if isinstance(mark, Mark) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """By which column or expression a row of a table has ended, and by which class it is kept from then on.

    `children` are the tables of the owner whose rows are a part of one of this table and go with it, in this order,
    each with the path to which: what stands in its own right is none of them. `where` names the rows that end at all.
    """

    column: str | sa.ColumnElement[Any]
    retention: str
    children: Mapping[str, str] = field(default_factory=dict)
    where: sa.ColumnElement[bool] | None = None


def replaced_at(table: sa.Table, same: Sequence[str], at: str, *, order: str | None = None) -> sa.ColumnElement[Any]:
    """Return when a row was followed by the next one that is about the same, None while none has followed."""
    later = table.alias(f"{table.name}_later")
    is_later = later.c[order or at] > table.c[order or at]
    about = (later.c[name] == table.c[name] for name in same)
    return sa.select(sa.func.min(later.c[at])).where(is_later, *about).correlate(table).scalar_subquery()


class MarkedTables:
    """All tables of one owner, read by their marks.

    `read` and `write` say how sealed columns and amounts are read and written, by `table.column`; `key_class` under
    which key a sealed one lies; `ended` which column says when a row's time began to run, `files` what lies beside
    rows and goes with them; `examples` what a synthetic row holds where a constraint asks for it, and `unplanted`
    which tables may hold none.
    """

    def __init__(
        self,
        name: str,
        metadata: sa.MetaData,
        *,
        hashing: Secret,
        read: Mapping[str, Reader] | None = None,
        write: Mapping[str, Writer] | None = None,
        key_class: Mapping[str, str] | None = None,
        ended: Mapping[str, Ended] | None = None,
        files: Mapping[str, Files] | None = None,
        examples: Mapping[str, Any] | None = None,
        unplanted: Collection[str] = (),
    ) -> None:
        self._name = name
        self._tables = [table for table in metadata.sorted_tables if _is_marked(table)]
        self._by_name = dict(metadata.tables)
        self._hashing = hashing
        self._read = dict(read or {})
        self._write = dict(write or {})
        self._key_class = dict(key_class or {})
        self._ended = dict(ended or {})
        self._files = dict(files or {})
        assert set(self._files) <= set(self._ended), "files end with rows that end"
        self._examples = dict(examples or {})
        self._unplanted = frozenset(unplanted)

    @property
    def name(self) -> str:
        return self._name

    @property
    def tables(self) -> Sequence[sa.Table]:
        """Return the tables that say something about people."""
        return self._tables

    def every_table(self) -> Sequence[sa.Table]:
        """Return all tables of the owner."""
        return list(self._by_name.values())

    def stores(self) -> Sequence[StoreInfo]:
        found = []
        for table in self._tables:
            by_category: dict[str, list[Column]] = {}
            for column in _personal(table):
                by_category.setdefault(_mark(column).category, []).append(column)
            for category, columns in sorted(by_category.items()):
                # The most that is done to a value of the category stands for it.
                mark = min((_mark(column) for column in columns), key=lambda each: _RANK[each.on_erase])
                exports = sorted({_mark(column).export for column in columns}, key=_EXPORTED.index)
                found.append(
                    StoreInfo(
                        name=table.name,
                        kind="table",
                        category=category,
                        retention=mark.retention,
                        on_erase=mark.on_erase,
                        origin=mark.origin,
                        export=exports[0],
                        purposes=tuple(sorted({name for column in columns for name in _mark(column).purposes})),
                        fields=tuple(column.name for column in columns),
                    )
                )
        found += [files.info(self._ended[name].retention) for name, files in sorted(self._files.items())]
        return found

    def check(self) -> list[str]:
        """Return what the marks of these tables say that cannot be carried out."""
        wrong = [
            f"{table.name}.{column.name} has no mark"
            for table in self._by_name.values()
            for column in table.columns
            if mark_of(column) is None
        ]
        wrong += [
            f"{name} is to go with {store} by {key}, which leads to none of it"
            for store, ended in self._ended.items()
            for name, key in ended.children.items()
            if not self._leads(name, key)
        ]
        wrong += [
            f"{store} is to end by {ended.column}, which is no column of it"
            for store, ended in self._ended.items()
            if isinstance(ended.column, str)
            and (store not in self._by_name or ended.column not in self._by_name[store].c)
        ]
        if wrong:
            return wrong
        for table in self._tables:
            classes: dict[tuple[str, str | None], set[str]] = {}
            for column in _personal(table):
                mark = _mark(column)
                classes.setdefault((mark.category, mark.subject), set()).add(mark.retention)
                place = f"{table.name}.{column.name}"
                if mark.subject != NOBODY and not str(mark.subject).startswith("onepay."):
                    try:
                        self._condition(table, parse(str(mark.subject)), ["acc"])
                    except PathUnknown as error:
                        wrong.append(f"{place}: {error}")
                is_bytes = isinstance(column.type, sa.LargeBinary)
                if is_bytes and mark.export != "never" and place not in self._read:
                    wrong.append(f"{place} is exported as bytes that nothing opens")
                if mark.on_erase in ("delete", "null") and table.info.get(APPEND_ONLY):
                    wrong.append(f"{place}: {mark.on_erase} on a table that is only appended to")
                if mark.on_erase == "shred" and place not in self._key_class:
                    wrong.append(f"{place} is shredded with a key that nothing names")
            wrong += [
                f"{table.name} keeps {category} by two classes: {sorted(names)}"
                for (category, _), names in classes.items()
                if len(names) > 1
            ]
            ends = {_mark(c).on_erase for c in _personal(table) if _mark(c).category not in ("account.id", "staff")}
            if "delete" in ends and ends != {"delete"}:
                wrong.append(f"{table.name} ends its row for one value and keeps it for another: {sorted(ends)}")
        return wrong

    def _leads(self, name: str, path: str) -> bool:
        try:
            return name in self._by_name and self._condition(self._by_name[name], parse(path), ["id"]) is not None
        except PathUnknown:
            return False

    @property
    def ended(self) -> Mapping[str, Ended]:
        """Return what says when rows end, by table."""
        return self._ended

    def carried_out(self) -> Mapping[str, str]:
        """Return the tables whose rows runs end, each with the class that they end by."""
        found = {name: ended.retention for name, ended in self._ended.items()}
        for ended in self._ended.values():
            found.update(dict.fromkeys(ended.children, ended.retention))
        found.update({files.name: self._ended[name].retention for name, files in self._files.items()})
        return found

    def seeds(self, session: Session, seeds: Set[Seed]) -> Set[Seed]:
        ids, found = ids_of(seeds), set()
        for table in self._tables:
            for column in table.primary_key:
                mark = mark_of(column)
                if mark is None or mark.category not in _FINDS or mark.subject in (None, NOBODY):
                    continue
                where = self._condition(table, parse(str(mark.subject)), ids)
                for value in session.execute(sa.select(column).where(where)).scalars():
                    found.add(Seed(mark.category, str(value)))
        return found

    def collect(self, session: Session, seeds: Set[Seed]) -> Iterator[Record]:
        ids, subject = ids_of(seeds), subject_of(seeds)
        own = frozenset(seed.value for seed in seeds)
        for table in self._tables:
            for path, columns in _by_path(table).items():
                shown = [column for column in columns if _mark(column).export != "never"]
                if not shown or {_mark(column).category for column in columns} == {"staff"}:
                    continue
                beside = [
                    column
                    for column in _personal(table)
                    if _mark(column).export == "counterparty" and column not in columns
                ]
                query = sa.select(table).where(self._condition(table, parse(path), ids)).order_by(*table.primary_key)
                for row in session.execute(query).mappings():
                    yield from self._records(table, row, shown, subject, own)
                    yield from self._records(table, row, beside, subject, own, counterparty=True)

    def due(self, session: Session, class_: str, before: datetime, limit: int) -> Iterator[Target]:
        left = limit
        for name, ended in self._ended.items():
            # The row ends by the class of its table; a column of a shorter class is no reason to end the rest.
            if ended.retention != class_ or left <= 0:
                continue
            query = self.ended_before(name, before)
            query = query.order_by(self._end_of(name), *self._by_name[name].primary_key).limit(left)
            for target in self._due_of(session, name, class_, query):
                left -= 1
                yield target

    def still_due(self, session: Session, class_: str, before: datetime, targets: Sequence[Target]) -> Iterator[Target]:
        for name, ids in _by_store(targets):
            if name not in self._ended or self._ended[name].retention != class_:
                continue
            query = self.ended_before(name, before).where(_with_ids(self._by_name[name], ids))
            yield from self._due_of(session, name, class_, query)

    def ended_before(self, store: str, before: datetime) -> sa.Select[Any]:
        """Return the query of rows that ended before an instant."""
        ended = self._ended[store]
        query = sa.select(self._by_name[store]).where(self._end_of(store) < before)
        return query if ended.where is None else query.where(ended.where)

    def _end_of(self, store: str) -> sa.ColumnElement[Any]:
        column = self._ended[store].column
        return self._by_name[store].c[column] if isinstance(column, str) else column

    def _due_of(self, session: Session, store: str, class_: str, query: sa.Select[Any]) -> Iterator[Target]:
        table = self._by_name[store]
        columns = [column for column in table.columns if _mark(column).retention == class_]
        assert columns, f"nothing in {store} is of the class {class_}"
        mark = next((_mark(column) for column in columns if _mark(column).category != "none"), _mark(columns[0]))
        for row in session.execute(query).mappings():
            yield Target(
                store=store,
                id=id_of(table, row),
                subject=str(row.get(str(mark.subject), "")),
                category=mark.category,
                action="delete",
                retention=class_,
            )

    def plan(self, session: Session, seeds: Set[Seed]) -> Iterator[Target]:
        ids, subject = ids_of(seeds), subject_of(seeds)
        for table in self._tables:
            for path, columns in _by_path(table).items():
                where = self._condition(table, parse(path), ids)
                query = sa.select(table).where(where).order_by(*table.primary_key)
                for row in session.execute(query).mappings():
                    yield from self._targets(table, columns, row, subject)

    def erase(self, session: Session, targets: Sequence[Target], ctx: Context) -> Counter[str]:
        delete_for_good(session)
        done: Counter[str] = Counter()
        groups: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
        for target in targets:
            if target.action in ("delete", "null"):
                fields = target.fields if target.action == "null" else ()
                groups.setdefault((target.store, target.action, fields), set()).add(target.id)
        for (store, action, fields), ids in sorted(groups.items()):
            table = self._by_name[store]
            where = _with_ids(table, sorted(ids))
            if action == "delete":
                # Files first: killed in between, the row is still due, and they are removed by it again.
                for id in sorted(ids) if store in self._files else ():
                    self._files[store].remove(id)
                # The row first: what only goes with its whole, such as a timeline, lets nobody delete it before.
                result = session.execute(sa.delete(table).where(where))
                for child, path in self._children(store):
                    session.execute(sa.delete(child).where(self._condition(child, parse(path), sorted(ids))))
            else:
                values = {name: _blank(table.c[name]) for name in fields}
                is_full = sa.or_(*(_is_full(table.c[name]) for name in fields))
                result = session.execute(sa.update(table).where(where, is_full).values(**values))
            done[action] += int(result.rowcount)  # type: ignore[attr-defined]  # both answer with a cursor result
        return done

    def _children(self, store: str) -> Iterator[tuple[sa.Table, str]]:
        """Yield the tables whose rows are a part of one of a store, and the path that says of which."""
        if store in self._ended:
            yield from ((self._by_name[name], key) for name, key in self._ended[store].children.items())

    def remaining(self, session: Session, targets: Sequence[Target]) -> int:
        wanted = [target for target in targets if target.action != "keep"]
        rows: dict[tuple[str, str], Row] = {}
        for store, ids in _by_store(wanted):
            table = self._by_name[store]
            for row in session.execute(sa.select(table).where(_with_ids(table, ids))).mappings():
                rows[store, id_of(table, row)] = row
        return sum(self._is_left(target, rows.get((target.store, target.id))) for target in wanted)

    def _is_left(self, target: Target, row: Row | None) -> bool:
        if row is None:
            files = self._files.get(target.store)
            return files is not None and target.action == "delete" and files.is_there(target.id)
        table = self._by_name[target.store]
        match target.action:
            case "delete":
                return True
            case "null":
                return any(row[name] not in (None, _blank(table.c[name])) for name in target.fields)
            case _:
                return any(self._is_readable(table, name, row, target.subject) for name in target.fields)

    def rectify(self, session: Session, store: str, id: str, field: str, value: str, ctx: Context) -> Change:
        table = self._by_name.get(store)
        column = None if table is None else table.c.get(field)
        mark = None if column is None else mark_of(column)
        if table is None or column is None or mark is None or mark.origin != "provided" or mark.export == "never":
            raise FieldUnknown(param="field")
        if table.info.get(APPEND_ONLY) or mark.on_erase == "keep_to_class_end" or mark.category == "account.id":
            raise FieldUnknown("What was booked is not changed; a note beside it says what is right.", param="field")
        place = f"{store}.{field}"
        row = session.execute(sa.select(table).where(_with_ids(table, [id]))).mappings().one_or_none()
        if row is None:
            raise NotFound
        owner = str(row[parse(str(mark.subject)).column])
        before = self._read[place](row, owner) if place in self._read else row[field]
        written = self._write[place](row, value) if place in self._write else value
        session.execute(sa.update(table).where(_with_ids(table, [id])).values({field: written}))
        return Change(
            store=store,
            id=id,
            field=field,
            before_hash=self._hash(place, "" if before is None else str(before)),
            after_hash=self._hash(place, value),
        )

    def plant(self, session: Session, subject: str, marker: str, ctx: Context) -> int:
        planted: dict[str, dict[str, Any]] = {}
        count = 0
        for table in sorted(self._plantable(), key=_hops):
            row, written = self._synthetic(table, subject, marker, planted, ctx)
            session.execute(sa.insert(table).values(row))
            planted[table.name] = row
            count += written
        return count

    def markers(self, marker: str) -> list[str]:
        """Return what `plant` writes that must come back in an export."""
        return [
            f"{marker}.{table.name}.{column.name}"
            for table in self._plantable()
            for column in _personal(table)
            if self._takes_marker(table, column) and _mark(column).export in ("as_is", "reveal")
        ]

    def _plantable(self) -> list[sa.Table]:
        return [table for table in self._tables if table.name not in self._unplanted]

    def _records(
        self,
        table: sa.Table,
        row: Row,
        columns: Sequence[Column],
        subject: str,
        own: frozenset[str],
        *,
        counterparty: bool = False,
    ) -> Iterator[Record]:
        by_category: dict[str, list[Column]] = {}
        for column in columns:
            by_category.setdefault(_mark(column).category, []).append(column)
        if len(by_category) > 1:
            by_category.pop("account.id", None)
        for category, those in by_category.items():
            data: dict[str, Any] = {}
            left_out: Counter[str] = Counter()
            for column in those:
                value = self._value(table, column, row, subject)
                if value in (None, "", b""):
                    continue
                if _mark(column).export == "masked":
                    value, count = masking.only_own(value, own)
                    left_out["others_in_documents"] += count
                data[column.name] = value
            if not data:
                continue
            around, hidden = masking.mask(self._around(table, row), own)
            left_out["ids_of_others"] += hidden
            mark = _mark(those[0])
            yield Record(
                store=table.name,
                id=id_of(table, row),
                category=category,
                origin=mark.origin,
                purposes=mark.purposes,
                retention=mark.retention,
                data=data,
                around=around,
                counterparty=counterparty,
                redactions=tuple(Redaction(rule=rule, count=count) for rule, count in left_out.items() if count),
            )

    def _around(self, table: sa.Table, row: Row) -> dict[str, Any]:
        """Return what a row says that is about nobody and reads as text: states, kinds, instants, currencies."""
        return {
            column.name: _plain(row[column.name])
            for column in table.columns
            if _mark(column).category == "none"
            and not column.primary_key
            and row[column.name] is not None
            and isinstance(column.type, sa.Text | sa.Boolean | UtcDateTime)
        }

    def _value(self, table: sa.Table, column: Column, row: Row, subject: str) -> Any:  # of any column
        reader = self._read.get(f"{table.name}.{column.name}")
        return _plain(row[column.name] if reader is None or row[column.name] is None else reader(row, subject))

    def _targets(self, table: sa.Table, columns: Sequence[Column], row: Row, subject: str) -> Iterator[Target]:
        ending = [column for column in columns if _mark(column).on_erase == "delete"]
        if ending:
            # The row goes as a whole: one target, called by what it is kept for.
            yield self._ends(table, ending, row, subject)
            return
        grouped: dict[tuple[str, str, str | None], list[Column]] = {}
        for column in columns:
            mark = _mark(column)
            action = "keep" if mark.on_erase == "keep_to_class_end" else mark.on_erase
            key = None if action == "keep" else self._key_class.get(f"{table.name}.{column.name}")
            grouped.setdefault((mark.category, action, key), []).append(column)
        for (category, action, key), those in grouped.items():
            if action == "null" and not any(row[c.name] not in (None, _blank(c)) for c in those):
                continue
            yield Target(
                store=table.name,
                id=id_of(table, row),
                subject=subject,
                category=category,
                action=action,
                retention=_mark(those[0]).retention,
                fields=tuple(column.name for column in those),
                key_class=key,
                forced_by=_mark(those[0]).retention if action == "keep" else None,
            )

    def _ends(self, table: sa.Table, ending: Sequence[Column], row: Row, subject: str) -> Target:
        first = next((column for column in ending if _mark(column).category != "account.id"), ending[0])
        keys = [self._key_class.get(f"{table.name}.{column.name}") for column in ending]
        return Target(
            store=table.name,
            id=id_of(table, row),
            subject=subject,
            category=_mark(first).category,
            action="delete",
            retention=_mark(first).retention,
            fields=tuple(column.name for column in ending),
            key_class=next((key for key in keys if key), None),
        )

    def _condition(self, table: sa.Table, path: Path, ids: Sequence[str]) -> sa.ColumnElement[bool]:
        column = table.c.get(path.column)
        if column is None:
            raise PathUnknown(f"{table.name} has no column {path.column}")
        if path.hops:
            hop, *rest = path.hops
            there = self._by_name.get(hop.table)
            if there is None:
                raise PathUnknown(f"there is no table {hop.table} of this owner")
            keys = [each.name for each in there.primary_key]
            if hop.key is None and len(keys) != 1:
                raise PathUnknown(f"{hop.table} has no single key; name the column")
            key = there.c.get(hop.key or keys[0])
            if key is None:
                raise PathUnknown(f"{hop.table} has no column {hop.key}")
            inner = self._condition(there, Path(hop.column, False, tuple(rest)), ids)
            return column.in_(sa.select(key).where(inner))
        if path.is_document:
            text = sa.cast(column, sa.Text)
            return sa.or_(sa.false(), *(text.contains(id, autoescape=True) for id in ids))
        return column.in_(ids)

    def _is_readable(self, table: sa.Table, name: str, row: Row, subject: str) -> bool:
        """Tell whether a sealed value opens; what nobody reads goes with its key, whose absence is looked at apart."""
        reader = self._read.get(f"{table.name}.{name}")
        return reader is not None and reader(row, subject) is not None

    def _hash(self, place: str, text: str) -> str:
        return crypto.mac(self._hashing, f"{place}|{text}".encode()).hex()

    def _takes_marker(self, table: sa.Table, column: Column) -> bool:
        place = f"{table.name}.{column.name}"
        mark = _mark(column)
        if mark.subject == NOBODY or mark.category == "staff" or place in self._examples:
            return False
        path = parse(str(mark.subject))
        leads = path.column == column.name and not path.is_document
        if leads or (place in self._read and place not in self._write):
            return False
        return place in self._write or isinstance(column.type, sa.Text)

    def _synthetic(
        self, table: sa.Table, subject: str, marker: str, planted: Mapping[str, Row], ctx: Context
    ) -> tuple[dict[str, Any], int]:
        row: dict[str, Any] = {}
        for column in table.columns:
            row[column.name] = self._example(table, column, subject, planted, ctx)
        written = 0
        for column in _personal(table):
            if not self._takes_marker(table, column):
                continue
            place = f"{table.name}.{column.name}"
            text = f"{marker}.{place}"
            row[column.name] = self._write[place](row, text) if place in self._write else text
            written += _mark(column).export in ("as_is", "reveal")
        return {name: value for name, value in row.items() if value is not None}, written

    def _example(self, table: sa.Table, column: Column, subject: str, planted: Mapping[str, Row], ctx: Context) -> Any:
        place = f"{table.name}.{column.name}"
        if place in self._examples:
            example = self._examples[place]
            return example(subject) if callable(example) else example
        for other in _personal(table):
            mark = _mark(other)
            if mark.subject == NOBODY or mark.category == "staff":
                continue
            path = parse(str(mark.subject))
            if path.column != column.name:
                continue
            if not path.hops:
                return {"user.id": [subject]} if path.is_document else subject
            hop = path.hops[0]
            there = planted.get(hop.table)
            if there is not None:
                return there[hop.key or next(iter(self._by_name[hop.table].primary_key)).name]
        return _filled(column, ctx)


_RANK: Final = {"delete": 0, "null": 1, "shred": 2, "anonymise": 3, "keep_to_class_end": 4, "none": 5}
_EXPORTED: Final = ("as_is", "reveal", "masked", "counterparty", "never")


def _mark(column: Column) -> Mark:
    mark = mark_of(column)
    assert mark is not None, f"{column} has no mark"
    return mark


def _personal(table: sa.Table) -> list[Column]:
    return [column for column in table.columns if _mark(column).category != "none"]


def _is_marked(table: sa.Table) -> bool:
    """Tell whether a table says something about people that its own rows lead to."""
    marks = [mark_of(column) for column in table.columns]
    return any(m and m.category != "none" and not str(m.subject).startswith("onepay.") for m in marks)


def _by_path(table: sa.Table) -> Mapping[str, list[Column]]:
    """Return the columns by the path to their person, staff and nobody apart."""
    found: dict[str, list[Column]] = {}
    for column in _personal(table):
        mark = _mark(column)
        if mark.subject != NOBODY:
            found.setdefault(str(mark.subject), []).append(column)
    return found


def _hops(table: sa.Table) -> int:
    return max((len(parse(path).hops) for path in _by_path(table)), default=0)


def id_of(table: sa.Table, row: Row) -> str:
    """Return how a row is called in targets: its key, or all parts of it."""
    values = [row[column.name] for column in table.primary_key]
    return str(values[0]) if len(values) == 1 else json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _by_store(targets: Sequence[Target]) -> Iterator[tuple[str, list[str]]]:
    """Yield the ids of targets by store, at most so many as one statement asks for."""
    found: dict[str, set[str]] = {}
    for target in targets:
        found.setdefault(target.store, set()).add(target.id)
    for store, ids in sorted(found.items()):
        ordered = sorted(ids)
        for first in range(0, len(ordered), BATCH):
            yield store, ordered[first : first + BATCH]


def _with_ids(table: sa.Table, ids: Sequence[str]) -> sa.ColumnElement[bool]:
    keys = list(table.primary_key)
    if len(keys) == 1:
        return keys[0].in_([_typed(keys[0], id) for id in ids])
    return sa.or_(
        sa.false(),
        *(sa.and_(*(key == _typed(key, value) for key, value in zip(keys, json.loads(id), strict=True))) for id in ids),
    )


def _typed(column: Column, value: Any) -> Any:  # a part of a key
    return int(value) if isinstance(column.type, sa.Integer) else value


def _blank(column: Column) -> Any:  # a value of the column
    if column.nullable:
        return None
    match column.type:
        case sa.LargeBinary():
            return b""
        case sa.JSON():
            return {}
        case sa.Integer():
            return 0
        case _:
            return ""


def _is_full(column: Column) -> sa.ColumnElement[bool]:
    return column.is_not(None) if column.nullable else column != _blank(column)


def _plain(value: Any) -> Any:  # a value of any column
    match value:
        case datetime():
            return rfc3339(value)
        case bytes():
            return value.hex()
        case _:
            return value


def _filled(column: Column, ctx: Context) -> Any:  # a value of the column
    if column.nullable or column.autoincrement is True:
        return None
    match column.type:
        case UtcDateTime():
            return ctx.at
        case sa.Boolean():
            return False
        case sa.Integer() if column.unique:
            # Below all that is counted up, so that no synthetic row takes a number of a real one.
            return -int.from_bytes(crypto.sha256(ctx.new_id("syn").encode())[:5], "big") - 1
        case sa.Integer():
            return 1
        case sa.JSON():
            return {}
        case sa.LargeBinary():
            return ctx.new_id("syn").encode()
        case _:
            return ctx.new_id("syn")
