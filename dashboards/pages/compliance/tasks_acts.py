"""What the forms of the page of tasks do: sign, withdraw, ask an exception, end one, analyse, propose what runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.kernel.access import (
    COMPLIANCE_ATTESTATION_PROPOSE,
    COMPLIANCE_BASELINE_PROPOSE,
    COMPLIANCE_EXCEPTION_PROPOSE,
    COMPLIANCE_RISK_PROPOSE,
)
from app.kernel.context import Context
from compliance.attest import analyses, attestations, baselines, exceptions
from compliance.attest.parts import PaperInvalid
from dashboards import acts, controls, days
from dashboards.acts import Deed
from dashboards.kit import day_text
from dashboards.mount import Console


def _day(deed: Deed, name: str) -> datetime | None:
    """Return the end of the day that is named: the whole of it counts."""
    day = days.begin_of(deed.text(name), param=name)
    return None if day is None else day + timedelta(days=1)


def wire(console: Console) -> None:
    """Register the acts of the page."""

    def attest(session: Session, deed: Deed, ctx: Context) -> str:
        framework, key = controls.of_slug(deed.of)
        try:
            kind = attestations.Kind(deed.text("kind"))
        except ValueError as error:
            raise PaperInvalid("Choose a kind.", param="kind") from error
        return _sign(
            session,
            attestations.Draft(
                framework=framework,
                key=key,
                kind=kind,
                statement=deed.text("statement"),
                expires_at=_day(deed, "until"),
                files=deed.names("files"),
            ),
            ctx,
        )

    def inherit(session: Session, deed: Deed, ctx: Context) -> str:
        framework, key = controls.of_slug(deed.of)
        return _sign(
            session,
            attestations.Draft(
                framework=framework,
                key=key,
                kind=attestations.Kind.INHERITED,
                statement=deed.text("statement"),
                expires_at=_day(deed, "until"),
                facts={name: deed.text(name) for name in attestations.FACTS[attestations.Kind.INHERITED]},
            ),
            ctx,
        )

    def _sign(session: Session, draft: attestations.Draft, ctx: Context) -> str:
        made = attestations.propose(session, draft, ctx, desk=console.sources.desk)
        return "A second person is asked" if made.approval_id else f"Signed until {day_text(made.expires_at)}"

    def withdraw(session: Session, deed: Deed, ctx: Context) -> str:
        attestations.withdraw(session, deed.of, ctx, desk=console.sources.desk)
        return "Withdrawn"

    def ask_exception(session: Session, deed: Deed, ctx: Context) -> str:
        framework, key = controls.of_slug(deed.of)
        until = _day(deed, "until")
        if until is None:
            raise PaperInvalid("Say until when.", param="until")
        try:
            kind = exceptions.Kind(deed.text("kind"))
        except ValueError as error:
            raise PaperInvalid("Choose a kind.", param="kind") from error
        draft = exceptions.Draft(
            framework=framework,
            key=key,
            kind=kind,
            why=deed.text("why"),
            until=until,
            component=deed.text("component").strip() or None,
            worksheet=deed.text("worksheet"),
        )
        exceptions.propose(session, draft, ctx, desk=console.sources.desk)
        return "A second person is asked"

    def end(session: Session, deed: Deed, ctx: Context) -> str:
        exceptions.end(session, deed.of, deed.text("reason"), ctx)
        return "The exception is over"

    def analyse(session: Session, deed: Deed, ctx: Context) -> str:
        draft = analyses.Draft(
            requirement=deed.of,
            frequency=deed.text("frequency"),
            body={name: deed.text(name) for name in analyses.FIELDS},
        )
        analyses.propose(session, draft, ctx, desk=console.sources.desk)
        return "A second person is asked"

    def propose_baseline(session: Session, deed: Deed, ctx: Context) -> str:
        baselines.propose(session, deed.of, deed.text("reason"), ctx, desk=console.sources.desk)
        return "A second person is asked"

    def wired(act: str, permission: Any, does: acts.Does, *names: str) -> None:
        acts.wire(console, act, permission, does, fields=[(name, "value") for name in names])

    wired("attest", COMPLIANCE_ATTESTATION_PROPOSE, attest, "kind", "statement", "until", "files")
    wired(
        "inherit",
        COMPLIANCE_ATTESTATION_PROPOSE,
        inherit,
        "provider",
        "aoc_date",
        "responsibility",
        "statement",
        "until",
    )
    wired("attest-withdraw", COMPLIANCE_ATTESTATION_PROPOSE, withdraw)
    wired("except", COMPLIANCE_EXCEPTION_PROPOSE, ask_exception, "kind", "why", "worksheet", "component", "until")
    wired("except-end", COMPLIANCE_EXCEPTION_PROPOSE, end, "reason")
    wired("analyse", COMPLIANCE_RISK_PROPOSE, analyse, "frequency", *analyses.FIELDS)
    wired("baseline", COMPLIANCE_BASELINE_PROPOSE, propose_baseline, "reason")
