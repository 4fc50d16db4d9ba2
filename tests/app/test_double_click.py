"""Two clicks on one order: one payment, and both answers lead to its receipt."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity.models import attempts
from app.identity.models import session as session_table
from app.web import send
from payments.idempotency import IdempotencyBusy
from payments.models import transfer
from tests.app.test_bad_input import review
from tests.support.installation import Browser, Installation


def clicked(browser: Browser, fields: dict[str, str], times: int) -> list[tuple[int, str]]:
    """Send one form so many times at once, as one browser with the same cookies does."""
    cookies = [(one.key, one.value) for one in browser.client._cookies.values()]
    answers: list[tuple[int, str]] = []
    ready = threading.Barrier(times)

    def click() -> None:
        twin = browser.installation.browser()
        for name, value in cookies:
            twin.client.set_cookie(name, value)
        twin.token = browser.token
        ready.wait()
        answer = twin.post("/transfers", fields)
        answers.append((answer.status_code, answer.location or answer.text[:2_000]))

    threads = [threading.Thread(target=click) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


@pytest.mark.parametrize("times", [2, 6])
@pytest.mark.parametrize("is_owed", [False, True], ids=["fresh proof", "code owed"])
def test_clicks_at_once_pay_once_and_show_the_receipt(
    either_house: Installation, monkeypatch: pytest.MonkeyPatch, times: int, is_owed: bool
) -> None:
    # All are known by the session they were sent with before the first proof gives it a new token.
    inside, asked = threading.Barrier(times), send._asked

    def together(*given: Any) -> Any:
        inside.wait(30)
        return asked(*given)

    person = either_house.customer("clicker", euros=20)
    either_house.customer("clicked")
    browser = either_house.browser()
    browser.sign_in(person)
    if is_owed:
        with either_house.system.db.begin() as session:
            session.execute(
                sa.update(session_table)
                .where(session_table.c.account_id == person.account)
                .values(proved_at=either_house.system.clock.now() - timedelta(minutes=6))
            )
    fields = review(browser, "@clicked", "1.00") | {
        "code": either_house.code(person.secret or "", 1) if is_owed else ""
    }
    monkeypatch.setattr(send, "_asked", together)
    answers = clicked(browser, fields, times)
    with either_house.system.db.read() as session:
        paid = list(session.scalars(sa.select(transfer.c.id)))
        counted = [row for row in session.execute(sa.select(attempts)) if row.scope != "letters"]
    assert len(paid) == 1
    assert {status for status, _ in answers} == {303}
    assert {where for _, where in answers} == {f"/transfers/{paid[0]}"}
    assert counted == []


def test_why_an_order_is_not_signed_is_told_in_words_for_payers(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.customer("told_payee")
    person, browser = installation.customer("told_payer", euros=20), installation.browser()
    browser.sign_in(person)
    owed = installation.system.clock.now() - timedelta(minutes=6)
    with installation.system.db.begin() as session:
        mine = session_table.c.account_id == person.account
        session.execute(sa.update(session_table).where(mine).values(proved_at=owed))
    fields = review(browser, "@told_payee", "1.00")
    told = [browser.post("/transfers", fields | {"code": "000000"}).text for _ in range(6)][-1]
    assert "Too many wrong codes. Wait 5 minutes." in told

    def busy(ask: object) -> None:
        raise IdempotencyBusy

    monkeypatch.setattr(send, "_patiently", busy)
    answer = browser.post("/transfers", fields)
    assert answer.status_code == 409
    assert "Your first click is still being answered." in answer.text
