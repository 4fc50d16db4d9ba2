"""Using a right: a request is taken, and what needs nobody's decision is done in the same transaction."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.kernel.context import Context
from compliance.privacy import identity, intake, moving, requests, restrict, whose
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Asked, Kind, Request, State


def ask(session: Session, wanted: Asked, ctx: Context, *, parts: Privacy) -> str:
    """Take a request of whoever is signed in with a fresh proof, and begin with it; returns its id."""
    request_id = intake.ask(session, wanted, ctx, parts=parts)
    begin(session, request_id, ctx, parts=parts)
    return request_id


def answer_identity(session: Session, request_id: str, reason: str, ctx: Context, *, parts: Privacy) -> None:
    """Note that somebody was shown to be the person, and begin with what they asked."""
    identity.answer(session, request_id, reason, ctx, parts=parts)
    begin(session, request_id, ctx, parts=parts)


def confirm(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Confirm that a request that came from outside is one's own, and begin with it."""
    identity.confirm(session, request_id, ctx, parts=parts)
    begin(session, request_id, ctx, parts=parts)


def begin(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Do at once what is due at once: stop a use, restrict; what a person has to look at is put before them.

    Raises `RequestDiffers`.
    """
    found = requests.locked(session, request_id)
    if found.state is not State.SCOPED:
        return
    whose.demand(session, found)
    match found.kind:
        case Kind.RESTRICTION:
            restrict.begin_restriction(session, found, ctx, parts=parts)
        case Kind.OBJECTION:
            restrict.begin_objection(session, found, ctx, parts=parts)
        case Kind.RECTIFICATION | Kind.HUMAN_REVIEW:
            moving.move(session, found, State.IN_REVIEW, ctx, note="a person looks at it")
        case Kind.ACCESS | Kind.PORTABILITY | Kind.ERASURE:
            return  # a job searches first


def withdraw(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Take one's own request back: an erasure until it begins, a restriction while it stands."""
    found = requests.own(session, request_id, ctx)
    if found.kind is Kind.RESTRICTION and found.state is State.EXECUTED:
        restrict.withdraw_restriction(session, request_id, ctx, parts=parts)
        return
    moving.withdraw(session, request_id, ctx, parts=parts)
    _release(session, found, ctx)


def stop(session: Session, token: str, ctx: Context, *, parts: Privacy) -> str:
    """Stop a request whose person says that it was not theirs; what it had begun ends with it."""
    request_id = moving.stop(session, token, ctx, parts=parts)
    _release(session, requests.get(session, request_id), ctx)
    return request_id


def _release(session: Session, ended: Request, ctx: Context) -> None:
    """End what a request had begun with that request, and with no other one."""
    if ended.kind is Kind.ERASURE:
        restrict.release(session, ended.subject, restrict.ERASURE, ctx, request_id=ended.id)
    if ended.kind is Kind.OBJECTION:
        restrict.take_objection_back(session, ended)
