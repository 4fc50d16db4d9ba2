"""What the list of kinds says of each."""

from __future__ import annotations

import pytest

from ingest.events import catalog


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("auth.login.failed", "Somebody gave a wrong password or code, or named an account that does not exist"),
        ("incident.case.changed", "An incident changed"),
        ("no.such.kind", "no.such.kind"),
        ("", ""),
    ],
)
def test_an_event_is_called_by_the_first_clause_of_its_kind(action: str, says: str) -> None:
    assert catalog.headline(action) == says


def test_every_kind_says_what_it_is() -> None:
    assert [name for name in catalog.by_kind() if catalog.headline(name) == name] == []
