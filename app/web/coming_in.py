"""Sign-up, invitation, recovery: everything that begins with a mailed link. *Can I trust this and start?*"""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from app import browser
from app.edge import context, system
from app.gateway.policy import Policy, Public, route
from app.identity import accounts, coming_back, kept_passwords, links, mfa, passwords, recovery, roles, signin, signup
from app.identity.accounts import State
from app.identity.links import Link, LinkClosed, LinkPurpose
from app.identity.mfa import CodeRefused
from app.identity.signin import SignInOver, Throttled
from app.kernel.access import ActorKind
from app.kernel.errors import Conflict, Invalid
from app.web import formats, pages, qr
from payments import handles, wallets

blueprint = Blueprint("coming_in", __name__)
_SIGN_UP = Policy(permission=Public(reason="the page that opens an account"))
_LINK = Policy(permission=Public(reason="the mailed token is the credential"))
_RECOVER = Policy(permission=Public(reason="for those who cannot sign in"))


@route(blueprint, "GET", "/sign-up", _SIGN_UP)
def sign_up_form() -> Response:
    """Step 1 of 3: the address."""
    return pages.render("sign_up.html", form=pages.Form(values={"email": ""}))


@route(blueprint, "POST", "/sign-up", _SIGN_UP)
def sign_up() -> Response:
    """Send the link; the answer is the same whether the address is known or not."""
    form = pages.read("email")
    try:
        with system().db.begin() as session:
            signup.ask(session, form.values["email"], context(), parts=system().identity)
    except Invalid as error:
        form.refuse(error, "email")
        return pages.again("sign_up.html", form)
    return pages.render(
        "sent.html", title="Look into your mail", step="Step 1 of 3 is done", address=form.values["email"]
    )


@route(blueprint, "GET", "/recover", _RECOVER)
def recover_form() -> Response:
    """Ask for the address a new password is wanted for."""
    surface = "staff" if request.args.get("surface") == "staff" else "customer"
    return pages.render("recover.html", form=pages.Form(values={"email": ""}), surface=surface)


@route(blueprint, "POST", "/recover", _RECOVER)
def recover() -> Response:
    """Send the link that sets a new password; the answer tells nothing about the address."""
    form = pages.read("email", "surface")
    kind = ActorKind.STAFF if form.values["surface"] == "staff" else ActorKind.CUSTOMER
    try:
        with system().db.begin() as session:
            recovery.ask(session, kind, form.values["email"], context(), parts=system().identity)
    except Invalid as error:
        form.refuse(error, "email")
        return pages.again("recover.html", form, surface=kind.value)
    return pages.render("sent.html", title="Look into your mail", step=None, address=form.values["email"])


@route(blueprint, "GET", "/link/<token>", _LINK)
def link_form(token: str) -> Response:
    """Say what a link will do. Whoever only fetches it, such as a scanner of mail, changes nothing (ACC-2)."""
    parts, ctx = system().identity, context()
    with system().db.read() as session:
        link = links.look(session, token, ctx, parts=parts)
    if link.purpose is LinkPurpose.INVITATION:
        return _invitation(link, pages.Form(), 200)
    if link.purpose is LinkPurpose.FACTOR:
        with system().db.read() as session:
            coming_back.look(session, token, ctx, parts=parts)
        return pages.render("come_back.html", form=pages.Form())
    return _link_page(link, pages.Form(values={"name": "", "handle": ""}), 200)


@route(blueprint, "POST", "/link/<token>", _LINK)
def link(token: str) -> Response:
    """Do what the link is for, once."""
    with system().db.read() as session:
        found = links.look(session, token, context(), parts=system().identity)
    match found.purpose:
        case LinkPurpose.SIGN_UP:
            return _finish_sign_up(token, found)
        case LinkPurpose.INVITATION:
            return _accept_invitation(token, found)
        case LinkPurpose.RECOVERY:
            return _set_password(token, found)
        case LinkPurpose.FACTOR:
            return _add_factor(token) if "code" in request.form else _prove_password(token)
        case LinkPurpose.DISOWN:
            raise LinkClosed


