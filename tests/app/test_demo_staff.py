"""The staff of the demonstration comes in by its own doors, and two may decide whatever needs a second person."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from app.demo import staffing
from app.demo.accounts import Made
from app.identity import accounts, roles
from app.identity.models import role_grant
from tests.support.installation import installed


def test_administrators_that_exist_invite_the_rest(tmp_path: Path) -> None:
    made = Made()
    with installed(tmp_path / "home") as house:
        now = house.system.clock.now()
        staffing.people(house.system, made, staffing.STAFF)
        staffing.auditor(house.system, made)
        with house.system.db.read() as session:
            grants = session.execute(sa.select(role_grant)).all()
            auditor = next(row for row in grants if row.role == roles.AUDITOR)
            period = accounts.auditor_period(session, auditor.account_id, house.system.clock.now())
    administrators = {row.account_id for row in grants if row.role == roles.ADMINISTRATOR}
    givers = {row.given_by for row in grants if row.role != roles.ADMINISTRATOR}
    assert len(administrators) == 2
    assert givers <= administrators
    assert givers
    assert Counter(row.role for row in grants) == {**dict.fromkeys(roles.STAFF_ROLES, 2), roles.AUDITOR: 1}
    assert Counter(account.role for account in made.accounts) == Counter(row.role for row in grants)
    assert auditor.until_at - auditor.from_at <= timedelta(days=90)
    assert period is not None
    assert period[0] < now - timedelta(days=90), "reports of a quarter lie in it"
    assert period[1] == auditor.until_at, "what is shown after the world was made lies in it"
