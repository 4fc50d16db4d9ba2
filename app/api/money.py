"""Wallets, transfers and top-ups of the person who is signed in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from flask import Blueprint, Response, g, request

from app import edge, once, paying, problems
from app.api.models import (
    EntryOut,
    ListQuery,
    PageOut,
    PreviewOut,
    Strict,
    TopUpOut,
    TransferIn,
    TransferOut,
    TransferQuery,
    WalletOut,
)
from app.gateway.policy import Policy, route
from app.kernel import canonical, numbers
from app.kernel.access import PAYMENT_TRANSFER_CREATE, PAYMENT_TRANSFER_READ, WALLET_OWN_READ, Acr
from app.kernel.errors import Invalid, Malformed, NotFound, Refused
from app.once import Given
from payments import activity, idempotency, money, topups, transfers, wallets
from payments.transfers import Transfer, TransferFilter, TransferOrder, TransferState

blueprint = Blueprint("api_money", __name__, url_prefix="/api/v1")
KEY_HEADER: Final = "Idempotency-Key"


@route(blueprint, "GET", "/wallets", Policy(permission=WALLET_OWN_READ, is_api=True, answer=PageOut[WalletOut]))
def list_wallets() -> Response:
    """List one's own wallets."""
    with edge.system().db.read() as session:
        found = wallets.of(session, g.actor)
    return _page([WalletOut.of(wallet) for wallet in found], None)


@route(blueprint, "GET", "/wallets/<wallet_id>", Policy(permission=WALLET_OWN_READ, is_api=True, answer=WalletOut))
def get_wallet(wallet_id: str) -> Response:
    """Return one of one's own wallets."""
    with edge.system().db.read() as session:
        found = wallets.owned_by(session, g.actor, wallet_id)
    return edge.json_answer(WalletOut.of(found).model_dump())


@route(
    blueprint,
    "GET",
    "/wallets/<wallet_id>/activity",
    Policy(permission=WALLET_OWN_READ, is_api=True, query=ListQuery, answer=PageOut[EntryOut]),
)
def list_activity(wallet_id: str) -> Response:
    """List the entries of one's own wallet, newest first, after a version."""
    asked = edge.query(ListQuery)
    after = numbers.whole(asked.after)
    if asked.after is not None and after is None:
        raise Invalid("after: a version of an entry", param="after")
    with edge.system().db.read() as session:
        page = activity.list(
            session,
            g.actor,
            wallet_id,
            after=after,
            limit=asked.limit,
            keys=edge.system().subject_keys,
        )
    return _page([EntryOut.of(entry) for entry in page.data], None if page.next is None else str(page.next))


@route(
    blueprint,
    "GET",
    "/topups",
    Policy(permission=WALLET_OWN_READ, is_api=True, query=ListQuery, answer=PageOut[TopUpOut]),
)
def list_topups() -> Response:
    """List what arrived from outside, newest first."""
    asked = edge.query(ListQuery)
    with edge.system().db.read() as session:
        page = topups.list_own(session, g.actor, limit=asked.limit, after=asked.after)
    return _page([TopUpOut.of(topup) for topup in page.data], page.next)


@route(
    blueprint,
    "POST",
    "/transfers",
    Policy(
        permission=PAYMENT_TRANSFER_CREATE,
        is_api=True,
        idempotent=True,
        body=TransferIn,
        answer=TransferOut,
        status=HTTPStatus.CREATED,
        acr=Acr.MFA,
    ),
)
def create_transfer() -> Response:
    """Send money to a handle, at once. Refused: 402 with a code; nothing moved."""
    body, ctx = edge.json_body(TransferIn), edge.context()
    call = idempotency.call(
        scope=ctx.actor.own_id,
        key=once.kept_key(_key()),
        route="POST /api/v1/transfers",
        content=canonical.encode(body.model_dump()),
    )
    order = _order(body)
    written: list[str | None] = []

    def settled(done: Transfer) -> bytes:
        # The answer is kept in clear for days, so it is kept without the payer's words.
        written.append(done.note)
        return TransferOut.of(done).model_copy(update={"note": None}).model_dump_json().encode()

    def refused(refusal: Refused) -> bytes:
        return canonical.encode(problems.of(refusal, request_id=ctx.request_id, instance=request.path).document())

    given = paying.transfer(call, order, ctx, settled=settled, refused=refused)
    kind = "application/json" if given.status == 201 else "application/problem+json"
    answer = given.body
    if given.status == 201 and body.note:
        answer = _with_note(given, written[-1] if written and not given.is_replay else _note_of(given))
    response = Response(answer, given.status, mimetype=kind)
    response.headers["Idempotency-Expires"] = given.expires
    if given.is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    if given.status == 201:
        response.headers["Location"] = f"/api/v1/transfers/{given.object_id}"
    return response


