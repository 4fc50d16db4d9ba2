"""What two people decide about the rights of a third: kinds of approvals, each with the very words or figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_APPROVE, PRIVACY_REQUEST_HANDLE
from app.kernel.approvals import ApprovalKind, Approvals, Payload, State
from app.kernel.context import Context
from compliance.catalog.periods import Period
from compliance.privacy import moving, rectify, requests, restrict, wording
from compliance.privacy.erasure import deciding
from compliance.privacy.parts import Privacy


def kinds(parts: Privacy, approvals: Approvals) -> tuple[ApprovalKind, ...]:
    """Return the kinds of privacy; whom a request is about never decides it."""

    def erasure(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        return deciding.approve(session, payload["request"], ctx, parts=parts, approvals=approvals, approval_id=id)

    def refusal(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        return rectify.refuse(
            session,
            payload["request"],
            payload["reasons"],
            ctx,
            parts=parts,
            approvals=approvals,
            approval_id=id,
        )

    def lift(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        return restrict.announce_lift(
            session, payload["request"], ctx, parts=parts, approvals=approvals, approval_id=id
        )

    def same(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        return wording.agree(session, payload, ctx, approvals=approvals, approval_id=id)

    return (
        ApprovalKind(
            name=wording.SAME,
            title="Take two texts of a consent for the same",
            render=wording.says,
            run=same,
            asks=PRIVACY_REQUEST_HANDLE,
            decides=PRIVACY_REQUEST_APPROVE,
        ),
        ApprovalKind(
            name=deciding.ERASURE,
            title="Erase a person",
            render=_erasure,
            run=erasure,
            follows=f"Approving begins a wait of {_in_words(parts.settings.erase_delay)}: their data is restricted, "
            "and the person can still call it off. Then it is erased.",
            excluded=_subject,
            closed=_not_approved,
            asks=PRIVACY_REQUEST_HANDLE,
            decides=PRIVACY_REQUEST_APPROVE,
        ),
        ApprovalKind(
            name=rectify.REFUSAL,
            title="Refuse a request about personal data",
            render=lambda payload: [
                f"Request {payload['request']} ({payload['right']}) is refused: {payload['reasons']}"
            ],
            run=refusal,
            excluded=_subject,
            closed=_not_approved,
            asks=PRIVACY_REQUEST_HANDLE,
            decides=PRIVACY_REQUEST_APPROVE,
        ),
        ApprovalKind(
            name=restrict.LIFT,
            title="Let a restriction end",
            render=lambda payload: [f"The restriction of request {payload['request']} ends; its person is told first."],
            run=lift,
            follows=f"Approving tells the person; the restriction ends {_in_words(restrict.NOTICE)} later.",
            excluded=_subject,
            closed=_not_approved,
            asks=PRIVACY_REQUEST_HANDLE,
            decides=PRIVACY_REQUEST_APPROVE,
        ),
    )


def _in_words(wait: timedelta) -> str:
    return Period("", 0, wait).in_words()


def _subject(payload: Payload) -> frozenset[str]:
    return frozenset({str(payload["subject"])})


def _erasure(payload: Payload) -> Sequence[str]:
    goes = [f"{count} in {store} ({category}) go" for store, category, count in payload["goes"]]
    stays = [
        f"{count} in {store} ({category}) stay until {until}" for store, category, count, until in payload["stays"]
    ]
    return [f"Request {payload['request']}: plan {str(payload['root'])[:16]}", *goes, *stays]


def _not_approved(session: Session, id: str, state: State, ctx: Context) -> None:
    """Note on the request that a second person did not approve, or nobody in time."""
    found = requests.of_approval(session, id)
    if found is not None and found.is_open:
        moving.move(session, found, found.state, ctx, note=f"not approved: {state.value}")
