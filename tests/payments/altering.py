"""Changing rows of money behind the product's back."""

from __future__ import annotations

from tests.support.ground import Ground


def alter(ground: Ground, *statements: str) -> None:
    """Change rows as a superuser would, with the triggers and checks out of the way."""
    with ground.db.begin() as session:
        connection = session.connection()
        if ground.db.is_sqlite:
            names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
            for name in names:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql("ALTER TABLE payments_balance DROP CONSTRAINT payments_balance_floor")
            connection.exec_driver_sql("ALTER TABLE payments_transfer DROP CONSTRAINT payments_transfer_reason")
            connection.exec_driver_sql("ALTER TABLE payments_restraint DROP CONSTRAINT payments_restraint_kind")
        for statement in statements:
            connection.exec_driver_sql(statement)
        if ground.db.is_sqlite:
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = OFF")
