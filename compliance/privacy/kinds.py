"""What two people decide about the rights of a third: kinds of approvals, each with the very words or figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_APPROVE, PRIVACY_REQUEST_HANDLE
from app.kernel.approvals import ApprovalKind, Approvals, Payload
from app.kernel.approvals import State as Ending
from app.kernel.context import Context
from compliance.catalog.periods import Period
from compliance.privacy import moving, rectify, requests, restrict, wording
from compliance.privacy.erasure import deciding, staying
from compliance.privacy.package import CATEGORIES
from compliance.privacy.parts import Privacy
from compliance.privacy.request import State

THEIRS: Final[Mapping[str, str]] = {
    **CATEGORIES,
    "account.id": "Ids of their account",
    "contact": "Addresses and names by which they are reached",
    "behaviour": "What happened and how they used it",
    "communication": "Letters to them",
    "free_text": "What they wrote",
}
"""Categories of data in words for colleagues."""


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
            became=_erasure_stands,
            grows=_GROWS,
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
            became=_restriction_stands,
            excluded=_subject,
            closed=_not_approved,
            asks=PRIVACY_REQUEST_HANDLE,
            decides=PRIVACY_REQUEST_APPROVE,
        ),
    )


_GROWS: Final = (
    "What comes about them until it begins, such as the letter that tells them of this, goes with it unless it has to "
    "stay; so does what is settled by then. Where all of a category was to stay and some would go, it is decided "
    "again. A hold may leave more."
)


def _in_words(wait: timedelta) -> str:
    return Period("", 0, wait).in_words()


def _subject(payload: Payload) -> frozenset[str]:
    return frozenset({str(payload["subject"])})


def _erasure(payload: Payload) -> Sequence[str]:
    """Return what goes, and what stays until when by which law, summed over stores; the root binds each row."""
    goes, stays = Counter[str](), dict[str, Counter[str]]()
    for _, category, count in payload["goes"]:
        goes[category] += count
    for _, category, count, until, *law in payload["stays"]:  # the first approvals do not say by which law
        stays.setdefault(", ".join((until, *law)), Counter())[category] += count
    return [
        f"Request {payload['request']}: plan {str(payload['root'])[:16]}",
        f"Goes: {_listed(goes)}.",
        *(f"Stays until {until}: {_listed(stays[until])}." for until in sorted(stays, key=staying.order)),
    ]


def _listed(counts: Counter[str]) -> str:
    return (
        ", ".join(f"{THEIRS.get(name, name).lower()} ({count:,})" for name, count in sorted(counts.items()))
        or "nothing"
    )


def _erasure_stands(session: Session, id: str) -> str | None:
    """Return how an erasure stands that was agreed to, by its approval."""
    found = requests.of_approval(session, id)
    if found is None:
        return "Another approval took its place."
    match found.state:
        case State.WAITING if found.not_before is not None:
            return f"It begins on {found.not_before:%-d %B %Y at %H:%M} UTC, unless its person calls it off."
        case State.IN_REVIEW | State.SCOPED:
            return "It is decided again, as something else would go now."
        case State.WITHDRAWN | State.STOPPED:
            return "Its person called it off: nothing was erased."
        case State.CLOSED:
            return f"Erased, with a certificate, on {found.closed_at:%-d %B %Y at %H:%M} UTC."
        case _:
            return "It is being carried out."


def _restriction_stands(session: Session, id: str) -> str | None:
    """Return how a restriction stands whose end was agreed to, by the approval."""
    found = requests.of_approval(session, id)
    if found is None or found.is_open:
        return "It stands until its person has had the notice."
    return f"It ended on {found.closed_at:%-d %B %Y at %H:%M} UTC."


def _not_approved(session: Session, id: str, state: Ending, ctx: Context) -> None:
    """Note on the request that a second person did not approve, or nobody in time."""
    found = requests.of_approval(session, id)
    if found is not None and found.is_open:
        moving.move(session, found, found.state, ctx, note=f"not approved: {state.value}")
