"""How Alembic runs the revisions of this history: online, in one transaction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

connection: sa.Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table=f"app_schema_{context.config.attributes['history']}",
    transaction_per_migration=False,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