def _finish_sign_up(token: str, found: Link) -> Response:
    parts, ctx = system(), context()
    form = pages.read("name", "handle")
    password = pages.secret("password")
    assert found.address is not None
    try:
        handle = handles.read(form.values["handle"])
        form.hold("name", lambda: accounts.checked_name(form.values["name"]))
        form.hold("handle", lambda: handles.check(handle))
        _check(form, password, has_factor=False, words=signup.words_of(found.address, form.values["name"]))
        if form.wrong:
            return _link_page(found, form, 422)
        new = signup.NewCustomer(name=form.values["name"], handle=handle, hashed=parts.identity.hasher.hash(password))
        with parts.db.begin() as session:
            _, begun, known = signup.complete(session, token, new, ctx, parts=parts.identity, open_wallet=wallets.open)
    except (Invalid, Conflict) as error:
        form.refuse(error, "handle" if error.param != "name" else "name")
        return _link_page(found, form, 422)
    except sa.exc.IntegrityError:  # the same address or handle, by somebody who was faster by a moment
        form.wrong["handle"] = "This was taken a moment ago. Choose another handle, or sign in."
        return _link_page(found, form, 422)
    return browser.signed_in(pages.go("/security/factors/new?next=/wallet&step=3"), begun, ActorKind.CUSTOMER, known)


def _accept_invitation(token: str, found: Link) -> Response:
    parts, ctx = system(), context()
    assert found.account_id is not None
    form, password, code = pages.Form(), pages.secret("password"), pages.secret("code")
    with parts.db.read() as session:
        words = _own_words(session, found.account_id)
    _check(form, password, has_factor=True, words=words)
    _demand(form, code)
    if form.wrong:
        return _invitation(found, form, 422)
    try:
        hashed = parts.identity.hasher.hash(password)
        with parts.db.begin() as session:
            mfa.take(session, found.account_id, found.id, code, ctx, parts=parts.identity)
            signup.accept(session, token, hashed, ctx, parts=parts.identity)
    except CodeRefused as error:
        form.wrong["code"] = str(error)
        return _invitation(found, form, 422)
    return pages.render(
        "done.html", title="Welcome to OnePay", text="Your account is ready.", go_to="/sign-in?next=/staff"
    )


def _set_password(token: str, found: Link) -> Response:
    parts, ctx = system(), context()
    hasher = parts.identity.hasher
    assert found.account_id is not None
    form, password, code = pages.Form(), pages.secret("password"), pages.secret("code")
    with parts.db.read() as session:
        words = _own_words(session, found.account_id)
        has_factor = bool(mfa.factors_of(session, found.account_id))
        kind = accounts.get(session, found.account_id).kind
        barred = kept_passwords.barred(session, found.account_id, is_staff=kind is ActorKind.STAFF)
    _check(form, password, has_factor=has_factor, words=words)
    if has_factor:
        _demand(form, code)
    if form.wrong:
        return _link_page(found, form, 422)
    try:
        kept = kept_passwords.refusal(password, barred, is_staff=kind is ActorKind.STAFF, hasher=hasher)
        hashed = hasher.hash(password)
        with parts.db.begin() as session:
            proof = recovery.complete(session, token, hashed, code, ctx, parts=parts.identity, kept=kept)
        proof.demand()
    except CodeRefused as error:
        form.wrong["code"] = str(error)
        return _link_page(found, form, 422)
    except passwords.PasswordRefused as error:
        if kind is ActorKind.STAFF and not has_factor:
            text = f"{error} This link is used up: ask for a new one."
            return pages.render("done.html", 422, title="Not this password", text=text, go_to="/recover?surface=staff")
        form.wrong["password"] = str(error)
        return _link_page(found, form, 422)
    with parts.db.read() as session:
        is_open = accounts.get(session, found.account_id).state is State.ACTIVE
    text = "Every session was ended."
    if not is_open:
        text += " Your account is still locked: nobody can sign in to it. We write to you as soon as it is open."
    home = "/sign-in?next=/staff" if kind is ActorKind.STAFF else "/sign-in"
    is_out = found.account_id == g.actor.id
    return pages.render("done.html", is_out=is_out, title="Your password is set", text=text, go_to=home)


