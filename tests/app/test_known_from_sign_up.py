"""The browser somebody signed up with is known from then on: strangers' tries elsewhere do not shut it out (LCK-3)."""

from __future__ import annotations

from tests.support.installation import PASSWORD, Installation

ADDRESS = "known.early@onepay.example"


def test_the_browser_of_the_sign_up_gets_in_while_strangers_are_locked_out(installation: Installation) -> None:
    own = installation.browser()
    own.get("/sign-up")
    own.post("/sign-up", {"email": ADDRESS})
    link = f"/link/{installation.link_to(ADDRESS)}"
    own.get(link)
    asked = {"name": "Ann Early", "handle": "known_early", "password": PASSWORD, "repeated": PASSWORD}
    assert own.post(link, asked).status_code == 303
    own.get("/wallet")
    own.post("/sign-out", {})

    stranger = installation.browser(ip="127.0.0.77")
    for _ in range(6):
        refused = stranger.api("POST", "/sessions", {"email": ADDRESS, "password": "quite another password"})
    assert refused.status_code == 429
    right = {"email": ADDRESS, "password": PASSWORD}
    assert installation.browser(ip="127.0.0.78").api("POST", "/sessions", right).status_code == 429
    assert own.api("POST", "/sessions", right).status_code == 201
