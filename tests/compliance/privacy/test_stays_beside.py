"""What no plan finds by a person and yet may name them is said on the certificate of their erasure."""

from __future__ import annotations

import sqlalchemy as sa

from app.identity import roles
from compliance.privacy.erasure import certificates
from playbooks import casework
from playbooks.models import comment
from tests.compliance.privacy.rights import Rights
from tests.dashboards.desk import Room


def test_notes_of_colleagues_and_letters_that_went_out_stand_on_the_certificate(rights: Rights) -> None:
    house, room = rights.house, Room(installation=rights.house)
    officer, dpo = house.staff("olive.beside", roles.COMPLIANCE_OFFICER), house.staff("dora.beside", roles.DPO)
    analyst, amber = house.staff("anna.beside", roles.ANALYST), house.customer("beside_amber")
    incident = room.incident(account=amber.account)
    with rights.db.begin() as session:
        casework.note(session, incident, "Amber Winter called, it was her", rights.colleague(analyst, roles.ANALYST))
    request_id = rights.due_erasure(amber, officer, dpo)
    rights.work()
    with rights.db.read() as session:
        said = {one["what"]: one["why"] for one in certificates.by_request(session, request_id)["beside"]}
        left = session.scalars(sa.select(comment.c.text).where(comment.c.incident_id == incident)).all()
    assert left == ["Amber Winter called, it was her"], "it stays, so it is said"
    assert "stays with the incident: 3 years after it is closed" in said["notes of colleagues"]
    assert "Letters that were handed over" in said["mail"]
    letter = rights.letters_to(amber)[-1]
    page = house.browser().get("/privacy/certificate/" + letter.partition("/certificate/")[2].split()[0]).text
    for why in said.values():
        assert why.replace("'", "&#39;") in page
    dirk = room.desk("dirk.beside", roles.DPO)
    assert "notes and why it was closed" in dirk.draw(f"/console/compliance/requests/{request_id}")
