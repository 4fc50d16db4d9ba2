"""What a forged call gets: a bad request with a code, never a fault; and what it changes: nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from tests.dashboards.desk import Room

ROUTE = {"id": "route", "property": "data"}
VIEW = {"id": "view", "property": "children"}


def draws(**changed: Any) -> dict[str, Any]:
    """Return the call that draws a page, with parts of it forged."""
    whole = {
        "output": "view.children",
        "outputs": VIEW,
        "inputs": [{**ROUTE, "value": {"path": "/console/", "search": "", "n": 1}}],
        "changedPropIds": ["route.data"],
    }
    return {**whole, **changed}


def takes(**changed: Any) -> dict[str, Any]:
    """Return the call that takes an incident, with parts of it forged."""
    about = {"act": "take", "of": "inc_1", "seen": 1}
    whole = {
        "output": '{"of":["MATCH"],"say":"take","seen":["MATCH"]}.children',
        "outputs": {"id": {"of": "inc_1", "say": "take", "seen": 1}, "property": "children"},
        "inputs": [{"id": about, "property": "n_clicks", "value": 1}],
        "changedPropIds": ['{"act":"take","of":"inc_1","seen":1}.n_clicks'],
        "state": [],
    }
    return {**whole, **changed}


def clicked(value: Any = 1, **about: Any) -> list[Any]:
    return [{"id": {"act": "take", "of": "inc_1", "seen": 1, **about}, "property": "n_clicks", "value": value}]


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else 1


def assert_bad(answer: TestResponse, code: str = "bad_call") -> None:
    assert answer.status_code == 400, answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == code
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        None,
        5,
        "text",
        draws(output="view.style"),
        draws(output="mantine.forceColorScheme"),  # the browser's own callback
        draws(output={"of": ["MATCH"], "say": "take"}),
        draws(output=None),
        draws(inputs=[]),
        draws(inputs=None),
        draws(inputs={"id": "route"}),
        draws(inputs=[5]),
        draws(inputs=[None]),
        draws(inputs=[[{**ROUTE, "value": {"path": "/console/", "search": ""}}]]),
        draws(inputs=[{"id": "route"}]),
        draws(inputs=[{"id": {"of": "route"}, "property": "data"}]),
        draws(inputs=[{**ROUTE, "value": 5}]),
        draws(inputs=[{**ROUTE, "value": None}]),
        draws(inputs=[{**ROUTE, "value": []}]),
        draws(inputs=[{**ROUTE, "value": {"path": 5, "search": ""}}]),
        draws(inputs=[{**ROUTE, "value": {"path": "/console/", "search": {}}}]),
        draws(inputs=[{**ROUTE, "value": deep(30)}]),
        draws(inputs=[{**ROUTE, "value": {"path": "/console/\x00", "search": ""}}]),
        draws(inputs=[{**ROUTE, "value": {"path": "/console/", "search": "\ud800"}}]),
        draws(inputs=[{**ROUTE, "value": {"path": "/console/", "search": ""}}] * 2),
        draws(changedPropIds=5),
        draws(changedPropIds=[5]),
        draws(changedPropIds=["other.data"]),
        draws(changedPropIds=["route.data"] * 100),
        draws(state=[5]),
        draws(state={"a": 1}),
        draws(outputs=[]),
        draws(outputs=5),
        draws(outputs={"id": "view", "property": "style"}),
        draws(outputs={"id": "toast", "property": "children"}),
        draws(more=1),
        takes(inputs=clicked(value="1")),
        takes(inputs=clicked(value=-1)),
        takes(inputs=clicked(value=True)),
        takes(inputs=clicked(act="approve")),
        takes(inputs=clicked(seen="1")),
        takes(inputs=clicked(seen=-1)),
        takes(inputs=clicked(seen=True)),
        takes(inputs=clicked(seen=2)),
        takes(inputs=clicked(of="")),
        takes(inputs=clicked(of=["inc_1"])),
        takes(inputs=clicked(of="inc_\x00")),
        takes(inputs=clicked(of="i" * 201)),
        takes(inputs=clicked(more="1")),
        takes(inputs=[clicked()]),
        takes(inputs=[{"id": '{"act":"take","of":"inc_1","seen":1}', "property": "n_clicks", "value": 1}]),
        takes(outputs={"id": {"of": "inc_2", "say": "take", "seen": 1}, "property": "children"}),
        takes(state=[{"id": "x", "property": "value"}]),
        takes(changedPropIds=["{}.n_clicks"]),
        takes(changedPropIds=["n_clicks"]),
    ],
)
def test_a_call_that_no_page_makes_is_a_bad_request(room: Room, body: Any) -> None:
    assert_bad(room.commander.post(body))


def test_what_is_no_json_is_a_bad_request(room: Room) -> None:
    desk = room.commander
    for text in (b"", b"{", b"\xff\xfe", b"[" * 5_000):
        answer = desk.browser.client.post(
            "/console/_dash-update-component",
            data=text,
            content_type="application/json",
            headers={"Host": "localhost", "Origin": "http://localhost:8080", "X-CSRFToken": desk.browser.token},
        )
        assert answer.status_code == 400, answer.text


def test_an_act_with_a_field_too_many_or_too_few_is_a_bad_request(room: Room) -> None:
    case = room.incident()
    assert_bad(room.commander.press("note", case))
    assert_bad(room.commander.press("note", case, fields={"text": "One thing.", "more": "Another."}))
    assert_bad(room.commander.press("note", case, fields={"reason": "Not the name of the field."}))
    assert "note.added" not in room.codes(case)


def test_an_address_of_too_many_words_is_told_so(room: Room) -> None:
    words = "&".join(f"a{n}=1" for n in range(60))
    assert "This address cannot be read" in room.commander.draw("/console/soc/events", f"?{words}")
    assert "cannot be read" in room.commander.draw("/console/", f"?{words}")
    assert "cannot be read" in room.commander.draw("/console/soc/alerts", "?sel=%00")


@pytest.mark.parametrize(
    "words",
    [
        "?limit=-1",
        "?q=%00",
        "?limit=0",
        "?limit=201",
        "?limit=x",
        "?limit=1&limit=2",
        "?what=1",
        "?q=&q=",
        "?sel=evt_1",
    ],
)
def test_a_feed_takes_the_words_it_knows_alone(room: Room, words: str) -> None:
    answer = room.commander.browser.get(f"/console/api/events{words}", Accept="application/json")
    assert_bad(answer, "bad_feed")


@pytest.mark.parametrize("words", ["?after=x", f"?after={'9' * 400}", "?from=x", "?q=nofield:1", "?from=-1h&to=-2h"])
def test_a_feed_asked_for_what_cannot_be_is_told_so(room: Room, words: str) -> None:
    answer = room.commander.browser.get(f"/console/api/events{words}", Accept="application/json")
    assert answer.status_code in (400, 422), answer.text
    assert json.loads(answer.text)["code"]


def test_a_feed_gives_what_a_grid_asks(room: Room) -> None:
    answer = room.commander.browser.get("/console/api/events?limit=200&q=&from=-1h", Accept="application/json")
    assert answer.status_code == 200
    assert {"rows", "next", "hi"} == answer.json.keys()


# The words that each page reads.
PAGES = {
    "overview": ("from", "to"),
    "incidents": ("status", "owner", "sev"),
    "alerts": ("state", "sev", "rule", "sel"),
    "events": ("q", "from", "to", "sel", "tab"),
    "rules/login_burst_source": ("sel",),
    "incidents/{case}": ("sort", "before", "do", "sel"),
}
NASTY = (
    "",
    "\x00",
    "%",
    "-1",
    "٣",
    "9" * 400,
    "2026-11-02T09:00Z",
    "0001-01-01",
    "9999-12-31T23:59:59-14:00",
    "-9999d",
    "a" * 5_000,
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "\ud800",
    "acc_x,acc_y",
)


@pytest.mark.parametrize("page", PAGES)
def test_no_word_of_an_address_makes_a_fault(room: Room, page: str) -> None:
    path = "/console/soc/" + page.format(case=room.incident())
    for word in PAGES[page]:
        for nasty in NASTY:
            sent = draws(
                inputs=[{**ROUTE, "value": {"path": path, "search": f"?{urlencode({word: nasty}, errors='replace')}"}}]
            )
            answer = room.commander.post(sent)
            assert answer.status_code == 200, (word, nasty, answer.text)


def test_no_word_of_a_form_makes_a_fault(room: Room) -> None:
    path = f"/console/soc/incidents/{room.incident()}"
    for do in ("network.block", "account.lock", "evidence.snapshot", "skip", "undo", "prolong", "nothing"):
        for nasty in NASTY:
            words = urlencode({"do": do, "entity": nasty, "hours": nasty, "sel": nasty}, errors="replace")
            answer = room.commander.post(draws(inputs=[{**ROUTE, "value": {"path": path, "search": f"?{words}"}}]))
            assert answer.status_code == 200, (do, nasty, answer.text)


@pytest.mark.parametrize(
    "path", ["", "/", "//", "/console", "/console/soc/../x", "/console/soc/incidents/" + "a" * 9_000]
)
def test_no_path_makes_a_fault(room: Room, path: str) -> None:
    for search in ("", "?", "&&&", "?%ff=%ff", "?a"):
        sent = draws(inputs=[{**ROUTE, "value": {"path": path, "search": search}}])
        assert room.commander.post(sent).status_code == 200
