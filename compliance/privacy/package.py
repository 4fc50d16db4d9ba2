"""The copy of a person's data as one file that opens offline: tables, plain language, and proofs (section 7)."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, Final

from app.kernel import crypto, documents
from app.kernel.clock import rfc3339
from compliance import formulas
from compliance.catalog import purposes
from compliance.catalog.retention import RetentionClass
from compliance.contracts.decisions import Decision
from compliance.contracts.personal import Record
from compliance.privacy.collecting import NOT_SEARCHED, Collected
from compliance.privacy.consent import Receipt
from compliance.privacy.history import Look
from compliance.privacy.letters import RIGHTS
from compliance.privacy.recipients import IMPOSSIBLE, RECEIPT, Notice
from compliance.privacy.request import Kind, Request
from compliance.registers.processors import Processor
from compliance.settings import PrivacySettings
from ingest.log import verify
from ingest.log.proofs import Pack

CATEGORIES: Final[Mapping[str, str]] = {
    "account.id": "Ids of your account",
    "name": "Name",
    "contact": "Addresses and names by which you are reached",
    "credential": "Ways to sign in",
    "device.id": "Devices and programs",
    "network.address": "Addresses of networks",
    "location": "Places",
    "card": "Cards",
    "money": "Money",
    "behaviour": "What happened and how you used it",
    "decision": "Decisions",
    "communication": "Letters between us",
    "free_text": "What you wrote",
    "staff": "What staff did",
}
MACHINES: Final = (
    "Where there are signs of an attack on an account, a rule may end sign-ins, lock the account or hold its payments "
    "before a person looks. Payments are refused by fixed rules such as the balance. A person can look at each."
)
PACK: Final = "proofs/log.zip"
NOBODY_OUTSIDE: Final = "nobody outside OnePay but who works for it"
_FILES: Final = (
    ("report.html", "report.html says in words what the files hold."),
    ("manifest.json", "manifest.json lists every store that was searched and the SHA-256 of every file."),
    (
        "data/",
        "data/ has one file a category, as JSON and as a table (CSV). In tables a text that begins with one of = + - @ "
        "has an apostrophe before it, so that no program takes it for a formula.",
    ),
    ("access_history.csv", "access_history.csv says who looked at your data, and why."),
    ("decisions.json", "decisions.json says what machines decided about you."),
    ("consents.json", "consents.json says what you agreed to and took back."),
    ("portability/", "portability/art20.json is what you can take elsewhere, by the schema beside it."),
    ("redactions.csv", "redactions.csv counts what was left out and why."),
)
"""What each file is, by how its name begins."""
_STATES: Final[Mapping[str | None, str]] = {
    None: "asked, not answered yet",
    RECEIPT: "answered",
    IMPOSSIBLE: "cannot answer",
}
_AMOUNT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?( [A-Z]{3})?", re.ASCII)
"""A number, or money as decimal text with its currency."""
_PORTABLE_BASES: Final = ("consent", "contract")
_ART_20: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "OnePay portable data",
    "type": "object",
    "required": ["format", "version", "made_at", "records"],
    "properties": {
        "format": {"const": "onepay-art20"},
        "version": {"const": 1},
        "made_at": {"type": "string", "format": "date-time"},
        "records": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["store", "id", "category", "origin", "data"],
                "properties": {
                    "store": {"type": "string"},
                    "id": {"type": "string"},
                    "category": {"type": "string"},
                    "origin": {"enum": ["provided", "observed"]},
                    "data": {"type": "object"},
                    "around": {"type": "object"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Proofs of events: a pack of those about the person alone, the bare entries of the others, how many have none."""

    pack: Pack | None
    entries: Mapping[str, str]
    unproven: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that goes into a package."""

    request: Request
    at: datetime
    collected: Collected
    looks: Sequence[Look]
    consents: Sequence[Receipt]
    decisions: Sequence[Decision]
    processors: Sequence[Processor]
    """Who works for us with people's data."""
    notices: Sequence[Notice]
    """Who of them was asked what they hold, and what they said."""
    contact: str
    """How the data protection officer is reached."""
    proven: Proven
    policy: str
    classes: Mapping[str, RetentionClass]
    """How long each class is kept, by the periods in force."""
    settings: PrivacySettings


@cache
def redaction_rules() -> Mapping[str, str]:
    """Return why something is left out, by rule."""
    text = resources.files("compliance.catalog").joinpath("redaction.yaml").read_text("utf-8")
    found: Mapping[str, str] = documents.load(text, name="redaction.yaml")
    return found


