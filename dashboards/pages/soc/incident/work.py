"""What is to be done: approvals that wait, what stands and how it is taken back, the playbook with its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html

from app.kernel.access import (
    SOC_ACTION_APPROVE,
    SOC_ACTION_RUN,
    SOC_ACTION_UNDO,
    SOC_INCIDENT_CLOSE,
    SOC_INCIDENT_WRITE,
    Permission,
)
from dashboards import acts
from dashboards.kit import Part, act, due, panel, readable, short, span, when
from dashboards.pages.soc.incident.look import Look
from playbooks import registry
from playbooks.action_rows import Action, ActionState
from playbooks.engine.executions import Execution, ExecutionState, StepStanding
from playbooks.form import Field, Type
from playbooks.registry import Lasts, Undo
from playbooks.step_rows import StepState
from playbooks.tasks import Task, TaskState

# Shape, colour and word of a step.
STEPS: Final[Mapping[StepState, tuple[str, str, str]]] = {
    StepState.PENDING: ("ring", "ink-2", "later"),
    StepState.READY: ("run", "accent", "next"),
    StepState.RUNNING: ("run", "accent", "runs"),
    StepState.WAITING: ("run", "accent", "waits"),
    StepState.DONE: ("check", "good", "done"),
    StepState.FAILED: ("cross", "bad", "failed"),
    StepState.SKIPPED: ("dash", "medium", "left out"),
    StepState.NOT_REACHED: ("empty", "ink-2", "not taken"),
}
# What somebody of a role may do at least, as the services demand it, and how the role is called.
ROLES: Final[Mapping[str, tuple[Permission, str]]] = {
    "analyst": (SOC_INCIDENT_WRITE, "Analyst"),
    "incident_commander": (SOC_ACTION_RUN, "Incident commander"),
}
QUESTIONS: Final[Mapping[str, str]] = {
    "cause": "What was the cause",
    "fix": "What mended it",
}


def column(seen: Look) -> Part:
    """Return the right column."""
    waiting = [one for one in seen.found.actions if one.state is ActionState.PROPOSED]
    done = [one for one in seen.found.actions if one.done_at is not None]
    books = seen.found.executions
    loose = [task for task in seen.found.tasks if task.execution_id is None and task.is_open]
    parts = [
        *([_demands(seen)] if seen.found.demands and seen.found.next_state is not None else []),
        *([_approvals(waiting, seen)] if waiting else []),
        *([_standing(done, seen)] if done else []),
        *([panel("Tasks", html.Ol([_loose(task, seen) for task in loose], className="steps"))] if loose else []),
        *_left_out(len(seen.found.tasks), seen.found.tasks_total, "tasks"),
        *[_playbook(book, seen) for book in books if book.parent_id is None],
        *([] if books else [_no_playbook(seen)]),
        *[_playbook(book, seen) for book in books if book.parent_id is not None],
    ]
    return html.Div(parts, className="stack")


def _demands(seen: Look) -> Part:
    assert seen.found.next_state is not None, "what is demanded is demanded for a state"
    rows = [
        html.Li([html.Span(className="icon i-ring c-ink-2", **{"aria-hidden": "true"}), html.Span(readable(one.text))])
        for one in seen.found.demands
    ]
    return panel(f"Before it is {seen.found.next_state.value}", html.Ul(rows, className="rows r30"))


def radius(action_counts: Mapping[str, int], lines: tuple[str, ...]) -> list[Part]:
    """Return whom and what an action touches, as figures and sentences."""
    cells = [
        html.Div([html.B(f"{count:,}"), html.Small(what.replace("_", " "))]) for what, count in action_counts.items()
    ]
    said = [html.P(line) for line in lines]
    return [*([html.Div(cells, className="radius")] if cells else []), *said]


def _approvals(waiting: list[Action], seen: Look) -> Part:
    rows = [html.Li(html.Div(_approval(one, seen), className="box"), className="now") for one in waiting]
    return panel("Waits for a second person", html.Ol(rows, className="steps"), right=f"{len(waiting):,}")


def _approval(one: Action, seen: Look) -> list[Part]:
    until = one.requested_at + seen.view.sources.response.settings.approval_lasts
    asked = "the playbook" if one.execution_id else seen.person(one.requested_by)
    parts: list[Part] = [
        html.H3([one.kind.title, " ", short(one.target)]),
        *radius(one.radius.counts, one.radius.lines),
        html.P(["Asked for by ", asked, ". ", due(until, seen.now, "until it lapses")], className="dim"),
        html.P(one.kind.undo_in_words, className="dim"),
    ]
    if not seen.viewer.may(SOC_ACTION_APPROVE):
        return [*parts, html.P("An incident commander approves it.", className="why-not")]
    refuse = act("Refuse", seen.href(do="refuse", sel=one.id))
    if one.requested_by == seen.viewer.id:
        why = html.P("You asked for it, so another person approves it.", className="why-not")
        return [*parts, why, html.Div(refuse, className="chips")]
    return [
        *parts,
        html.Div([acts.press("Approve and do it", "approve", one.id, main=True), refuse], className="chips"),
        acts.place("approve", one.id),
    ]


def _standing(done: list[Action], seen: Look) -> Part:
    done = sorted(done, key=lambda one: (not one.is_standing, one.id))
    standing = [one for one in done if one.is_standing]
    all_of_it = []
    if len(standing) > 1 and seen.viewer.may(SOC_ACTION_UNDO):
        all_of_it = [html.A("Undo all", href=seen.href(do="undo-all"), className="more")]
    rows = [html.Li(_done(one, seen)) for one in done]
    return panel(
        "Actions",
        html.Ol(rows, className="mini"),
        *_left_out(len(seen.found.actions), seen.found.actions_total, "actions"),
        right=html.Span([f"{len(standing)} standing ", *all_of_it]),
    )


def _left_out(shown: int, total: int, what: str) -> list[Part]:
    """Say where not all are shown; what is open or stands comes first, then the newest."""
    words = f"{shown:,} of {total:,} {what} are read: all that are open or stand, then the newest."
    return [html.P(words, className="dim tail")] if total > shown else []


def _done(one: Action, seen: Look) -> list[Part]:
    head = html.Div([html.B(one.kind.title), " ", short(one.target)])
    who = "the playbook" if one.execution_id else seen.person(one.requested_by)
    second = [", approved by ", seen.person(one.approved_by)] if one.approved_by else []
    by = html.Small([when(one.done_at or one.requested_at, seen.now), " by ", who, *second], className="dim")
    if one.state is ActionState.RECORDED:
        return [head, by, html.Small("recorded for the drill; nothing was changed", className="dim")]
    if one.state in (ActionState.UNDONE, ActionState.EXPIRED):
        ended = "undone" if one.state is ActionState.UNDONE else "ended"
        says: list[Part] = [ended, *([" ", when(one.undone_at, seen.now)] if one.undone_at else [])]
        return [head, by, html.Small([*says, *([" by ", seen.person(one.undone_by)] if one.undone_by else [])])]
    if one.kind.undo is Undo.NEVER:
        return [head, by, html.Small(one.kind.undo_in_words, className="dim")]
    lasts = [due(one.expires_at, seen.now, _at_end(one))] if one.expires_at else []
    return [head, by, *lasts, *_ways_back(one, seen)]


def _at_end(one: Action) -> str:
    return "then it ends by itself" if one.kind.lasts is Lasts.LAPSES else "then people are called; it stays"


def _ways_back(one: Action, seen: Look) -> list[Part]:
    """Return undo and prolong, or why they are not this person's to press."""
    is_another = seen.viewer.id not in (one.requested_by, one.approved_by)
    links: list[Part] = []
    why: list[Part] = []
    if not seen.viewer.may(SOC_ACTION_UNDO):
        why.append(html.P("An incident commander undoes it.", className="why-not"))
    elif one.kind.undo is Undo.ANOTHER and not is_another:
        why.append(html.P("You did it, so another commander undoes it.", className="why-not"))
    else:
        links.append(act("Undo", seen.href(do="undo", sel=one.id)))
    if one.kind.lasts is Lasts.STAYS and seen.viewer.may(SOC_ACTION_APPROVE):
        if is_another:
            links.append(act("Prolong", seen.href(do="prolong", sel=one.id)))
        else:
            why.append(html.P("You did it, so another commander may prolong it.", className="why-not"))
    return [*([html.Div(links, className="chips mt8")] if links else []), *why]


