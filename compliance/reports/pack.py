"""The evidence pack: a zip with an index, a folder a control, and what is needed to verify it without OnePay."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel.access import LOG_PROOF_READ, service
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from compliance.engine import sealed
from compliance.engine.rerun import Observation
from compliance.reports import evidence, writing
from compliance.reports.document import Document, Seal, Table, minute, seal_at
from compliance.reports.evidence import Known
from compliance.reports.oscal import token
from compliance.reports.parts import Making, Reports
from compliance.states import State
from ingest.log import checkpoint, proofs, verify
from ingest.log.proofs import PACK_EVENTS_MAX

NONE: Final = "none"
_README: Final = """Evidence of controls
====================
index.html, index.csv   every control with the evidence that speaks for it
controls/<control>/     observations.ndjson: each reading in the period; intervals.csv: its states
proofs.zip              events and inclusion proofs of the newest reading of each probe
checkpoint, policy      signed head of the log, and whose signature is believed
onepay_verify.py        the verifier; needs Python 3.11 or later and the package "cryptography"

    python3 onepay_verify.py proofs.zip

Evidence EV-000012345 is sequence 12345 of the log. The hash of a reading, `row_sha256`, stands in its event, which is
proven; it is the SHA-256 of its `row` as canonical JSON (keys sorted, no spaces, UTF-8), so in Python of

    json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

Nothing signs index and verifier: compare the key in `policy` with the one you were given in another way.
"""


def build(session: Session, making: Making, parts: Reports) -> tuple[bytes, Document]:
    """Return the zip and its index."""
    seal = seal_at(session, making.as_of)
    rows = evidence.known(session, making, parts)
    index = _index(rows, making, parts, seal)
    files: dict[str, bytes] = {
        "README.txt": _README.encode(),
        "onepay_verify.py": Path(verify.__file__).read_bytes(),
        "policy": parts.policy().encode(),
        "checkpoint": (seal.note or "nothing was signed yet\n").encode(),
        "index.html": writing.page(index),
        "index.json": writing.plain(index.as_json()),
        "index.csv": writing.rows_of(index.tables[0]),
    }
    for place, one in enumerate(rows, 1):
        folder = f"controls/{token(one.control)}"
        files[f"{folder}/observations.ndjson"] = _observations(session, one, making)
        files[f"{folder}/intervals.csv"] = _intervals(one)
        making.progress(place, len(rows))
    proven = _proofs(session, rows, seal, making, parts)
    if proven:
        files["proofs.zip"] = proven
    return zipped(files), index


def _index(rows: list[Known], making: Making, parts: Reports, seal: Seal) -> Document:
    lines: list[tuple[str | int | None, ...]] = []
    for one in rows:
        seen: list[Observation | None] = list(one.observations) or [None]
        for each in seen:
            lines.append(
                (
                    one.control.name,
                    one.state.value,
                    evidence.number(each) if each else NONE,
                    (minute(each.ended_at) if each else minute(making.as_of)),
                    each.counted if each else 0,
                    _sample(each),
                    one.owner,
                    each.probe if each else (one.reason or "no probe"),
                    token(one.control),
                )
            )
    table = Table(
        name="index",
        title="Evidence by control",
        says="A control without evidence stands here with its reason and the date of this pack.",
        columns=("Control", "State", "Evidence", "Date", "Population", "Sample", "Owner", "By", "Folder"),
        rows=tuple(lines),
    )
    return Document(
        kind=making.kind,
        title="Evidence pack: index",
        lead=f"{sum(len(one.observations) for one in rows)} newest readings speak for {len(rows)} controls.",
        since=making.since,
        as_of=making.as_of,
        build=parts.engine.build,
        seal=seal,
        facts=(("Controls", len(rows)), ("Log size", seal.size)),
        tables=(table,),
        findings=sum(one.state is State.FAIL for one in rows),
    )


def _sample(seen: Observation | None) -> str:
    if seen is None:
        return NONE
    return evidence.sampled(seen)


def _observations(session: Session, one: Known, making: Making) -> bytes:
    lines = []
    for probe in one.control.probes:
        for seen in evidence.within(session, probe, making.since, making.as_of):
            lines.append(writing.plain(_row(seen)).replace(b"\n", b"") + b"\n")
    return b"".join(lines)


def _row(seen: Observation) -> Mapping[str, Any]:
    return {
        "evidence": evidence.number(seen),
        "event": seen.event_id,
        "is_as_sealed": seen.is_as_sealed,
        "row": sealed.plain({name: getattr(seen, name) for name in sealed.HASHED}),
        "row_sha256": seen.sha256,
    }


def _intervals(one: Known) -> bytes:
    return writing.lines(
        ("State", "Reason", "From", "To"),
        [
            (
                each.state.value,
                each.reason,
                rfc3339(each.from_at),
                rfc3339(each.to_at) if each.to_at else None,
            )
            for each in one.intervals
        ],
    )


def _proofs(session: Session, rows: list[Known], seal: Seal, making: Making, parts: Reports) -> bytes | None:
    ids = {
        seen.event_id: None
        for one in rows
        for seen in one.observations
        if seen.sequence is not None and seen.sequence <= seal.size
    }
    if not ids:
        return None
    ctx = Context(
        actor=service("reports", LOG_PROOF_READ), at=making.as_of, request_id=making.ctx.request_id, ids=making.ctx.ids
    )
    return proofs.pack(
        session, list(ids)[:PACK_EVENTS_MAX], ctx, policy=parts.policy(), sealed=checkpoint.of_size(session, seal.size)
    ).data


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip whose bytes follow from its files alone."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()
