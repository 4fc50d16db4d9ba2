"""What is said of a failure of ours: only what is known of how far the request came."""

from __future__ import annotations

from dataclasses import replace

from werkzeug.test import Client

from app.kernel.metrics import Metrics
from app.main import make_app
from tests.app.test_money_api import balance, order
from tests.support.installation import Browser, Installation


class Failing:
    """A counter that fails, once the money has moved."""

    def labels(self, **labels: str) -> Failing:
        raise RuntimeError("no room for a count")


def test_a_failure_after_the_commit_does_not_say_that_nothing_was_changed(installation: Installation) -> None:
    payer, _ = installation.customer("unsure_payer", euros=10), installation.customer("unsure_payee")
    metrics = Metrics()
    metrics.transfer_total = Failing()
    made = make_app(replace(installation.system, metrics=metrics))
    browser = Browser(installation=installation, client=Client(made))
    browser.sign_in(payer)
    browser.get("/security")
    answer = browser.api("POST", "/transfers", order("@unsure_payee", "1.00"), **{"Idempotency-Key": "k-unsure"})

    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert balance(installation, "unsure_payee") == 100
    assert "Nothing was changed" not in answer.json["detail"]
    assert "ask again with the same idempotency key" in answer.json["detail"]
    again = browser.api("POST", "/transfers", order("@unsure_payee", "1.00"), **{"Idempotency-Key": "k-unsure"})
    assert (again.status_code, balance(installation, "unsure_payee")) == (201, 100)


def test_a_failure_of_what_only_shows_says_that_nothing_was_changed(installation: Installation) -> None:
    made = make_app(installation.system)
    endpoint = next(rule.endpoint for rule in made.url_map.iter_rules() if rule.rule == "/help")

    def broken() -> None:
        raise RuntimeError("no page")

    made.view_functions[endpoint] = broken
    answer = Browser(installation=installation, client=Client(made)).get("/help")
    assert answer.status_code == 500
    assert "Nothing was changed" in answer.text
