"""What people are told of their requests: templates as data, filled in and handed to who knows addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from importlib import resources
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto, documents
from app.kernel.context import Context
from compliance.privacy.models import request, request_letter
from compliance.privacy.parts import Privacy
from compliance.privacy.request import FOLLOWING, Fate, Request

LANGUAGE: Final = "en"
RECEIVED_UNPROVEN: Final = "received_unproven"
IDENTITY_QUESTION: Final = "identity_question"
QUESTIONS: Final = (RECEIVED_UNPROVEN, IDENTITY_QUESTION)
"""The letters that ask who somebody is."""
IDENTITY_REMINDER: Final = "identity_reminder"
_PAUSE: Final = (
    "Until you have confirmed it, the time we have to answer does not run. If you confirm it by tomorrow, our answer "
    "is due by {due}; every further day that we wait for you is added to the time that we have."
)
RIGHTS: Final[Mapping[str, str]] = {
    "access": "for a copy of your data",
    "portability": "for your data to take elsewhere",
    "rectification": "to correct something",
    "erasure": "to be erased",
    "restriction": "to restrict the use of your data",
    "objection": "to stop one use of your data",
    "human_review": "that a person looks at a decision",
}


def received(session: Session, found: Request, token: str, ctx: Context, *, parts: Privacy) -> None:
    """Tell that a request was received, on every channel, with the way to stop it."""
    _tell(session, "received", found, ctx, parts, stop=_stop(token, parts), wait=_calm(found, parts))


def received_unproven(session: Session, found: Request, token: str, ctx: Context, *, parts: Privacy) -> None:
    """Tell that a request was received and ask who made it, in one letter: the clock stands from the beginning."""
    more = {"stop": _stop(token, parts), "wait": _calm(found, parts), "pause": _PAUSE.format(due=_day(found.due))}
    _tell(session, RECEIVED_UNPROVEN, found, ctx, parts, **more)


def identity_question(session: Session, found: Request, ctx: Context, *, pauses: bool, parts: Privacy) -> None:
    """Ask whoever wrote to show that it is them; `pauses` tells whether the clock stands meanwhile."""
    pause = (_PAUSE if pauses else "Our answer stays due by {due}.").format(due=_day(found.due))
    _tell(session, IDENTITY_QUESTION, found, ctx, parts, pause=pause)


def identity_reminder(session: Session, found: Request, ctx: Context, *, parts: Privacy) -> None:
    """Ask once more, and say what happens if nobody answers."""
    wait = parts.settings.identity_refuse_after - parts.settings.identity_remind_after
    _tell(session, IDENTITY_REMINDER, found, ctx, parts, until=_instant(ctx.at + wait, parts))


def extended(session: Session, found: Request, reasons: str, ctx: Context, *, parts: Privacy) -> None:
    """Tell that the time was extended and why."""
    _tell(session, "extended", found, ctx, parts, reasons=reasons)


def refused(session: Session, found: Request, reasons: str, ctx: Context, *, parts: Privacy) -> None:
    """Tell why a request was refused, and who can be asked about that."""
    _tell(session, "refused", found, ctx, parts, reasons=reasons)


def ready(session: Session, found: Request, until: datetime, ctx: Context, *, parts: Privacy) -> None:
    """Tell that a copy waits to be fetched."""
    wait = ""
    if found.not_before is not None and found.not_before > ctx.at:
        wait = f"It can be fetched from {_instant(found.not_before, parts)} on.\n"
    stop = _stop(_renewed_token(session, found), parts)
    times = str(parts.settings.downloads_max)
    _tell(session, "ready", found, ctx, parts, until=_instant(until, parts), times=times, wait=wait, stop=stop)


def fetched(session: Session, found: Request, left: int, ctx: Context, *, parts: Privacy) -> None:
    """Tell that a copy was fetched, with the way to say that it was somebody else."""
    times = "no more" if left == 0 else "once more" if left == 1 else f"{left} more times"
    stop = _stop(_renewed_token(session, found), parts)
    _tell(session, "fetched", found, ctx, parts, until=_instant(ctx.at, parts), times=times, stop=stop)


def approved_erasure(session: Session, found: Request, begins: datetime, ctx: Context, *, parts: Privacy) -> None:
    """Tell when an erasure begins and how it is called off."""
    stop = _stop(_renewed_token(session, found), parts)
    _tell(session, "approved_erasure", found, ctx, parts, until=_instant(begins, parts), stop=stop)


def called_off_erasure(session: Session, found: Request, ctx: Context, *, parts: Privacy) -> None:
    """Tell whoever was told that their data will be erased that it will not."""
    _tell(session, "called_off_erasure", found, ctx, parts, until=_instant(ctx.at, parts))


def again_erasure(session: Session, found: Request, ctx: Context, *, parts: Privacy) -> None:
    """Tell that an erasure which was approved is decided again, as more would be erased, or nothing at all."""
    _tell(session, "again_erasure", found, ctx, parts, stop=_stop(_renewed_token(session, found), parts))


def done_erasure(
    session: Session,
    found: Request,
    kept: str,
    told: Sequence[str],
    ctx: Context,
    *,
    is_reached: bool,
    parts: Privacy,
) -> None:
    """Tell, while there is an address, what is erased and what stays, who is told as well, and where it is certified.

    `is_reached` where the address stays for now. Of what completes an earlier erasure it is told by itself.
    """
    address = (
        "Your address stays until what keeps it is settled; then it is erased, and we write to you once more, with "
        "a certificate of that part."
        if is_reached
        else "This is the last letter we can write to you: your address is erased as well."
    )
    token = crypto.token()
    values = {"certificate_hash": crypto.sha256(token.encode())}
    session.execute(sa.update(request).where(request.c.id == found.id).values(**values))
    link = f"{parts.public_url}/privacy/certificate/{token}"
    at = _instant(ctx.at, parts)
    names = (
        f"Within thirty days we tell those who have it from us to erase it as well: {', '.join(told)}." if told else ""
    )
    name = "rest_erasure" if found.channel == FOLLOWING else "done_erasure"
    _tell(session, name, found, ctx, parts, until=at, kept=kept, told=names, address=address, link=link)


def done(session: Session, found: Request, outcome: str, ctx: Context, *, parts: Privacy) -> None:
    """Tell that something was done."""
    _tell(session, "done", found, ctx, parts, outcome=outcome)


def lifted(session: Session, found: Request, at: datetime, ctx: Context, *, parts: Privacy) -> None:
    """Tell that a restriction ends, before it does."""
    _tell(session, "lifted", found, ctx, parts, until=_instant(at, parts))


@cache
def templates() -> Mapping[str, Mapping[str, str]]:
    """Return the templates of the language."""
    name = f"letters.{LANGUAGE}.yaml"
    text = resources.files("compliance.catalog").joinpath(name).read_text("utf-8")
    found: Mapping[str, Mapping[str, str]] = documents.load(text, name=name)
    return found


def _tell(session: Session, name: str, found: Request, ctx: Context, parts: Privacy, **words: str) -> None:
    template = templates()[name]
    filled = template["text"].format(
        right=RIGHTS[found.kind.value],
        due=_day(found.due),
        url=parts.public_url,
        authority=parts.settings.authority,
        request=found.id,
        **words,
    )
    text = "\n".join(line for line in filled.splitlines() if line.strip()) + "\n"
    message = parts.people.tell(session, found.subject, template["title"], text, f"privacy_{name}", ctx)
    session.execute(
        sa.insert(request_letter).values(
            request_id=found.id,
            template=name,
            title=template["title"],
            sent_at=ctx.at,
            message_id=message,
            fate=None if message else Fate.UNREACHABLE.value,
        )
    )


def _calm(found: Request, parts: Privacy) -> str:
    if found.not_before is None:
        return ""
    calm = _instant(found.not_before, parts)
    return f"As a way to sign in was changed lately, nothing is given out before {calm}.\n"


def _renewed_token(session: Session, found: Request) -> str:
    """Make a new way to stop a request: the token of the letter before is kept nowhere, and ends here."""
    token = crypto.token()
    session.execute(sa.update(request).where(request.c.id == found.id).values(stop_hash=crypto.sha256(token.encode())))
    return token


def _stop(token: str, parts: Privacy) -> str:
    return f"{parts.public_url}/privacy/link/{token}"


def _day(day: date) -> str:
    return f"{day:%-d %B %Y}"


def _instant(at: datetime, parts: Privacy) -> str:
    zone = parts.settings.legal_timezone
    return f"{at.astimezone(zone):%-d %B %Y, %H:%M} ({zone.key})"
