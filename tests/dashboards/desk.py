"""A person at the console without a browser: pages drawn and buttons pressed by the requests that Dash makes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from werkzeug.test import TestResponse

from app.identity import roles
from app.kernel.access import service
from ingest.events.detection import FindingRaised
from playbooks import incidents, joining
from playbooks.incidents import Page
from tests.support.installation import ORIGIN, Browser, Installation, Person


@dataclass(kw_only=True)
class Desk:
    """Somebody signed in at the console."""

    installation: Installation
    browser: Browser
    person: Person

    def draw(self, path: str, search: str = "") -> str:
        """Return the drawn page as text: its components as JSON."""
        answer = self.call(
            "view.children", {"id": "route", "property": "data"}, {"path": path, "search": search, "n": 1}
        )
        assert answer.status_code == 200, answer.text
        return json.dumps(answer.json["response"]["view"]["children"], ensure_ascii=False)

    def press(
        self,
        act: str,
        of: str,
        seen: int = 0,
        fields: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
        is_pressed: bool = True,
    ) -> TestResponse:
        """Press the button of an act; `fields` are what its form holds. Not pressed, a forged call says nothing did."""
        about = {"act": act, "of": of, "seen": seen}
        states: list[Any] = []
        kept = {"order": "data", "to": "data" if act == "advance" else "value"}
        for name, value in (fields or {}).items():
            at = {"field": name, **about}
            states.append({"id": at, "property": kept.get(name, "value"), "value": value})
        if act in ("advance", "finish"):
            many = [
                {"id": {"answer": name, **about}, "property": "value", "value": value}
                for name, value in (answers or {}).items()
            ]
            states.append(many)
        place = {"of": of, "say": act, "seen": seen}
        output = json.dumps({"of": ["MATCH"], "say": act, "seen": ["MATCH"]}, separators=(",", ":")) + ".children"
        key = json.dumps(dict(sorted(about.items())), separators=(",", ":"))
        return self.post(
            {
                "output": output,
                "outputs": {"id": place, "property": "children"},
                "inputs": [{"id": about, "property": "n_clicks", "value": 1}],
                "changedPropIds": [f"{key}.n_clicks"] if is_pressed else [],
                "state": states,
            }
        )

    def said(self, act: str, of: str, seen: int = 0, **more: Any) -> str:
        """Press and return the code of the refusal, or nothing where it was done."""
        answer = self.press(act, of, seen, **more)
        assert answer.status_code == 200, answer.text
        response = answer.json["response"]
        text = json.dumps(next(iter(response.values()))["children"], ensure_ascii=False)
        code = re.search(r'"Code ", {"props": {"children": "(\w+)"', text)
        return code.group(1) if code else ""

    def call(self, output: str, at: Mapping[str, Any], value: Any) -> TestResponse:
        return self.post(
            {
                "output": output,
                "outputs": {"id": output.partition(".")[0], "property": output.partition(".")[2]},
                "inputs": [{**at, "value": value}],
                "changedPropIds": [f"{at['id']}.{at['property']}"],
            }
        )

    def post(self, body: Mapping[str, Any]) -> TestResponse:
        return self.browser.client.post(
            "/console/_dash-update-component",
            json=body,
            headers={
                "Host": "localhost",
                "Accept": "application/json",
                "Origin": ORIGIN,
                "X-CSRFToken": self.browser.token,
            },
            environ_base={"REMOTE_ADDR": self.browser.ip},
        )


@dataclass(kw_only=True)
class Room:
    """The people of one installation, and findings that open incidents in it."""

    installation: Installation
    desks: dict[str, Desk] = field(default_factory=dict)
    found: int = 0

    def desk(self, name: str, role: str) -> Desk:
        if name not in self.desks:
            person = self.installation.staff(name, role)
            browser = self.installation.browser()
            browser.sign_in(person, surface="staff")
            self.desks[name] = Desk(installation=self.installation, browser=browser, person=person)
        return self.desks[name]

    @property
    def analyst(self) -> Desk:
        return self.desk("anna", roles.ANALYST)

    @property
    def commander(self) -> Desk:
        return self.desk("carla", roles.INCIDENT_COMMANDER)

    @property
    def second(self) -> Desk:
        return self.desk("chen", roles.INCIDENT_COMMANDER)

    @property
    def administrator(self) -> Desk:
        return self.desk("adam", roles.ADMINISTRATOR)

    def incident(
        self, *, severity: str = "high", account: str | None = None, playbook: str = "none", reason: str = "Ten tries."
    ) -> str:
        """Let a finding open an incident of its own and return its id."""
        self.found += 1
        system = self.installation.system
        ctx = system.context(service("detectors"))
        path, value = ("user.id", account) if account else ("source.ip", f"198.51.100.{self.found}")
        event = FindingRaised(
            finding=f"alr_test{self.found}",
            revision=1,
            entity=f"{path}={value}",
            severity=severity,
            count=10,
            first_at=ctx.at - timedelta(minutes=2),
            last_at=ctx.at,
            evidence=(f"evt_test{self.found}",),
            rule="login_burst_source",
            rule_version="v1",
            rule_name="Burst",
        )
        with system.db.begin() as session:
            opened = joining.accept(
                session,
                event,
                ctx,
                kind="security",
                keys=[(path, value)],
                join_within=timedelta(hours=1),
                playbook=playbook,
                title="Burst of refused sign-ins",
                reason=reason,
                entities={path: [value]},
                synthetic=None,
                parts=system.response,
            )
        assert opened is not None
        return opened

    def page(self, incident_id: str) -> Page:
        with self.installation.system.db.read() as session:
            return incidents.by_id(session, incident_id, service("test", *roles.ROLES[roles.ANALYST]))

    def codes(self, incident_id: str) -> list[str]:
        return [entry.code.value for entry in self.page(incident_id).timeline]
