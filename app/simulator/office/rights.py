"""What the office of a demonstration has before it: requests at all points of their clock, registers, a breach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session

from app.compose import System
from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.approvals import Verdict
from app.kernel.context import Context
from app.simulator.prologue import staff
from compliance.privacy import clock, consent, identity, intake, recipients, rights
from compliance.privacy.recipients import RECEIPT, Answer
from compliance.privacy.request import Asked, Kind
from compliance.registers import breach_handling, processing, processors
from compliance.registers.breaches import Assessment, Found
from compliance.registers.processors import POINTS, Entry

# What is asked, so many days ago, and how far it has come: nobody asked who it is, asked, or shown.
ASKED: Final = (
    (Asked(kind="access", channel="letter"), 26, "new"),
    (Asked(kind="portability", channel="e-mail"), 3, "asked"),
    (Asked(kind="rectification", channel="call", detail="My name is written with one n too few"), 9, "shown"),
    (Asked(kind="erasure", channel="letter"), 17, "shown"),
    (Asked(kind="restriction", channel="letter"), 6, "shown"),
    (Asked(kind="objection", channel="e-mail", purpose="profiling"), 12, "shown"),
    (Asked(kind="human_review", channel="call", detail="Why was my transfer of Monday refused?"), 2, "shown"),
)
TURNS: Final = 6
"""On so many days of the week customers agree to something."""
MAIL: Final = "Brieftaube Mail GmbH"
_SHOWN: Final = "wrote from the address of their account, and knew their last three payments"


def open_doors(system: System, people: dict[str, str], accounts: Sequence[str]) -> None:
    """Fill the registers and let customers ask, all by the services that officers use."""
    _name(system, people)
    _hand_over(system, people)
    _approve(system, people)
    _notice(system, people)
    for (asked, ago, how), account in zip(ASKED, accounts, strict=False):
        _ask(system, people, account, asked, ago, how)
    _confirm(system, people)


def agree(system: System, accounts: Sequence[str], turn: int) -> None:
    """Let two customers agree to something, others each turn; who came first takes it back in the end."""
    for account, purpose in zip(accounts[turn::TURNS], ("news", "page_use"), strict=False):
        _consent(system, account, consent.give, purpose)
    if turn == TURNS - 1:
        _consent(system, accounts[0], consent.withdraw, "news")


def _consent(system: System, account: str, does: Callable[[Session, str, Context], object], purpose: str) -> None:
    own = Actor(id=account, kind=ActorKind.CUSTOMER, permissions=roles.ROLES[roles.CUSTOMER])
    with system.db.begin() as session:
        does(session, purpose, system.context(own))


def _name(system: System, people: dict[str, str]) -> None:
    with system.db.begin() as session:
        processors.appoint(
            session,
            system.compliance.privacy.settings.dpo_contact,
            "privacy pages of OnePay, and told to the authority",
            "the board, directly",
            "Takes no instructions in this office, and holds no other that could conflict",
            staff(system, people, "compliance"),
        )


def _hand_over(system: System, people: dict[str, str]) -> None:
    today = system.clock.now().date()
    mail = Entry(
        name=MAIL,
        does="Delivers our letters to customers",
        purposes=("service", "rights"),
        countries=("DE",),
        contract="Data processing agreement of 2 March 2026",
        points={point: f"section {place}" for place, point in enumerate(POINTS, start=4)},
        hosts=("mail.brieftaube.example",),
        review_on=today + timedelta(days=95),
    )
    cloud = Entry(
        name="Harbour Hosting Ltd",
        does="Runs the machines on which everything lies, sealed",
        purposes=("service", "accounting", "security"),
        countries=("IE", "CH"),
        contract="Master agreement of 9 January 2026, annex 3",
        points={point: f"annex 3, no. {place}" for place, point in enumerate(POINTS, start=1)},
        sub_processors=("Harbour Power Ltd",),
        transfer="Adequacy decision 2000/518/EC for Switzerland",
        hosts=("console.harbour.example",),
        has_cards=True,
        aoc_on=today - timedelta(days=120),
        aoc_until=today + timedelta(days=245),
        review_on=today + timedelta(days=24),
    )
    for entry in (mail, cloud):
        with system.db.begin() as session:
            processors.add(session, entry, staff(system, people, "compliance"))


def _approve(system: System, people: dict[str, str]) -> None:
    with system.db.begin() as session:
        ctx = staff(system, people, "compliance")
        approval = processing.propose(session, "The record with both processors", ctx, parts=system.registers)
    with system.db.begin() as session:
        system.approvals.decide(session, approval, Verdict.APPROVED, "", staff(system, people, "dpo"))


def _notice(system: System, people: dict[str, str]) -> None:
    """Leave a breach whose clock runs: known since yesterday, assessed, not decided."""
    ctx = staff(system, people, "compliance2")
    found = Found(title="A letter with statements went to the wrong customer", aware_at=ctx.at - timedelta(hours=21))
    known = Assessment(
        nature="Statements of one customer were put into the envelope of another, who called and returned them",
        categories=("name", "money"),
        people=1,
        records=3,
        consequences="One stranger read balances and payees of another customer",
        measures="The letters came back, and two people now look at what is put into envelopes by hand",
        high_risk=False,
    )
    with system.db.begin() as session:
        breach_id = breach_handling.open_breach(session, found, ctx, parts=system.registers)
        breach_handling.assess(session, breach_id, known, ctx)


def _confirm(system: System, people: dict[str, str]) -> None:
    """Let the mail company confirm what it was told of the restriction; whoever runs the machines has not yet."""
    ctx, parts = staff(system, people, "compliance"), system.compliance.privacy
    today = clock.of(parts.settings).day_of(ctx.at)
    with system.db.begin() as session:
        for one in recipients.waiting(session, ctx):
            if one.kind is Kind.RESTRICTION and one.name == MAIL:
                given = Answer(answer=RECEIPT, on=today, reference="its ticket 20-4471")
                recipients.answer(session, one.id, given, ctx, parts=parts)


def _ask(system: System, people: dict[str, str], account: str, asked: Asked, ago: int, how: str) -> None:
    parts, received = system.compliance.privacy, (system.clock.now() - timedelta(days=ago)).date()
    with system.db.begin() as session:
        ctx = staff(system, people, "compliance")
        request_id = intake.enter(session, asked, account, received, ctx, parts=parts)
        if how == "asked":
            identity.ask(session, request_id, ctx, parts=parts)
        if how == "shown":
            rights.answer_identity(session, request_id, _SHOWN, ctx, parts=parts)
