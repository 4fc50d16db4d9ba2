"""Attestations: a person answers for a control, until a day. Where much hangs on it, a second person agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import (
    COMPLIANCE_ATTESTATION_APPROVE,
    COMPLIANCE_ATTESTATION_PROPOSE,
    COMPLIANCE_CONTROL_READ,
    Actor,
)
from app.kernel.approvals import ApprovalKind, Payload
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import Conflict
from compliance.attest import models, versions
from compliance.attest.parts import (
    PROPOSED,
    TEXT_MAX,
    YEAR,
    Desk,
    PaperInvalid,
    control_of,
    demand_end,
)
from compliance.catalog.controls import PCI, Control
from ingest.events.compliance import AttestationSigned, PaperWithdrawn

APPROVAL: Final = "compliance.attestation"
PREFIX: Final = "att"
FACT_MAX: Final = 500
FILES_MAX: Final = 20


class Kind(StrEnum):
    """What stands behind a signature."""

    STATEMENT = "statement"
    FILE = "file"
    INHERITED = "inherited"
    NOT_APPLICABLE = "not_applicable"
    ACKNOWLEDGEMENT = "acknowledgement"


FACTS: Final[Mapping[Kind, tuple[str, ...]]] = {Kind.INHERITED: ("provider", "aoc_date", "responsibility")}
"""What a kind says beside its statement."""


class ProbeDecides(Conflict):
    """A probe looks at this control, so nobody's word stands for it."""

    code = "probe_decides"


class RegisterLacks(Conflict):
    """What we keep ourselves speaks against it."""

    code = "register_lacks"


class FileUnknown(PaperInvalid):
    """There is no such file among the evidence of this control."""

    code = "file_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An attestation as somebody writes it; without an end it holds as long as its control lets it."""

    framework: str
    key: str
    kind: Kind
    statement: str
    owner: str | None = None
    valid_from: datetime | None = None
    expires_at: datetime | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """One version of an attestation as it stands."""

    id: str
    framework: str
    key: str
    kind: Kind
    version: int
    statement: str
    facts: Mapping[str, str]
    files: Sequence[str]
    owner: str
    valid_from: datetime
    expires_at: datetime
    state: str
    signed_at: datetime | None
    approval_id: str | None
    event_id: str | None


def propose(session: Session, draft: Draft, ctx: Context, *, desk: Desk) -> Attestation:
    """Sign an attestation: in force at once, or once a second person agreed.

    Raises `NotFound`, `ProbeDecides`, `RegisterLacks`, `PaperInvalid`, `PaperTooLong`, and `PaperOpen` while another
    version waits.
    """
    ctx.actor.require(COMPLIANCE_ATTESTATION_PROPOSE)
    control = control_of(desk.catalogue, draft.framework, draft.key)
    if not control.takes_paper and draft.kind is not Kind.NOT_APPLICABLE:
        raise ProbeDecides
    if draft.kind in (Kind.STATEMENT, Kind.FILE) and control.framework == PCI:
        lack = desk.lack(session, control.key, ctx.at)
        if lack is not None:
            raise RegisterLacks(lack)
    facts = _facts(draft)
    begin = draft.valid_from or ctx.at
    if not ctx.at - timedelta(days=366) <= begin <= ctx.at:
        raise PaperInvalid("It holds from today, or from a day of the last twelve months.", param="valid_from")
    limit = (control.expires or YEAR).after(begin)
    end = draft.expires_at or limit
    demand_end(end, ctx.at, limit, (control.expires or YEAR).in_words(), param="expires_at")
    table = models.attestation
    version = versions.following(session, table, _same(control.framework, control.key, draft.kind))
    paper_id = ctx.new_id(PREFIX)
    session.execute(
        sa.insert(table).values(
            id=paper_id,
            framework=control.framework,
            key=control.key,
            kind=draft.kind,
            version=version,
            statement=words.checked(draft.statement, param="statement", longest=TEXT_MAX),
            facts=facts,
            files=_files(session, draft),
            owner=draft.owner or ctx.actor.own_id,
            valid_from=begin,
            expires_at=end,
            state=PROPOSED,
        )
    )
    if asks(control, draft.kind):
        payload = _payload(session, paper_id, desk)
        approval = desk.approvals.ask(session, APPROVAL, payload, ctx, object_id=paper_id, reason=payload["statement"])
        session.execute(sa.update(table).where(table.c.id == paper_id).values(approval_id=approval))
    else:
        _put_in_force(session, paper_id, ctx)
    return by_id(session, paper_id)


def asks(control: Control, kind: Kind) -> bool:
    """Tell whether a second person has to agree: where a signature carries a probe's weight, or takes a row out."""
    return control.is_hybrid or control.scope == "cde" or kind in (Kind.INHERITED, Kind.NOT_APPLICABLE)


def withdraw(session: Session, paper_id: str, ctx: Context, *, desk: Desk) -> None:
    """Take an attestation back; raises `NotFound` or `PaperMoved`."""
    ctx.actor.require(COMPLIANCE_ATTESTATION_PROPOSE)
    found = by_id(session, paper_id)
    withdrawn = PaperWithdrawn(document=document_of(found), sha256=content_hash(found))
    versions.take_back(session, models.attestation, paper_id, withdrawn, ctx, desk=desk)


