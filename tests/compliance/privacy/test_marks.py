"""What marks say can be carried out, and what cannot is refused at start with the column's name."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel.crypto import Secret
from app.kernel.errors import ConfigurationRefused
from app.kernel.marks import Mark, personal, technical
from compliance.catalog import purposes, retention
from compliance.contracts.marked.paths import PathUnknown, parse
from compliance.contracts.tables import MarkedTables
from compliance.privacy import graph
from tests.support.installation import Installation

KEY = Secret(b"h" * 32)


def source(*columns: sa.Column[object], **options: object) -> MarkedTables:
    metadata = sa.MetaData()
    first = sa.Column("id", sa.Text, primary_key=True, info=technical())
    sa.Table("app_thing", metadata, first, *columns, **options)  # type: ignore[arg-type]
    return MarkedTables("things", metadata, hashing=KEY)


def wrong_with(*columns: sa.Column[object], **options: object) -> list[str]:
    found = graph.check([source(*columns, **options)], purposes.shipped(), retention.shipped())
    return [line for line in found if "app_thing" in line]


def test_the_marks_of_the_installation_hold(installation: Installation) -> None:
    assert graph.check(installation.system.compliance.sources, purposes.shipped(), retention.shipped()) == []


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (sa.Column("mail", sa.Text), "app_thing.mail has no mark"),
        (
            sa.Column("mail", sa.Text, info=personal("contact", "who", retention="account.contact")),
            "app_thing has no column who",
        ),
        (
            sa.Column("mail", sa.Text, info=personal("contact", "mail>app_other.owner", retention="account.contact")),
            "no table app_other",
        ),
        (
            sa.Column("mail", sa.Text, info=personal("contact", "mail", retention="for.ever")),
            "app_thing.mail: there is no retention class for.ever",
        ),
        (
            sa.Column(
                "mail", sa.Text, info=personal("contact", "mail", retention="account.contact", purposes=("fun",))
            ),
            "app_thing.mail: there is no purpose fun",
        ),
        (
            sa.Column("mail", sa.LargeBinary, info=personal("contact", "mail", retention="account.contact")),
            "bytes that nothing opens",
        ),
        (
            sa.Column("mail", sa.Text, info=personal("contact", "mail", retention="account.contact", on_erase="shred")),
            "a key that nothing names",
        ),
    ],
)
def test_a_mark_that_cannot_be_carried_out_is_named(column: sa.Column[object], says: str) -> None:
    assert any(says in line for line in wrong_with(column))


def test_a_row_that_is_only_appended_is_never_deleted() -> None:
    column = sa.Column("owner", sa.Text, info=personal("money", "owner", retention="ledger.postings"))
    assert any("only appended" in line for line in wrong_with(column, info={"append_only": True}))


def test_one_category_has_one_class_in_a_store() -> None:
    owner = sa.Column("owner", sa.Text, info=personal("contact", "owner", retention="account.contact"))
    second = sa.Column("second", sa.Text, info=personal("contact", "owner", retention="device"))
    assert any("keeps contact by two classes" in line for line in wrong_with(owner, second))


def test_one_value_cannot_end_the_row_that_another_keeps() -> None:
    goes = sa.Column("owner", sa.Text, info=personal("contact", "owner", retention="account.contact"))
    stays = sa.Column(
        "sum", sa.Text, info=personal("money", "owner", retention="ledger.postings", on_erase="keep_to_class_end")
    )
    assert any("ends its row for one value" in line for line in wrong_with(goes, stays))


def test_the_start_is_refused_with_the_name_of_the_column() -> None:
    with pytest.raises(ConfigurationRefused, match=r"app_thing\.mail has no mark"):
        graph.demand([source(sa.Column("mail", sa.Text))])


@pytest.mark.parametrize("text", ["a>b", "a>b.", "a>b.c:"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathUnknown):
        parse(text)


def test_a_path_over_two_tables_is_read() -> None:
    path = parse("execution_id>runs.case_id>entities.case_id:value")
    assert path.column == "execution_id"
    assert [(hop.table, hop.key, hop.column) for hop in path.hops] == [
        ("runs", None, "case_id"),
        ("entities", "case_id", "value"),
    ]


def test_a_field_of_an_event_that_tells_words_in_clear_is_named() -> None:
    from ingest.events.envelope import Ecs, FieldType

    mark = Mark(category="name", subject="onepay.subject.id", retention="class", on_erase="shred", purposes=("rights",))
    plain = Ecs(path="user.full_name", type=FieldType.KEYWORD, mark=mark)
    assert graph._in_clear("auth.x.y.name", plain) == ["auth.x.y.name says name outside the sealed part"]


def test_a_period_below_its_floor_is_refused() -> None:
    shipped = (Path(retention.__file__).parent / "retention.yaml").read_text("utf-8")
    with pytest.raises(ConfigurationRefused, match=r"security: P5M is below its legal floor of P12M"):
        retention.read(shipped.replace("keep: P13M", "keep: P5M"))


def test_a_consent_without_its_text_is_refused() -> None:
    shipped = (Path(retention.__file__).parent / "purposes.yaml").read_text("utf-8")
    with pytest.raises(ConfigurationRefused, match="accounting rests on consent and has no text"):
        purposes.read(shipped.replace("basis: legal_obligation", "basis: consent", 1))
