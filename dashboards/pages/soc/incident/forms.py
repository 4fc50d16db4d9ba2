"""The forms that `do` in the address opens above the incident: one at a time, each with its own way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import dash_mantine_components as dmc
from dash import dcc, html

from app.kernel.access import (
    SOC_ACTION_APPROVE,
    SOC_ACTION_PROPOSE,
    SOC_ACTION_UNDO,
    SOC_INCIDENT_CLOSE,
    SOC_INCIDENT_WRITE,
    Permission,
)
from app.kernel.errors import NotFound
from app.kernel.words import TEXT_MAX
from dashboards import acts, response, triage
from dashboards.kit import Part, mark, panel, readable, short, short_text
from dashboards.pages.soc.incident import containing
from dashboards.pages.soc.incident.look import Look
from playbooks import registry
from playbooks.action_rows import Action
from playbooks.cases import State
from playbooks.casework import Disposition
from playbooks.tasks import Task

DISPOSITIONS: Final[Mapping[Disposition, str]] = {
    Disposition.FALSE_POSITIVE: "False positive: nothing of the kind happened",
    Disposition.BENIGN: "Benign: it happened and was allowed",
    Disposition.DUPLICATE: "Duplicate: another incident covers it",
}


def opened(seen: Look) -> Part:
    """Return the form that the address asks for, or None where it asks for none or for one that is not allowed."""
    do = seen.view.words.get("do", "")
    found = FORMS.get(do)
    if found is not None:
        permission, make = found
        return _panel(*make(seen), seen) if seen.viewer.may(permission) else None
    if do in registry.REGISTRY and seen.viewer.may(SOC_ACTION_PROPOSE):
        return _panel(*containing.preview(seen, registry.REGISTRY[do]), seen)
    return None


def _panel(title: str, parts: Sequence[Part], seen: Look) -> Part:
    back = html.A("Cancel", href=seen.href(), className="more", title="Close, key Esc", **{"data-key": "Escape"})
    return panel(title, html.Div(list(parts), className="body deed"), cls="opened", right=back)


def _reason(act_: str, of: str, seen: int = 0, *, label: str = "Reason", name: str = "reason") -> Part:
    says = "At least ten letters; it becomes part of the record"
    return acts.reason(act_, of, seen, name=name, label=label, description=says, longest=TEXT_MAX)


def _advance(seen: Look) -> tuple[str, Sequence[Part]]:
    case, to = seen.case, seen.found.next_state
    if to is None:
        return "Nothing follows", [html.P(f"This incident is {case.state.value}.")]
    at = (case.id, case.version)
    fields: list[Part] = []
    match to:
        case State.TRIAGED:
            fields.append(
                dmc.Select(
                    id=acts.answer("confirmed", "advance", *at),
                    label=f"Are severity {response.SEVERITIES[case.severity]}, kind {case.kind} and playbook "
                    f"{seen.playbook(case.playbook) if case.playbook else 'none'} right?",
                    data=[{"value": "true", "label": "Yes"}, {"value": "false", "label": "No"}],
                    placeholder="Choose",
                    comboboxProps={"withinPortal": False},
                )
            )
        case State.CONTAINED if not case.nothing_to_contain:
            fields.append(_containment(seen, at))
        case State.ERADICATED:
            fields.append(_known("Cause", case.cause) or _fact("cause", "Cause", at, ""))
        case State.RECOVERED:
            fields.append(_known("What mended it", case.fix) or _fact("fix", "What mended it", at, ""))
            fields += _verdict(seen, at)
        case _:
            pass
    # Confirming is one of the demands, and is answered in this form.
    open_demands = [one for one in seen.found.demands if one.code not in ("confirmed", "cause", "fix")]
    lacks = [html.Li(mark(readable(one.text), "ring", "medium")) for one in open_demands]
    missing = [html.H3("Still missing"), html.Ul(lacks, className="plain")] if lacks else []
    return f"{case.state.value.capitalize()} → {to.value}", [
        *missing,
        acts.form(
            response.STEPS[to],
            *fields,
            dcc.Store(id=acts.field("to", "advance", *at), data=to.value),
            buttons=[acts.press(response.STEPS[to], "advance", *at, main=True)],
            says=acts.place("advance", *at),
        ),
    ]


def _containment(seen: Look, at: tuple[str, int]) -> Part:
    """Say what contains; only where nothing was done ask why there was nothing to do."""
    # What was taken back contains nothing; what lapsed has done its work.
    done = [one for one in seen.found.actions if one.done_at is not None and one.undone_by is None]
    if not done:
        return _fact("nothing_to_contain", "Nothing to contain, because", at, "")
    named = [f"{one.kind.title.lower()} ({short_text(one.target)})" for one in done]
    return html.P([html.Span("Contained by: ", className="dim"), ", ".join(named)])


def _known(label: str, text: str | None) -> Part | None:
    """Return what was written down before, so that nobody is asked for it twice."""
    return None if not text else html.P([html.Span(f"{label}, as written: ", className="dim"), f"“{text}”"])


def _verdict(seen: Look, at: tuple[str, int]) -> list[Part]:
    """Ask what the alerts were that are still open: they are closed with their incident."""
    count = seen.open_alerts
    if not count:
        return []
    return [
        dmc.Select(
            id=acts.answer("verdict", "advance", *at),
            label=f"Its open alerts, {count:,}, are closed as",
            data=[{"value": one.value, "label": words} for one, words in triage.VERDICTS.items()],
            value="true_positive",
            comboboxProps={"withinPortal": False},
        )
    ]


def _fact(name: str, label: str, at: tuple[str, int], value: str) -> Part:
    return dmc.Textarea(
        id=acts.answer(name, "advance", *at),
        label=label,
        value=value,
        autosize=True,
        minRows=2,
        attributes={"input": {"data-first": "true", "maxLength": 4000}},
    )


def _hand_over(seen: Look) -> tuple[str, Sequence[Part]]:
    at = (seen.case.id, seen.case.version)
    people = [
        {
            "value": one.id,
            "label": f"{response.person_text(seen.view.sources, one.id)} · {one.roles}",
        }
        for one in seen.colleagues
        if one.id != seen.case.owner
    ]
    return "Hand over", [
        acts.form(
            "Hand over",
            dmc.Select(
                id=acts.field("to", "hand-over", *at),
                label="To",
                data=people,
                placeholder="Choose a colleague",
                comboboxProps={"withinPortal": False},
            ),
            _reason("hand-over", *at, label="Note: what stands, what is next", name="note"),
            buttons=[acts.press("Hand over", "hand-over", *at, main=True)],
            says=acts.place("hand-over", *at),
        )
    ]


def _severity(seen: Look) -> tuple[str, Sequence[Part]]:
    case = seen.case
    at = (case.id, case.version)
    may_lower = seen.viewer.may(SOC_INCIDENT_CLOSE)
    data = [
        {"value": str(level), "label": word.capitalize()}
        for level, word in response.SEVERITIES.items()
        if level < case.severity or (may_lower and level > case.severity)
    ]
    if not data:
        return "Severity", [html.P("It is critical already; a commander may lower it.")]
    lower = html.P("Lowering it needs an incident commander.", className="why-not")
    return "Severity", [
        html.P(["It is ", response.severity_of(case.severity), ". Clocks never end later than they do now."]),
        *([] if may_lower else [lower]),
        acts.form(
            "Change the severity",
            dmc.Select(
                id=acts.field("severity", "severity", *at),
                label="New severity",
                data=data,
                placeholder="Choose",
                comboboxProps={"withinPortal": False},
            ),
            _reason("severity", *at),
            buttons=[acts.press("Change the severity", "severity", *at, main=True)],
            says=acts.place("severity", *at),
        ),
    ]


def _close(seen: Look) -> tuple[str, Sequence[Part]]:
    case = seen.case
    at = (case.id, case.version)
    says: list[Part] = [
        html.P("For what needs no work: open tasks, running playbooks and waiting approvals end with it."),
        html.P(f"Its open alerts, {seen.open_alerts:,}, are closed with the same word and reason."),
    ]
    proposer = case.close_proposed_by
    if seen.needs_second and proposer is None:
        why = "At this severity" if case.severity <= 2 else "As you lowered its severity from there,"
        says.append(html.P(f"{why} a second person confirms; you propose."))
    if proposer is not None:
        says.append(html.P([seen.person(proposer), f" proposed: {(case.disposition or '').replace('_', ' ')}."]))
        if proposer == seen.viewer.id:
            return "Close", [*says, html.P("You proposed it, so another person confirms.", className="why-not")]
    standing = [one for one in seen.found.actions if one.is_standing]
    if standing:
        kept = ", ".join(
            f"{one.kind.title.lower()} of {response.person_text(seen.view.sources, one.target)}" for one in standing
        )
        says.append(html.P(mark(f"Undo first: {kept}.", "ring", "medium")))
    return "Close the short way", [
        *says,
        acts.form(
            "Close the incident",
            dmc.Select(
                id=acts.field("disposition", "close", *at),
                label="Why",
                data=[{"value": one.value, "label": words} for one, words in DISPOSITIONS.items()],
                value=case.disposition if proposer else None,
                placeholder="Choose",
                comboboxProps={"withinPortal": False},
            ),
            _reason("close", *at),
            buttons=[acts.press("Confirm closing" if proposer else "Close", "close", *at, main=True)],
            says=acts.place("close", *at),
        ),
    ]


def _with_reason(act_: str, title: str, text: str, *, says: str = "") -> Callable[[Look], tuple[str, Sequence[Part]]]:
    """Return the maker of a form that asks for a reason alone, about the incident."""

    def make(seen: Look) -> tuple[str, Sequence[Part]]:
        at = (seen.case.id, seen.case.version)
        return title, [
            *([html.P(says)] if says else []),
            acts.form(
                title,
                _reason(act_, *at),
                buttons=[acts.press(text, act_, *at, main=True)],
                says=acts.place(act_, *at),
            ),
        ]

    return make


def _start(seen: Look) -> tuple[str, Sequence[Part]]:
    at = (seen.case.id, seen.case.version)
    library = seen.view.sources.response.library
    return "Start a playbook", [
        acts.form(
            "Start a playbook",
            dmc.Select(
                id=acts.field("playbook", "start", *at),
                label="Playbook",
                data=[{"value": slug, "label": f"{book.title} ({slug})"} for slug, book in sorted(library.items())],
                value=seen.case.proposed_playbook if seen.case.proposed_playbook in library else None,
                placeholder="Choose",
                comboboxProps={"withinPortal": False},
            ),
            buttons=[acts.press("Start", "start", *at, main=True)],
            says=acts.place("start", *at),
        )
    ]


def _of_action(act_: str, title: str, text: str) -> Callable[[Look], tuple[str, Sequence[Part]]]:
    """Return the maker of a form about one action, named by `sel`."""

    def make(seen: Look) -> tuple[str, Sequence[Part]]:
        one = _action(seen)
        hours: list[Part] = []
        if act_ == "prolong":
            hours = [
                dmc.Select(
                    id=acts.field("hours", act_, one.id),
                    label="Hours from now",
                    data=["4", "12", "24", "72", "168"],
                    value="24",
                    comboboxProps={"withinPortal": False},
                )
            ]
        return f"{title}: {one.kind.title.lower()}", [
            html.P([one.kind.title, " ", short(one.target), ". ", one.kind.undo_in_words]),
            acts.form(
                title,
                *hours,
                _reason(act_, one.id),
                buttons=[acts.press(text, act_, one.id, main=True)],
                says=acts.place(act_, one.id),
            ),
        ]

    return make


def _action(seen: Look) -> Action:
    found = next((one for one in seen.found.actions if one.id == seen.view.words.get("sel")), None)
    if found is None:
        raise NotFound
    return found


def _skip(seen: Look) -> tuple[str, Sequence[Part]]:
    task: Task | None = next((one for one in seen.found.tasks if one.id == seen.view.words.get("sel")), None)
    if task is None:
        raise NotFound
    return "Leave a task out", [
        html.P(task.text),
        acts.form(
            "Leave the task out",
            _reason("skip", task.id),
            buttons=[acts.press("Leave it out", "skip", task.id, main=True)],
            says=acts.place("skip", task.id),
        ),
    ]


Maker = Callable[[Look], tuple[str, Sequence[Part]]]
FORMS: Final[Mapping[str, tuple[Permission, Maker]]] = {
    "advance": (SOC_INCIDENT_WRITE, _advance),
    "close": (SOC_INCIDENT_CLOSE, _close),
    "contain": (SOC_ACTION_PROPOSE, containing.choice),
    "hand-over": (SOC_INCIDENT_WRITE, _hand_over),
    "prolong": (SOC_ACTION_APPROVE, _of_action("prolong", "Prolong", "Prolong it")),
    "refuse": (SOC_ACTION_APPROVE, _of_action("refuse", "Refuse", "Refuse it")),
    "reopen": (SOC_INCIDENT_CLOSE, _with_reason("reopen", "Reopen", "Reopen it")),
    "severity": (SOC_INCIDENT_WRITE, _severity),
    "skip": (SOC_INCIDENT_WRITE, _skip),
    "start": (SOC_INCIDENT_WRITE, _start),
    "stop": (
        SOC_INCIDENT_CLOSE,
        _with_reason("stop", "Stop the playbook", "Stop it", says="Open tasks of it are left out."),
    ),
    "undo": (SOC_ACTION_UNDO, _of_action("undo", "Undo", "Undo it")),
    "undo-all": (
        SOC_ACTION_UNDO,
        _with_reason(
            "undo-all", "Undo all", "Undo all", says="In reverse order; what you may not undo is kept and said."
        ),
    ),
}
