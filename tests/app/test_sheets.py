"""What pages are made of: sheets without dead rules, times that say their instant in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from app.kernel.clock import ZONE
from app.web import formats, pages

WEB = Path(pages.__file__).parent
_RULES = re.compile(r"\.([a-z][a-z-]*)")
_COMMENTS = re.compile(r"/\*.*?\*/", re.DOTALL)
_NUMBERS = re.compile(r"[\d.]+(?:rem|em|s)\b")


def test_every_class_of_the_sheets_is_used_by_a_template() -> None:
    templates = "\n".join(file.read_text("utf-8") for file in (WEB / "templates").rglob("*.html"))
    used = set(re.findall(r"[a-z][a-z-]*", " ".join(re.findall(r'class="([^"]*)"', templates))))
    # Words that a template puts into a class by a name of its own, such as the state of an account.
    used |= set(re.findall(r"'([a-z][a-z ]*)'", templates)) | {"input", "code", "task"}
    for file in ("onepay.css", "pages.css"):
        text = _NUMBERS.sub("", _COMMENTS.sub("", (WEB / "static" / file).read_text("utf-8")))
        assert set(_RULES.findall(text)) - used == set(), file


def test_a_time_says_its_instant_in_utc() -> None:
    at = datetime(2026, 7, 1, 22, 30, 5, tzinfo=UTC)
    shown = str(formats.near(at, at, ZONE))
    assert shown == '<time datetime="2026-07-01T22:30:05+00:00" title="2026-07-01 22:30:05 UTC">today, 00:30</time>'
