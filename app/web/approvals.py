"""Approvals. *What waits for a second pair of eyes?*"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from app import browser, problems
from app.edge import acted, acting, context, leave_trace, system
from app.gateway import csrf
from app.gateway.policy import Policy, route
from app.identity import accounts, stepup
from app.identity.approvals import Outcome, Shown
from app.identity.sessions import NewSession
from app.identity.stepup import CodeRepeated, ProofRefused
from app.kernel.access import SECURITY_OWN_READ, Acr, ActorKind
from app.kernel.approvals import Verdict
from app.kernel.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OnePayError,
    StepUpRequired,
    TooManyAttempts,
)
from app.oauth import guard
from app.web import formats, pages

blueprint = Blueprint("approvals", __name__)
# Which approvals are for whom says each kind; the page itself is for all staff, as one's own account is.
_STAFF = Policy(permission=SECURITY_OWN_READ, surface=guard.STAFF)
_SERVICE = "svc_"
OVER_SHOWN: Final = 10


@route(blueprint, "GET", "/approvals", _STAFF)
def queue() -> Response:
    """Show what waits for the viewer, what they asked for, and what else they may see."""
    book, ctx = system().approvals, context()
    with system().db.read() as session:
        waiting = book.pending_for(session, ctx.actor, ctx.at)
        own = book.own_of(session, ctx.actor, ctx.at)
        others = book.others_for(session, ctx.actor, ctx.at)
        names = _names(session, [*waiting, *own, *others])
    whole = request.args.get("over") == "all"
    mine, rest = (found if whole else _newest(found, ctx.at) for found in (own, others))
    hidden = {"own": len(own) - len(mine), "others": len(others) - len(rest)}
    return pages.render("approvals.html", waiting=waiting, own=mine, others=rest, hidden=hidden, names=names)


def _newest(found: Sequence[Shown], at: datetime) -> list[Shown]:
    """Return what is open, and then of what is over the newest."""
    over = [one for one in found if not one.standing.is_open(at)]
    return [*(one for one in found if one.standing.is_open(at)), *over[:OVER_SHOWN]]


@route(blueprint, "GET", "/approvals/<approval_id>", _STAFF)
def one(approval_id: str) -> Response:
    """Show exactly what would run, who asked for it and why, and what was said."""
    return _page(approval_id, pages.Form(values={"reason": ""}), 200)


@route(blueprint, "POST", "/approvals/<approval_id>", _STAFF)
def decide(approval_id: str) -> Response:
    """Say yes or no, with a code where the last proof is older than a minute; a second click changes nothing."""
    form = pages.read("reason", "verdict")
    if form.wrong:
        return _page(approval_id, form, 422)
    try:
        verdict = Verdict(form.values["verdict"])
    except ValueError:
        form.wrong["verdict"] = "Choose to approve or to refuse."
        return _page(approval_id, form, 422)
    renewed: NewSession | None = None
    try:
        if pages.secret("code"):
            renewed = _prove(approval_id, verdict)
        acted(
            lambda session: _decided(session, approval_id, verdict, form.values["reason"]), upon=_asked_by(approval_id)
        )
    except (StepUpRequired, ProofRefused, TooManyAttempts) as error:
        form.wrong["code"] = _in_words(error)
        response = _page(approval_id, form, 422, asks_code=True)
    except NotFound:
        raise
    except (Invalid, Conflict, Forbidden) as error:
        response = _refused(approval_id, form, error)
    else:
        response = pages.go(f"/approvals/{approval_id}")
    # The proof stands whatever became of the vote; without its cookie the person would be signed out.
    return browser.signed_in(response, renewed, ActorKind.STAFF, None) if renewed else response


@route(blueprint, "POST", "/approvals/<approval_id>/withdraw", _STAFF)
def withdraw(approval_id: str) -> Response:
    """Take back what one asked for."""
    try:
        with acting() as session:
            system().approvals.withdraw(session, approval_id, context())
    except (Conflict, Forbidden) as error:
        return _refused(approval_id, pages.Form(values={"reason": ""}), error)
    return pages.go(f"/approvals/{approval_id}")


def _decided(session: Session, approval_id: str, verdict: Verdict, reason: str) -> Outcome:
    return system().approvals.decide(session, approval_id, verdict, reason, context())


def _prove(approval_id: str, verdict: Verdict) -> NewSession | None:
    """Take the code and go on with the proof of now; None where the same click came before and used the code up."""
    with system().db.begin() as session:
        proof = stepup.prove(session, pages.secret("code"), context(), parts=system().identity)
    if isinstance(proof.refusal, CodeRepeated) and _has_said(approval_id, verdict):
        return None
    renewed = proof.renewed()
    # What goes on in this request rests on the proof, and a page it answers with belongs to the renewed session.
    g.actor = replace(g.actor, acr=Acr.MFA, authenticated_at=g.at)
    csrf.token_of(renewed.csrf)
    return renewed


def _has_said(approval_id: str, verdict: Verdict) -> bool:
    with system().db.read() as session:
        votes = system().approvals.state_of(session, approval_id).votes
    return any(who == g.actor.id and said is verdict for who, said, _ in votes)


def _asked_by(approval_id: str) -> str:
    with system().db.read() as session:
        return system().approvals.state_of(session, approval_id).requested_by


def _refused(approval_id: str, form: pages.Form, error: OnePayError) -> Response:
    """Return the approval with a refusal, after its trace is left."""
    leave_trace(error)
    form.refuse(error, "reason" if isinstance(error, Invalid) else "verdict")
    form.values.setdefault("verdict", "")
    return _page(approval_id, form, int(problems.status_of(error)))


def _in_words(error: OnePayError) -> str:
    if isinstance(error, TooManyAttempts):
        return f"Too many wrong codes. Wait {formats.wait(error.retry_after or 1)}."
    if isinstance(error, StepUpRequired):
        return "Confirm with the code of your authenticator: this needs one of the last minute."
    return str(error)


def _is_fresh() -> bool:
    try:
        g.actor.require_fresh(Acr.MFA, system().identity.policy.approval_proof, g.at)
    except StepUpRequired:
        return False
    return True


def _page(approval_id: str, form: pages.Form, status: int, *, asks_code: bool = False) -> Response:
    book = system().approvals
    with system().db.begin() as session:
        shown = book.show(session, approval_id, context())
        names = _names(session, [shown])
    return pages.render(
        "approval.html", status, form=form, shown=shown, names=names, asks_code=asks_code or not _is_fresh()
    )


def _names(session: Session, shown: Sequence[Shown]) -> Mapping[str, str]:
    """Return the names of the colleagues in some approvals; a process of ours is called so."""
    ids = {one.standing.requested_by for one in shown} | {who for one in shown for who, _, _ in one.standing.votes}
    about = {one.standing.object_id for one in shown if (one.standing.object_id or "").startswith("acc_")}
    staff = accounts.staff_among(session, [id for id in {*ids, *about} if id and not id.startswith(_SERVICE)])
    found = accounts.names_and_addresses(session, sorted(staff), parts=system().identity)
    names = {id: name for id, (name, _) in found.items() if name}
    return names | {id: "OnePay itself" for id in ids if id.startswith(_SERVICE)}