def _no_playbook(seen: Look) -> Part:
    slug = seen.case.playbook
    says = (
        f"The playbook {slug} of its rule does not stand here."
        if slug
        else "No rule named a playbook for this incident."
    )
    starts = [act("Start a playbook", seen.href(do="start"))] if _may_start(seen) else []
    return panel("Playbook", html.Div([html.P(says), *starts], className="body empty"))


def _may_start(seen: Look) -> bool:
    return seen.case.is_open and seen.viewer.may(SOC_INCIDENT_WRITE)


def _playbook(book: Execution, seen: Look) -> Part:
    ended = sum(step.ended_at is not None for step in book.steps)
    runs = book.state is ExecutionState.RUNNING
    left = sum(step.state is StepState.PENDING for step in book.steps)
    says = f"{ended} done, up to {left} more" if runs else book.state.value
    tails: list[Part] = []
    if runs and book.parent_id is None and seen.viewer.may(SOC_INCIDENT_CLOSE):
        tails.append(html.A("Stop it", href=seen.href(do="stop"), className="more"))
    if book.parent_id is None and seen.case.proposed_playbook and _may_start(seen):
        words = f"A more severe alert names {seen.playbook(seen.case.proposed_playbook)}: start it"
        tails.append(html.A(words, href=seen.href(do="start"), className="more"))
    return panel(
        book.title,
        html.Ol([_step(step, book, seen) for step in book.steps], className="steps"),
        *([html.P(tails, className="tail chips")] if tails else []),
        sub=f"v{book.number}" + (", called by another" if book.parent_id else ""),
        right=says,
    )


