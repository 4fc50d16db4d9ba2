"""People: accounts, their sessions, factors and roles. *Who is this?*"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, request

from app import problems
from app.edge import acting, context, leave_trace, system
from app.gateway.policy import Policy, route
from app.identity import accounts, coming_back, people, role_grants, roles, signup
from app.identity.accounts import AUDITOR_GRANT_MAX, Terms
from app.kernel.access import (
    IAM_ACCOUNT_DISABLE,
    IAM_ACCOUNT_INVITE,
    IAM_ACCOUNT_READ,
    IAM_FACTOR_DECIDE,
    IAM_ROLE_ASK,
    IAM_SESSION_REVOKE,
    Acr,
    ActorKind,
    Permission,
)
from app.kernel.errors import Conflict, Forbidden, Invalid, OnePayError
from app.oauth import guard
from app.web import dates, pages

blueprint = Blueprint("people", __name__)
_DONE = {
    "sessions": "Every session was ended.",
    "factor": "The factor was removed, and every session ended.",
    "lockout": "They can sign in again.",
    "role": "The role ended, and with it every session.",
}


def _policy(permission: Permission, *, fresh: bool = False) -> Policy:
    return Policy(permission=permission, surface=guard.STAFF, acr=Acr.MFA if fresh else None)


@route(blueprint, "GET", "/admin/users", _policy(IAM_ACCOUNT_READ))
def users() -> Response:
    """List the accounts of a kind: the newest, page by page; on a page the staff by name."""
    return _list(pages.Form(values={"email": "", "name": "", "role": roles.ANALYST}), 200)


@route(blueprint, "POST", "/admin/users", _policy(IAM_ACCOUNT_INVITE))
def invite() -> Response:
    """Invite a colleague, and ask that they get a role; another administrator agrees to that."""
    form = pages.read("email", "name", "role")
    if form.wrong:
        return _list(form, 422)
    try:
        with acting() as session:
            role, ctx = form.values["role"], context()
            invited = signup.invite(
                session, form.values["email"], form.values["name"], role, ctx, parts=system().identity
            )
            role_grants.ask(
                session, invited, role, Terms(), "For this they were invited", ctx, approvals=system().approvals
            )
    except (Invalid, Conflict) as error:
        form.refuse(error, "email")
        return _list(form, 422)
    return pages.go(f"/admin/users/{invited}")


@route(blueprint, "POST", "/admin/users/find", _policy(IAM_ACCOUNT_READ))
def find() -> Response:
    """Find a person by account id or e-mail address, which stand in no address of a page."""
    form = pages.read("find")
    found: Sequence[people.Person] = ()
    if not form.wrong:
        with acting() as session:
            found = people.find(session, form.values["find"], context(), parts=system().identity)
    if len(found) == 1:
        return pages.go(f"/admin/users/{found[0].account.id}")
    if not found:
        form.wrong.setdefault("find", "Nobody has this account id or e-mail address.")
    form.values.update(email="", name="", role=roles.ANALYST)
    return _list(form, 200 if found else 422, found)


@route(blueprint, "GET", "/admin/users/<account_id>", _policy(IAM_ACCOUNT_READ))
def user(account_id: str) -> Response:
    """Show one person: state, sessions, factors, and what may be done."""
    return _person(account_id, pages.Form(values={"reason": ""}), 200)


@route(blueprint, "POST", "/admin/users/<account_id>/sessions/end", _policy(IAM_SESSION_REVOKE))
def end_sessions(account_id: str) -> Response:
    """End every session of a person."""
    with acting(upon=account_id) as session:
        people.end_sessions(session, account_id, context(), parts=system().identity)
    return pages.go(f"/admin/users/{account_id}?done=sessions")


@route(
    blueprint, "POST", "/admin/users/<account_id>/factors/<factor_id>/remove", _policy(IAM_FACTOR_DECIDE, fresh=True)
)
def remove_factor(account_id: str, factor_id: str) -> Response:
    """Remove a lost factor, with a reason."""
    form = pages.read("reason")
    if form.wrong:
        return _person(account_id, form, 422)
    try:
        with acting(upon=account_id) as session:
            people.remove_factor(
                session, account_id, factor_id, form.values["reason"], context(), parts=system().identity
            )
    except (Invalid, Conflict, Forbidden) as error:
        return _refused(account_id, form, error, "reason")
    return pages.go(f"/admin/users/{account_id}?done=factor")


@route(blueprint, "POST", "/admin/users/<account_id>/factors/link", _policy(IAM_FACTOR_DECIDE, fresh=True))
def send_factor_link(account_id: str) -> Response:
    """Send a member of staff without a factor the link that adds a new one, once more."""
    form = pages.Form(values={"reason": ""})
    try:
        with acting(upon=account_id) as session:
            coming_back.send(session, account_id, context(), parts=system().identity)
    except (Conflict, Forbidden) as error:
        return _refused(account_id, form, error, "factors")
    return pages.go(f"/admin/users/{account_id}")


@route(blueprint, "POST", "/admin/users/<account_id>/disable", _policy(IAM_ACCOUNT_DISABLE))
def disable(account_id: str) -> Response:
    """Switch an account off, with a reason."""
    form = pages.read("reason")
    if form.wrong:
        return _person(account_id, form, 422)
    try:
        with acting(upon=account_id) as session:
            people.disable(session, account_id, form.values["reason"], context())
    except (Invalid, Conflict, Forbidden) as error:
        return _refused(account_id, form, error, "reason")
    return pages.go(f"/admin/users/{account_id}")


@route(blueprint, "POST", "/admin/users/<account_id>/enable", _policy(IAM_ACCOUNT_DISABLE))
def enable(account_id: str) -> Response:
    """Switch an account on again; whoever switched it off may not."""
    form = pages.Form(values={"reason": ""})
    try:
        with acting(upon=account_id) as session:
            people.enable(session, account_id, context(), parts=system().identity)
    except (Conflict, Forbidden) as error:
        return _refused(account_id, form, error, "reason")
    return pages.go(f"/admin/users/{account_id}")


@route(blueprint, "POST", "/admin/users/<account_id>/lockout/end", _policy(IAM_ACCOUNT_DISABLE, fresh=True))
def end_lockout(account_id: str) -> Response:
    """Let a member of staff try again who is shut out after too many wrong tries."""
    form = pages.Form(values={"reason": ""})
    try:
        with acting(upon=account_id) as session:
            people.end_lockout(session, account_id, context(), parts=system().identity)
    except (Conflict, Forbidden) as error:
        return _refused(account_id, form, error, "state")
    return pages.go(f"/admin/users/{account_id}?done=lockout")


@route(blueprint, "POST", "/admin/users/<account_id>/roles", _policy(IAM_ROLE_ASK))
def ask_role(account_id: str) -> Response:
    """Ask that a colleague gets a role; nothing is given before another administrator agrees."""
    form = pages.read("role", "until", "period_from", "period_until", "role_reason")
    terms = form.wrong or _terms(form)
    if form.wrong or not isinstance(terms, Terms):
        return _person(account_id, form, 422)
    try:
        with acting(upon=account_id) as session:
            id = role_grants.ask(
                session,
                account_id,
                form.values["role"],
                terms,
                form.values["role_reason"],
                context(),
                approvals=system().approvals,
            )
    except (Invalid, Conflict, Forbidden) as error:
        return _refused(account_id, form, error, "role_reason" if error.param == "reason" else "role")
    return pages.go(f"/approvals/{id}")


@route(blueprint, "POST", "/admin/users/<account_id>/roles/<role>/end", _policy(IAM_ROLE_ASK, fresh=True))
def end_role(account_id: str, role: str) -> Response:
    """End a role of a colleague at once, with a reason."""
    form = pages.read("reason")
    if form.wrong:
        return _person(account_id, form, 422)
    try:
        with acting(upon=account_id) as session:
            role_grants.end(session, account_id, role, form.values["reason"], context(), approvals=system().approvals)
    except (Invalid, Conflict, Forbidden) as error:
        return _refused(account_id, form, error, "reason")
    return pages.go(f"/admin/users/{account_id}?done=role")


def _terms(form: pages.Form) -> Terms | None:
    """Return the terms of a form, in whole days of the zone that pages show, or None with what is wrong noted in it."""
    until = form.hold("until", lambda: dates.end_of(form.values["until"], param="until"))
    begin = form.hold("period_from", lambda: dates.begin_of(form.values["period_from"], param="period_from"))
    end = form.hold("period_until", lambda: dates.end_of(form.values["period_until"], param="period_until"))
    if (begin is None) != (end is None) and not form.wrong:
        form.wrong["period_until" if end is None else "period_from"] = "Give both days of the period."
    if form.wrong:
        return None
    return Terms(until=until, period=(begin, end) if begin and end else None)


def _refused(account_id: str, form: pages.Form, error: OnePayError, field: str) -> Response:
    """Return the person with a refusal of what was to be done, after its trace is left."""
    leave_trace(error)
    form.refuse(error, field)
    return _person(account_id, form, int(problems.status_of(error)))


def _list(form: pages.Form, status: int, found: Sequence[people.Person] = ()) -> Response:
    """Return the people of a kind, or those who were found, of both."""
    is_found = bool(found)
    kind = ActorKind.CUSTOMER if is_found or request.args.get("kind") == "customer" else ActorKind.STAFF
    after = request.args.get("after") or None
    if not found:
        with system().db.begin() as session:
            found = people.page(session, kind, after, context(), parts=system().identity)
    more = found[-1].account.id if len(found) == people.PAGE_MAX else None
    if kind is ActorKind.STAFF:
        found = sorted(found, key=lambda person: (person.name.casefold(), person.account.id))
    return pages.render(
        "admin/users.html",
        status,
        form=form,
        people=found,
        kind=kind.value,
        is_found=is_found,
        more=more,
        words=roles.WORD_OF_ROLE,
        staff_roles=[role for role in roles.STAFF_ROLES if role != roles.AUDITOR],  # whose terms their own page asks
    )


def _person(account_id: str, form: pages.Form, status: int) -> Response:
    parts, ctx = system().identity, context()
    with system().db.begin() as session:
        found = people.detail(session, account_id, ctx, parts=parts)
        held = role_grants.held_by(session, account_id, ctx)
        asked = role_grants.asked_for(session, account_id, ctx, parts=parts)
        named = accounts.names_and_addresses(session, [one.given_by or "" for one in (*held, *asked)], parts=parts)
    done = _DONE.get(request.args.get("done", "")) if status == 200 else None
    return pages.render(
        "admin/user.html",
        status,
        form=form,
        detail=found,
        held=held,
        asked=asked,
        names={id: name for id, (name, _) in named.items()},
        words=roles.WORD_OF_ROLE,
        staff_roles=roles.beside(frozenset(one.role for one in held)),
        auditor=roles.AUDITOR,
        auditor_days=AUDITOR_GRANT_MAX.days,
        done=done,
    )
