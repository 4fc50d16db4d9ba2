"""Pages of proof: files are attachments of those who may read them, and the filter of the trail is an address."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import unquote

import pytest
import sqlalchemy as sa

from app.commands import registry
from app.identity import roles
from app.kernel.access import COMPLIANCE_EVIDENCE_READ, Acr, Actor, ActorKind, service
from app.kernel.db import delete_for_good
from app.kernel.errors import NotFound
from compliance import models
from compliance.audit import export
from compliance.audit.filters import Filter
from compliance.engine import rerun
from compliance.reports import runs
from dashboards.pages import compliance
from dashboards.shell import MENUS
from ingest.log import read
from tests.dashboards.desk import Desk
from tests.support.installation import Browser, Installation, installed

PROBE = "identity.two_factors"
OFFICER = service("test", COMPLIANCE_EVIDENCE_READ)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("proof") / "home") as made:
        made.staff("olga", roles.COMPLIANCE_OFFICER)
        made.staff("ann", roles.ANALYST)
        probe = made.system.controls.parts.probes[PROBE]
        assert made.system.controls.observe(probe, ctx=made.system.context(service("probes"))) is not None
        made.staff("audrey", roles.AUDITOR)  # may look at what was until now
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
    assert house.waiting_kinds()[-1] == "access.data.exported", "what leaves is told"
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


def desk(house: Installation, name: str) -> Desk:
    return Desk(installation=house, browser=signed_in(house, name), person=house.people[name])


def test_evidence_leads_an_auditor_to_its_proof_and_denies_nothing(house: Installation) -> None:
    with house.system.db.read() as session:
        seen = rerun.of_probe(session, PROBE, OFFICER)[0]
    at = f"/console/compliance/audit?sel={seen.event_id}"
    assert at in desk(house, "audrey").draw("/console/compliance/controls", "?sel=pci:8.4.1")
    for words in (seen.event_id, seen.number):
        drawn = desk(house, "audrey").draw("/console/compliance/audit", f"?sel={words}")
        assert "hashes to the root" in drawn
        assert drawn.count('"matches"') == 3, "entry, path and signed root"
    assert "/console/soc/events?sel=" in desk(house, "olga").draw("/console/compliance/controls", "?sel=pci:8.4.1")
    assert "hashes to the root" in desk(house, "olga").draw("/console/soc/events", f"?sel={seen.number}")


def test_what_came_after_the_period_of_an_auditor_is_not_shown(house: Installation) -> None:
    with house.system.db.read() as session:
        last = read.entries(session, read.head(session).size - 1, read.head(session).size)[0]
    drawn = desk(house, "audrey").draw("/console/compliance/audit", f"?sel={last.event_id}")
    assert "in the period that is locked to you" in drawn
    assert "hashes to the root" not in drawn


@pytest.mark.parametrize("words", ["EV-999999999", "EV-", "EV-1x"])
def test_a_number_that_is_none_leads_nowhere(house: Installation, words: str) -> None:
    assert "hashes to the root" not in desk(house, "audrey").draw("/console/compliance/audit", f"?sel={words}")


def test_commands_take_evidence_numbers(house: Installation) -> None:
    with house.system.db.read() as session:
        seen = rerun.of_probe(session, PROBE, OFFICER)[0]
    shown = list(registry.COMMANDS["control show"](house.system, {"key": seen.number}))
    assert str(shown[0]["text"]).startswith(f"{seen.number}: identity.two_factors for ")
    packed = list(registry.COMMANDS["log pack"](house.system, {"about": seen.number}))
    assert [line["file"] for line in packed if "file" in line] == [f"{seen.event_id}.zip"]
    with pytest.raises(NotFound):
        list(registry.COMMANDS["log pack"](house.system, {"about": "EV-999999999"}))


def test_commands_say_of_evidence_that_was_changed_that_it_is_none(house: Installation) -> None:
    kept, probe = models.observation, house.system.controls.parts.probes["identity.dormant"]
    assert house.system.controls.observe(probe, ctx=house.system.context(service("probes"))) is not None
    house.arrive()
    with house.system.db.begin() as session:
        delete_for_good(session)
        seen = rerun.of_probe(session, probe.name, OFFICER)[0]
        row = dict(session.execute(sa.select(kept).where(kept.c.id == seen.id)).mappings().one())
        session.execute(sa.delete(kept).where(kept.c.id == seen.id))
        session.execute(sa.insert(kept).values({**row, "host": "elsewhere"}))
    shown = [str(line["text"]) for line in registry.COMMANDS["control show"](house.system, {"key": seen.number})]
    assert any("CHANGED: it does not lie as it was sealed" in line for line in shown)
    with pytest.raises(rerun.NotAsSealed):
        list(registry.COMMANDS["control rerun"](house.system, {"number": seen.number}))


def test_a_sample_says_what_it_was_drawn_from_and_the_command_draws_the_same(house: Installation) -> None:
    drawn = desk(house, "audrey").draw("/console/compliance/audit", "?seed=coin&n=3&action=auth.*")
    assert "the period that is locked to you bounds it" in drawn
    command = re.search(r"onepay audit sample --seed coin -n (\d) (--action [^\"]+)", drawn)
    assert command is not None
    words = shlex.split(command[2])
    asked = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    assert asked.keys() == {"action", "since", "until", "last"}
    args = {"seed": "coin", "count": command[1], "filter": asked}
    lines = [str(one["text"]) for one in registry.COMMANDS["audit sample"](house.system, args)]
    shown = re.findall(r'"children": "([\d,]+)", "className": "num"', drawn)
    assert [line.split()[0] for line in lines[:-1]] == [one.replace(",", "") for one in shown]
    assert len(shown) == int(command[1]) > 0
    (named,) = re.findall(r'"children": "([0-9a-f]{64})", "className": "id wrap"', drawn)
    assert f"filter {named}" in lines[-1], "whoever repeats it compares the filter's hash, too"
    assert re.search(rf"up to sequence {asked['last']};", lines[-1])
    assert f"not only the {command[1]} drawn" in drawn, "what is taken away is the filter"
    (first, *_) = re.findall(r'"href": "(/console/compliance/audit\?[^"]*sel=evt_[^"]+)"', drawn)
    beside = desk(house, "audrey").draw(*first.replace("?", " ?").split(" "))
    assert re.findall(r'"children": "([\d,]+)", "className": "num"', beside) == shown, "the draw stays beside the event"
    assert "hashes to the root" in beside


def test_what_fails_is_the_first_group_and_an_address_names_each(house: Installation) -> None:
    drawn = desk(house, "olga").draw("/console/compliance/controls")
    groups = re.findall(r'"className": "band"|class[^}]*band', drawn)
    assert len(groups) > 10
    said = re.findall(r'"children": "  ([^"]*)", "className": "dim light"', drawn)
    is_failing = ["FAIL" in one for one in said]
    assert is_failing == sorted(is_failing, reverse=True)
    names = re.findall(r'"id": "([gc]\d+)"', drawn)
    assert len(names) == len(set(names)) == len(said)
    posture = desk(house, "olga").draw("/console/compliance/posture")
    assert set(re.findall(r"#([gc]\d+)", posture)) == set(names)


def test_the_menu_counts_what_waits_for_somebody_to_decide(house: Installation) -> None:
    def counted(name: str) -> str | None:
        drawn = desk(house, name).draw("/console/")
        found = re.search(r'\["Approvals", {"props": {"children": "(\d+)"', drawn)
        return found[1] if found else None

    assert counted("olga") is None
    with house.system.db.begin() as session:
        auditor = Actor(
            id=house.people["audrey"].account,
            kind=ActorKind.STAFF,
            roles=frozenset({roles.AUDITOR}),
            permissions=roles.ROLES[roles.AUDITOR],
            acr=Acr.MFA,
            authenticated_at=house.system.clock.now(),
            period=(house.system.clock.now() - timedelta(days=1), house.system.clock.now()),
        )
        _, waits = export.ask(
            session, Filter(), "For the yearly assessment", house.system.context(auditor), parts=house.system.reports
        )
    assert waits
    assert counted("olga") == "1"
    assert counted("audrey") is None, "nobody decides what they asked for"


def test_the_drawer_leads_along_the_list(house: Installation) -> None:
    def slugs(search: str) -> dict[str, str]:
        drawn = desk(house, "olga").draw("/console/compliance/controls", search)
        found = re.findall(r'"children": "(previous|next)", "className": "more", "href": "[^"]*sel=([^"&]+)', drawn)
        return {words: unquote(slug) for words, slug in found}

    onward = slugs("?sel=pci:8.4.1")
    assert onward.keys() == {"previous", "next"}
    assert slugs(f"?sel={onward['next']}")["previous"] == "pci:8.4.1"
    assert slugs(f"?sel={onward['previous']}")["next"] == "pci:8.4.1"


@pytest.mark.parametrize("slug", ["audit", "register", "processors", "audit/requests", "reports", "verifier"])
def test_what_may_be_evidence_carries_its_day_and_year(house: Installation, slug: str) -> None:
    drawn = desk(house, "olga").draw(f"/console/compliance/{slug}")
    times = re.findall(r'{"children": "([^"]*)", "className": "nowrap", "dateTime"', drawn)
    bare = [one for one in times if not re.fullmatch(r"\d\d \w{3} 20\d\d \d\d:\d\d:\d\d", one)]
    assert len(bare) <= 2, "the clock of the frame and when the page was drawn; all else is dated"
    assert slug != "audit" or len(times) > 10


def test_a_control_is_shown_by_every_name_that_a_list_prints(house: Installation) -> None:
    def shown(key: str) -> list[str]:
        return [str(line["text"]) for line in registry.COMMANDS["control show"](house.system, {"key": key})]

    listed = [str(line.get("text", "")) for line in registry.COMMANDS["control list"](house.system, {})]
    names = [found[1] for line in listed if (found := re.match(r"\w+ +((?:PCI DSS|GDPR Art\.) \S+)", line))]
    assert len(names) == 131
    catalogue = house.system.controls.parts.catalogue.controls.values()
    assert sorted(names) == sorted(one.name for one in catalogue)
    for name in ("PCI DSS 10.3.4", "GDPR Art. 33", "gdpr art. 33", "Art. 33", "pci:10.3.4", "33", "10.3.4"):
        assert shown(name)[0].split("  ")[0] in ("PCI DSS 10.3.4", "GDPR Art. 33"), name
    assert shown("7")[0].startswith("7 is read as GDPR Art. 7; rows of requirement 7 of PCI DSS"), "not silently"
    with pytest.raises(NotFound):
        shown("PCI DSS 99.9")


def test_who_cannot_make_a_report_is_told_why_and_how_to_come_by_one(house: Installation) -> None:
    drawn = desk(house, "audrey").draw("/console/compliance/reports")
    assert '"Make it"' not in drawn
    assert "who only reads cannot" in drawn
    assert "/console/compliance/audit-requests" in drawn
    assert "who only reads cannot" not in desk(house, "olga").draw("/console/compliance/reports")