@route(
    blueprint,
    "POST",
    "/transfers/preview",
    Policy(permission=PAYMENT_TRANSFER_CREATE, is_api=True, body=TransferIn, answer=PreviewOut),
)
def preview_transfer() -> Response:
    """Say what an order would do now; nothing is written."""
    order = _order(edge.json_body(TransferIn))
    with edge.system().db.read() as session:
        shown = transfers.preview(session, order, edge.context())
    return edge.json_answer(PreviewOut.of(shown).model_dump())


@route(
    blueprint,
    "GET",
    "/transfers",
    Policy(permission=PAYMENT_TRANSFER_READ, is_api=True, query=TransferQuery, answer=PageOut[TransferOut]),
)
def list_transfers() -> Response:
    """List the orders one made, newest first."""
    asked = edge.query(TransferQuery)
    filters = TransferFilter(
        state=TransferState(asked.status) if asked.status else None,
        created_from=_aware(asked.created_from),
        created_to=_aware(asked.created_to),
        reference=asked.reference,
    )
    with edge.system().db.read() as session:
        page = transfers.list_own(
            session,
            g.actor,
            limit=asked.limit,
            after=asked.after,
            filters=filters,
            keys=edge.system().subject_keys,
        )
    return _page([TransferOut.of(found) for found in page.data], page.next)


@route(
    blueprint,
    "GET",
    "/transfers/<transfer_id>",
    Policy(permission=PAYMENT_TRANSFER_READ, is_api=True, answer=TransferOut),
)
def get_transfer(transfer_id: str) -> Response:
    """Return an order one made, or money that came to one's own wallet."""
    with edge.system().db.read() as session:
        found = transfers.by_id(session, g.actor, transfer_id, keys=edge.system().subject_keys)
    return edge.json_answer(TransferOut.of(found).model_dump())


def _with_note(given: Given, note: str | None) -> bytes:
    told = json.loads(given.body) | {"note": note}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _note_of(given: Given) -> str | None:
    """Return the note of the order that was answered before; it stands sealed with the order alone."""
    assert given.object_id is not None, "what was carried out has an id"
    with edge.system().db.read() as session:
        return transfers.by_id(session, g.actor, given.object_id, keys=edge.system().subject_keys).note


def _order(body: TransferIn) -> TransferOrder:
    amount = money.parse(body.amount.amount, body.amount.currency)
    source = body.source or _only_wallet()
    return TransferOrder(source=source, payee=body.payee, amount=amount, note=body.note, reference=body.reference)


def _only_wallet() -> str:
    with edge.system().db.read() as session:
        found = wallets.of(session, g.actor)
    if not found:
        raise NotFound("You have no wallet yet.")
    if len(found) > 1:
        raise Invalid("source: say which of your wallets pays", param="source")
    return found[0].id


def _key() -> str:
    text = request.headers.get(KEY_HEADER, "")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text


def _aware(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise Malformed("A time needs its offset, such as 2026-11-02T09:00:00Z.")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise Invalid("A time must lie in the years 1 to 9999, in UTC as well.") from error


def _page(data: Sequence[Strict], next_: str | None) -> Response:
    return edge.json_answer({"data": [item.model_dump() for item in data], "next": next_})
