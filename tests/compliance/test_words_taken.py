"""What people type into requests, registers and audit work holds no card number and nothing that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.clock import StillClock
from app.kernel.errors import OnePayError
from compliance.audit import filters, sample
from compliance.privacy import intake
from compliance.privacy.models import request
from compliance.privacy.request import Asked
from compliance.registers import breach_handling, breaches, processors
from compliance.registers.breaches import Assessment, Found
from compliance.registers.models import breach
from compliance.registers.processors import Entry
from ingest.models import body, outbox
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person, installed

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
CARD = "4027183055214006"
SPACED = "4027 1830 5521 4006"
TURNED = "my name is \u202egnp"
CUT = "my name\x00 is wrong"
FOUND = Found(title="A mailbox was read", aware_at=START)
KNOWN = Assessment(
    nature="A mailbox was read by a stranger",
    categories=("contact",),
    people=1,
    records=1,
    consequences="Letters could be used to deceive",
    measures="The mailbox was closed at once",
    high_risk=False,
)
ENTRY = Entry(name="Mail company", does="delivers letters", purposes=("service",), countries=("DE",), review_on=START)


@pytest.fixture(scope="module")
def rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rights]:
    clock = StillClock(START)
    with installed(tmp_path_factory.mktemp("words") / "home", clock=clock) as made:
        made.staff("olga", roles.COMPLIANCE_OFFICER)
        made.staff("dora", roles.DPO)
        made.customer("words_amber", euros=5)
        yield Rights(house=made, clock=clock)


@pytest.fixture(scope="module")
def amber(rights: Rights) -> Person:
    return rights.house.people["words_amber"]


def refused(does: Callable[[], object]) -> tuple[str, str | None]:
    with pytest.raises(OnePayError) as error:
        does()
    return error.value.code, error.value.param


@pytest.mark.parametrize(
    ("wanted", "code", "param"),
    [
        (Asked(kind="rectification", detail=f"my card {CARD} is wrong"), "secret_in_text", "detail"),
        (Asked(kind="human_review", detail=f"why was {SPACED} refused"), "secret_in_text", "detail"),
        (Asked(kind="access", detail=CARD), "secret_in_text", "detail"),
        (Asked(kind="rectification", detail=TURNED), "no_text", "detail"),
        (Asked(kind="rectification", detail=CUT), "no_text", "detail"),
        (Asked(kind="access", channel=f"card {CARD}"), "channel_unknown", "channel"),
        (Asked(kind="access", channel="remainder"), "channel_unknown", "channel"),
        (Asked(kind="access", purpose=CARD), "detail_missing", "purpose"),
    ],
)
def test_a_request_holds_no_card_number_and_what_can_be_read(
    rights: Rights, amber: Person, wanted: Asked, code: str, param: str
) -> None:
    with rights.db.begin() as session:
        ctx = rights.colleague(rights.house.people["olga"], roles.COMPLIANCE_OFFICER)
        today = ctx.at.date()
        does = lambda: intake.enter(session, wanted, amber.account, today, ctx, parts=rights.parts)  # noqa: E731
        assert refused(does) == (code, param)
        assert session.execute(sa.select(request.c.id)).all() == []


def test_a_page_says_what_is_wrong_with_the_words(rights: Rights, amber: Person) -> None:
    rights.calm()
    browser = rights.house.browser()
    browser.sign_in(amber)
    browser.get("/privacy/correct")
    answer = browser.post("/privacy/correct", {"detail": f"my card {CARD} is wrong"})
    assert (answer.status_code, "card number or a secret; take it out" in answer.text) == (422, True)
    browser.get("/privacy/ask")
    answer = browser.post("/privacy/ask", {"email": amber.address, "kind": "rectification", "detail": CARD})
    assert answer.status_code == 422


def test_what_was_written_before_leaves_in_no_copy(rights: Rights, amber: Person) -> None:
    with rights.db.begin() as session:
        for words in (f"my card {CARD}", "my card 40 27 18 30 55 21 40 06"):
            asked = Asked(kind="rectification", detail="my name is wrong")
            ctx = rights.colleague(rights.house.people["olga"], roles.COMPLIANCE_OFFICER)
            before = intake.enter(session, asked, amber.account, ctx.at.date(), ctx, parts=rights.parts)
            sealed = intake.seal_detail(words, amber.account, before, rights.parts)
            session.execute(sa.update(request).where(request.c.id == before).values(detail_ct=sealed))
    copy = rights.copy_of(amber)
    assert "my card [card_number]" in copy.text("data/free_text.json")
    assert (CARD in copy.everything(), "40 27" in copy.everything()) == (False, False)
    rules = {row["rule"]: row["count"] for row in copy.table("redactions.csv")}
    assert rules["secrets_in_words"] == "2"


def test_a_register_holds_no_card_number_and_names_an_incident_that_there_is(rights: Rights) -> None:
    parts = rights.house.system.registers
    with rights.db.begin() as session:
        ctx = rights.colleague(rights.house.people["dora"], roles.DPO)
        for found, code in (
            (replace(FOUND, incident=f"card {CARD} in it"), "incident_unknown"),
            (replace(FOUND, incident="inc_00000000000000000000000000"), "incident_unknown"),
            (replace(FOUND, controller=f"Shop {CARD}"), "secret_in_text"),
        ):
            assert refused(lambda found=found: breach_handling.open_breach(session, found, ctx, parts=parts))[0] == code
        assert session.execute(sa.select(breach.c.id)).all() == []
        known = breach_handling.open_breach(session, replace(FOUND, controller="The shop"), ctx, parts=parts)
        for wrong in (CARD, TURNED):
            made = replace(KNOWN, categories=("contact", wrong))
            assert refused(lambda made=made: breach_handling.assess(session, known, made, ctx))[1] == "categories"
        notify = breach_handling.notify
        says = refused(lambda: notify(session, known, breaches.PEOPLE, "What happened to you", ctx, reference=CARD))
        assert says == ("secret_in_text", "reference")
        for name, value in (
            ("contract", CARD),
            ("points", {"instructions": CARD}),
            ("sub_processors", (CARD,)),
            ("transfer", CARD),
            ("hosts", (TURNED,)),
        ):
            entry = replace(ENTRY, review_on=date(2027, 1, 1), **{name: value})
            assert refused(lambda entry=entry: processors.add(session, entry, ctx))[1] == name


def test_a_sample_and_a_filter_hold_no_card_number(rights: Rights) -> None:
    now = rights.clock.now()
    assert refused(lambda: sample.demand(f"seed {CARD}", 5)) == ("secret_in_text", "seed")
    assert refused(lambda: filters.read({"object": CARD}, now)) == ("secret_in_text", "object")
    assert filters.read({"action": "*", "first": "1"}, now).action == "*"


def test_no_number_of_these_tests_stands_anywhere(rights: Rights) -> None:
    rights.house.arrive()
    with rights.db.read() as session:
        texts = [*session.execute(sa.select(body.c.body)).scalars(), *session.execute(sa.select(outbox)).scalars()]
    assert not [text for text in texts if CARD in str(text)]
