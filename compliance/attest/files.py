"""Files as evidence: what they say they are, without a card number, sealed, and named by what they hold."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import PurePath
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto, words
from app.kernel.access import COMPLIANCE_EVIDENCE_READ, COMPLIANCE_EVIDENCE_UPLOAD, Actor
from app.kernel.context import Context
from app.kernel.crypto import NONCE_BYTES, Unreadable
from app.kernel.errors import ContentRefused, Gone, Invalid, NotFound, TooLarge
from compliance import taking
from compliance.attest import cards, models
from compliance.attest.parts import MIB, TEXT_MAX, Cabinet, control_of
from compliance.engine.rerun import number_of
from ingest.events.compliance import EvidenceUploaded
from ingest.log import outbox, read

VIEW: Final = "evidence"
NAME_MAX: Final = 120


class FileTooLarge(TooLarge):
    """The file is larger than evidence may be."""


class FileEmpty(Invalid):
    """The file is empty."""

    code = "file_empty"


class CardNumberInEvidence(Invalid):
    """The file holds a card number; take it out. Nothing of it was kept."""

    code = "card_number_in_evidence"


class FileGone(Gone):
    """The file is not where it was kept, or is not what it was."""

    code = "file_gone"


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file as somebody brings it, for one control."""

    framework: str
    key: str
    name: str
    content: bytes
    reason: str = ""

    @cached_property
    def media_type(self) -> str:
        """The type that it is of, looked at once: ask before a transaction is open, since it reads all of the file."""
        return proven(PurePath(self.name).name, self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that stands for a control; `number` is its evidence number once it has one."""

    sha256: str
    name: str
    media_type: str
    size: int
    uploaded_by: str
    uploaded_at: datetime
    event_id: str
    number: str | None
    reason: str | None


def upload(session: Session, brought: Upload, ctx: Context, *, cabinet: Cabinet) -> str:
    """Keep a file as evidence of a control and return its hash; the same file for the same control is one.

    Raises `FileTooLarge`, `ContentRefused`, `FileEmpty`, `CardNumberInEvidence`, `NotFound` for an unknown control, and
    `ReasonMissing` where the file stands for another control already.
    """
    ctx.actor.require(COMPLIANCE_EVIDENCE_UPLOAD)
    control = control_of(cabinet.catalogue, brought.framework, brought.key)
    if len(brought.content) > cabinet.bytes_max:
        raise FileTooLarge(f"A file has at most {cabinet.bytes_max // MIB} MiB.", param="file")
    if not brought.content:
        raise FileEmpty(param="file")
    name = words.checked(PurePath(brought.name).name, param="file", shortest=3, longest=NAME_MAX)
    media_type = brought.media_type
    sha256 = crypto.sha256(brought.content).hex()
    file, use = models.evidence_file, models.evidence_use
    of = use.c.sha256 == sha256
    uses = session.execute(sa.select(use.c.framework, use.c.key).where(of)).all()
    if (control.framework, control.key) in [(row.framework, row.key) for row in uses]:
        return sha256
    reason = words.reason(brought.reason, longest=TEXT_MAX) if uses else None
    event = EvidenceUploaded(control=f"{control.framework} {control.key}", sha256=sha256)
    event_id = outbox.record(session, event, ctx)
    if session.scalar(sa.select(file.c.sha256).where(file.c.sha256 == sha256)) is None:
        session.execute(
            sa.insert(file).values(
                sha256=sha256,
                size=len(brought.content),
                media_type=media_type,
                name=name,
                uploaded_by=ctx.actor.own_id,
                uploaded_at=ctx.at,
                event_id=event_id,
            )
        )
    session.execute(
        sa.insert(use).values(
            sha256=sha256,
            framework=control.framework,
            key=control.key,
            reason=reason,
            used_by=ctx.actor.own_id,
            used_at=ctx.at,
        )
    )
    # A file whose row is rolled back is an unreadable one that nobody names.
    cabinet.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    nonce, cipher = crypto.seal(cabinet.key, brought.content, sha256.encode())
    crypto.write_private_once(cabinet.folder / sha256, nonce + cipher)
    return sha256


def take(session: Session, sha256: str, ctx: Context, *, cabinet: Cabinet) -> tuple[File, bytes]:
    """Return a file as `opened` does, and record that it was taken away."""
    found, content = opened(session, sha256, ctx, cabinet=cabinet)
    taking.record(session, VIEW, found.name, content, ctx)
    return found, content


def opened(session: Session, sha256: str, ctx: Context, *, cabinet: Cabinet) -> tuple[File, bytes]:
    """Return a file and what it holds; raises `NotFound`, also for one outside an auditor's period, and `FileGone`."""
    ctx.actor.require(COMPLIANCE_EVIDENCE_READ)
    table = models.evidence_file
    row = session.execute(sa.select(table).where(table.c.sha256 == sha256)).mappings().one_or_none()
    if row is None or not _is_in_period(row["uploaded_at"], ctx.actor):
        raise NotFound(object_id=sha256)
    try:
        sealed = (cabinet.folder / sha256).read_bytes()
        content = crypto.open_sealed(cabinet.key, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], sha256.encode())
    except (FileNotFoundError, Unreadable) as error:
        raise FileGone(object_id=sha256) from error
    return _file(session, row, None), content


