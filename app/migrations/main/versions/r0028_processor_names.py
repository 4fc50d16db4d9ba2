"""A processor that ended gives its name free: whoever works for us again stands in the register anew."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    # SQLite keeps a column's own constraint without a name; the convention gives it the one PostgreSQL chose.
    names = {"uq": "%(table_name)s_%(column_0_name)s_key"}
    with op.batch_alter_table("compliance_processor", naming_convention=names) as table:
        table.drop_constraint("compliance_processor_name_key", type_="unique")
    op.create_index(
        "compliance_processor_one_name",
        "compliance_processor",
        ["name"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