def _step(step: StepStanding, book: Execution, seen: Look) -> Part:
    shape, token, words = STEPS[step.state]
    task = next((one for one in seen.found.tasks if one.execution_id == book.id and one.step == step.name), None)
    is_now = step.state in (StepState.READY, StepState.RUNNING, StepState.WAITING)
    right: Part = words
    if step.state is StepState.DONE and step.started_at and step.ended_at:
        right = span(step.ended_at - step.started_at)
    if task is not None and task.is_open:
        right = due(task.due_at, seen.now)
    parts: list[Part] = [
        html.Span(className=f"icon i-{shape} c-{token}", **{"aria-hidden": "true"}),
        html.Span(_title(step, seen), className="strong" if is_now else _paleness(step), title=_title(step, seen)),
        html.Span(right, className="num dim nowrap"),
    ]
    if step.why and step.state is StepState.FAILED:
        parts.append(html.Small(readable(step.why)))
    elif step.out and step.kind == "task":
        parts.append(html.Small(_answers(step.out, task.fields if task is not None else {})))
    if step.state is StepState.WAITING and step.kind == "action":
        parts.append(html.Small("waits for a second person, see above"))
    if task is not None and task.is_open:
        parts.append(html.Div(_task(task, seen), className="box"))
    return html.Li(parts, className="now" if is_now else None, **({"aria-current": "step"} if is_now else {}))


def _paleness(step: StepStanding) -> str:
    """Return how a step stands back that is not the present one: on one line, paler where no way led to it yet."""
    return "cut dim" if step.state in (StepState.PENDING, StepState.NOT_REACHED) else "cut"


def _title(step: StepStanding, seen: Look) -> str:
    match step.kind:
        case "action":
            found = registry.REGISTRY.get(step.text)
            return found.title if found else step.text
        case "playbook":
            return f"Run the playbook {seen.playbook(step.text)}"
        case _:
            return step.text


