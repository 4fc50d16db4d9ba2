"""Tasks. *What must a person still sign?* Papers by urgency, and notices to recipients of data by their day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dash import html

from app.kernel.access import (
    COMPLIANCE_ATTESTATION_PROPOSE,
    COMPLIANCE_BASELINE_PROPOSE,
    COMPLIANCE_CONTROL_READ,
    COMPLIANCE_EXCEPTION_PROPOSE,
    COMPLIANCE_RISK_PROPOSE,
)
from compliance.attest import todo
from compliance.attest.todo import How, Task, What
from compliance.engine import history, past, standing
from dashboards import controls
from dashboards.kit import (
    Part,
    answer,
    as_of_page,
    choices,
    counted_words,
    day_text,
    mark,
    ok,
    page,
    panel,
    scrolling,
    table,
)
from dashboards.page import COMPLIANCE, Page, View
from dashboards.pages.compliance import recipients, tasks_forms, tasks_stuck

LOOKS: Final[Mapping[How, tuple[str, str]]] = {
    How.ENDED: ("cross", "bad"),
    How.SOON: ("clock", "medium"),
    How.CHANGED: ("cross", "bad"),
    How.WAITS: ("ring", "accent"),
    How.UNSIGNED: ("empty", "ink-2"),
}


def layout(view: View) -> Any:  # a Dash component
    """Return what presses, and above it the form that is asked for."""
    sources, viewer, parts = view.sources, view.sources.viewer(), view.sources.controls.parts
    # An auditor whose period is over sees its end.
    over = history.before_now(viewer, view.now)
    with sources.read() as session:
        if over is None:
            standings = standing.all_of(session, view.now, parts)
        else:
            standings = past.all_of(session, viewer, over, parts.catalogue)
        found = todo.tasks(session, viewer, over or view.now, standings, desk=sources.desk)
        form = tasks_forms.opened(view, session)
        notices = recipients.waiting(view, session)
        stuck = tasks_stuck.waiting(view, session)
    wanted = view.words.get("how", "")
    shown = [one for one in found if wanted in ("", one.how.name.lower())]
    counts = Counter(one.how for one in found)
    return page(
        "Tasks",
        "What must a person still sign?",
        _answer(counts, sum(one.is_overdue(view.now) for one in notices), len(stuck)),
        *form,
        *tasks_stuck.of_tasks(view, stuck),
        *recipients.of_tasks(view, notices),
        html.Div(_filters(view, counts), className="chips"),
        _list(view, shown),
        right=as_of_page(view.now, over),
    )


def _answer(counts: Mapping[How, int], late: int, stuck: int) -> Part:
    pressing = counts.get(How.ENDED, 0) + counts.get(How.CHANGED, 0)
    soon = counts.get(How.SOON, 0)
    if stuck:
        said = [mark(f"{counted_words(stuck, 'request')} stuck.", "cross", "bad"), " Something fails again and again."]
    elif late:
        said = [mark(f"{counted_words(late, 'notice')}.", "cross", "bad"), " To recipients of data, past the day."]
    elif pressing:
        said = [mark(f"{counted_words(pressing, 'paper')}.", "cross", "bad"), " Ended, or not what runs."]
    elif soon:
        said = [mark(f"{counted_words(soon, 'paper')}.", "clock", "medium"), " They end within 30 days."]
    elif counts.get(How.UNSIGNED):
        said = [mark(f"{counted_words(counts[How.UNSIGNED], 'row')}.", "empty", "medium"), " Nobody has signed them."]
    else:
        said = [ok("Nothing.")]
    cells = [
        (str(pressing), "ended or different"),
        (str(soon), "end within 30 days"),
        (str(counts.get(How.WAITS, 0)), "wait for a second person"),
        (str(counts.get(How.UNSIGNED, 0)), "never signed"),
    ]
    small = "A paper that ends counts no more at once; an exception never counts as in place."
    return answer(said, small, cells)


def _filters(view: View, counts: Mapping[How, int]) -> Part:
    wanted = view.words.get("how", "")
    links = [("All", view.here("tasks", how=None, do=None, of=None), wanted == "")]
    links += [
        (
            f"{how.value.capitalize()} {counts[how]}",
            view.here("tasks", how=how.name.lower(), do=None, of=None),
            wanted == how.name.lower(),
        )
        for how in How
        if counts.get(how)
    ]
    return choices("State", links, cls="ranges fit")


def _list(view: View, shown: Sequence[Task]) -> Part:
    rows = [
        [
            _state(one.how),
            html.Span(one.what.value.capitalize(), className="nowrap"),
            html.A(one.name, href=view.href("controls", sel=controls.slug(one.control)), className="strong nowrap")
            if one.control is not None
            else html.Span(one.name, className="strong"),
            html.Span(one.says, className="dim"),
            html.Span(day_text(one.ends), className="nowrap") if one.ends is not None else "–",
            html.Span((view.sources.name_of_colleague(one.owner) or "–") if one.owner else "–", className="nowrap"),
            html.Div(_acts(view, one), className="chips nowrap"),
        ]
        for one in shown
    ]
    heads = [
        ("State", ""),
        ("Paper", "roomy"),
        ("About", ""),
        ("Says", ""),
        ("Ends", ""),
        ("Owner", "roomy"),
        ("Acts", ""),
    ]
    listed = scrolling("Papers", table(heads, rows, caption="Papers", cls="r36", stacks=True))
    return panel("Papers", listed, sub=counted_words(len(shown), "paper"), cls="last")


def _state(how: How) -> Part:
    if how is How.HOLDS:
        return ok(how.value)
    shape, token = LOOKS[how]
    return mark(how.value, shape, token)


def _acts(view: View, one: Task) -> list[Part]:
    viewer, found = view.sources.viewer(), []

    def link(words: str, do: str, of: str) -> Part:
        return html.A(words, href=view.here("tasks", do=do, of=of), className="more nowrap")

    if one.how is How.WAITS:
        return [html.A("approvals", href="/approvals", className="more")]
    if one.what is What.ATTESTATION and one.control is not None and viewer.may(COMPLIANCE_ATTESTATION_PROPOSE):
        slug = controls.slug(one.control)
        found.append(link("sign" if one.id is None else "sign anew", "attest", slug))
        if one.id is not None:
            found.append(link("withdraw", "withdraw", one.id))
        else:
            found.append(link("inherited", "inherit", slug))
    if one.what is What.EXCEPTION and one.id is not None and viewer.may(COMPLIANCE_EXCEPTION_PROPOSE):
        found.append(link("end", "end", one.id))
        if one.control is not None:
            found.append(link("ask again", "except", controls.slug(one.control)))
    if one.what is What.ANALYSIS and viewer.may(COMPLIANCE_RISK_PROPOSE):
        found.append(link("analyse", "analyse", one.name.removeprefix("PCI DSS ")))
    if one.what is What.BASELINE and one.how is not How.HOLDS and viewer.may(COMPLIANCE_BASELINE_PROPOSE):
        found.append(link("propose what runs", "baseline", str(one.id)))
    return found


PAGE: Final = Page(
    slug="tasks",
    title="Tasks",
    question="What must a person still sign?",
    permission=COMPLIANCE_CONTROL_READ,
    layout=layout,
    area=COMPLIANCE,
)
