"""What the office of a demonstration has signed: a baseline, attestations, an exception, scans with their report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from app.compose import System
from app.identity.evidence.people import MATRIX
from app.kernel.approvals import Verdict
from app.kernel.context import Context
from app.simulator import prologue
from compliance.attest import analyses, attestations, baselines, exceptions, files
from compliance.attest.attestations import Draft, Kind
from compliance.attest.files import Upload
from compliance.audit import requests
from compliance.audit.filters import Filter
from compliance.catalog.controls import GDPR, PCI
from compliance.reports import runs
from compliance.scans import register
from compliance.scans.quarters import begin_of, number_of
from compliance.scans.register import Draft as Looked
from compliance.scans.register import Found, Severity
from compliance.scans.register import Kind as Look

SIGNED: Final[tuple[tuple[str, str, Kind, str, int], ...]] = (
    (PCI, "12.6.1", Kind.STATEMENT, "All who work here were trained in September, and again when they began", 240),
    (PCI, "6.2.2", Kind.STATEMENT, "Those who write code took the yearly course on safe code in autumn", 5),
    (PCI, "12.1.1", Kind.ACKNOWLEDGEMENT, "The policy of this year was read and signed by everybody", 20),
    (PCI, "policies", Kind.STATEMENT, "Every procedure has an owner and was gone through this quarter", 130),
    (PCI, "11.2.1", Kind.NOT_APPLICABLE, "There is no office with a network of ours; all work is remote", 60),
    (PCI, "3.3.1", Kind.STATEMENT, "Rows, events and files were searched for codes of cards; none was there", 100),
    (PCI, "8.2.5", Kind.STATEMENT, "Nobody left this half year; who leaves is shut out in that very talk", 90),
    (PCI, "8.2.8", Kind.STATEMENT, "A session was left for twenty minutes in a test, and asked for a new sign-in", 130),
    (PCI, "10.2.1", Kind.STATEMENT, "Each kind of event was set off in a test of this quarter, and arrived", 110),
    (PCI, "10.2.2", Kind.STATEMENT, "A sample of sixty events names from where and on what somebody acted", 120),
    (PCI, "3.5.1", Kind.STATEMENT, "Copies of the database were searched for card numbers; there are none", 80),
    (PCI, "10.3.1", Kind.STATEMENT, "Two operators can read the log's files; nobody else has an account there", 150),
    (PCI, "7.2.1", Kind.STATEMENT, "What each role may do was gone through with its people this quarter", 80),
    (PCI, "8.2.1", Kind.STATEMENT, "Nobody lends an account; each of us has one, and signed that", 140),
    (PCI, "8.3.1", Kind.STATEMENT, "The files of the log were searched for test passwords; none was there", 115),
    (PCI, "8.3.4", Kind.STATEMENT, "Bursts of the last quarter were gone through, and each met its lock", 70),
    (PCI, "8.5.1", Kind.STATEMENT, "Nobody gets in without a code; there is no exception", 155),
    (PCI, "10.5.1", Kind.STATEMENT, "The archive of last quarter was put back and verified against the tree", 60),
    (PCI, "12.10.5", Kind.STATEMENT, "Alerts of network and scanners go to those who are on call", 210),
    (
        GDPR,
        "5(1)(f)/32",
        Kind.STATEMENT,
        "Copies were put back in September; testers from outside were here in May",
        150,
    ),
    (GDPR, "5(1)(d)", Kind.STATEMENT, "After the last correction the old value was looked for everywhere", 125),
    (GDPR, "7", Kind.STATEMENT, "Nothing here uses data for news or training of models yet", 145),
    (GDPR, "17", Kind.STATEMENT, "The last certificate was held against the log by two of us", 105),
    (GDPR, "18", Kind.STATEMENT, "Nothing here uses data of people but for their payments and our duties", 145),
    (GDPR, "20", Kind.STATEMENT, "A portable copy was read with a tool of another house", 200),
    (GDPR, "33", Kind.STATEMENT, "Incidents of the quarter were gone through for data of people", 75),
    (GDPR, "30", Kind.STATEMENT, "The network lets out to the mail company alone, which the register names", 170),
    (PCI, "12.10.1", Kind.STATEMENT, "The response plan stands, somebody is on call at every hour", 190),
    (GDPR, "37-39", Kind.STATEMENT, "Two data protection officers are named, and told to the authority", 300),
)
"""(framework, key, kind, statement, days it still holds)."""
INHERITED: Final[Mapping[str, str]] = {
    "provider": "Northern Racks",
    "aoc_date": "2026-06-30",
    "responsibility": "Doors, visitors and media of both sites are theirs; nothing of it is ours",
}
PERIOD: Final = timedelta(days=90)


def sign(system: System, people: dict[str, str]) -> None:
    """Sign what the office has signed by now: some of it ends in a few days."""
    _approve_matrix(system, people)
    for framework, key, kind, statement, days in SIGNED:
        _attest(system, people, Draft(framework=framework, key=key, kind=kind, statement=statement), days)
    inherited = Draft(
        framework=PCI,
        key="physical",
        kind=Kind.INHERITED,
        statement="The provider's attestation was read and is kept",
        facts=INHERITED,
    )
    _attest(system, people, inherited, 90)
    _analyse(system, people)
    _scan(system, people)
    _bear(system, people, "8.2.6")


def assess(system: System, people: dict[str, str], auditor: Context) -> None:
    """Begin an assessment: both reports are asked for, and the auditor asks a question and for a sample.

    The worker makes the reports once it runs; the first question is answered, the sample waits for an officer.
    """
    officer = prologue.staff(system, people, "compliance")
    for kind in ("pci_status", "gdpr_status"):
        with system.db.begin() as session:
            runs.ask(session, kind, officer.at - PERIOD, officer, parts=system.reports)
    with system.db.begin() as session:
        asked = requests.ask(session, "Who answers for the scans that a quarter lacks?", auditor)
        wanted = Filter(action="auth.login.*", outcome="failure")
        why = "Ten refused sign-ins, to see who looked at them"
        requests.ask_sample(session, "20261126", wanted, 10, why, auditor)
        said = "Liv Osterman: the worker is scanned again in the first week of the quarter."
        requests.answer(session, asked, said, "", officer, parts=system.reports)


def _approve_matrix(system: System, people: dict[str, str]) -> None:
    with system.db.begin() as session:
        ctx = prologue.staff(system, people, "compliance")
        approval = baselines.propose(session, MATRIX, "The roles as they were gone through", ctx, desk=system.desk)
    _agree(system, people, approval)


def _attest(system: System, people: dict[str, str], draft: Draft, days: int) -> None:
    with system.db.begin() as session:
        ctx = prologue.staff(system, people, "compliance")
        control = system.desk.catalogue.controls[draft.framework, draft.key]
        begin, end = ctx.at, ctx.at + timedelta(days=days)
        limit = control.expires.after(begin) if control.expires else end
        values = {name: getattr(draft, name) for name in ("framework", "key", "kind", "statement", "facts")}
        made = attestations.propose(session, Draft(**values, expires_at=min(end, limit)), ctx, desk=system.desk)
    _agree(system, people, made.approval_id)


def _analyse(system: System, people: dict[str, str]) -> None:
    draft = analyses.Draft(
        requirement="11.3.1.1",
        frequency="P30D",
        body={
            "asset": "Findings of internal scans that are neither high nor critical",
            "threats": "Several small weaknesses used one after the other",
            "factors": "Few services, one network, fixes within days",
            "justification": "A month is shorter than such chains took to be used in the past",
        },
    )
    with system.db.begin() as session:
        made = analyses.propose(session, draft, prologue.staff(system, people, "compliance"), desk=system.desk)
    _agree(system, people, made.approval_id)


def _bear(system: System, people: dict[str, str], key: str) -> None:
    with system.db.begin() as session:
        ctx = prologue.staff(system, people, "compliance2")
        draft = exceptions.Draft(
            framework=PCI,
            key=key,
            kind=exceptions.Kind.COMPENSATING,
            why="Whoever built the first version is called in again in some days and needs the account then",
            worksheet="The account holds no role, so it opens no page; its sign-ins are watched until then",
            until=ctx.at + timedelta(days=4),
        )
        made = exceptions.propose(session, draft, ctx, desk=system.desk)
    _agree(system, people, made.approval_id)


def _scan(system: System, people: dict[str, str]) -> None:
    """Enter what was scanned in the last two closed quarters, and the vendor's report.

    What was found in the first was mended and scanned again; what was found in the second was not: 11.3.1 fails.
    """
    ctx, anchor = prologue.staff(system, people, "compliance"), system.settings.assessment_anchor
    number = number_of(anchor, ctx.at.date())
    before, last, running = (begin_of(anchor, number - back) for back in (2, 1, 0))
    first = _enter(system, people, before + timedelta(days=40), ("worker",))
    _enter(system, people, before + timedelta(days=47), (), rescan_of=first)
    with system.db.begin() as session:
        for one in register.findings(session, ctx.actor):
            register.fix(session, one.id, before + timedelta(days=45), ctx)
    _enter(system, people, last + timedelta(days=15), ("worker",))
    day = last + timedelta(days=30)
    report = Upload(
        framework=PCI,
        key="11.3.2",
        name="asv-report.txt",
        content=f"External scan of {day}: every component passed.\n".encode(),
    )
    with system.db.begin() as session:
        sha256 = files.upload(session, report, ctx, cabinet=system.desk.cabinet)
    _enter(system, people, day, (), kind=Look.ASV, sha256=sha256)
    lately = running + timedelta(days=10)
    if lately <= ctx.at.date():
        _enter(system, people, lately, ())


def _enter(
    system: System,
    people: dict[str, str],
    day: date,
    failed: tuple[str, ...],
    *,
    kind: Look = Look.INTERNAL,
    rescan_of: str | None = None,
    sha256: str | None = None,
) -> str:
    says = "A library lacks its last fix"
    findings = tuple(Found(severity=Severity.MEDIUM, component=one, says=says) for one in failed)
    looked = Looked(
        kind=kind,
        performed_on=day,
        scanner="Lantern 4.2",
        authenticated=kind is Look.INTERNAL,
        components=("web", "worker"),
        failed=failed,
        findings=findings,
        rescan_of=rescan_of,
        sha256=sha256,
    )
    with system.db.begin() as session:
        return register.enter(session, looked, prologue.staff(system, people, "compliance")).id


def _agree(system: System, people: dict[str, str], approval: str | None) -> None:
    if approval is None:
        return
    with system.db.begin() as session:
        outcome = system.approvals.decide(
            session, approval, Verdict.APPROVED, "", prologue.staff(system, people, "dpo")
        )
    if outcome.error is not None:
        raise outcome.error
