"""The staff of the demonstration comes in by its own doors."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from app import demo
from app.identity import roles
from app.identity.models import role_grant
from tests.support.installation import installed


def test_administrators_that_exist_invite_the_rest(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as house:
        demo._people(house.system, demo._Made())
        with house.system.db.read() as session:
            grants = session.execute(sa.select(role_grant)).all()
    administrators = {row.account_id for row in grants if row.role == roles.ADMINISTRATOR}
    givers = {row.given_by for row in grants if row.role != roles.ADMINISTRATOR}
    assert len(administrators) == 2
    assert givers <= administrators
    assert givers
