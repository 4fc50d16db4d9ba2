"""The privacy centre: what is held, why, who looked, and what a person can ask for. *What do you know about me?*"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from flask import Blueprint, Response, g

from app.edge import acted, context, system
from app.gateway.policy import Policy, Public, route
from app.identity import accounts, letters
from app.identity.accounts import State
from app.kernel.access import (
    PRIVACY_SELF_CONSENT,
    PRIVACY_SELF_DOWNLOAD,
    PRIVACY_SELF_HISTORY,
    PRIVACY_SELF_REQUEST,
    Acr,
    ActorKind,
)
from app.kernel.clock import parse_rfc3339
from app.kernel.errors import Invalid, Unavailable
from app.web import pages
from compliance.catalog import purposes
from compliance.catalog.retention import RetentionClass
from compliance.certificates import deciders
from compliance.privacy import (
    consent,
    decisions,
    delivery,
    graph,
    history,
    identity,
    intake,
    moving,
    recipients,
    requests,
    rights,
)
from compliance.privacy import package as content
from compliance.privacy.erasure import certificates, planning, staying
from compliance.privacy.history import Look
from compliance.privacy.request import Asked, Item, Kind
from compliance.retention import policies

blueprint = Blueprint("privacy", __name__)
_ASK: Final = Policy(permission=PRIVACY_SELF_REQUEST)
_OUTSIDE: Final = Policy(
    permission=Public(reason="who cannot sign in has the same rights; nothing is given before we know who it is")
)
_OUTSIDE_KINDS: Final = {
    "access": "A copy of what you hold about me",
    "portability": "My data in a form that another service reads",
    "erasure": "To be erased",
    "restriction": "That you only keep my data and do not use it",
    "rectification": "That something about me is corrected",
}
_ASK_FRESH: Final = Policy(permission=PRIVACY_SELF_REQUEST, acr=Acr.MFA)
_CONSENT: Final = Policy(permission=PRIVACY_SELF_CONSENT)
_HISTORY: Final = Policy(permission=PRIVACY_SELF_HISTORY)
_LINK: Final = Policy(permission=Public(reason="the token of a letter is what allows to stop a request"))
LOOKS_SHOWN: Final = 3
LOOKS_MAX: Final = 200
KINDS: Final = {
    "access": ("Copy of your data", "copy"),
    "portability": ("Your data to take elsewhere", "copy"),
    "rectification": ("Correct something", "correct"),
    "erasure": ("Erase my data", "erase"),
    "restriction": ("Restrict use", "restrict"),
    "objection": ("Stop one use", "object"),
    "human_review": ("A person looks at a decision", "review"),
}
ASKS: Final = (
    ("/privacy/correct", "Correct something", "We fix it here and tell you"),
    ("/privacy/restrict", "Restrict use", "We keep your data and do not use it meanwhile"),
    ("/privacy/object", "Stop one use", "You object, we stop until it is decided; news stop at once"),
    ("/privacy/review", "Have a person look", "At something that was decided about you"),
    ("/privacy/erase", "Erase my data", "First you see what stays, by which law and until when"),
)
STATES: Final = {
    "identity": ("wait", "We ask who you are"),
    "scoped": ("wait", "In preparation"),
    "in_review": ("wait", "A person looks at it"),
    "waiting": ("wait", "Waits until it begins"),
    "executing": ("wait", "Being done"),
    "ready": ("done", "Ready"),
    "delivered": ("done", "Fetched"),
    "executed": ("done", "Done"),
    "verified": ("done", "Done and checked"),
    "closed": ("done", "Done"),
    "refused": ("refused", "Refused"),
    "withdrawn": ("off", "Taken back"),
    "stopped": ("off", "Stopped"),
}


@route(blueprint, "GET", "/privacy", _ASK)
def centre() -> Response:
    """Show who looked, what was asked, consents, and what can be asked."""
    ctx = context()
    with system().db.read() as session:
        own = requests.own_requests(session, ctx)
        standings = consent.standings(session, ctx.actor.own_id)
        decided = decisions.of(session, ctx, parts=system().compliance.privacy)
    recent = _looks(ctx.at - timedelta(days=30))
    return _page(
        "centre.html", asks=ASKS, requests=own, standings=standings, looks=recent, shown=LOOKS_SHOWN, decided=decided
    )


@route(blueprint, "GET", "/privacy/access", _HISTORY)
def access() -> Response:
    """List every reading of one's own data."""
    return _page("access.html", looks=_looks(None), most=LOOKS_MAX)


