"""Verifier. *Has anything been changed?* Rounds, root, witness, what was verified, and verifying a range or all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel import numbers
from app.kernel.access import AUDIT_TRAIL_READ, AUDIT_TRAIL_VERIFY, COMPLIANCE_REPORT_READ
from app.kernel.context import Context
from compliance.audit import verifying
from compliance.reports import runs
from compliance.reports.runs import Report
from dashboards import acts
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    age,
    answer,
    dated,
    empty,
    facts,
    mark,
    ok,
    page,
    panel,
    scrolling,
    short,
    table,
    updated,
)
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.pages.compliance import work
from ingest.events.envelope import at_path
from ingest.log import checkpoint, read, rounds, witness
from ingest.log.monitor import RangeInvalid
from ingest.log.rounds import Round

VERIFY: Final = "audit-verify"
CANCEL: Final = "verify-cancel"
ROUNDS_SHOWN: Final = 10
_FINDING: Final = re.compile(r"(?P<table>.+?) sequence (?P<sequence>\d+) (?P<field>.+?): (?P<said>.+)")
_TABLES: Final = {"ingest_body": "Body", "ingest_entry": "Entry", "ingest_node": "Node", "ingest_head": "Head"}


@dataclass(frozen=True, slots=True)
class _Bad:
    """What was found changed, and when."""

    at: datetime
    findings: tuple[str, ...]


def layout(view: View) -> Any:  # a Dash component
    """Return what was compared, by whom it was seen, and what is asked for."""
    viewer = view.sources.viewer()
    with view.sources.read() as session:
        head = read.head(session)
        signed = checkpoint.newest(session)
        seen = witness.standing(session)
        kept = rounds.recent(session, ROUNDS_SHOWN)
        full = rounds.newest(session, rounds.Kind.FULL)
        mine = runs.listed(session, viewer, kinds=(verifying.KIND,))
        bad = _found_bad(session, view.now)
    pairs: list[tuple[str, Part]] = [
        ("Size", f"{head.size:,}"),
        ("Root", html.Span(head.root.hex(), className="id wrap")),
        ("Signed", [f"{signed.size:,}  ", dated(signed.at)] if signed else "nothing yet"),
        (
            "Witness",
            f"{seen.name}, {seen.rating}: has seen {seen.size:,}, {age(view.now - seen.at)} ago"
            if seen and seen.at
            else "none has seen it",
        ),
        ("First bad sequence", _first_bad(bad.findings) if bad else "none is known"),
    ]
    files = [
        html.A(words, href=f"{work.FILES}/log/{name}", className="more", download=name)
        for words, name in (
            ("onepay_verify.py", "onepay_verify.py"),
            ("checkpoint", "checkpoint"),
            ("policy", "policy"),
        )
    ]
    side = [panel("Head", html.Div(facts(*pairs), className="body")), panel("Take away", _away(view, files))]
    if viewer.may(AUDIT_TRAIL_VERIFY):
        side.insert(0, _form(head.size))
    body = html.Div(
        [html.Div([_mine(mine), _rounds(kept)], className="stack"), html.Div(side, className="stack")],
        className="cols",
    )
    return page(
        "Verifier",
        "Has anything been changed?",
        _answer(view, full, bad),
        body,
        right=updated(view.now),
        live=True,
    )


def _answer(view: View, full: Round | None, bad: _Bad | None) -> Part:
    if bad is not None:
        said: list[Part] = [mark("Yes.", "cross", "bad"), f" {in_words(bad.findings[0])}."]
        open_ = html.A("The incident of it", href=view.href("incidents"), className="more")
        small = html.Span([f"Found {age(view.now - bad.at)} ago. ", open_, " says what to do."])
    elif full is None:
        said = [mark("Not known yet.", "clock", "medium"), " The whole log was not compared so far."]
        small = "Samples are compared every five minutes, everything every night."
    else:
        said = [
            ok("No change was found."),
            f" All {full.size:,} events were compared {age(view.now - full.at)} ago.",
        ]
        small = "Bodies, entries, tree, signatures, archive and store agree; what was removed by law is told apart."
    return answer(said, small)


def in_words(finding: str) -> str:
    """Return one finding of a comparison as a sentence, without its full stop."""
    found = _FINDING.fullmatch(finding)
    if found is None:
        return finding
    table, field, said = found["table"], found["field"], found["said"].removeprefix("it ")
    what = f"{_TABLES.get(table, f'{table.capitalize()}, sequence')} {int(found['sequence']):,}"
    where = "" if field in ("sequence", table.removeprefix("ingest_")) else f", {field},"
    if said.startswith("not "):
        said = f"is {said}"
    return f"{what}{where} {said}" if said.startswith(("is ", "was ")) else f"{what}{where or ':'} {said}"


def _found_bad(session: Session, now: datetime) -> _Bad | None:
    """Return what the newest round found that nothing found mended; where no row says so, what the log says."""
    for one in rounds.broken_since_sound(session):
        return _Bad(at=one.at, findings=one.findings)
    told = rounds.told_broken(session, now)
    if told is None:
        return None
    cause = at_path(told.document or {}, "onepay.health.log.reason")
    return _Bad(at=told.at, findings=(str(cause or "what was found is not known any more"),))


def _first_bad(findings: Sequence[str]) -> str:
    known = [int(found["sequence"]) for one in findings if (found := _FINDING.fullmatch(one))]
    return f"{min(known):,}" if known else "see the findings"


def _form(size: int) -> Part:
    inner = acts.form(
        "Verify",
        dmc.TextInput(id=acts.field("first", VERIFY, "log"), label="From sequence", description="Empty is 1", value=""),
        dmc.TextInput(
            id=acts.field("last", VERIFY, "log"),
            label="To sequence",
            description=f"Empty is all, {size:,} now",
            value="",
        ),
        buttons=[acts.press("Verify", VERIFY, "log", main=True)],
        says=acts.place(VERIFY, "log"),
    )
    return panel("Verify a range or all", html.Div(inner, className="body"))


def _away(view: View, files: Sequence[Part]) -> Part:
    pack = html.A("events with proofs", href=view.href("audit"), className="more")
    return html.Div(
        [
            html.P(["Verifier, signed head, and whose signature is believed: ", *_joined(files)]),
            html.P(["A proof pack is part of an export of ", pack, "."]),
        ],
        className="body",
    )


def _joined(parts: Sequence[Part]) -> list[Part]:
    made: list[Part] = []
    for part in parts:
        made += [", ", part] if made else [part]
    return made


def _mine(mine: Sequence[Report]) -> Part:
    if not mine:
        return panel("What you verified", empty("Nothing yet.", "What you verify stands here with its result."))
    rows = [
        [
            f"{one.params['first']:,} to {one.params['last']:,}" if one.params["last"] else "all",
            html.Div([work.state(one), work.ending(one, CANCEL)]),
            html.Span(one.note or "–"),
            work.files(one),
            dated(one.asked_at),
        ]
        for one in mine
    ]
    heads = [("Sequences", "nowrap"), ("State", ""), ("Result", ""), ("File", "roomy"), ("Asked", "roomy")]
    return panel(
        "What you verified",
        scrolling("What you verified", table(heads, rows, caption="What you verified", cls="tall")),
    )


def _rounds(kept: Sequence[Round]) -> Part:
    if not kept:
        return panel("Rounds", empty("No round yet.", "The monitor samples every five minutes once it is served."))
    rows = [
        [
            dated(one.at),
            one.kind,
            f"{one.lo:,} to {one.hi:,}",
            f"{one.compared:,}",
            mark(str(one.mismatches), "cross", "bad") if one.mismatches else ok("none"),
            short(one.root.hex()),
        ]
        for one in kept
    ]
    heads = [
        ("When", ""),
        ("Kind", ""),
        ("Range", "nowrap"),
        ("Compared", "num"),
        ("Differences", ""),
        ("Root", "roomy"),
    ]
    return panel("Rounds", scrolling("Rounds", table(heads, rows, caption="Rounds")), sub=f"newest {len(rows)}")


def wire(console: Console) -> None:
    """Register verifying and its end."""

    def verify(session: Session, deed: Deed, context: Context) -> str:
        verifying.ask(session, context, first=_number(deed.text("first")), last=_number(deed.text("last")))
        return "The log is being verified"

    def cancel(session: Session, deed: Deed, context: Context) -> str:
        runs.cancel(session, deed.of, context, parts=console.sources.reports)
        return "Cancelled"

    acts.wire(console, VERIFY, AUDIT_TRAIL_VERIFY, verify, fields=[("first", "value"), ("last", "value")])
    acts.wire(console, CANCEL, COMPLIANCE_REPORT_READ, cancel)


def _number(text: str) -> int | None:
    text = text.strip().replace(",", "")
    if not text:
        return None
    found = numbers.whole(text)
    if found is None:
        raise RangeInvalid("A sequence is a whole number.")
    return found


PAGE: Final = Page(
    slug="verifier",
    title="Verifier",
    question="Has anything been changed?",
    permission=AUDIT_TRAIL_READ,
    layout=layout,
    area=COMPLIANCE,
)