def _prove_password(token: str) -> Response:
    """Show the secret of the new factor to whoever knows the password."""
    parts, ctx, form = system().identity, context(), pages.Form()
    try:
        with system().db.read() as session:
            made = coming_back.attempt(session, token, ctx, parts=parts)
        check = signin.check_password(made, pages.secret("password"), parts=parts)
        with system().db.begin() as session:
            proven = coming_back.prove(session, token, made, check, ctx, parts=parts)
    except Throttled as refusal:
        system().gateway.folding.tell_limited(system().db, refusal.event, "/link", ctx)
        form.wrong["password"] = (
            f"Too many wrong tries. We turn away further ones for {formats.wait(refusal.retry_after or 1)}."
        )
        answer = pages.render("come_back.html", 429, form=form)
        answer.headers["Retry-After"] = str(refusal.retry_after)
        return answer
    if proven is None:
        form.wrong["password"] = "The password is not right."
        return pages.render("come_back.html", 401, form=form)
    return _factor_offered(pages.Form(), *proven, 200)


def _add_factor(token: str) -> Response:
    """Take the first code of the new factor; the link is used up by it."""
    parts, ctx = system().identity, context()
    proof, code = pages.secret("proof"), pages.secret("code")
    try:
        with system().db.begin() as session:
            coming_back.complete(session, token, proof, code, ctx, parts=parts)
    except CodeRefused as error:
        with system().db.read() as session:
            offer = coming_back.offer(session, token, proof, ctx, parts=parts)
        return _factor_offered(pages.Form(wrong={"code": str(error)}), proof, offer, 422)
    except SignInOver as over:
        return pages.render("come_back.html", 401, form=pages.Form(wrong={"password": str(over)}))
    text = "Your authenticator is added. Sign in with its next code."
    return pages.render("done.html", title="You can sign in again", text=text, go_to="/sign-in?next=/staff")


def _factor_offered(form: pages.Form, proof: str, offer: mfa.Offer, status: int) -> Response:
    return pages.render("come_back_factor.html", status, form=form, proof=proof, enrolment=offer, qr=qr.svg(offer.uri))


def _check(form: pages.Form, password: str, *, has_factor: bool, words: tuple[str, ...]) -> None:
    try:
        signup.check_password(password, parts=system().identity, has_factor=has_factor, own_words=words)
    except passwords.PasswordRefused as error:
        form.wrong["password"] = str(error)


def _demand(form: pages.Form, code: str) -> None:
    """Note a code that is missing, which is told beside what else is wrong; one that was typed is compared later."""
    if not code.strip():
        form.wrong["code"] = str(CodeRefused())


def _own_words(session: Session, account_id: str) -> tuple[str, ...]:
    parts = system().identity
    name = accounts.name_of(session, account_id, parts=parts) or ""
    return signup.words_of(accounts.address_of(session, account_id, parts=parts), name)


def _invitation(found: Link, form: pages.Form, status: int) -> Response:
    parts = system().identity
    assert found.account_id is not None
    with system().db.read() as session:
        name = accounts.masked(accounts.address_of(session, found.account_id, parts=parts))
        offer = mfa.offer(session, found.account_id, found.id, name, parts=parts)
        held = sorted(accounts.roles_of(session, found.account_id, context().at))
    words = ", ".join(roles.WORD_OF_ROLE[role] for role in held)
    return pages.render(
        "invitation.html",
        status,
        form=form,
        enrolment=offer,
        qr=qr.svg(offer.uri),
        role=words,
    )


def _link_page(found: Link, form: pages.Form, status: int) -> Response:
    has_factor = False
    if found.account_id is not None:
        with system().db.read() as session:
            has_factor = bool(mfa.factors_of(session, found.account_id))
    template = {LinkPurpose.SIGN_UP: "sign_up_finish.html", LinkPurpose.RECOVERY: "new_password.html"}.get(
        found.purpose
    )
    if template is None:
        raise LinkClosed
    return pages.render(template, status, form=form, link=found, has_factor=has_factor)