@route(blueprint, "GET", "/privacy/map", _ASK)
def data_map() -> Response:
    """Show what is held, why and how long: by the marks, and by the periods in force."""
    rows: dict[str, dict[str, set[str]]] = {}
    for store in graph.stores(system().compliance.sources):
        if store.category in ("staff", "none"):
            continue
        row = rows.setdefault(store.category, {"purposes": set(), "classes": set(), "origins": set()})
        row["purposes"].update(store.purposes)
        row["classes"].add(store.retention)
        row["origins"].add(store.origin)
    with system().db.read() as session:
        classes = policies.kept(session)
    kept = {category: _longest_last(row["classes"], classes) for category, row in rows.items()}
    return _page("map.html", rows=sorted(rows.items()), known=purposes.shipped(), kept=kept)


@route(blueprint, "GET", "/privacy/download", _ASK)
def download_form() -> Response:
    """Say what the copy holds before it is asked for."""
    return _page("download.html", form=pages.Form(values={"kind": "access"}))


@route(blueprint, "POST", "/privacy/download", _ASK_FRESH)
def download() -> Response:
    """Ask for a copy of one's own data, or for what can be taken elsewhere."""
    kind = pages.read("kind").values["kind"]
    return _take(Asked(kind=kind if kind == Kind.PORTABILITY else Kind.ACCESS), "download.html")


@route(blueprint, "GET", "/privacy/correct", _ASK)
def correct_form() -> Response:
    """Ask what is wrong."""
    return _page("correct.html", form=_empty())


@route(blueprint, "POST", "/privacy/correct", _ASK_FRESH)
def correct() -> Response:
    """Take what is to be corrected."""
    form = pages.read("detail")
    return _take(Asked(kind=Kind.RECTIFICATION, detail=form.values["detail"]), "correct.html")


@route(blueprint, "GET", "/privacy/review", _ASK)
def review_form() -> Response:
    """Ask which decision is meant."""
    return _page("review.html", form=_empty())


@route(blueprint, "POST", "/privacy/review", _ASK_FRESH)
def review() -> Response:
    """Take what a person is to look at again."""
    form = pages.read("detail")
    return _take(Asked(kind=Kind.HUMAN_REVIEW, detail=form.values["detail"]), "review.html")


@route(blueprint, "GET", "/privacy/restrict", _ASK)
def restrict_form() -> Response:
    """Say what stops and what goes on."""
    return _page("restrict.html", form=_empty(), known=purposes.shipped().values())


@route(blueprint, "POST", "/privacy/restrict", _ASK_FRESH)
def restrict() -> Response:
    """Restrict the use of one's own data."""
    return _take(Asked(kind=Kind.RESTRICTION), "restrict.html", known=purposes.shipped().values())


@route(blueprint, "GET", "/privacy/object", _ASK)
def object_form() -> Response:
    """Show the uses that can be stopped."""
    return _page("object.html", form=_empty(), known=_stoppable())


@route(blueprint, "POST", "/privacy/object", _ASK_FRESH)
def object_to() -> Response:
    """Stop one use."""
    form = pages.read("purpose")
    wanted = Asked(kind=Kind.OBJECTION, purpose=form.values["purpose"] or None)
    return _take(wanted, "object.html", known=_stoppable())


@route(blueprint, "GET", "/privacy/erase", _ASK)
def erase_form() -> Response:
    """Show what stays, by which law and until when, before anything is asked."""
    return _page("erase.html", form=_empty(), **_foreseen())


@route(blueprint, "POST", "/privacy/erase", _ASK_FRESH)
def erase_me() -> Response:
    """Ask to be erased."""
    return _take(Asked(kind=Kind.ERASURE), "erase.html", **_foreseen())


@route(blueprint, "GET", "/privacy/ask", _OUTSIDE)
def ask_form() -> Response:
    """Ask without signing in: which right, and whose data."""
    return _ask_form(pages.Form(values={"email": "", "kind": "access", "detail": ""}), 200)


@route(blueprint, "POST", "/privacy/ask", _OUTSIDE)
def ask_outside() -> Response:
    """Take a request of somebody who is not signed in; the answer tells nothing about the address."""
    form, parts, ctx = pages.read("email", "kind", "detail"), system(), context()
    wanted = Asked(kind=form.values["kind"], detail=form.values["detail"] or None, channel="form")
    if form.wrong:
        return _ask_form(form, 422)
    try:
        typed = accounts.normal_address(form.values["email"])
        known = accounts.identifier_of(typed, parts=parts.identity)
        # Everything that can be wrong with the words is said before anybody is looked for.
        intake.checked(wanted)
        with parts.db.begin() as session:
            is_let = letters.may_be_asked_for(session, "privacy", known, ctx, parts=parts.identity)
            found = accounts.find(session, ActorKind.CUSTOMER, known)
            if is_let and found is not None and found.state is not State.CLOSED:
                intake.ask_from_outside(session, wanted, found.id, ctx, parts=parts.compliance.privacy)
            elif is_let and (other := accounts.stand_in(session, ActorKind.CUSTOMER)) is not None:
                # The same work, taken back: the time of the answer tells nothing about an address either.
                with session.begin_nested() as trial:
                    intake.ask_from_outside(session, wanted, other.id, ctx, parts=parts.compliance.privacy)
                    trial.rollback()
    except Invalid as error:
        form.refuse(error, "email")
        return _ask_form(form, 422)
    return _page("asked.html", address=typed)


