"""Send, review, receipt. *What will it cost, whom does it reach, when?*"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from flask import Blueprint, Response, g, request

from app import browser, once, paying, problems
from app.edge import context, leave_trace, system
from app.gateway.policy import Policy, route
from app.identity import mfa, stepup
from app.identity.sessions import NewSession
from app.identity.stepup import CodeRepeated, ProofRefused
from app.kernel import canonical, crypto
from app.kernel.access import PAYMENT_TRANSFER_CREATE, PAYMENT_TRANSFER_READ, Acr, ActorKind
from app.kernel.errors import (
    Conflict,
    Invalid,
    Malformed,
    NotFound,
    OnePayError,
    Refused,
    SignInRequired,
    StepUpRequired,
    TooManyAttempts,
)
from app.once import Given
from app.web import formats, money_input, pages
from app.web.wallet import main_wallet
from payments import idempotency, notes, receipts, signed_text, transfers, wallets
from payments.idempotency import Call, IdempotencyBusy
from payments.signed_text import SALT
from payments.transfers import Transfer, TransferOrder, TransferPreview
from payments.wallets import Wallet

blueprint = Blueprint("send", __name__)
_CREATE: Final = Policy(permission=PAYMENT_TRANSFER_CREATE)
_FIELDS: Final = ("payee", "amount", "note")
# The second of two clicks waits for the answer of the first: twelve times a quarter of a second at most.
TRIES: Final = 12
PAUSE_SECONDS: Final = 0.25
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """An order as it was typed, and what it says and would do."""

    order: TransferOrder
    shown: TransferPreview


@route(blueprint, "GET", "/send", _CREATE)
def form() -> Response:
    """Ask whom and how much."""
    form = pages.Form(values=dict.fromkeys(_FIELDS, ""))
    payee = request.args.get("to", "")[:21]
    if payee:
        form.values["payee"] = payee
    return _form_page(form, 200)


@route(blueprint, "POST", "/send", _CREATE)
def again() -> Response:
    """Show the form again with what was typed, from the review's "Change"."""
    return _form_page(pages.read(*_FIELDS), 200)


@route(blueprint, "GET", "/send/payee", _CREATE)
def payee() -> Response:
    """Say whether a handle leads to somebody, for the line under the field."""
    text = request.args.get("payee", "")[:21]
    with system().db.read() as session:
        try:
            found = wallets.by_handle(session, text) if text else None
        except (NotFound, Invalid):
            found = None
    return pages.render("parts/payee.html", found=found, typed=text)


@route(blueprint, "POST", "/send/review", _CREATE)
def review() -> Response:
    """Show what leaves, what arrives, when and to whom, before anything is signed."""
    form = pages.read(*_FIELDS)
    with system().db.read() as session:
        main = main_wallet(session)
    asked = _asked(form, main)
    if asked is None:
        return _form_page(form, 422)
    return _review_page(form, asked, pages.Form(), crypto.token(), 200)


@route(blueprint, "POST", "/transfers", _CREATE)
def send() -> Response:
    """Sign with a code where the last proof is not fresh, then move the money, once."""
    form = pages.read(*_FIELDS, "idempotency_key", "salt", "fingerprint")
    with system().db.read() as session:
        main = main_wallet(session)
    asked = _asked(form, main)
    if asked is None:
        return _form_page(form, 422)
    order, key = asked.order, form.values["idempotency_key"]
    if form.values["fingerprint"] != asked.shown.signed.digest().hex():
        # What would be signed is not what was shown: show it again, with a key of its own.
        wrong = pages.Form(wrong={"code": "The order changed after it was shown. Look at it again before you sign."})
        return _review_page(form, asked, wrong, crypto.token(), 409)
    try:
        # A second click with the same code gets the first answer: the code is used up, the order is not new.
        given = _patiently(lambda: _given_before(order, key))
        renewed = None if given or _is_fresh() else _prove()
    except CodeRepeated as error:
        given, renewed = _twin_of(order, key), None
        if given is None:
            return _not_signed(form, asked, key, error)
    except (ProofRefused, TooManyAttempts, StepUpRequired, IdempotencyBusy) as error:
        return _not_signed(form, asked, key, error)
    except (Invalid, Conflict, Malformed) as error:
        return _refused(form, error)
    if given is not None:
        return pages.go(f"/transfers/{given}")
    try:
        response = pages.go(f"/transfers/{_patiently(lambda: _carry_out(order, key)).object_id}")
    except SignInRequired:
        raise  # they were signed out meanwhile: there is no one to show a page of theirs to
    except (StepUpRequired, IdempotencyBusy) as error:
        response = _not_signed(form, asked, key, error)
    except OnePayError as error:
        response = _refused(form, error)
    # The proof stands whatever became of the order; without its cookie the payer would be signed out.
    return browser.signed_in(response, renewed, ActorKind.CUSTOMER, None) if renewed else response


