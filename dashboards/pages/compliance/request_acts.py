"""What can be done about a request as it stands: acts that are offered, their forms, and the services they call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_APPROVE, PRIVACY_REQUEST_HANDLE, Permission
from app.kernel.context import Context
from compliance.catalog.retention import RetentionClass
from compliance.contracts.personal import FieldUnknown
from compliance.privacy import identity, moving, packing, recipients, rectify, requests, restrict, rights, trouble
from compliance.privacy.erasure import deciding
from compliance.privacy.gate import COMPELLING
from compliance.privacy.recipients import Notice
from compliance.privacy.request import ANSWERED, Kind, Request, State, Story
from compliance.privacy.trouble import Trouble
from compliance.retention import policies
from dashboards import acts
from dashboards.acts import Deed
from dashboards.kit import Part, act, panel
from dashboards.mount import Console
from dashboards.page import View
from dashboards.ports import Sources

_WORDS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A request with what its page needs beside it; `waits` while a second person has not decided."""

    story: Story
    waits: bool
    places: Sequence[tuple[str, str, str]] = ()
    certificate: Mapping[str, Any] | None = None
    notices: Sequence[Notice] = ()
    trouble: Trouble | None = None
    classes: Mapping[str, RetentionClass] = field(default_factory=dict)
    """How long each class is kept and by which law, by what is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """One act: its word on the page and on its button, who may do it, when, and what is asked for."""

    word: str
    press: str
    says: str
    permission: Permission
    fits: Callable[[Request], bool]
    label: str = "Reason"
    is_main: bool = False
    asks: bool = True


def _is_worked(found: Request) -> bool:
    kinds = (Kind.RECTIFICATION, Kind.HUMAN_REVIEW)
    return found.kind in kinds and found.state in (State.IN_REVIEW, State.EXECUTING)


ACTS: Final[Mapping[str, _Act]] = {
    "request-ask": _Act(
        word="Ask who it is",
        press="Send the question",
        says="They are asked on every verified channel; within five days of receipt the clock stands from here.",
        permission=PRIVACY_REQUEST_HANDLE,
        fits=lambda found: found.state is State.IDENTITY and found.asked_at is None,
        asks=False,
    ),
    "request-identify": _Act(
        word="Note identity",
        press="It is them",
        says="Say how it was shown; what they asked begins then. Copies of identity papers are not asked for.",
        permission=PRIVACY_REQUEST_HANDLE,
        fits=lambda found: found.state is State.IDENTITY,
        label="How it was shown",
        is_main=True,
    ),
    "request-sign": _Act(
        word="Sign the incomplete copy",
        press="I answer for it",
        says="A store could not be searched. With your name the copy goes out without it, and says so.",
        permission=PRIVACY_REQUEST_APPROVE,
        fits=lambda found: found.state is State.IN_REVIEW and found.is_incomplete,
        is_main=True,
    ),
    "request-erase": _Act(
        word="Propose erasure",
        press="Ask a second person",
        says="It is planned anew now; the approval binds what goes and stays, by store and category. What comes until "
        "it begins, such as our letter, goes too unless it has to stay. Till then the person can still call it off.",
        permission=PRIVACY_REQUEST_HANDLE,
        fits=lambda found: found.kind is Kind.ERASURE and found.state is State.IN_REVIEW,
        is_main=True,
    ),
    "request-correct": _Act(
        word="Correct a value",
        press="Correct it",
        says="The owner of the row changes it; hashes of before and after are kept, and it is read again.",
        permission=PRIVACY_REQUEST_HANDLE,
        fits=lambda found: found.kind is Kind.RECTIFICATION and _is_worked(found),
        label="The right value",
    ),
    "request-answer": _Act(
        word="Answer",
        press="Send the answer",
        says="These words go to the person, and the request ends.",
        permission=PRIVACY_REQUEST_HANDLE,
        fits=_is_worked,
        label="The answer",
        is_main=True,
    ),
    "request-decide": _Act(
        word="Decide",
        press="Decide it",
        says="The use stands still until this is decided. Going on needs compelling grounds; they go to the person.",
        permission=PRIVACY_REQUEST_HANDLE,
        fits=lambda found: found.kind is Kind.OBJECTION and found.state is State.IN_REVIEW,
        label="Grounds",
        is_main=True,
    ),
    "request-lift": _Act(
        word="Let it end",
        press="Ask a second person",
        says="After the approval the person is told; three days later the restriction ends.",
        permission=PRIVACY_REQUEST_HANDLE,
        fits=lambda found: found.kind is Kind.RESTRICTION and found.state is State.EXECUTED,
    ),
    "request-extend": _Act(
        word="Extend",
        press="Extend to three months",
        says="Once, with reasons that go to the person now, before the first day of the law has ended.",
        permission=PRIVACY_REQUEST_HANDLE,
        fits=lambda found: not found.is_extended and found.state not in ANSWERED,
        label="Reasons",
    ),
    "request-refuse": _Act(
        word="Propose refusal",
        press="Ask a second person",
        says="These very words go to the person after the approval, with the authority and the court they can turn to.",
        permission=PRIVACY_REQUEST_HANDLE,
        fits=lambda found: found.state not in ANSWERED | {State.EXECUTING},
        label="Reasons",
    ),
}


def standing(sources: Sources, session: Session, request_id: str, ctx: Context) -> Standing:
    """Return a request as its page shows it; recorded as a reading."""
    story = requests.story(session, request_id, ctx, parts=sources.privacy)
    end = ctx.actor.period[1] if ctx.actor.period is not None else None
    found = story.request
    waits = False
    if found.approval_id is not None and found.is_open:
        waits = sources.retention.approvals.state_of(session, found.approval_id).is_open(ctx.at)
    places: Sequence[tuple[str, str, str]] = ()
    if found.kind is Kind.RECTIFICATION and _is_worked(found) and ctx.actor.may(PRIVACY_REQUEST_HANDLE):
        places = rectify.correctable(session, request_id, ctx, parts=sources.privacy)
    notices = recipients.of_request(session, request_id, before=end)
    failing = trouble.of_request(session, request_id, before=end)
    return Standing(
        story=story,
        waits=waits,
        places=places,
        notices=notices,
        trouble=failing,
        classes=policies.kept(session, ctx.actor),
    )


def certified(now: Standing, certificate: Mapping[str, Any]) -> Standing:
    """Return a standing with its certificate."""
    return replace(now, certificate=certificate)


def offered(view: View, now: Standing) -> list[Part]:
    """Return what the viewer can do now, as links to the forms."""
    found = now.story.request
    if now.waits:
        return [act("Approvals", "/approvals", main=True)]
    links = []
    for name, one in ACTS.items():
        if one.fits(found) and view.sources.viewer().may(one.permission):
            links.append(act(one.word, view.here(f"requests/{found.id}", do=name), main=one.is_main))
    return list(reversed(links))


def opened(view: View, now: Standing) -> list[Part]:
    """Return the form that the address asks for, if it fits."""
    found, name = now.story.request, view.words.get("do", "")
    one = ACTS.get(name)
    if one is None or now.waits or not one.fits(found) or not view.sources.viewer().may(one.permission):
        return []
    fields: list[Part] = []
    if name == "request-correct":
        fields += _which(found, now.places)
    if name == "request-decide":
        fields.append(_decision(found))
    if one.asks:
        fields.append(
            acts.reason(
                name,
                found.id,
                label=one.label,
                description=None if name == "request-correct" else "At least ten letters",
                longest=_WORDS_MAX,
            )
        )
    back = html.A("Cancel", href=view.here(f"requests/{found.id}", do=None), className="more", **{"data-key": "Escape"})
    form = acts.form(
        one.word,
        *fields,
        buttons=[acts.press(one.press, name, found.id, main=True)],
        says=acts.place(name, found.id),
    )
    return [panel(one.word, html.Div([html.P(one.says), form], className="body deed"), cls="opened", right=back)]


def _which(found: Request, places: Sequence[tuple[str, str, str]]) -> list[Part]:
    data = [
        {"value": "\t".join(place), "label": f"{place[0]}: {place[2].replace('_', ' ')} ({place[1]})"}
        for place in places
    ]
    return [
        html.P(["They wrote: ", html.Span(found.detail or "–", className="strong")]),
        dmc.Select(
            id=acts.field("place", "request-correct", found.id),
            label="Which value",
            description="What they gave us themselves; what was booked is never changed",
            data=data,
            searchable=True,
            placeholder="Choose",
            comboboxProps={"withinPortal": False},
        ),
    ]


def _decision(found: Request) -> Part:
    data = [
        {"value": restrict.UPHELD, "label": "The use ends"},
        {"value": COMPELLING, "label": "It goes on, for compelling grounds"},
    ]
    return dmc.Select(
        id=acts.field("decision", "request-decide", found.id),
        label="Decision",
        data=data,
        value=restrict.UPHELD,
        comboboxProps={"withinPortal": False},
    )


def wire(console: Console) -> None:
    """Register every act with the permission that it demands."""
    more = {"request-correct": ["place"], "request-decide": ["decision"]}
    for name, does in _DOES.items():
        one = ACTS[name]
        fields = [(field, "value") for field in (*more.get(name, ()), *(("reason",) if one.asks else ()))]
        acts.wire(console, name, one.permission, partial(does, console.sources), fields=fields)


def _ask(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    identity.ask(session, deed.of, ctx, parts=sources.privacy)
    return "They are asked"


def _identify(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    rights.answer_identity(session, deed.of, deed.text("reason"), ctx, parts=sources.privacy)
    return "It is noted, and what they asked begins"


def _sign(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    packing.sign_incomplete(session, deed.of, deed.text("reason"), ctx, parts=sources.privacy)
    return "The copy can be fetched"


def _erase(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    approvals = sources.retention.approvals
    deciding.propose(session, deed.of, deed.text("reason"), ctx, parts=sources.privacy, approvals=approvals)
    return "A second person is asked"


def _correct(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    store, _, rest = deed.text("place").partition("\t")
    id_, _, field = rest.partition("\t")
    if not field:
        raise FieldUnknown("Choose which value is wrong.", param="field")
    value = deed.text("reason").strip()
    rectify.rectify(session, deed.of, store, id_, field, value, ctx, parts=sources.privacy)
    return "It is corrected"


def _answer(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    rectify.complete(session, deed.of, deed.text("reason"), ctx, parts=sources.privacy)
    return "They are told"


def _decide(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    decision, grounds = deed.text("decision"), deed.text("reason")
    restrict.decide_objection(session, deed.of, decision, grounds, ctx, parts=sources.privacy)
    return "It is decided"


def _lift(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    approvals = sources.retention.approvals
    restrict.ask_lift(session, deed.of, deed.text("reason"), ctx, parts=sources.privacy, approvals=approvals)
    return "A second person is asked"


def _extend(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    moving.extend(session, deed.of, deed.text("reason"), ctx, parts=sources.privacy)
    return "It is extended, and they are told"


def _refuse(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    approvals = sources.retention.approvals
    rectify.ask_refusal(session, deed.of, deed.text("reason"), ctx, parts=sources.privacy, approvals=approvals)
    return "A second person is asked"


_DOES: Final[Mapping[str, Callable[[Sources, Session, Deed, Context], str]]] = {
    "request-ask": _ask,
    "request-identify": _identify,
    "request-sign": _sign,
    "request-erase": _erase,
    "request-correct": _correct,
    "request-answer": _answer,
    "request-decide": _decide,
    "request-lift": _lift,
    "request-extend": _extend,
    "request-refuse": _refuse,
}