def _ask_form(form: pages.Form, status: int) -> Response:
    return _page("ask.html", status, form=form, rights=_OUTSIDE_KINDS)


@route(blueprint, "POST", "/privacy/requests/<request_id>/confirm", _ASK_FRESH)
def confirm(request_id: str) -> Response:
    """Confirm that a request that came from outside is one's own."""
    parts = system().compliance.privacy
    acted(lambda session: rights.confirm(session, request_id, context(), parts=parts))
    return pages.go(f"/privacy/requests/{request_id}")


@route(blueprint, "GET", "/privacy/requests/<request_id>", _ASK)
def one(request_id: str) -> Response:
    """Show one request: its clock, its steps, what was found."""
    return _request_page(request_id)


@route(blueprint, "POST", "/privacy/requests/<request_id>/copy", Policy(permission=PRIVACY_SELF_DOWNLOAD, acr=Acr.MFA))
def copy(request_id: str) -> Response:
    """Hand over the copy, with a proof of its own each time."""
    parts = system().compliance.privacy
    data = acted(lambda session: delivery.fetch(session, request_id, context(), parts=parts))
    answer = Response(data, mimetype="application/zip")
    answer.headers["Content-Disposition"] = f'attachment; filename="onepay-{request_id}.zip"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


@route(blueprint, "POST", "/privacy/requests/<request_id>/withdraw", _ASK)
def withdraw(request_id: str) -> Response:
    """Take a request back."""
    parts = system().compliance.privacy
    acted(lambda session: rights.withdraw(session, request_id, context(), parts=parts))
    return pages.go(f"/privacy/requests/{request_id}")


@route(blueprint, "GET", "/privacy/consents/<purpose>", _CONSENT)
def consent_page(purpose: str) -> Response:
    """Show the text of a consent and its receipts."""
    ctx = context()
    with system().db.read() as session:
        own = consent.own_receipts(session, ctx)
        found = [each for each in consent.standings(session, ctx.actor.own_id) if each.purpose.id == purpose]
    if not found:
        raise consent.PurposeUnknown(param="purpose")
    return _page("consent.html", standing=found[0], receipts=[each for each in own if each.purpose == purpose])


@route(blueprint, "POST", "/privacy/consents/<purpose>/give", _CONSENT)
def give(purpose: str) -> Response:
    """Consent to a purpose."""
    acted(lambda session: consent.give(session, purpose, context()))
    return pages.go("/privacy#consents")


@route(blueprint, "POST", "/privacy/consents/<purpose>/withdraw", _CONSENT)
def take_back(purpose: str) -> Response:
    """Take a consent back, with one press."""
    acted(lambda session: consent.withdraw(session, purpose, context()))
    return pages.go("/privacy#consents")


@route(blueprint, "GET", "/privacy/link/<token>", _LINK)
def stop_form(token: str) -> Response:
    """Say what the link of a letter stops, before its button is pressed."""
    with system().db.read() as session:
        found = requests.of_token(session, token)
        fetched = moving.fetched_times(session, found.id)
    return _page("stop.html", found=found, fetched=fetched, is_done=False)


@route(blueprint, "POST", "/privacy/link/<token>", _LINK)
def stop(token: str) -> Response:
    """Stop a request that was not its person's."""
    parts = system().compliance.privacy
    with system().db.begin() as session:
        stopped = rights.stop(session, token, context(), parts=parts)
        found, fetched = requests.get(session, stopped), moving.fetched_times(session, stopped)
    return _page("stop.html", found=found, fetched=fetched, is_done=True)