@route(blueprint, "GET", "/transfers/<transfer_id>", Policy(permission=PAYMENT_TRANSFER_READ))
def receipt(transfer_id: str) -> Response:
    """Show what was signed, what became of it, and its place in the log."""
    parts, ctx = system(), context()
    with parts.db.read() as session:
        shown = receipts.of_transfer(session, ctx.actor, transfer_id, keys=parts.subject_keys)
    return pages.render(
        "receipt.html", transfer=shown.transfer, is_own=shown.is_own, proof=shown.proof, lack=shown.lack
    )


def _asked(form: pages.Form, main: Wallet) -> _Asked | None:
    """Return the order of a form and what it would do, or None with what is wrong noted in the form."""
    handle = form.values["payee"].strip().lower()
    amount = form.hold("amount", lambda: money_input.read(form.values["amount"], main.currency))
    form.hold("note", lambda: notes.check(form.values["note"]))
    if amount is None or form.wrong:
        # Else the order itself looks the payee up.
        with system().db.read() as session:
            form.hold("payee", lambda: wallets.by_handle(session, handle))
        return None
    # The text that was shown keeps its salt; one that was not gets its own now.
    salt = form.values.get("salt", "")
    order = TransferOrder(
        source=main.id,
        payee=handle,
        amount=amount,
        note=form.values["note"].strip(),
        salt=salt if SALT.fullmatch(salt) else signed_text.fresh_salt(),
    )
    try:
        with system().db.read() as session:
            return _Asked(order=order, shown=transfers.preview(session, order, context()))
    except (Invalid, NotFound, Conflict) as error:
        form.refuse(error, "payee")
        return None


def _refused(form: pages.Form, error: OnePayError) -> Response:
    """Return the form with a refusal of the order, after its trace is left."""
    leave_trace(error)
    form.refuse(error, "payee")
    return _form_page(form, int(problems.status_of(error)))


def _not_signed(form: pages.Form, asked: _Asked, key: str, error: OnePayError) -> Response:
    """Return the review with why it is not signed yet, and with its key, so that the next click means this order."""
    leave_trace(error)
    status = 409 if isinstance(error, IdempotencyBusy) else 422
    return _review_page(form, asked, pages.Form(wrong={"code": _in_words(error)}), key, status)


def _in_words(error: OnePayError) -> str:
    """Return why an order is not signed yet, as a payer reads it; some errors speak to programs."""
    if isinstance(error, IdempotencyBusy):
        return "Your first click is still being answered. Wait a second, then press again."
    if isinstance(error, TooManyAttempts):
        return f"Too many wrong codes. Wait {formats.wait(error.retry_after or 1)}."
    return str(error)


def _call(order: TransferOrder, key: str) -> Call:
    return idempotency.call(
        scope=g.actor.own_id,
        key=once.kept_key(key),
        route="POST /transfers",
        content=canonical.encode({"payee": order.payee, "amount": order.amount.minor, "note": order.note}),
    )


def _given_before(order: TransferOrder, key: str) -> str | None:
    """Return the transfer this key already answered with, if it did."""
    with system().db.begin() as session:
        stored = idempotency.begin(session, _call(order, key), context())
    return stored.object_id if stored else None


def _patiently(ask: Callable[[], Found]) -> Found:
    """Ask again while a twin of this click is being answered; raises `IdempotencyBusy` where that takes too long."""
    for _ in range(TRIES):
        try:
            return ask()
        except IdempotencyBusy:
            time.sleep(PAUSE_SECONDS)
    return ask()


def _twin_of(order: TransferOrder, key: str) -> str | None:
    """Return the transfer of the click that used this one's code up, if it comes in time."""

    def answered() -> str:
        given = _given_before(order, key)
        if given is None:
            raise IdempotencyBusy
        return given

    try:
        return _patiently(answered)
    except IdempotencyBusy:
        return None


def _carry_out(order: TransferOrder, key: str) -> Given:
    def kept(about: Transfer | Refused) -> bytes:
        return json.dumps({"id": about.id if isinstance(about, Transfer) else about.object_id}).encode()

    return paying.transfer(_call(order, key), order, context(), settled=kept, refused=kept)


def _prove() -> NewSession:
    with system().db.begin() as session:
        proof = stepup.prove(session, pages.secret("code"), context(), parts=system().identity)
    return proof.renewed()


def _is_fresh() -> bool:
    try:
        g.actor.require_fresh(Acr.MFA, system().identity.policy.step_up, g.at)
    except StepUpRequired:
        return False
    return True


def _form_page(form: pages.Form, status: int) -> Response:
    with system().db.read() as session:
        main = main_wallet(session)
        has_factor = bool(mfa.factors_of(session, g.actor.own_id))
    return pages.render("send.html", status, form=form, wallet=main, has_factor=has_factor)


def _review_page(form: pages.Form, asked: _Asked, wrong: pages.Form, key: str, status: int) -> Response:
    with system().db.read() as session:
        has_factor = bool(mfa.factors_of(session, g.actor.own_id))
    return pages.render(
        "review.html",
        status,
        form=wrong,
        typed=form.values,
        shown=asked.shown,
        key=key,
        needs_code=not _is_fresh(),
        has_factor=has_factor,
    )
