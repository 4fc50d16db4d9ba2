"""PDF of a built report (PDF/A-2a and UA-1) by the Typst compiler, where it is installed: the extra `reports`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final

from app.kernel import crypto
from app.kernel.errors import Invalid, Unavailable
from compliance.reports import typesetting
from compliance.reports.document import PROPOSED, Document, in_words, minute

VERSION: Final = "0.15.2"
EXTRA: Final = "reports"
TEMPLATE: Final = "report.typ"
SAID_CHARS: Final = 300
_PACKAGES: Final = "@preview"
# Signs that have no shape of their own.
_SHAPELESS: Final = frozenset("\n\r\t\u200b")
_NOBODY: Final = "http://127.0.0.1:9"


class GlyphMissing(Invalid):
    """The report has a sign that none of the fonts has; page and JSON show it."""

    code = "glyph_missing"


class PdfFailed(Unavailable):
    """The PDF could not be set."""

    code = "pdf_failed"


class PackageRefused(Invalid):
    """A template asks for a package of the network."""

    code = "template_package_refused"


def lacking() -> str | None:
    """Return why there is no PDF, or None where there is."""
    try:
        found = metadata.version("typst")
    except metadata.PackageNotFoundError:
        return f"PDF needs the extra “{EXTRA}”, which “make reports” installs"
    return None if found == VERSION else f"PDF is set by Typst {VERSION}, and {found} is installed"


def render(document: Document, *, template: str | None = None, seconds: float = typesetting.SECONDS_MAX) -> bytes:
    """Return a document as PDF; raises `GlyphMissing`, `PackageRefused` or `PdfFailed`."""
    data = _data(document)
    _demand_glyphs(data)
    text = template if template is not None else resources.files("compliance.reports").joinpath(TEMPLATE).read_text()
    if _PACKAGES in text:
        raise PackageRefused
    with tempfile.TemporaryDirectory(prefix="onepay-pdf-") as folder:
        main = Path(folder) / TEMPLATE
        main.write_text(text, "utf-8")
        asked = {
            "main": str(main),
            "root": folder,
            "at": int(document.as_of.timestamp()),
            "data": json.dumps(data, ensure_ascii=False),
        }
        return _set(asked, folder, seconds)


def _set(asked: dict[str, Any], folder: str, seconds: float) -> bytes:
    quiet = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), _NOBODY)
    try:
        done = subprocess.run(  # noqa: S603 - our own file by our own interpreter
            [sys.executable, "-I", typesetting.__file__],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
            cwd=folder,
            env=quiet,
        )
    except subprocess.TimeoutExpired as error:
        raise PdfFailed(f"The PDF was not set within {seconds:g} seconds.") from error
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF"):
        said = done.stderr.decode("utf-8", "replace").strip()[-SAID_CHARS:]
        raise PdfFailed(f"The PDF could not be set: {said or f'the process ended with {done.returncode}'}")
    return done.stdout


def _data(document: Document) -> dict[str, Any]:
    return {
        "title": document.title,
        "lead": document.lead,
        "notice": PROPOSED,
        "since": minute(document.since),
        "as_of": minute(document.as_of),
        "build": document.build,
        "size": f"{document.seal.size:,}",
        "root": document.seal.root or "none",
        "note": document.seal.note or "Nothing was signed yet",
        "facts": [[in_words(one) for one in pair] for pair in document.facts],
        "tables": [
            {
                "title": table.title,
                "says": table.says,
                "empty": table.empty,
                "columns": list(table.columns),
                "rows": [[in_words(cell) for cell in row] for row in table.rows],
            }
            for table in document.tables
        ],
    }


def _demand_glyphs(data: object) -> None:
    """Raise `GlyphMissing` for a sign that would become a box without a word."""
    missing = sorted({sign for text in _texts(data) for sign in text} - glyphs() - _SHAPELESS)
    if missing:
        named = ", ".join(f"U+{ord(sign):04X}" for sign in missing[:5])
        raise GlyphMissing(f"No font of the PDF has {named}; page, JSON and CSV hold it.")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@cache
def glyphs() -> frozenset[str]:
    """Return every sign that the fonts inside the pinned compiler have, as they were read when it was pinned."""
    ranges = resources.files("compliance.reports").joinpath("glyphs.txt").read_text().split()
    signs: set[str] = set()
    for one in ranges:
        first, _, last = one.partition("-")
        signs.update(map(chr, range(int(first, 16), int(last or first, 16) + 1)))
    return frozenset(signs)


def template_hash() -> str:
    """Return the hash of the template, for the manifest."""
    return crypto.sha256(resources.files("compliance.reports").joinpath(TEMPLATE).read_bytes()).hex()
