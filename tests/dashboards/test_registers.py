"""Breaches, register and processors in the console: entered, assessed, decided by two, approved by hash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.access import service
from app.kernel.clock import StillClock
from compliance.registers import breaches, processing, processors
from compliance.registers.models import breach
from playbooks import jobs as playbooks
from playbooks.engine import own
from tests.compliance.privacy.rights import Rights
from tests.dashboards.desk import Desk, Room
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
BASE = "/console/compliance"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        yield made


@pytest.fixture
def room(house: Installation) -> Room:
    return Room(installation=house)


@pytest.fixture
def officer(room: Room) -> Desk:
    return room.desk("olga", roles.COMPLIANCE_OFFICER)


def test_a_breach_is_worked_to_its_notice(house: Installation, room: Room, officer: Desk) -> None:
    dpo = room.desk("dora", roles.DPO)
    rights = Rights(house=house, clock=house.system.clock)  # type: ignore[arg-type]  # a still clock
    assert "Nothing is open." in officer.draw(f"{BASE}/breaches")
    assert "Known since, UTC" in officer.draw(f"{BASE}/breaches", "?do=enter")
    form = {"title": "A mailbox was read", "aware_at": "2026-11-27 15:00", "incident": "", "controller": ""}
    assert officer.said("breach-enter", "new", fields={**form, "aware_at": "soon"}) == "awareness_invalid"
    assert officer.said("breach-enter", "new", fields={**form, "aware_at": "2026-11-27 16:01"}) == "awareness_invalid"
    assert officer.said("breach-enter", "new", fields=form) == ""
    with house.system.db.read() as session:
        (one,) = breaches.register(session, rights.colleague(officer.person, roles.COMPLIANCE_OFFICER))
    drawn = officer.draw(f"{BASE}/breaches", f"?sel={one.id}")
    assert "Not decided." in drawn
    assert "Write what is known" in drawn
    known = {
        "nature": "A mailbox with letters was read by a stranger",
        "categories": "contact, communication",
        "people": "140",
        "records": "",
        "consequences": "Letters could be used to deceive people",
        "measures": "The mailbox was closed and secured anew",
        "risk": "high",
    }
    assert officer.said("breach-assess", one.id, fields=known) == ""
    reasons = {"decision": "notify", "reason": "Strangers may deceive the people concerned"}
    assert officer.said("breach-propose", one.id, fields=reasons) == ""
    assert "A second person decides." in officer.draw(f"{BASE}/breaches", f"?sel={one.id}")
    with house.system.db.read() as session:
        approval = breaches.get(session, one.id).approval_id
    rights.vote(str(approval), rights.colleague(dpo.person, roles.DPO))
    drawn = officer.draw(f"{BASE}/breaches", f"?sel={one.id}")
    assert "Two people decided to notify." in drawn
    assert "(c) Likely consequences: Letters could be used" in drawn
    sent = {"recipient": "authority", "text": "We tell you of a breach", "reference": "AZ 17", "late_reason": ""}
    assert officer.said("breach-notify", one.id, fields=sent) == ""
    assert "notified in time" in officer.draw(f"{BASE}/breaches")
    assert officer.said("breach-complete", one.id) == "people_untold"
    assert "Write nobody" not in officer.draw(f"{BASE}/breaches", f"?sel={one.id}")
    assert "Write nobody" in dpo.draw(f"{BASE}/breaches", f"?sel={one.id}")
    assert dpo.said("breach-except", one.id, fields={"reason": "The letters were encrypted"}) == ""
    assert officer.said("breach-complete", one.id) == ""
    assert "Nothing is open." in officer.draw(f"{BASE}/breaches")


def test_the_register_is_approved_and_shows_what_changed(house: Installation, room: Room, officer: Desk) -> None:
    dpo = room.desk("dora", roles.DPO)
    rights = Rights(house=house, clock=house.system.clock)  # type: ignore[arg-type]  # a still clock
    assert "Not approved yet." in officer.draw(f"{BASE}/register")
    drawn = officer.draw(f"{BASE}/register", "?do=propose")
    assert "free text" in drawn
    assert "credential: not longer than used" in drawn, "periods as people say them"
    assert not re.search(r"free_text|P\d+[DMY]", drawn.partition("Difference")[0].partition("All of it is new")[0])
    assert officer.said("register-propose", "now", fields={"reason": "the first register"}) == ""
    with house.system.db.read() as session:
        book, who = house.system.approvals, rights.colleague(dpo.person, roles.DPO).actor
        (line,) = [one.summary for one in book.pending_for(session, who, house.system.clock.now())]
    assert line is not None
    assert line.startswith("The record of processing as it is now: ")
    assert not re.search(r"[0-9a-f]{32}", line), "a hash says nothing to whoever reads a list"
    with house.system.db.read() as session:
        approval = processing.waiting(session)
    rights.vote(str(approval), rights.colleague(dpo.person, roles.DPO))
    assert "As approved." in officer.draw(f"{BASE}/register")
    assert "None." in officer.draw(f"{BASE}/register")
    entry = {
        "name": "Mail GmbH",
        "does": "Delivers our letters",
        "purposes": ["service"],
        "countries": "US",
        "contract": "DPA of 2026-03-01",
        "transfer": "",
        "sub_processors": "",
        "hosts": "mail.example",
        "cards": "no",
        "aoc_on": "",
        "aoc_until": "",
        "review_on": "2027-03-01",
    }
    assert "What allows a transfer" in officer.draw(f"{BASE}/processors", "?do=add")
    assert officer.said("processor-add", "new", fields={**entry, "review_on": "soon"}) == "processor_invalid"
    for wrong in (5, True, [[]], [{}]):
        assert officer.press("processor-add", "new", fields={**entry, "purposes": wrong}).status_code == 400
    assert officer.said("processor-add", "new", fields=entry) == ""
    assert officer.said("processor-add", "new", fields=entry) == "processor_known"
    drawn = officer.draw(f"{BASE}/register")
    assert "2 differences since approval." in drawn
    assert "Mail GmbH" in drawn
    with house.system.db.read() as session:
        (one,) = processors.listed(session)
    drawn = officer.draw(f"{BASE}/processors", f"?sel={one.id}")
    assert "Not in order." in drawn
    assert "nothing that allows the transfer to US" in drawn
    assert officer.said("processor-tick", one.id, fields={"point": "audits", "reference": "section 9"}) == ""
    assert "section 9" in officer.draw(f"{BASE}/processors", f"?sel={one.id}")


def test_a_processor_is_looked_at_again_in_the_console(house: Installation, room: Room, officer: Desk) -> None:
    fields = {
        "name": "Mail GmbH",
        "does": "Delivers our letters",
        "purposes": ["service", "rights"],
        "countries": "DE, IE",
        "contract": "DPA of 2026-03-01",
        "transfer": "",
        "sub_processors": "Brief, Post and Co.\nTaube AG",
        "hosts": "mail.example",
        "cards": "yes",
        "aoc_on": "2025-12-01",
        "aoc_until": "2026-11-26",
        "review_on": "2026-11-26",
    }
    assert officer.said("processor-add", "new", fields=fields) == ""
    with house.system.db.read() as session:
        (one,) = processors.listed(session)
    assert officer.said("processor-tick", one.id, fields={"point": "audits", "reference": "section 9"}) == ""
    assert "Look again or change" in officer.draw(f"{BASE}/processors", f"?sel={one.id}")
    drawn = officer.draw(f"{BASE}/processors", f"?sel={one.id}&do=edit")
    assert "Brief, Post and Co.\\nTaube AG" in drawn
    assert '["service", "rights"]' in drawn
    # What stands there was looked at: its days are new, its points stay.
    anew = {**fields, "aoc_on": "2026-11-01", "aoc_until": "2027-11-01", "review_on": "2027-11-27"}
    with house.system.db.read() as session:
        seen = processors.get(session, one.id).version
    assert officer.said("processor-change", one.id, seen - 1, fields=anew) == "changed"
    assert officer.said("processor-change", one.id, seen, fields=anew) == ""
    with house.system.db.read() as session:
        found = processors.get(session, one.id)
    assert (str(found.aoc_until), str(found.review_on)) == ("2027-11-01", "2027-11-27")
    assert (found.points, found.sub_processors) == ({"audits": "section 9"}, ["Brief, Post and Co.", "Taube AG"])
    assert "is to be looked at" not in officer.draw(f"{BASE}/processors", f"?sel={one.id}")
    # One that works for us no more is written over no more, and its name is free.
    assert officer.said("processor-end", one.id) == ""
    assert officer.said("processor-change", one.id, found.version, fields=anew) == "wrong_state"
    assert officer.said("processor-add", "new", fields=anew) == ""
    auditor = room.desk("aude", roles.AUDITOR)
    assert "Look again or change" not in auditor.draw(f"{BASE}/processors", f"?sel={one.id}")
    assert auditor.press("processor-change", one.id, found.version, fields=anew).status_code == 403


def test_the_officer_is_written_down_and_an_auditor_only_reads(room: Room, officer: Desk, house: Installation) -> None:
    fields = {
        "contact": "dpo@onepay.example",
        "published": "privacy pages",
        "reports_to": "the board",
        "independence": "No instructions, and no other task that conflicts",
    }
    assert officer.said("officer-name", "now", fields=fields) == ""
    house.system.clock.move(timedelta(minutes=1))  # type: ignore[attr-defined]  # their period ends as they begin
    auditor = room.desk("aude", roles.AUDITOR)
    for page in ("breaches", "register", "processors"):
        drawn = auditor.draw(f"{BASE}/{page}")
        assert "Ask for approval" not in drawn
        assert "Enter a breach" not in drawn
        assert "Add a processor" not in drawn
    assert "the board" in auditor.draw(f"{BASE}/processors")
    assert auditor.press("officer-name", "now", fields=fields).status_code == 403


def test_a_playbook_starts_the_clock_once(house: Installation, room: Room) -> None:
    incident = room.incident(severity="critical", playbook="personal_data_breach")
    for _ in range(2):
        for job in playbooks.jobs(house.system.db, house.system.clock, house.system.ids, house.system.response):
            job.run(house.system.clock.now())
    with house.system.db.read() as session:
        (one,) = session.execute(sa.select(breach)).all()
    assert (one.incident_ref, one.aware_at, one.recorded_by) == (incident, START, None)
    assert (one.due_at - one.aware_at).total_seconds() == 72 * 3600
    with house.system.db.begin() as session:
        ctx, case = house.system.context(service("playbooks")), room.page(incident).incident
        own.open_breach(session, case, {}, ctx, house.system.response)
        without = replace(house.system.response, open_breach=None)
        with pytest.raises(own.NoBreachRegister):
            own.open_breach(session, case, {}, ctx, without)
    with house.system.db.read() as session:
        assert len(session.execute(sa.select(breach)).all()) == 1
