"""Files as evidence. *What stands behind this control?* A form to bring one, and each as an attachment."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from flask import Blueprint, Response, request

from app import problems
from app.edge import acted, context, leave_trace, system
from app.gateway.policy import BODY_MAX, Policy, route
from app.kernel.access import COMPLIANCE_EVIDENCE_READ, COMPLIANCE_EVIDENCE_UPLOAD
from app.kernel.errors import Conflict, ContentRefused, Invalid, NotFound, OnePayError, TooLarge
from app.oauth import guard
from app.web import pages
from compliance.attest import files
from compliance.attest.files import Upload
from compliance.attest.parts import MIB
from compliance.catalog.controls import GDPR, PCI, Control

UPLOAD_MAX: Final = 25 * MIB
_FRAMEWORKS: Final = {"pci": PCI, "gdpr": GDPR}
_BRING: Final = Policy(permission=COMPLIANCE_EVIDENCE_UPLOAD, surface=guard.STAFF)
_TAKE_IN: Final = Policy(permission=COMPLIANCE_EVIDENCE_UPLOAD, surface=guard.STAFF, body_max=UPLOAD_MAX + BODY_MAX)
_READ: Final = Policy(permission=COMPLIANCE_EVIDENCE_READ, surface=guard.STAFF)

blueprint = Blueprint("evidence", __name__)


@route(blueprint, "GET", "/staff/evidence", _BRING)
def form() -> Response:
    """Show what stands behind a control, and the form."""
    return _page(pages.Form(values={"control": request.args.get("control", ""), "reason": ""}))


@route(blueprint, "POST", "/staff/evidence", _TAKE_IN)
def bring() -> Response:
    """Take a file in."""
    filled = pages.read("control", "reason")
    filled.values["file"] = ""
    given = request.files.get("file")
    if given is None or not given.filename:
        filled.wrong["file"] = "Choose a file."
    if filled.wrong or given is None:
        return _page(filled, 422)
    control = _control(filled.values["control"])
    # One byte more than may be, so that a larger file is seen as one.
    content = given.stream.read(UPLOAD_MAX + 1)
    brought = Upload(
        framework=control.framework,
        key=control.key,
        name=given.filename or "",
        content=content,
        reason=filled.values["reason"],
    )
    try:
        if 0 < len(content) <= UPLOAD_MAX:
            assert brought.media_type, "looked at before a transaction is open"
        acted(lambda session: files.upload(session, brought, context(), cabinet=system().desk.cabinet))
    except NotFound:
        raise
    except (Invalid, Conflict, TooLarge, ContentRefused) as error:
        return _refused(filled, error)
    return pages.go(f"/staff/evidence?control={quote(filled.values['control'])}")


@route(blueprint, "GET", "/staff/evidence/<sha256>", _READ)
def take(sha256: str) -> Response:
    """Hand a file out, never to be shown in place."""
    found, content = acted(lambda session: files.take(session, sha256, context(), cabinet=system().desk.cabinet))
    answer = Response(content, mimetype="application/octet-stream")
    ending = found.name.rpartition(".")[2].lower()
    answer.headers["Content-Disposition"] = f'attachment; filename="evidence-{sha256[:16]}.{ending}"'
    return answer


def _refused(filled: pages.Form, error: OnePayError) -> Response:
    leave_trace(error)
    filled.refuse(error, "file")
    return _page(filled, int(problems.status_of(error)))


def _page(filled: pages.Form, status: int = 200) -> Response:
    control, ctx = _control(filled.values["control"]), context()
    with system().db.read() as session:
        found = (
            files.of_control(session, ctx.actor, control.framework, control.key)
            if ctx.actor.may(COMPLIANCE_EVIDENCE_READ)
            else []
        )
    return pages.render("evidence.html", status, form=filled, control=control, files=found, mib=UPLOAD_MAX // MIB)


def _control(slug: str) -> Control:
    """Return the control an address names, as the console writes it: framework and key."""
    framework, _, key = slug.partition(":")
    found = system().desk.catalogue.controls.get((_FRAMEWORKS.get(framework, ""), key))
    if found is None:
        raise NotFound(object_id=slug)
    return found
