"""The kinds of reports: what each is called, which files it has, and who makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy.orm import Session

from app.kernel import crypto
from compliance.catalog.controls import GDPR, PCI
from compliance.reports import certificates, integrity, oscal, pack, pdf, register, roc, status, writing
from compliance.reports.document import Document, Seal, seal_at
from compliance.reports.parts import Made, Maker, Making, Reports
from compliance.reports.pdf import GlyphMissing

Build: TypeAlias = Callable[[Session, Making, Reports], Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of report, as pages and the command line name it."""

    name: str
    title: str
    says: str
    formats: tuple[str, ...]
    make: Maker


def _documented(build: Build) -> Maker:
    """Return the maker of a report that is one built object."""

    def make(making: Making, parts: Reports) -> Made:
        with parts.db.read() as session:
            document = build(session, making, parts)
        making.progress(1, 2)
        files, note = writing.files_of(document), document.lead
        why = pdf.lacking()
        if why is None:
            try:
                files[f"{making.kind}.pdf"] = pdf.render(document)
            except GlyphMissing as missing:
                why = str(missing)
                note = f"{note} No PDF: {missing}"
        _put(making, files)
        compiler = {"typst": pdf.VERSION, "template_sha256": pdf.template_hash()} if why is None else {"lacking": why}
        hashes = {name: (crypto.sha256(data).hex(), len(data)) for name, data in files.items()}
        _put(making, {"manifest.json": writing.manifest(hashes, {"kind": making.kind, "pdf": compiler})})
        making.progress(2, 2)
        return _made(note, document.seal, document)

    return make


def _status(framework: str) -> Maker:
    return _documented(lambda session, making, parts: status.build(session, framework, making, parts))


def _roc(making: Making, parts: Reports) -> Made:
    with parts.db.read() as session:
        document = roc.build(session, making, parts)
    (table,) = document.tables
    name = making.kind
    _put(making, {f"{name}.json": writing.plain(document.as_json()), f"{name}.csv": writing.rows_of(table)})
    return _made(document.lead, document.seal, document)


def _oscal(making: Making, parts: Reports) -> Made:
    with parts.db.read() as session:
        found = oscal.build(session, making, parts)
        seal = seal_at(session, making.as_of)
    _put(making, {"oscal-assessment-results.json": writing.plain(found)})
    findings = found["assessment-results"]["results"][0].get("findings", [])
    unsatisfied = sum(one["target"]["status"]["state"] != "satisfied" for one in findings)
    note = f"{len(findings)} findings, {unsatisfied} not satisfied, OSCAL {oscal.VERSION}"
    return Made(note=note, size=seal.size, root=seal.root, findings=unsatisfied)


def _pack(making: Making, parts: Reports) -> Made:
    with parts.db.read() as session:
        data, index = pack.build(session, making, parts)
    _put(making, {"evidence_pack.zip": data})
    return _made(index.lead, index.seal, index)


def _made(note: str, seal: Seal, document: Document | None) -> Made:
    return Made(note=note, size=seal.size, root=seal.root, findings=document.findings if document is not None else 0)


def _put(making: Making, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (making.folder / name).write_bytes(data)


_ALL: Final = ("HTML", "JSON", "CSV", "PDF")
KINDS: Final[Mapping[str, Kind]] = {
    one.name: one
    for one in (
        Kind(
            name="pci_status",
            title="PCI DSS status",
            says="103 rows with state, age, owner and evidence; changes, outages, what expires",
            formats=_ALL,
            make=_status(PCI),
        ),
        Kind(
            name="gdpr_status",
            title="GDPR status",
            says="28 rows; requests with their clocks, consents, retention runs, holds",
            formats=_ALL,
            make=_status(GDPR),
        ),
        Kind(
            name="audit_integrity",
            title="Integrity of the log",
            says="Size, root, signatures, recomputations, archive months, and how to repeat it",
            formats=_ALL,
            make=_documented(integrity.build),
        ),
        Kind(
            name="art30",
            title="Records of processing, Art. 30",
            says="Purposes, stores, processors and periods; what differs from the register approved",
            formats=_ALL,
            make=_documented(register.build),
        ),
        Kind(
            name="certificates",
            title="Certificates",
            says="What retention and erasures removed, by which law, who decided, and what stays until when",
            formats=_ALL,
            make=_documented(certificates.build),
        ),
        Kind(
            name="evidence_pack",
            title="Evidence pack",
            says="Index, a folder a control, proofs, checkpoint and a verifier of its own",
            formats=("ZIP",),
            make=_pack,
        ),
        Kind(
            name="oscal",
            title="OSCAL assessment results",
            says="Observations and findings in the exchange format of NIST",
            formats=("JSON",),
            make=_oscal,
        ),
        Kind(
            name="roc_feed",
            title="Feed for a report on compliance",
            says="One line for each of the 250 ids; never a report on compliance itself",
            formats=("JSON", "CSV"),
            make=_roc,
        ),
    )
}
MAKERS: Final[Mapping[str, Maker]] = {name: kind.make for name, kind in KINDS.items()}