def kind(desk: Desk) -> ApprovalKind:
    """Return what a second person decides about an attestation."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        paper_id = str(payload["attestation"])
        desk.approvals.take(session, id, APPROVAL, _payload(session, paper_id, desk), ctx)
        found = _put_in_force(session, paper_id, ctx)
        return f"in force until {found.expires_at:%Y-%m-%d}"

    return ApprovalKind(
        name=APPROVAL,
        title="Put an attestation in force",
        asks=COMPLIANCE_ATTESTATION_PROPOSE,
        decides=COMPLIANCE_ATTESTATION_APPROVE,
        render=_rendered,
        run=run,
        ttl=timedelta(hours=72),
        closed=versions.rejecting(models.attestation),
    )


def by_id(session: Session, paper_id: str) -> Attestation:
    """Return one version; raises `NotFound`."""
    return _attestation(versions.row_of(session, models.attestation, paper_id))


def listed(session: Session, actor: Actor, *, of: tuple[str, str] | None = None) -> list[Attestation]:
    """Return every version, or those of one control, the newest first; to an auditor those of their period."""
    actor.require(COMPLIANCE_CONTROL_READ)
    table = models.attestation
    seen = versions.seen_by(actor, table, PREFIX, table.c.expires_at)
    query = sa.select(table).where(*seen).order_by(table.c.valid_from.desc(), table.c.version.desc())
    if of is not None:
        query = query.where(table.c.framework == of[0], table.c.key == of[1])
    return [_attestation(row) for row in session.execute(query).mappings()]


def _facts(draft: Draft) -> dict[str, str]:
    wanted = FACTS.get(draft.kind, ())
    if unknown := set(draft.facts) - set(wanted):
        raise PaperInvalid(f"This kind says nothing of {sorted(unknown)[0]}.", param="facts")
    found = {
        name: words.checked(draft.facts.get(name, ""), param=name, shortest=2, longest=FACT_MAX) for name in wanted
    }
    if "aoc_date" in found:
        try:
            datetime.strptime(found["aoc_date"], "%Y-%m-%d")  # noqa: DTZ007 - a day
        except ValueError as error:
            raise PaperInvalid("The date of the AOC is a day such as 2026-03-31.", param="aoc_date") from error
    return found


def _files(session: Session, draft: Draft) -> list[str]:
    given = list(dict.fromkeys(draft.files))
    if draft.kind is Kind.FILE and not given:
        raise PaperInvalid("This kind needs a file.", param="files")
    if len(given) > FILES_MAX:
        raise PaperInvalid(f"At most {FILES_MAX} files stand behind a paper.", param="files")
    use = models.evidence_use
    known = set(
        session.scalars(sa.select(use.c.sha256).where(use.c.framework == draft.framework, use.c.key == draft.key))
    )
    if set(given) - known:
        raise FileUnknown(param="files")
    return given


def _put_in_force(session: Session, paper_id: str, ctx: Context) -> Attestation:
    found = by_id(session, paper_id)
    event = AttestationSigned(
        control=f"{found.framework} {found.key}",
        until=found.expires_at,
        sha256=content_hash(found),
        document=document_of(found),
        version=found.version,
    )
    same = _same(found.framework, found.key, found.kind)
    versions.put_in_force(session, models.attestation, paper_id, event, ctx, at="signed_at", replaces=same)
    return found


def _same(framework: str, key: str, kind: Kind) -> sa.ColumnElement[bool]:
    of = models.attestation.c
    return sa.and_(of.framework == framework, of.key == key, of.kind == kind)


def document_of(found: Attestation) -> str:
    """Return what names the paper of a control and kind, of which one version stands."""
    return f"attestation.{found.framework} {found.key} {found.kind.value}"


def content_hash(found: Attestation) -> str:
    """Return the SHA-256 of all that a signature stands under."""
    return crypto.sha256(canonical.encode(_content(found))).hex()


def _content(found: Attestation) -> dict[str, Any]:
    return {
        "framework": found.framework,
        "key": found.key,
        "kind": found.kind.value,
        "version": found.version,
        "statement": found.statement,
        "facts": dict(found.facts),
        "files": list(found.files),
        "owner": found.owner,
        "valid_from": rfc3339(found.valid_from),
        "expires_at": rfc3339(found.expires_at),
    }


def _payload(session: Session, paper_id: str, desk: Desk) -> dict[str, Any]:
    found = by_id(session, paper_id)
    control = control_of(desk.catalogue, found.framework, found.key)
    return {
        **_content(found),
        "attestation": paper_id,
        "control": control.name,
        "title": control.title,
        "sha256": content_hash(found),
    }


def _rendered(payload: Payload) -> list[str]:
    said = str(payload["kind"]).replace("_", " ")
    files = payload["files"]
    return [
        f"{payload['control']}, {payload['title']}: {said}, version {payload['version']}.",
        f"“{payload['statement']}”",
        *(f"{name.replace('_', ' ').capitalize()}: {value}." for name, value in sorted(payload["facts"].items())),
        *([f"{len(files)} file{'s' if len(files) != 1 else ''} of evidence behind it."] if files else []),
        f"From {payload['valid_from'][:10]} until {payload['expires_at'][:10]}.",
    ]


def _attestation(row: Any) -> Attestation:
    values = {name: value for name, value in row.items() if name != "reminded"}
    return Attestation(**{**values, "kind": Kind(row["kind"])})
