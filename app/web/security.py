"""The security centre of customers and staff: factors, sessions, "it wasn't me", step-up. *Who can get in?*"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from flask import Blueprint, Response, g, request

from app import browser
from app.edge import acting, context, system
from app.gateway.policy import Policy, route
from app.identity import accounts, disown, mfa, sessions, stepup
from app.identity.mfa import CodeRefused
from app.identity.stepup import ProofRefused
from app.kernel import ids
from app.kernel.access import SECURITY_OWN_MANAGE, SECURITY_OWN_READ, Acr, ActorKind
from app.kernel.errors import Conflict, TooManyAttempts
from app.oauth import guard
from app.web import formats, own_events, pages, qr

blueprint = Blueprint("security", __name__)
_READ = Policy(permission=SECURITY_OWN_READ)
_MANAGE = Policy(permission=SECURITY_OWN_MANAGE)
_STAFF_READ = Policy(permission=SECURITY_OWN_READ, surface=guard.STAFF)
_STAFF_MANAGE = Policy(permission=SECURITY_OWN_MANAGE, surface=guard.STAFF)


@route(blueprint, "GET", "/security", _READ)
def security() -> Response:
    """Show who can get in, and the recent security events with a remedy."""
    return _centre("security.html", "/security")


@route(blueprint, "GET", "/staff/account", _STAFF_READ)
def account() -> Response:
    """The same for a member of staff."""
    return _centre("account.html", "/staff/account")


@route(blueprint, "POST", "/security/sessions/<session_id>/end", _MANAGE)
def end_session(session_id: str) -> Response:
    """End one session of one's own."""
    return _end(session_id, "/security")


@route(blueprint, "POST", "/staff/account/sessions/<session_id>/end", _STAFF_MANAGE)
def end_staff_session(session_id: str) -> Response:
    """End one session of one's own, as staff."""
    return _end(session_id, "/staff/account")


@route(blueprint, "POST", "/security/sessions/end", _MANAGE)
def end_others() -> Response:
    """End all sessions but this one."""
    with acting() as session:
        sessions.end_all(session, g.actor.own_id, "revoked", context(), but=g.live.session_id)
    return pages.go("/security")


@route(blueprint, "GET", "/security/factors/new", _MANAGE)
def new_factor() -> Response:
    """Show the secret of a new authenticator, as picture and as text; nothing is kept before its first code."""
    with system().db.read() as session:
        mfa.demand_proof(session, context(), parts=system().identity)
    return _factor_page(pages.Form(), 200)


@route(blueprint, "POST", "/security/factors/new", _MANAGE)
def add_factor() -> Response:
    """Take the first code of the new authenticator; it is the proof of this session, too."""
    parts, ctx = system().identity, context()
    try:
        with acting() as session:
            mfa.demand_proof(session, ctx, parts=parts)
            mfa.take(session, ctx.actor.own_id, g.live.session_id, pages.secret("code"), ctx, parts=parts)
            renewed = sessions.renew(session, g.live.session_id, Acr.MFA, mfa.TOTP, ctx)
    except CodeRefused as error:
        return _factor_page(pages.Form(wrong={"code": str(error)}), 422)
    return browser.signed_in(pages.go(pages.own_path(_next(), "/security")), renewed, ActorKind.CUSTOMER, None)


@route(blueprint, "POST", "/security/factors/<factor_id>/remove", _MANAGE)
def remove_factor(factor_id: str) -> Response:
    """Remove a factor after a fresh proof; the last one stays."""
    form = pages.Form()
    try:
        with acting() as session:
            mfa.remove(session, factor_id, context(), parts=system().identity)
    except Conflict as error:
        form.wrong["factors"] = str(error)
        return _centre("security.html", "/security", form=form, status=409)
    return pages.go("/security")


@route(blueprint, "GET", "/security/not-me", _MANAGE)
def not_me_form() -> Response:
    """Say what "it wasn't me" does, before it is pressed."""
    of_event = _event_id(request.args.get("event")) or ""
    return pages.render("not_me.html", of_event=of_event, has_factor=_has_factor())