@route(blueprint, "GET", "/privacy/certificate/<token>", _LINK)
def last_letter(token: str) -> Response:
    """Show the customer's version of a certificate: categories and laws, and nothing of how it is built here."""
    with system().db.read() as session:
        found, classes = certificates.by_link(session, token), policies.kept(session)
        if found is None:
            return _page("certificate.html", c=None)
        told = recipients.of_request(session, found.body["request"])
    body = found.body
    gone: Counter[tuple[str, str]] = Counter()
    for one in body["erased"]:
        gone[one["category"], one["how"]] += one["entries"]
    erased = [(category, how, entries) for (category, how), entries in sorted(gone.items())]
    kept: dict[tuple[str, str, str], set[str]] = {}
    for one in body["stays"]:
        law = "–" if one["law"] == "until it is settled" else one["law"]  # as older certificates say it
        kept.setdefault((staying.says(one["class"], classes), law, one["until"]), set()).add(one["category"])
    stays = [(*why, sorted(categories)) for why, categories in sorted(kept.items())]
    ended = body.get("irrecoverable_not_before") or body["irrecoverable_from"]
    instants = [f"{parse_rfc3339(at):%-d %B %Y, %H:%M} UTC" for at in (body["erased_at"], ended)]
    return _page(
        "certificate.html",
        c=body,
        received=date.fromisoformat(body["received_on"]),
        sha256=found.sha256,
        file=f"/privacy/certificate/{token}/file",
        erased=erased,
        stays=stays,
        instants=instants,
        told=told,
        deciders=deciders(body),
        differ=certificates.why_plans_differ(body),
    )


@route(blueprint, "GET", "/privacy/certificate/<token>/file", _LINK)
def certificate(token: str) -> Response:
    """Hand over a certificate as it was written, beside the proof that the log holds its hash."""
    with system().db.read() as session:
        data = certificates.with_proof(session, token, context(), system().compliance.privacy)
    answer = Response(data, mimetype="application/zip")
    answer.headers["Content-Disposition"] = 'attachment; filename="onepay-certificate.zip"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _take(wanted: Asked, template: str, **values: Any) -> Response:
    """Take a request and lead to it; what is wrong with it is told in its form."""
    form = pages.Form(values={"kind": wanted.kind, "detail": wanted.detail or "", "purpose": wanted.purpose or ""})
    parts = system().compliance.privacy
    try:
        request_id = acted(lambda session: rights.ask(session, wanted, context(), parts=parts))
    except Invalid as error:
        form.refuse(error, "detail")
        return _page(template, 422, form=form, **values)
    return pages.go(f"/privacy/requests/{request_id}")


def _request_page(request_id: str, status: int = 200, **values: Any) -> Response:
    ctx, parts = context(), system().compliance.privacy
    with system().db.read() as session:
        story = requests.own_story(session, request_id, ctx)
        package = delivery.standing(session, request_id, ctx, parts=parts)
        told = recipients.own(session, request_id, ctx)
    summed = _summed(story.items)
    return _page("request.html", status, story=story, package=package, found=summed, told=told, **values)


def _longest_last(names: set[str], classes: Mapping[str, RetentionClass]) -> list[RetentionClass]:
    found = [classes[name] for name in names if name in classes]
    return sorted(found, key=lambda each: (each.keep.months, each.keep.span))


def _empty() -> pages.Form:
    return pages.Form(values={"detail": "", "purpose": ""})


def _stoppable() -> list[purposes.Purpose]:
    return [each for each in purposes.shipped().values() if each.may_be_objected_to or each.needs_consent]


def _foreseen() -> dict[str, Any]:
    """Return what an erasure would keep and what would go, as things stand."""
    ctx, parts = context(), system().compliance.privacy
    with system().db.read() as session:
        return {"foreseen": planning.foresee(session, ctx, parts=parts)}


def _summed(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return what was found by category: how much in how many places, what of it stays, and what was not searched.

    What the event store indexes is what the log holds, so it is counted once.
    """
    rows: dict[str, dict[str, Any]] = {}
    for item in items:
        if item.store.startswith("events.") or not (item.found or item.skipped):
            continue
        row = rows.setdefault(item.category, {"found": 0, "held": 0, "places": 0, "skipped": False, "until": set()})
        row["found"] += item.found
        row["held"] += item.held
        row["places"] += 1
        row["skipped"] |= item.skipped is not None
        row["until"] |= {item.stays_until} if item.stays_until else set()
    return [
        {"category": category, **row, "until": sorted(row["until"], key=staying.order)}
        for category, row in sorted(rows.items())
    ]


def _looks(since: datetime | None) -> Sequence[Look] | None:
    """Return who looked, or None while the event store does not answer."""
    try:
        return history.looks(system().store, g.actor.own_id, since=since, limit=LOOKS_MAX)
    except Unavailable:
        return None


def _page(template: str, status: int = 200, **values: Any) -> Response:
    calendar = system().compliance.privacy.settings.legal_timezone
    return pages.render(
        f"privacy/{template}",
        status,
        kinds=KINDS,
        states=STATES,
        categories=content.CATEGORIES,
        days_left=lambda due: (due - g.at.astimezone(calendar).date()).days,
        due_if_confirmed=lambda r: identity.due_if_confirmed(r, context(), parts=system().compliance.privacy),
        legal_zone=calendar,
        rules=system().compliance.privacy.settings,
        section="Privacy",
        **values,
    )
