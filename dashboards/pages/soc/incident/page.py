"""An incident. *What happened, what is done, what is next?*"""

from __future__ import annotations

from typing import Any, Final

from dash import html

from app.kernel.access import (
    SOC_ACTION_PROPOSE,
    SOC_INCIDENT_ASSIGN,
    SOC_INCIDENT_CLOSE,
    SOC_INCIDENT_READ,
    SOC_INCIDENT_WRITE,
)
from dashboards import acts, response
from dashboards.kit import Part, act, ident, more, page, readable, short_text, tag
from dashboards.page import Page, View
from dashboards.pages.soc.incident import facts, forms, look, since, story, work
from dashboards.pages.soc.incident.look import Look
from playbooks.cases import State


def layout(view: View) -> Any:  # a Dash component
    """Return the incident, and on top of it the form that `do` asks for."""
    seen = look.read(view)
    case = seen.case
    opened = forms.opened(seen)
    return page(
        f"{case.title}{_about(seen)}",
        None,
        html.P(readable(case.reason), className="lead case-reason"),
        *([opened] if opened is not None else []),
        html.Div(
            [
                html.Div(work.column(seen), className="inc-do"),
                html.Div(facts.column(seen), className="inc-facts"),
                html.Div([*since.panels(seen), story.column(seen)], className="stack inc-story"),
            ],
            className="inc",
        ),
        live=True,
        crumb=[html.A("Incidents", href=view.href("incidents")), " / ", ident(response.number(case.number))],
        right=[
            *([tag("DRILL")] if case.synthetic else []),
            response.severity_of(case.severity),
            html.Span(_stands(seen), className="tag big-tag"),
            html.Span([html.Span("owner ", className="dim"), seen.person(case.owner)]),
            *_buttons(seen),
        ],
    )


def _about(seen: Look) -> str:
    """Return what the incident is about by its short name: by the account where a name typed at sign-in is known."""
    keys = [one for one in seen.found.entities if one.is_key]
    accounts = [one for one in seen.found.entities if one.kind == "account"]
    if [one.kind for one in keys] == ["identifier"] and len(accounts) == 1:
        keys = accounts
    return f": {short_text(keys[0].value)}" if len(keys) == 1 else ""


def _stands(seen: Look) -> str:
    words = response.STATES[seen.case.state]
    running = next((one for one in seen.found.executions if one.parent_id is None and one.ended_at is None), None)
    if running is None:
        return words
    done = sum(step.ended_at is not None for step in running.steps)
    return f"{words}, {done} steps done"


def _buttons(seen: Look) -> list[Part]:
    """Return the acts on the incident as a whole that this person may do now; the likeliest is filled."""
    case, viewer = seen.case, seen.viewer
    may_write, may_close = viewer.may(SOC_INCIDENT_WRITE), viewer.may(SOC_INCIDENT_CLOSE)
    if not case.is_open:
        return [act("Reopen", seen.href(do="reopen"))] if may_close else []
    found: list[Part] = []
    is_mine = case.owner == viewer.id
    may_take = may_write and not is_mine and (case.owner is None or viewer.may(SOC_INCIDENT_ASSIGN))
    if may_take:
        takes = acts.press("Take", "take", case.id, case.version, main=case.owner is None, **{"data-key": "a"})
        found.append(html.Span([takes, acts.place("take", case.id, case.version)], className="act-with-place"))
    if may_write and seen.found.next_state is not None:
        words = response.STEPS[seen.found.next_state]
        found.append(act(words, seen.href(do="advance"), main=is_mine and not seen.found.demands))
    if viewer.may(SOC_ACTION_PROPOSE):
        found.append(act("Contain", seen.href(do="contain")))
    further: list[tuple[str, str]] = []
    if may_write and (is_mine or viewer.may(SOC_INCIDENT_ASSIGN)):
        further.append(("Hand over", seen.href(do="hand-over")))
    if may_write:
        further.append(("Change the severity", seen.href(do="severity")))
    if may_close and case.state in (State.NEW, State.TRIAGED):
        words = "Confirm closing" if case.close_proposed_by else "Close the short way"
        further.append((words, seen.href(do="close")))
    return [*found, *([more(further)] if further else [])]


PAGE: Final = Page(
    slug="incidents",
    title="Incident",
    question="What happened, what is done, what is next?",
    permission=SOC_INCIDENT_READ,
    layout=layout,
    takes_id=True,
)
