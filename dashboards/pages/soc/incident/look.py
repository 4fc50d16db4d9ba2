"""One look at an incident: all that its page shows, read at once, and who looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.kernel.access import SOC_ALERT_READ, Actor
from dashboards import response
from dashboards.kit import Part
from dashboards.page import View
from dashboards.ports import Colleague
from detectors import alerts
from detectors.alerts import Alert
from playbooks import casework, incidents
from playbooks.cases import Incident
from playbooks.incidents import Page
from playbooks.timeline import Entry

ALERTS_MAX = 200
STORY_ROWS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is shown, to whom, when."""

    view: View
    viewer: Actor
    found: Page
    story: Sequence[Entry]
    alert_by_id: Mapping[str, Alert]
    open_alerts: int
    """How many of its alerts have no verdict yet."""
    needs_second: bool
    """Whether this viewer only proposes to close it."""
    colleagues: Sequence[Colleague]
    """Whom it may be handed to, where the viewer is about to."""

    @property
    def case(self) -> Incident:
        return self.found.incident

    @property
    def now(self) -> datetime:
        return self.view.now

    def href(self, **words: str | None) -> str:
        """Return an address of this incident."""
        kept = {"sort": self.view.words.get("sort")}
        return self.view.href(f"incidents/{self.view.id}", **{**kept, **words})

    def person(self, account_id: str | None) -> Part:
        return response.person(self.view.sources, account_id)

    def playbook(self, slug: str) -> str:
        """Return how people call a playbook."""
        book = self.view.sources.response.library.get(slug)
        return book.title if book is not None else slug

    def events_href(self, kind: str, value: str) -> str:
        """Return the events of an entity since the incident began."""
        since = self.case.first_event_at.isoformat()
        return self.view.href("events", q=f"{response.entity_words(kind)[1]}:{value}", **{"from": since})


def read(view: View) -> Look:
    """Return a look at the incident in the address, by id or by number; raises `NotFound`."""
    viewer = view.sources.viewer()
    id_ = view.id or ""
    with view.sources.read() as session:
        if id_[:4].upper() == "INC-" and id_[4:].isdecimal() and len(id_) <= 16:
            id_ = incidents.id_of_number(session, viewer, int(id_[4:]))
        found = incidents.by_id(session, id_, viewer)
        before = view.words.get("before", "")
        story = incidents.timeline_page(
            session,
            id_,
            viewer,
            after=int(before) if before.isdecimal() and len(before) < 18 else None,
            limit=STORY_ROWS + 1,
            oldest_first=False,
        )
        linked: Sequence[Alert] = ()
        open_alerts = 0
        if viewer.may(SOC_ALERT_READ):
            linked = alerts.list_page(session, viewer, state=None, incident=id_, limit=ALERTS_MAX)
            open_alerts = alerts.count(session, viewer, incident=id_)
        needs_second = casework.needs_second_to_close(session, found.incident, viewer)
        colleagues = view.sources.colleagues(session) if view.words.get("do") == "hand-over" else ()
    return Look(
        view=view,
        viewer=viewer,
        found=found,
        story=story,
        alert_by_id={alert.id: alert for alert in linked},
        open_alerts=open_alerts,
        needs_second=needs_second,
        colleagues=colleagues,
    )
