"""Pages of proof: files are attachments of those who may read them, and the filter of the trail is an address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.identity import roles
from app.kernel.access import Actor, ActorKind, service
from compliance.reports import runs
from dashboards.pages import compliance
from dashboards.shell import MENUS
from tests.support.installation import Browser, Installation, installed


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("proof") / "home") as made:
        made.staff("olga", roles.COMPLIANCE_OFFICER)
        made.staff("ann", roles.ANALYST)
        made.arrive()
        made.system.signer.sign(made.system.clock.now())
        yield made


_BROWSERS: dict[str, Browser] = {}


def signed_in(house: Installation, name: str) -> Browser:
    """Return the browser of somebody, signed in once: a code serves one time."""
    if name not in _BROWSERS:
        _BROWSERS[name] = house.browser()
        _BROWSERS[name].sign_in(house.people[name], surface="staff")
    return _BROWSERS[name]


def made(house: Installation) -> runs.Report:
    system = house.system
    role = roles.COMPLIANCE_OFFICER
    actor = Actor(id=house.people["olga"].account, kind=ActorKind.STAFF, permissions=roles.ROLES[role])
    ctx = system.context(actor)
    with system.db.begin() as session:
        id = runs.ask(session, "roc_feed", ctx.at, ctx, parts=system.reports)
    runs.carry_on(system.context(service("reports")), parts=system.reports)
    with system.db.read() as session:
        return runs.by_id(session, id, actor, parts=system.reports)


def test_a_file_is_an_attachment_of_those_who_may_read_it(house: Installation) -> None:
    report = made(house)
    path = f"/console/files/{report.id}/roc_feed.csv"
    answer = signed_in(house, "olga").get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="roc_feed.csv"'
    assert answer.data.startswith(b"Id,")
    assert signed_in(house, "ann").get(path).status_code == 403
    assert house.browser().get(path).status_code in (302, 303, 401)
    for wrong, status in (("other.csv", 404), ("..%2f..%2fkeys%2flog.key", 400)):
        assert signed_in(house, "olga").get(f"/console/files/{report.id}/{wrong}").status_code == status
    assert signed_in(house, "olga").get("/console/files/rep_no/roc_feed.csv").status_code == 404


@pytest.mark.parametrize("name", ["onepay_verify.py", "checkpoint", "policy"])
def test_what_verifies_the_log_can_be_taken_along(house: Installation, name: str) -> None:
    answer = signed_in(house, "olga").get(f"/console/files/log/{name}")
    assert (answer.status_code, bool(answer.data)) == (200, True)
    assert signed_in(house, "olga").get("/console/files/log/log.key").status_code == 404


def test_every_page_stands_in_the_menu() -> None:
    listed = {slug for _, entries in MENUS["compliance"] for _, slug, _ in entries}
    assert {page.slug for page in compliance.PAGES if not page.takes_id} <= listed