def build(content: Content) -> bytes:
    """Return the zip; equal content gives equal bytes."""
    files = dict(_files(content))
    files["README.html"] = _readme(content, {*files, "manifest.json"}).encode()
    manifest = _manifest(content, files)
    files["manifest.json"] = _json(manifest)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(files):
            made.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), files[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _files(content: Content) -> Iterator[tuple[str, bytes]]:
    portable = list(_portable(content.collected.records))
    if content.request.kind is Kind.ACCESS:
        for category, records in _by_category(content.collected.records).items():
            yield f"data/{category}.json", _json([_shown(record) for record in records])
            yield f"data/{category}.csv", _csv_of(records)
        yield "access_history.csv", _looks(content.looks)
        yield "decisions.json", _json(_decisions(content))
        yield "consents.json", _json([_receipt(receipt) for receipt in content.consents])
        yield "report.html", _report(content).encode()
        if content.proven.pack is not None:
            yield PACK, content.proven.pack.data
        if content.proven.pack is not None or content.proven.entries:
            yield "proofs/onepay_verify.py", Path(verify.__file__).read_bytes()
            yield "proofs/policy", content.policy.encode()
        for event_id, proof in content.proven.entries.items():
            yield f"proofs/entries/{event_id}.tlog-proof", proof.encode()
    made = {"format": "onepay-art20", "version": 1, "made_at": rfc3339(content.at), "records": portable}
    yield "portability/art20.json", _json(made)
    yield "portability/art20.schema.json", _json(_ART_20)
    yield "redactions.csv", _redactions(content.collected.redactions)


def _manifest(content: Content, files: Mapping[str, bytes]) -> dict[str, Any]:
    stores = [
        {
            "store": each.info.name,
            "kind": each.info.kind,
            "category": each.info.category,
            "retention": each.info.retention,
            "searched": each.skipped is None,
            "found": each.found,
            **({"skipped": each.skipped} if each.skipped else {}),
        }
        for each in content.collected.searched
    ]
    return {
        "request": content.request.id,
        "right": content.request.kind.value,
        "subject": content.request.subject,
        "received_on": content.request.received_on.isoformat(),
        "made_at": rfc3339(content.at),
        "complete": content.collected.is_whole,
        "stores": stores,
        "processors": [_asked(notice) for notice in content.notices],
        "not_searched": [{"store": name, "why": why} for name, why in NOT_SEARCHED],
        "cards": "Files hold the first six and last four digits of a card at most; security codes are never kept.",
        "omissions": dict(sorted(content.collected.redactions.items())),
        **({"log": _log(content.proven)} if content.request.kind is Kind.ACCESS else {}),
        "files": {name: crypto.sha256(data).hex() for name, data in sorted(files.items())},
    }


def _asked(notice: Notice) -> dict[str, Any]:
    """Return what a processor was asked and said; of one that did not answer it is said that it did not."""
    shown: dict[str, Any] = {
        "processor": notice.name,
        "asked_at": rfc3339(notice.made_at),
        "answer_due": notice.due.isoformat(),
        "state": _STATES[notice.answer],
    }
    if notice.answered_on is not None:
        shown |= {"answered_on": notice.answered_on.isoformat(), "says": notice.says}
    return shown


def _log(proven: Proven) -> dict[str, Any]:
    found: dict[str, Any] = {"entries_proven": len(proven.entries), "events_without_proof": proven.unproven}
    if proven.pack is None:
        return found
    return {
        **found,
        "size": proven.pack.size,
        "root": proven.pack.root.hex(),
        "events_proven": proven.pack.events,
    }


def _by_category(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.category, []).append(record)
    return dict(sorted(found.items()))


def _shown(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "store": record.store,
        "id": record.id,
        "origin": record.origin,
        "purposes": list(record.purposes),
        "kept_by": record.retention,
        "data": dict(record.data),
    }
    if record.around:
        shown["around"] = dict(record.around)
    if record.counterparty:
        shown["as_you_wrote_it"] = True
    return shown


def _portable(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield what Art. 20 gives: provided or observed, used by consent or for the contract."""
    known = purposes.shipped()
    for record in records:
        bases = {known[name].basis for name in record.purposes if name in known}
        if record.origin not in ("provided", "observed") or not bases & set(_PORTABLE_BASES):
            continue
        shown = {"store": record.store, "id": record.id, "category": record.category, "origin": record.origin}
        yield {**shown, "data": dict(record.data), **({"around": dict(record.around)} if record.around else {})}


def _decisions(content: Content) -> dict[str, Any]:
    return {
        "decisions": [
            {
                "id": each.id,
                "at": rfc3339(each.at),
                "about": each.about,
                "outcome": each.outcome,
                "version": each.version,
                "factors": list(each.factors),
                "what_would_have_changed_it": each.would_change,
                "ask_a_person": each.review,
            }
            for each in content.decisions
        ],
        "says": MACHINES,
    }


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return {
        "purpose": receipt.purpose,
        "action": receipt.action,
        "at": rfc3339(receipt.at),
        "text_version": receipt.version,
        "text_sha256": receipt.sha256,
        "language": receipt.language,
        "channel": receipt.channel,
        "event": receipt.event_id,
    }


def _csv_of(records: Sequence[Record]) -> bytes:
    flat = [
        {"store": record.store, "id": record.id, **_flat(record.data), **_flat(record.around)} for record in records
    ]
    names = list(dict.fromkeys(name for row in flat for name in row))
    return _csv(names, [[row.get(name) for name in names] for row in flat])


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            found |= _flat(item, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = item
    return found


def _looks(looks: Sequence[Look]) -> bytes:
    rows = [[rfc3339(look.at), look.purpose, look.role, look.system, look.event_id, look.sequence] for look in looks]
    return _csv(["at", "purpose", "role", "system", "event", "sequence"], rows)


def _redactions(counted: Counter[str]) -> bytes:
    rules = redaction_rules()
    return _csv(["rule", "reason", "count"], [[rule, rules.get(rule, ""), counted[rule]] for rule in sorted(counted)])


def _csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    made = csv.writer(out, lineterminator="\r\n")
    made.writerow([cell(name) for name in names])
    made.writerows([[cell(value) for value in row] for row in rows])
    return out.getvalue().encode()


def cell(value: Any) -> Any:  # of any column
    """Return a value as a cell of a table: no program takes a text for a formula, and numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool | int):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return f"'{text}" if formulas.may_be_one(text) and not _AMOUNT.fullmatch(text) else text


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


_STYLE: Final = """body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;
color:#1a1f1d;background:#fff}h1,h2{line-height:1.2}table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;vertical-align:top;border-bottom:1px solid #ccd3cf;padding:.4rem .6rem;overflow-wrap:break-word}
pre{white-space:pre-wrap;overflow-wrap:anywhere}
@media (max-width:48rem){table,tbody,tr,td{display:block}
thead{display:block;position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{border-top:1px solid #ccd3cf;padding:.6rem 0}td{border:0;padding:.2rem 0;overflow-wrap:anywhere}
td::before{content:attr(data-name);display:block;font-size:.85rem;color:#56605c}}
@media (prefers-color-scheme:dark){body{color:#e7ecea;background:#111614}th,td,tr{border-color:#3a4541}
td::before{color:#a3aeaa}a{color:#8fd0b8}}"""


def _page(title: str, body: str) -> str:
    """Return a page that asks no host for anything, whatever stands in it."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table; on a narrow screen each row stands below the last, and each cell says what it is."""
    head = "".join(f'<th role="columnheader" scope="col">{escape(each)}</th>' for each in heads)
    lines = "".join(f'<tr role="row">{_cells(heads, row)}</tr>\n' for row in rows)
    return (
        f'<table role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">\n{lines}</tbody></table>'
    )


def _cells(heads: Sequence[str], row: Sequence[Any]) -> str:
    return "".join(
        f'<td role="cell" data-name="{escape(name)}">{escape(str(each))}</td>'
        for name, each in zip(heads, row, strict=True)
    )


def _report(content: Content) -> str:
    asked, settings, found = content.request, content.settings, content.collected
    classes, known = content.classes, purposes.shipped()
    categories = []
    for category, records in _by_category(found.records).items():
        used = sorted({name for record in records for name in record.purposes})
        kept = sorted({record.retention for record in records})
        categories.append(
            [
                CATEGORIES.get(category, category),
                len(records),
                "; ".join(known[name].says for name in used if name in known),
                "; ".join(dict.fromkeys(classes[name].in_words for name in kept if name in classes)),
                ", ".join(sorted({record.origin for record in records})),
                f"data/{category}.json",
            ]
        )
    used = sorted({name for record in found.records for name in record.purposes if name in known})
    whys = [
        [known[n].says, known[n].law, known[n].balancing or "", "; ".join(known[n].recipients) or NOBODY_OUTSIDE]
        for n in used
    ]
    looks = [[f"{each.at:%-d %B %Y, %H:%M}", each.purpose, each.role, each.system] for each in content.looks]
    rules = redaction_rules()
    left_out = [[rules.get(rule, rule), count] for rule, count in sorted(found.redactions.items())]
    skipped = [[each.info.name, each.skipped] for each in found.searched if each.skipped]
    missing = "" if not skipped else f"<h2>What could not be searched</h2>{_table(['Store', 'Why'], skipped)}"
    reads = _table(["When", "Why", "Role", "Where"], looks) if looks else "<p>Nobody.</p>"
    omitted = _table(["What and why", "How often"], left_out) if left_out else "<p>Nothing.</p>"
    decided = [
        [rfc3339(each.at), each.outcome, "; ".join(each.factors), each.would_change] for each in content.decisions
    ]
    machines = _table(["When", "What", "Because of", "What would have changed it"], decided) if decided else ""
    body = f"""<h1>Your data at {escape(settings.controller_name)}</h1>
<p>You asked {escape(RIGHTS[asked.kind.value])} on {asked.received_on:%-d %B %Y}. This was made on
{content.at:%-d %B %Y} at {content.at:%H:%M} UTC. Times in the files are in UTC, amounts are decimal numbers
with their currency.</p>
<p>Responsible: {escape(settings.controller_name)}. Our data protection officer: {escape(content.contact)}.</p>
<h2>What we hold, why, and for how long</h2>
{_table(["Category", "Entries", "Used for", "Kept", "Where it comes from", "File"], categories)}
<p>Provided: you told us. Observed: it came about as you used your account. Derived: we concluded it from other
data.</p>
<h2>Why we may</h2>
{_table(["Purpose", "Law", "What was weighed", "Who receives it"], whys)}
<h2>Who works for us with it</h2>
{_processors(content.processors, content.notices)}
<h2>Who looked</h2>
{reads}
<h2>What machines decided</h2>
<p>{escape(MACHINES)}</p>
{machines}
<h2>What is left out of this copy</h2>
{omitted}
{missing}
<h2>Your rights</h2>
<p>You can have wrong data corrected, data erased or its use restricted, object to uses that rest on our interest, take
your data elsewhere (portability/art20.json), and take consent back at any time with one press in the privacy centre.
You can complain to {escape(settings.authority)}, and go to court.</p>"""
    return _page("Your data", body)


def _processors(found: Sequence[Processor], notices: Sequence[Notice]) -> str:
    """Name who processes data for us (Art. 15(1)(c)), where that is outside the EEA, by which safeguard, what they say.

    What they hold for us is not searched here: each was asked, and what is not answered yet is not hidden.
    """
    if not found:
        return "<p>Nobody but ourselves is written down.</p>"
    rows = [[one.name, one.does, ", ".join(one.countries), one.transfer or ""] for one in found]
    outside = sorted({country for one in found for country in one.outside})
    said = (
        f"Outside the European Economic Area: {', '.join(outside)}, by what is named beside it (Art. 45 to 49)."
        if outside
        else "None of them works outside the European Economic Area."
    )
    shown = f"{_table(['Who', 'For what', 'Where', 'Safeguard'], rows)}<p>{escape(said)}</p>"
    if not notices:
        return shown
    answers = [[one.name, _STATES[one.answer], one.says or f"due by {one.due:%-d %B %Y}"] for one in notices]
    return (
        f"{shown}<p>Their machines are not searched from here. Each was asked what it holds of you; what comes later "
        f"stands with your request in the privacy centre.</p>{_table(['Who', 'State', 'What they say'], answers)}"
    )


def _readme(content: Content, names: Collection[str]) -> str:
    """Describe the files that are there, and none that is not."""
    said = [f"<p>{says}</p>" for start, says in _FILES if any(name.startswith(start) for name in names)]
    if any(name.startswith("proofs/") for name in names):
        said.append(_proofs(content.proven))
    said.append("<p>Nothing in this file asks the network for anything. Keep it safe: it is about you.</p>")
    return _page("Read me first", "\n".join(["<h1>What is in this file</h1>", *said]))


def _proofs(proven: Proven) -> str:
    without, parts = proven.unproven, []
    if proven.pack is not None:
        are = "is" if proven.pack.events == 1 else "are"
        parts.append(
            f"<p>{PACK} proves that {_counted(proven.pack.events)} about you {are} in our log, which cannot be changed "
            f"without that being seen. With Python 3.11 and the package “cryptography”:</p>\n"
            f"<pre>python3 proofs/onepay_verify.py {PACK}</pre>"
        )
    if proven.entries:
        parts.append(
            "<p>Where an event is about somebody else, too, proofs/entries/ holds the proof that it stands there, "
            "without its content; each is checked with proofs/onepay_verify.py and --policy proofs/policy.</p>"
        )
    if without:
        stand = "stands" if without == 1 else "stand"
        parts.append(f"<p>{_counted(without)} {stand} in the data without a proof yet.</p>")
    return "\n".join(["<h2>Proofs</h2>", *parts])


def _counted(events: int) -> str:
    return "1 event" if events == 1 else f"{events:,} events"
