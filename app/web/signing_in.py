"""Sign-in, code, sign-out. *Is it me?*"""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, g, request

from app import browser, entrance
from app.edge import context, leave_trace, system
from app.gateway.policy import Policy, Public, route
from app.identity import sessions
from app.identity.signin import Conclusion, SignInOver, SignInRepeated, Step, Throttled
from app.kernel.access import ActorKind
from app.kernel.errors import OnePayError
from app.oauth import guard
from app.web import formats, pages

blueprint = Blueprint("signing_in", __name__)
_SIGN_IN = Policy(permission=Public(reason="the sign-in page"))
_OUT = Policy(permission=Public(reason="whoever has no session is signed out already"))
REPEATED = "repeated"
FAILED = "The address, password or code is not right."


@route(blueprint, "GET", "/sign-in", _SIGN_IN)
def form() -> Response:
    """Ask for address and password, and of staff for the code as well."""
    if request.args.get("over") == REPEATED and _has_session():
        return pages.go(_home())
    return _page(pages.Form(values={"address": ""}), 200)


@route(blueprint, "POST", "/sign-in", _SIGN_IN)
def sign_in() -> Response:
    """Check what was typed: limits first, then one hash run, then everything else in one transaction."""
    made_form = pages.read("address")
    try:
        done = entrance.enter(_surface(), made_form.values["address"], pages.secret("password"), pages.secret("code"))
    except Throttled as refusal:
        _tell(refusal)
        return _throttled(made_form, refusal)
    except SignInRepeated as repeated:
        return _repeated(repeated)
    match done.step:
        case Step.DONE:
            return _in(done, _surface())
        case Step.CHALLENGED:
            assert done.login_token is not None
            return browser.owes_code(pages.go(f"/sign-in/code?next={_next_quoted()}"), done.login_token)
        case Step.REFUSED if done.locked_by_owner:
            return _page(made_form, 401, locked_by_owner=True)
        case Step.REFUSED:
            made_form.wrong["address"] = FAILED
            return _page(made_form, 401)


@route(blueprint, "GET", "/sign-in/code", _SIGN_IN)
def code_form() -> Response:
    """Ask for the code of the authenticator."""
    if browser.login_token() is None:
        return pages.go("/sign-in")
    return pages.render("code.html", form=pages.Form(), next=_next())


@route(blueprint, "POST", "/sign-in/code", _SIGN_IN)
def code() -> Response:
    """Check the code of an open sign-in."""
    made_form = pages.Form(values={"code": ""})
    token = browser.login_token()
    try:
        if token is None:
            raise SignInOver
        done = entrance.check_code(token, pages.secret("code"))
    except Throttled as refusal:
        _tell(refusal)
        made_form.wrong["code"] = (
            f"Too many wrong tries. We turn away further ones for {formats.wait(refusal.retry_after or 1)}."
        )
        return _wait(pages.render("code.html", 429, form=made_form, next=_next()), refusal)
    except SignInRepeated as repeated:
        return _repeated(repeated)
    except SignInOver as over:
        return pages.render(
            "sign_in.html", 401, form=pages.Form(values={"address": ""}), notice=str(over), next=_next()
        )
    if done.step is Step.DONE:
        return _in(done, guard.CUSTOMER)
    made_form.wrong["code"] = "The code was not accepted. Wait for the next one and try again."
    return pages.render("code.html", 401, form=made_form, next=_next())


@route(blueprint, "POST", "/sign-out", _OUT)
def sign_out() -> Response:
    """End the session of a customer."""
    return _out(guard.CUSTOMER)


@route(blueprint, "POST", "/staff/sign-out", Policy(permission=_OUT.permission, surface=guard.STAFF))
def staff_sign_out() -> Response:
    """End the session of a member of staff."""
    return _out(guard.STAFF)


def _in(done: Conclusion, surface: str) -> Response:
    assert done.session is not None
    kind = ActorKind.STAFF if surface == guard.STAFF else ActorKind.CUSTOMER
    return browser.signed_in(pages.go(_home()), done.session, kind, done.device_token)


def _repeated(repeated: SignInRepeated) -> Response:
    """Lead whoever sent the form twice to where the first answer leads; without its session, they are asked again."""
    leave_trace(repeated)
    return pages.go(f"/sign-in?over={REPEATED}&next={_next_quoted()}")


def _out(surface: str) -> Response:
    if g.live is not None:
        with system().db.begin() as session:
            sessions.end(session, g.live.session_id, "logout", context())
    return browser.signed_out(pages.go("/sign-in" if surface == guard.CUSTOMER else "/sign-in?next=/staff"), surface)


def _page(made_form: pages.Form, status: int, notice: str | None = None, *, locked_by_owner: bool = False) -> Response:
    over = {
        "idle": "You were signed out because nothing was clicked for a while. Sign in to continue.",
        "absolute": "Your session reached its time limit. Sign in to continue.",
        "superseded": "This session ended because you signed in elsewhere.",
        "revoked": "This session was ended.",
        REPEATED: "Your code was used a moment ago. Sign in again with the next one.",
    }.get(request.args.get("over", ""))
    template = "sign_in_staff.html" if _surface() == guard.STAFF else "sign_in.html"
    return pages.render(
        template, status, form=made_form, notice=notice or over, next=_next(), locked_by_owner=locked_by_owner
    )


def _throttled(made_form: pages.Form, refusal: Throttled) -> Response:
    notice = f"Too many wrong tries. We turn away further ones for {formats.wait(refusal.retry_after or 1)}."
    return _wait(_page(made_form, 429, notice), refusal)


def _tell(refusal: Throttled) -> None:
    system().gateway.folding.tell_limited(system().db, refusal.event, request.path, context())


def _wait(response: Response, refusal: OnePayError) -> Response:
    response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _next() -> str:
    return pages.own_path(request.args.get("next"), "")


def _has_session() -> bool:
    return system().gateway.cookies.session_of(_surface()) in request.cookies


def _home() -> str:
    return pages.own_path(_next(), "/staff" if _surface() == guard.STAFF else "/wallet")


def _next_quoted() -> str:
    return quote(_next())


def _surface() -> str:
    return guard.STAFF if _next().startswith(("/console", "/admin", "/staff")) else guard.CUSTOMER
