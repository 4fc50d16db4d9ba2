"""Alerts that an incident holds leave the queue of triage, and end with it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.kernel.access import SOC_ALERT_READ, SOC_ALERT_TRIAGE, SOC_INCIDENT_READ, service
from dashboards import triage
from dashboards.kit import readable, short_text
from detectors import alerts
from detectors.alerts import Alert, AlertState, Verdict
from detectors.models import alert, version
from tests.dashboards.desk import Room

LONG = "Looked at it together with the shift."
READER = service("test", SOC_ALERT_READ, SOC_ALERT_TRIAGE, SOC_INCIDENT_READ)


def with_alert(room: Room, *, severity: str = "medium", in_incident: bool = True) -> tuple[str, str]:
    """Keep an alert as detection does, with or without the incident that it opened; returns (incident, alert)."""
    system = room.installation.system
    system.runner.publish()
    case = room.incident(severity=severity)
    alert_id = f"alr_test{room.found}"
    now = system.clock.now()
    with system.db.begin() as session:
        version_id = session.scalar(version.select().with_only_columns(version.c.id).limit(1))
        session.execute(
            alert.insert().values(
                id=alert_id,
                slug="login_burst_source",
                version_id=version_id,
                group_hash=alert_id,
                group={"source.ip": "198.51.100.7"},
                entities={},
                synthetic=None,
                first_at=now - timedelta(minutes=1),
                last_at=now,
                found_at=now,
                as_of_sequence=1,
                events=10,
                peak=10,
                level="medium",
                revision=1,
                state="open",
                reason="10 refused sign-ins within 9 s",
                incident_ref=case if in_incident else None,
            )
        )
    return case, alert_id


def read(room: Room, alert_id: str) -> Alert:
    with room.installation.system.db.read() as session:
        return alerts.by_id(session, alert_id, READER)


def waiting(room: Room) -> int:
    with room.installation.system.db.read() as session:
        return triage.count(session, READER)


def test_an_alert_in_an_open_incident_waits_there_and_not_in_triage(room: Room) -> None:
    before = waiting(room)
    case, held = with_alert(room)
    _, loose = with_alert(room, in_incident=False)
    assert waiting(room) == before + 1
    number = room.page(case).incident.number
    queue = room.analyst.draw("/console/soc/alerts")
    assert loose in queue
    assert held not in queue
    held_ones = room.analyst.draw("/console/soc/alerts", "?state=incident")
    assert held in held_ones
    assert f'"in INC-{number}"' in held_ones
    assert f"INC-{number} works it" in room.analyst.draw("/console/soc/alerts", f"?sel={held}&state=all")


@pytest.mark.parametrize("why", ["false_positive", "benign", "duplicate"])
def test_closing_an_incident_closes_its_alerts_with_the_same_word(room: Room, why: str) -> None:
    case, held = with_alert(room)
    assert room.commander.said("close", case, 1, fields={"disposition": why, "reason": LONG}) == ""
    closed = read(room, held)
    assert (closed.state, closed.verdict, closed.verdict_reason) == (AlertState.CLOSED, Verdict(why), LONG)
    assert closed.closed_by == room.commander.person.account


def test_the_long_reason_of_an_incident_is_cut_between_two_signs(room: Room) -> None:
    case, held = with_alert(room)
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    reason = ("xy" * alerts.REASON_MAX)[: alerts.REASON_MAX - 2] + family
    assert room.commander.said("close", case, 1, fields={"disposition": "benign", "reason": reason}) == ""
    assert (read(room, held).verdict_reason or "").strip("xy") == family[0]


def test_a_proposal_to_close_leaves_them_open(room: Room) -> None:
    case, held = with_alert(room, severity="high")
    assert room.commander.said("close", case, 1, fields={"disposition": "benign", "reason": LONG}) == ""
    assert read(room, held).state is AlertState.OPEN
    assert room.second.said("close", case, 2, fields={"disposition": "benign", "reason": LONG}) == ""
    assert read(room, held).verdict is Verdict.BENIGN


def test_recovering_asks_what_the_alerts_were(room: Room) -> None:
    case, held = with_alert(room)
    room.analyst.said("take", case, 1)

    def moves(to: str, **answers: str) -> str:
        seen = room.page(case).incident.version
        return room.analyst.said("advance", case, seen, fields={"to": to}, answers=answers)

    assert moves("triaged", confirmed="true") == ""
    assert moves("contained", nothing_to_contain="Nobody got in anywhere.") == ""
    assert moves("eradicated", cause="A script with old passwords.") == ""
    assert "are closed as" in room.analyst.draw(f"/console/soc/incidents/{case}", "?do=advance")
    assert moves("recovered", fix="Every one of them was changed.", verdict="nonsense") == "choice_missing"
    assert read(room, held).state is AlertState.OPEN
    assert moves("recovered", fix="Every one of them was changed.", verdict="benign") == ""
    closed = read(room, held)
    assert (closed.verdict, "Every one of them was changed." in (closed.verdict_reason or "")) == (Verdict.BENIGN, True)


def test_an_alert_is_closed_and_reopened_in_its_own_place(room: Room) -> None:
    _, held = with_alert(room)
    analyst = room.analyst
    assert analyst.said("close-alert", held, fields={"verdict": "", "reason": LONG}) == "invalid"
    assert analyst.said("close-alert", held, fields={"verdict": "merged", "reason": LONG}) == "invalid"
    assert analyst.said("close-alert", held, fields={"verdict": "benign", "reason": "no"}) == "reason_missing"
    card = "card 4111 1111 1111 1111 was seen"
    assert analyst.said("close-alert", held, fields={"verdict": "benign", "reason": card}) == "secret_in_text"
    assert analyst.said("close-alert", held, fields={"verdict": "benign", "reason": LONG}) == ""
    assert analyst.said("close-alert", held, fields={"verdict": "benign", "reason": LONG}) == "wrong_state"
    assert analyst.said("reopen-alert", held) == ""
    assert read(room, held).state is AlertState.OPEN
    assert room.administrator.press("reopen-alert", held).status_code == 403


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("acc_01M7SEPT856FG4BETE3Q1H9X6E", "acc…1H9X6E"),
        ("8f3a1c2b" + "0" * 56, "8f3a1c2b…"),
        ("198.19.70.186", "198.19.70.186"),
        ("a-very-long-name-of-a-host", "a-very-l…host"),
    ],
)
def test_the_same_id_is_called_the_same_everywhere(whole: str, short: str) -> None:
    assert short_text(whole) == short


def test_ids_in_sentences_are_called_so_too() -> None:
    said = readable("Entered by password alone: acc_01M7SEPT856FG4BETE3Q1H9X6E; 11 sign-ins")
    assert said == "Entered by password alone: acc…1H9X6E; 11 sign-ins"