def of_control(session: Session, actor: Actor, framework: str, key: str) -> list[File]:
    """Return the files that stand for a control, the newest first; an auditor sees those of their period."""
    actor.require(COMPLIANCE_EVIDENCE_READ)
    file, use = models.evidence_file, models.evidence_use
    rows = session.execute(
        sa.select(file, use.c.reason)
        .join(use, use.c.sha256 == file.c.sha256)
        .where(use.c.framework == framework, use.c.key == key)
        .order_by(use.c.used_at.desc(), file.c.sha256)
    ).mappings()
    return [_file(session, row, row["reason"]) for row in rows if _is_in_period(row["uploaded_at"], actor)]


def proven(name: str, content: bytes) -> str:
    """Return the type that a file is of, by name and content; raises `ContentRefused` or `CardNumberInEvidence`."""
    ending = PurePath(name).suffix.lower()
    known = _BINARY.get(ending)
    if known is not None:
        media_type, is_so = known
        if not is_so(content):
            raise ContentRefused(f"What it holds is no {ending[1:].upper()}.", param="file")
        if ending == ".pdf" and cards.in_pdf(content):
            raise CardNumberInEvidence(param="file")
        return media_type
    if ending not in _TEXT:
        raise ContentRefused("Evidence is PDF, PNG, JPEG, CSV, JSON or TXT.", param="file")
    media_type, is_text_so = _TEXT[ending]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContentRefused("The text is not in UTF-8.", param="file") from error
    if any(ord(sign) < 32 and sign not in "\n\r\t\f" for sign in text) or not is_text_so(text):
        raise ContentRefused(f"What it holds is no {ending[1:].upper()}.", param="file")
    if cards.in_text(text):
        raise CardNumberInEvidence(param="file")
    return media_type


def _is_pdf(content: bytes) -> bool:
    return content.startswith(b"%PDF-") and b"%%EOF" in content[-1024:]


def _is_png(content: bytes) -> bool:
    return content.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR") and content[-8:-4] == b"IEND"


def _is_jpeg(content: bytes) -> bool:
    return content.startswith(b"\xff\xd8\xff") and content.rstrip(b"\x00").endswith(b"\xff\xd9")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_csv(text: str) -> bool:
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error:
        return False
    return bool(rows) and len({len(row) for row in rows}) == 1 and len(rows[0]) > 1


_BINARY: Final[Mapping[str, tuple[str, Callable[[bytes], bool]]]] = {
    ".pdf": ("application/pdf", _is_pdf),
    ".png": ("image/png", _is_png),
    ".jpg": ("image/jpeg", _is_jpeg),
    ".jpeg": ("image/jpeg", _is_jpeg),
}
_TEXT: Final[Mapping[str, tuple[str, Callable[[str], bool]]]] = {
    ".csv": ("text/csv", _is_csv),
    ".json": ("application/json", _is_json),
    ".txt": ("text/plain", lambda text: True),
}


def _is_in_period(at: datetime, actor: Actor) -> bool:
    return actor.period is None or actor.period[0] <= at < actor.period[1]


def _file(session: Session, row: Any, reason: str | None) -> File:
    sequence = read.sequence_of(session, row["event_id"])
    return File(
        sha256=row["sha256"],
        name=row["name"],
        media_type=row["media_type"],
        size=row["size"],
        uploaded_by=row["uploaded_by"],
        uploaded_at=row["uploaded_at"],
        event_id=row["event_id"],
        number=number_of(sequence) if sequence is not None else None,
        reason=reason,
    )