@route(blueprint, "POST", "/security/not-me", _MANAGE)
def not_me() -> Response:
    """Lock the account, end all sessions, hold outgoing money."""
    of_event = _event_id(pages.read("of_event").values["of_event"])
    with system().db.begin() as session:
        disown.not_me(session, of_event, context(), parts=system().identity, hold_outgoing=system().hold_outgoing)
    made = pages.render("locked.html", is_out=True, has_factor=_has_factor())
    return browser.signed_out(made, guard.CUSTOMER)


@route(blueprint, "GET", "/step-up", _READ)
def step_up_form() -> Response:
    """Ask for a fresh code."""
    return _step_up_page(pages.Form(), 200)


@route(blueprint, "POST", "/step-up", _READ)
def step_up() -> Response:
    """Take a fresh code and renew the session."""
    return _prove(ActorKind.CUSTOMER, "/wallet")


@route(blueprint, "GET", "/staff/step-up", _STAFF_READ)
def staff_step_up_form() -> Response:
    """Ask a member of staff for a fresh code."""
    return _step_up_page(pages.Form(), 200)


@route(blueprint, "POST", "/staff/step-up", _STAFF_READ)
def staff_step_up() -> Response:
    """Take a fresh code and renew the session."""
    return _prove(ActorKind.STAFF, "/staff")


def _event_id(text: str | None) -> str | None:
    """Return what names an event, or nothing: no other words get into the log by this way."""
    return text if text and text.startswith("evt_") and ids.SHAPE.fullmatch(text) else None


def _factor_page(form: pages.Form, status: int) -> Response:
    parts, account_id = system().identity, g.actor.own_id
    with system().db.read() as session:
        name = accounts.masked(accounts.address_of(session, account_id, parts=parts))
        offer = mfa.offer(session, account_id, g.live.session_id, name, parts=parts)
        has_factor = bool(mfa.factors_of(session, account_id))
    return pages.render(
        "factor.html",
        status,
        form=form,
        enrolment=offer,
        qr=qr.svg(offer.uri),
        next=_next(),
        has_factor=has_factor,
        is_last_step=request.args.get("step") == "3",  # of opening a wallet
    )


def _prove(kind: ActorKind, home: str) -> Response:
    form = pages.Form()
    try:
        with system().db.begin() as session:
            proof = stepup.prove(session, pages.secret("code"), context(), parts=system().identity)
        renewed = proof.renewed()
    except ProofRefused as error:
        form.wrong["code"] = str(error)
        return _step_up_page(form, 422)
    except TooManyAttempts as error:
        form.wrong["code"] = f"Too many wrong codes. Wait {formats.wait(error.retry_after or 1)}."
        return _step_up_page(form, 429)
    return browser.signed_in(pages.go(pages.own_path(_next(), home)), renewed, kind, None)


def _has_factor() -> bool:
    with system().db.read() as session:
        return bool(mfa.factors_of(session, g.actor.own_id))


def _step_up_page(form: pages.Form, status: int) -> Response:
    if not _has_factor() and status == 200:
        if g.actor.kind is ActorKind.STAFF:
            return pages.go("/staff/account")  # a lost factor of staff is replaced by an administrator
        return pages.go(f"/security/factors/new?next={quote(_next() or '/wallet', safe='/')}")
    return pages.render("step_up.html", status, form=form, next=_next())


def _centre(template: str, base: str, form: pages.Form | None = None, status: int = 200) -> Response:
    ctx = context()
    with system().db.read() as session:
        factors = mfa.factors_of(session, ctx.actor.own_id)
        live = sessions.list_of(session, ctx.actor.own_id, g.live.session_id, ctx.at)
    since = ctx.at - timedelta(days=90)
    happened = own_events.recent(system().store, ctx.actor.own_id, since, ctx.at)
    return pages.render(
        template,
        status,
        form=form or pages.Form(),
        factors=factors,
        sessions=live,
        happened=happened,
        happened_max=own_events.LIMIT,
        base=base,
    )


def _end(session_id: str, back: str) -> Response:
    with system().db.begin() as session:
        sessions.end_own(session, g.actor.own_id, session_id, "revoked", context())
    return pages.go(back)


def _next() -> str:
    return pages.own_path(request.args.get("next"), "")
