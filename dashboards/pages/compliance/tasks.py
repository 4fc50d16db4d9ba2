"""Tasks. *What must a person still sign?* Papers by urgency, and notices to recipients of data by their day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import (
    COMPLIANCE_ATTESTATION_PROPOSE,
    COMPLIANCE_BASELINE_PROPOSE,
    COMPLIANCE_CONTROL_READ,
    COMPLIANCE_EXCEPTION_PROPOSE,
    COMPLIANCE_RISK_PROPOSE,
)
from app.kernel.context import Context
from app.kernel.errors import NotFound
from compliance.attest import analyses, attestations, baselines, exceptions, files, todo
from compliance.attest.files import File
from compliance.attest.parts import PaperInvalid
from compliance.attest.todo import How, Task, What
from compliance.catalog.controls import Control
from compliance.engine import standing
from dashboards import acts, controls, days
from dashboards.acts import Deed
from dashboards.kit import Part, answer, choices, counted_words, mark, ok, page, panel, scrolling, table, updated
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.pages.compliance import recipients

LOOKS: Final[Mapping[How, tuple[str, str]]] = {
    How.ENDED: ("cross", "bad"),
    How.SOON: ("clock", "medium"),
    How.CHANGED: ("cross", "bad"),
    How.WAITS: ("ring", "accent"),
    How.UNSIGNED: ("empty", "ink-2"),
}
KINDS: Final = {
    "statement": "Statement: we do it, and I answer for it",
    "file": "File: the evidence brought for it shows it",
    "acknowledgement": "Acknowledgement: people took notice",
    "not_applicable": "Not applicable: there is nothing it could be about",
}
WHY: Final = {
    "accepted_risk": "Accepted risk",
    "compensating": "Compensating control",
    "customised": "Customised approach",
}


def layout(view: View) -> Any:  # a Dash component
    """Return what presses, and above it the form that is asked for."""
    sources, viewer = view.sources, view.sources.viewer()
    with sources.read() as session:
        standings = standing.all_of(session, view.now, sources.controls.parts)
        found = todo.tasks(session, viewer, view.now, standings, desk=sources.desk)
        form = _form(view, session)
        notices = recipients.waiting(view, session)
    wanted = view.words.get("how", "")
    shown = [one for one in found if wanted in ("", one.how.name.lower())]
    counts = Counter(one.how for one in found)
    return page(
        "Tasks",
        "What must a person still sign?",
        _answer(counts, sum(one.is_overdue(view.now) for one in notices)),
        *form,
        *recipients.of_tasks(view, notices),
        html.Div(_filters(view, counts), className="chips"),
        _list(view, shown),
        right=updated(view.now),
    )


def _answer(counts: Mapping[How, int], late: int) -> Part:
    pressing = counts.get(How.ENDED, 0) + counts.get(How.CHANGED, 0)
    soon = counts.get(How.SOON, 0)
    if late:
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
            html.Span(f"{one.ends:%d %b %Y}", className="nowrap") if one.ends is not None else "–",
            html.Span((view.sources.name_of_colleague(one.owner) or "–") if one.owner else "–", className="nowrap"),
            html.Div(_acts(view, one), className="chips nowrap"),
        ]
        for one in shown
    ]
    heads = [
        ("State", ""),
        ("Paper", ""),
        ("About", ""),
        ("Says", "roomy"),
        ("Ends", ""),
        ("Owner", "roomy"),
        ("Acts", ""),
    ]
    listed = scrolling("Papers", table(heads, rows, caption="Papers", cls="r36"))
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


def _form(view: View, session: Session) -> list[Part]:
    """Return the form that the address asks for, or nothing where it names none or the viewer may not."""
    do, of, viewer = view.words.get("do", ""), view.words.get("of", ""), view.sources.viewer()
    known = {
        "attest": (COMPLIANCE_ATTESTATION_PROPOSE, _attest_form),
        "inherit": (COMPLIANCE_ATTESTATION_PROPOSE, _inherit_form),
        "withdraw": (COMPLIANCE_ATTESTATION_PROPOSE, _withdraw_form),
        "except": (COMPLIANCE_EXCEPTION_PROPOSE, _except_form),
        "end": (COMPLIANCE_EXCEPTION_PROPOSE, _end_form),
        "analyse": (COMPLIANCE_RISK_PROPOSE, _analyse_form),
        "baseline": (COMPLIANCE_BASELINE_PROPOSE, _baseline_form),
    }
    if do not in known or not viewer.may(known[do][0]):
        return []
    title, parts = known[do][1](view, session, of)
    back = html.A("Cancel", href=view.here("tasks", do=None, of=None), className="more", **{"data-key": "Escape"})
    return [panel(title, html.Div(parts, className="body deed"), cls="opened", right=back)]


def _attest_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    control = _control(view, of)
    found = files.of_control(session, view.sources.viewer(), control.framework, control.key)
    two = "A second person agrees before it holds." if control.mode == "H" or control.scope == "cde" else ""
    return f"Sign for {control.name}", [
        html.P(f"{control.title}. {two}".strip()),
        acts.form(
            "Sign",
            dmc.Select(
                id=acts.field("kind", "attest", of),
                label="Kind",
                data=[{"value": value, "label": label} for value, label in KINDS.items()],
                value="statement",
                comboboxProps={"withinPortal": False},
            ),
            _text("statement", "attest", of, "What you answer for", "At least ten letters", first=True),
            _until("attest", of),
            _files(found, of),
            buttons=[acts.press("Sign it", "attest", of, main=True)],
            says=acts.place("attest", of),
        ),
    ]


def _inherit_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    control = _control(view, of)
    return f"{control.name} is a provider's", [
        html.P(f"{control.title}. A second person agrees before it holds."),
        acts.form(
            "Inherited",
            dmc.TextInput(id=acts.field("provider", "inherit", of), label="Provider", attributes=_first()),
            dmc.TextInput(
                id=acts.field("aoc_date", "inherit", of),
                label="Date of its AOC",
                placeholder="2026-03-31",
            ),
            _text("responsibility", "inherit", of, "What of it is theirs, and what ours", ""),
            _text("statement", "inherit", of, "What you answer for", "At least ten letters"),
            _until("inherit", of),
            buttons=[acts.press("Sign it", "inherit", of, main=True)],
            says=acts.place("inherit", of),
        ),
    ]


def _withdraw_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    found = attestations.by_id(session, of)
    return "Withdraw an attestation", [
        html.P(f"{found.statement}. It counts no more at once."),
        acts.form(
            "Withdraw",
            buttons=[acts.press("Withdraw it", "attest-withdraw", of, main=True)],
            says=acts.place("attest-withdraw", of),
        ),
    ]


def _except_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    control = _control(view, of)
    return f"Ask an exception for {control.name}", [
        html.P(f"{control.title}. What fails stays visible beneath, and the row never counts as in place."),
        acts.form(
            "Exception",
            dmc.Select(
                id=acts.field("kind", "except", of),
                label="Kind",
                data=[{"value": value, "label": label} for value, label in WHY.items()],
                value="accepted_risk",
                comboboxProps={"withinPortal": False},
            ),
            _text("why", "except", of, "Why it is borne", "At least ten letters", first=True),
            _text("worksheet", "except", of, "What is done instead", "Needed unless the risk is accepted"),
            dmc.TextInput(
                id=acts.field("component", "except", of), label="Component", description="Empty: all of the control"
            ),
            dmc.TextInput(
                id=acts.field("until", "except", of),
                label="Until",
                description="At most twelve months",
                placeholder=f"{view.now + timedelta(days=30):%Y-%m-%d}",
            ),
            buttons=[acts.press("Ask a second person", "except", of, main=True)],
            says=acts.place("except", of),
        ),
    ]


def _end_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    found = exceptions.by_id(session, of)
    return "End an exception", [
        html.P(f"{found.why} What fails shows again at once."),
        acts.form(
            "End it",
            _text("reason", "except-end", of, "Reason", "At least ten letters", first=True),
            buttons=[acts.press("End it", "except-end", of, main=True)],
            says=acts.place("except-end", of),
        ),
    ]


def _analyse_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    return f"How often PCI DSS {of} is done", [
        acts.form(
            "Risk analysis",
            dmc.TextInput(
                id=acts.field("frequency", "analyse", of),
                label="Every",
                description="Such as P7D or PT12H",
                attributes=_first(),
            ),
            _text("asset", "analyse", of, "What is protected", ""),
            _text("threats", "analyse", of, "Against which threats", ""),
            _text("factors", "analyse", of, "What makes them likely or grave", ""),
            _text("justification", "analyse", of, "Why so often is enough", ""),
            buttons=[acts.press("Ask a second person", "analyse", of, main=True)],
            says=acts.place("analyse", of),
        )
    ]


def _baseline_form(view: View, session: Session, of: str) -> tuple[str, list[Part]]:
    found = next(
        (one for one in baselines.documents(session, view.sources.viewer(), desk=view.sources.desk) if one.name == of),
        None,
    )
    if found is None:
        raise NotFound
    shown = found.differences[: baselines.LINES_SHOWN]
    return f"Approve the {of.replace('_', ' ')} as it runs", [
        html.P("What runs now is proposed; a second person sees the same lines."),
        html.Ul([html.Li(line, className="id") for line in shown], className="plain"),
        acts.form(
            "Baseline",
            _text("reason", "baseline", of, "Reason", "At least ten letters", first=True),
            buttons=[acts.press("Propose what runs", "baseline", of, main=True)],
            says=acts.place("baseline", of),
        ),
    ]


def _control(view: View, of: str) -> Control:
    found = view.sources.desk.catalogue.controls.get(controls.of_slug(of))
    if found is None:
        raise NotFound
    return found


def _text(name: str, act: str, of: str, label: str, description: str, *, first: bool = False) -> Part:
    more = {"attributes": _first()} if first else {}
    return dmc.Textarea(
        id=acts.field(name, act, of), label=label, description=description, autosize=True, minRows=2, **more
    )


def _until(act: str, of: str) -> Part:
    return dmc.TextInput(
        id=acts.field("until", act, of),
        label="Until",
        description="A day such as 2027-03-31; empty: as long as the control lets it",
    )


def _files(found: Sequence[File], of: str) -> Part:
    return html.Div(
        [
            dmc.MultiSelect(
                id=acts.field("files", "attest", of),
                label="Files behind it",
                data=[{"value": one.sha256, "label": f"{one.number or '…'} {one.name}"} for one in found],
                comboboxProps={"withinPortal": False},
            ),
            html.A("Bring a file", href=f"/staff/evidence?control={of}", className="more"),
        ]
    )


def _first() -> dict[str, Any]:
    return {"input": {"data-first": "true"}}


def _day(deed: Deed, name: str) -> datetime | None:
    """Return the end of the day that is named: the whole of it counts."""
    day = days.begin_of(deed.text(name), param=name)
    return None if day is None else day + timedelta(days=1)


def wire(console: Console) -> None:
    """Register the acts of the page."""

    def attest(session: Session, deed: Deed, ctx: Context) -> str:
        framework, key = controls.of_slug(deed.of)
        try:
            kind = attestations.Kind(deed.text("kind"))
        except ValueError as error:
            raise PaperInvalid("Choose a kind.", param="kind") from error
        return _sign(
            session,
            attestations.Draft(
                framework=framework,
                key=key,
                kind=kind,
                statement=deed.text("statement"),
                expires_at=_day(deed, "until"),
                files=tuple(str(one) for one in deed.values.get("files") or ()),
            ),
            ctx,
        )

    def inherit(session: Session, deed: Deed, ctx: Context) -> str:
        framework, key = controls.of_slug(deed.of)
        return _sign(
            session,
            attestations.Draft(
                framework=framework,
                key=key,
                kind=attestations.Kind.INHERITED,
                statement=deed.text("statement"),
                expires_at=_day(deed, "until"),
                facts={name: deed.text(name) for name in attestations.FACTS[attestations.Kind.INHERITED]},
            ),
            ctx,
        )

    def _sign(session: Session, draft: attestations.Draft, ctx: Context) -> str:
        made = attestations.propose(session, draft, ctx, desk=console.sources.desk)
        return "A second person is asked" if made.approval_id else f"Signed until {made.expires_at:%d %b %Y}"

    def withdraw(session: Session, deed: Deed, ctx: Context) -> str:
        attestations.withdraw(session, deed.of, ctx, desk=console.sources.desk)
        return "Withdrawn"

    def ask_exception(session: Session, deed: Deed, ctx: Context) -> str:
        framework, key = controls.of_slug(deed.of)
        until = _day(deed, "until")
        if until is None:
            raise PaperInvalid("Say until when.", param="until")
        try:
            kind = exceptions.Kind(deed.text("kind"))
        except ValueError as error:
            raise PaperInvalid("Choose a kind.", param="kind") from error
        draft = exceptions.Draft(
            framework=framework,
            key=key,
            kind=kind,
            why=deed.text("why"),
            until=until,
            component=deed.text("component").strip() or None,
            worksheet=deed.text("worksheet"),
        )
        exceptions.propose(session, draft, ctx, desk=console.sources.desk)
        return "A second person is asked"

    def end(session: Session, deed: Deed, ctx: Context) -> str:
        exceptions.end(session, deed.of, deed.text("reason"), ctx)
        return "The exception is over"

    def analyse(session: Session, deed: Deed, ctx: Context) -> str:
        draft = analyses.Draft(
            requirement=deed.of,
            frequency=deed.text("frequency"),
            body={name: deed.text(name) for name in analyses.FIELDS},
        )
        analyses.propose(session, draft, ctx, desk=console.sources.desk)
        return "A second person is asked"

    def propose_baseline(session: Session, deed: Deed, ctx: Context) -> str:
        baselines.propose(session, deed.of, deed.text("reason"), ctx, desk=console.sources.desk)
        return "A second person is asked"

    def wired(act: str, permission: Any, does: acts.Does, *names: str) -> None:
        acts.wire(console, act, permission, does, fields=[(name, "value") for name in names])

    wired("attest", COMPLIANCE_ATTESTATION_PROPOSE, attest, "kind", "statement", "until", "files")
    wired(
        "inherit",
        COMPLIANCE_ATTESTATION_PROPOSE,
        inherit,
        "provider",
        "aoc_date",
        "responsibility",
        "statement",
        "until",
    )
    wired("attest-withdraw", COMPLIANCE_ATTESTATION_PROPOSE, withdraw)
    wired("except", COMPLIANCE_EXCEPTION_PROPOSE, ask_exception, "kind", "why", "worksheet", "component", "until")
    wired("except-end", COMPLIANCE_EXCEPTION_PROPOSE, end, "reason")
    wired("analyse", COMPLIANCE_RISK_PROPOSE, analyse, "frequency", *analyses.FIELDS)
    wired("baseline", COMPLIANCE_BASELINE_PROPOSE, propose_baseline, "reason")


PAGE: Final = Page(
    slug="tasks",
    title="Tasks",
    question="What must a person still sign?",
    permission=COMPLIANCE_CONTROL_READ,
    layout=layout,
    area=COMPLIANCE,
)
