"""Find, record, reveal: staff say what they need a person's record for; each look leaves its event."""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from app.edge import acting, context, system
from app.gateway.policy import Policy, route
from app.identity import records
from app.kernel.access import PERSON_FIELD_REVEAL, PERSON_RECORD_FIND, Acr
from app.kernel.errors import Invalid, StepUpRequired
from app.oauth import guard
from app.web import pages

SHOWN_SECONDS = 60
blueprint = Blueprint("records", __name__)
_FIND = Policy(permission=PERSON_RECORD_FIND, surface=guard.STAFF)


@route(blueprint, "GET", "/find", _FIND)
def ask() -> Response:
    """Show the form: whom one looks for, and what for."""
    return _form(pages.Form(values={"find": "", "for": ""}), 200)


@route(blueprint, "POST", "/find", _FIND)
def find() -> Response:
    """Find a customer by account id or whole e-mail address, which stand in no address of a page."""
    form = pages.read("find", "for")
    if form.wrong:
        return _form(form, 422)
    try:
        with acting() as session:
            found = records.find(session, form.values["find"], form.values["for"], context(), parts=system().identity)
    except Invalid as error:
        form.refuse(error, "for")
        return _form(form, 422)
    if not found:
        form.wrong["find"] = "No customer has this account id or e-mail address."
        return _form(form, 422)
    return pages.go(f"/records/{found}?for={form.values['for']}")


@route(blueprint, "GET", "/records/<account_id>", _FIND)
def record(account_id: str) -> Response:
    """Show a customer's record, masked by role."""
    return _record(account_id, pages.Form(values={"reason": ""}), 200)


@route(
    blueprint,
    "POST",
    "/reveal/<account_id>/<field>",
    Policy(permission=PERSON_FIELD_REVEAL, surface=guard.STAFF, acr=Acr.MFA),
)
def reveal(account_id: str, field: str) -> Response:
    """Show one field in clear for a minute, with a reason."""
    form, purpose = pages.read("reason"), _purpose()
    if form.wrong:
        return _record(account_id, form, 422)
    try:
        with acting() as session:
            shown = records.reveal(
                session, account_id, field, purpose, form.values["reason"], context(), parts=system().identity
            )
    except Invalid as error:
        form.refuse(error, "reason")
        return _record(account_id, form, 422)
    back = f"/records/{account_id}?for={purpose}"
    answer = pages.render(
        "admin/revealed.html", word=records.FIELDS[field], value=shown, back=back, seconds=SHOWN_SECONDS
    )
    answer.headers["Refresh"] = f"{SHOWN_SECONDS}; url={back}"
    return answer


def _purpose() -> str:
    return request.args.get("for", "")[:20]


def _form(form: pages.Form, status: int) -> Response:
    return pages.render("admin/find.html", status, form=form, purposes=records.PURPOSES)


def _record(account_id: str, form: pages.Form, status: int) -> Response:
    purpose = _purpose()
    if purpose not in records.PURPOSES:
        return _form(
            pages.Form(values={"find": account_id, "for": ""}, wrong={"for": "Say what you need it for."}), 422
        )
    with acting() as session:
        found = records.read(session, account_id, purpose, context(), parts=system().identity)
    return pages.render(
        "admin/record.html",
        status,
        form=form,
        record=found,
        purpose=purpose,
        says=records.PURPOSES[purpose],
        words=records.FIELDS,
        is_fresh=_is_fresh(),
    )


def _is_fresh() -> bool:
    """Tell whether the proof of a factor is fresh enough to reveal: else it is asked for before a reason is typed."""
    try:
        g.actor.require_fresh(Acr.MFA, system().identity.policy.step_up, g.at)
    except StepUpRequired:
        return False
    return True