def _answers(out: Mapping[str, Any], fields: Mapping[str, Field]) -> str:
    """Return what was answered in words: of a choice the words of its list."""

    def shown(name: str, value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        is_choice = name in fields and fields[name].choices
        return str(value).replace("_", " ") if is_choice else readable(str(value))

    return ", ".join(f"{_label(name).lower()}: {shown(name, value)}" for name, value in out.items())


def _loose(task: Task, seen: Look) -> Part:
    return html.Li(
        [
            html.Span(className="icon i-run c-accent", **{"aria-hidden": "true"}),
            html.Span(task.text, className="strong"),
            html.Span(due(task.due_at, seen.now), className="num dim nowrap"),
            html.Div(_task(task, seen), className="box"),
        ],
        className="now",
    )


def _task(task: Task, seen: Look) -> list[Part]:
    permission, role = ROLES[task.role]
    parts: list[Part] = [html.P([f"For: {role.lower()}", ", required" if task.is_required else ""], className="dim")]
    if not seen.viewer.may(permission):
        return [*parts, html.P(f"An {role.lower()} finishes this task.", className="why-not")]
    if not seen.case.is_open:
        return [*parts, html.P("The incident has ended.", className="why-not")]
    skip: list[Part] = []
    if not task.is_required or seen.viewer.may(SOC_ACTION_APPROVE):
        skip = [act("Leave out", seen.href(do="skip", sel=task.id))]
    else:
        parts.append(html.P("Only a commander may leave a required task out.", className="dim"))
    if task.state is TaskState.CHECKING:
        return [*parts, *_check(task, seen, skip)]
    if task.does is not None:
        kind = registry.named(task.does)
        target = kind.target_of(task.params) if task.params else None
        href = seen.href(do=kind.name, entity=target, hours=task.params.get("hours")) if target else None
        to_whom: list[Part] = [", ", short(target)] if target else [", whomever it touches"]
        return [
            *parts,
            html.P(["It is finished by the action: ", kind.title, *to_whom, "."]),
            html.Div([act(f"{kind.title}…", href or seen.href(do="contain"), main=True), *skip], className="chips"),
        ]
    fields = [_field(name, one, task, seen) for name, one in task.fields.items()]
    second = [html.P("A second person confirms the answer.", className="dim")] if task.needs_second else []
    return [
        *parts,
        acts.form(
            task.text,
            *fields,
            *second,
            buttons=[acts.press("Done", "finish", task.id, main=seen.case.owner == seen.viewer.id), *skip],
            says=acts.place("finish", task.id),
        ),
    ]


def _check(task: Task, seen: Look, skip: list[Part]) -> list[Part]:
    answered = html.P([seen.person(task.done_by), " answered: ", _answers(task.result, task.fields) or "done"])
    if task.done_by == seen.viewer.id:
        return [answered, html.P("You answered it, so another person confirms it.", className="why-not")]
    return [
        answered,
        html.Div([acts.press("Confirm", "confirm", task.id, main=True), *skip], className="chips"),
        acts.place("confirm", task.id),
    ]


def _label(name: str) -> str:
    return QUESTIONS.get(name, name.replace("_", " ").capitalize())


def _field(name: str, one: Field, task: Task, seen: Look) -> Part:
    shared: dict[str, Any] = {"id": acts.answer(name, "finish", task.id), "label": _label(name)}
    choices = [{"value": word, "label": word.replace("_", " ").capitalize()} for word in one.choices]
    match one.type:
        case Type.BOOLEAN:
            data = [{"value": "true", "label": "Yes"}, {"value": "false", "label": "No"}]
            return dmc.Select(data=data, placeholder="Choose", comboboxProps={"withinPortal": False}, **shared)
        case Type.ACCOUNT:
            known = [entity.value for entity in seen.found.entities if entity.kind == "account"]
            return dmc.TextInput(value=known[0] if len(known) == 1 else "", placeholder="acc_…", **shared)
        case Type.INTEGER:
            return dmc.TextInput(placeholder="A whole number", **shared)
        case Type.TEXT | Type.ADDRESSES:
            if choices:
                return dmc.Select(data=choices, placeholder="Choose", comboboxProps={"withinPortal": False}, **shared)
            known_fact = {"cause": seen.case.cause, "fix": seen.case.fix}.get(name) if name in task.facts else None
            return dmc.Textarea(autosize=True, minRows=2, value=known_fact or "", **shared)
