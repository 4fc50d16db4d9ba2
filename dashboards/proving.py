"""The way from evidence to its proof: where who looks may read an event, and the path from its leaf to the root."""

from __future__ import annotations

from typing import Any, Final

from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import EVENT_RECORD_READ, LOG_PROOF_READ, Actor
from app.kernel.errors import NotFound
from compliance.engine import rerun
from compliance.engine.rerun import EvidenceNumberInvalid
from dashboards.kit import Part, chain, dated_text, mark, ok
from dashboards.page import View
from ingest.log import checkpoint, merkle, proofs, read

EVENTS: Final = "/console/soc/events"
TRAIL: Final = "/console/compliance/audit"
WORDS: Final = "event and proof"


def page_of_events(viewer: Actor) -> str:
    """Return the page on which somebody reads events: of the analysts, or the trail, which is masked and bounded."""
    return EVENTS if viewer.may(EVENT_RECORD_READ) else TRAIL


def address(view: View, event_id: str) -> str:
    """Return the address of one event for who looks."""
    return f"{page_of_events(view.sources.viewer())}?sel={event_id}"


def link(view: View, event_id: str) -> Part:
    """Return the link to one event and its proof."""
    return html.A(WORDS, href=address(view, event_id), className="more")


def event_of(view: View, words: str) -> str:
    """Return the id of the event that an address names by id or by evidence number; raises `NotFound`."""
    if not words.upper().startswith(rerun.EV):
        return words
    try:
        sequence = rerun.sequence_of(words.upper())
    except EvidenceNumberInvalid as error:
        raise NotFound(object_id=words) from error
    with view.sources.read() as session:
        found = read.entries(session, sequence - 1, sequence)
    if not found:
        raise NotFound(object_id=words)
    return found[0].event_id


def path(view: View, event_id: str) -> list[Any]:
    """Return the path of an event to the root, checked in this view, for those who may read proofs."""
    if not view.sources.viewer().may(LOG_PROOF_READ):
        return []
    with view.sources.read() as session:
        found = view.sources.proof(session, event_id)
        signed = _signed(session, event_id)
    if found is None:
        return [html.H3("Proof"), html.P("Not numbered yet; a moment later it is.", className="dim")]
    verdict = ok("matches") if found.holds else mark("does not match", "cross", "bad")
    return [
        html.H3([html.Span("Proof"), html.Span("checked in this view")]),
        chain(
            [
                [html.Span("Entry"), html.Span(f"{found.sequence:,} of {found.size:,}", className="cut"), verdict],
                [html.Span("Path"), html.Span(f"{found.steps} hashes to the root", className="cut"), verdict],
                [
                    html.Span("Root"),
                    html.Span(_grouped(found.root), className="id cut"),
                    html.Span(f"size {found.size:,}", className="dim"),
                ],
                signed,
            ]
        ),
    ]


def _signed(session: Session, event_id: str) -> list[Part]:
    """Return whether the path leads to the newest signed root, to which anybody can hold us."""
    sequence = read.sequence_of(session, event_id)
    covers = checkpoint.covering(session, sequence) if sequence is not None else None
    if sequence is None or covers is None:
        return [html.Span("Signed"), html.Span("not yet; within a minute it is", className="cut"), ""]
    steps, leaf = proofs.proof(session, sequence, covers.size), read.entry(session, event_id).leaf
    holds = merkle.verify_inclusion(leaf, sequence - 1, covers.size, steps, covers.root)
    said = html.Span(f"root of size {covers.size:,}, at {dated_text(covers.at)} UTC", className="cut")
    return [html.Span("Signed"), said, ok("matches") if holds else mark("does not match", "cross", "bad")]


def _grouped(root: bytes) -> str:
    text = root.hex()
    return f"{text[:4]} {text[4:8]} … {text[-8:-4]} {text[-4:]}"
