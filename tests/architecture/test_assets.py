"""Pages ask nobody else for anything, carry no inline style or handler, and what wheels bring is served unchanged."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

from app.kernel import crypto
from app.web import assets
from tests.architecture import tree

TEMPLATES = tree.ROOT / "app" / "web" / "templates"
SERVED = (".html", ".css", ".js", ".svg")
# The name of SVG's vocabulary is an identifier, not an address that anything fetches.
NAMES = ("http://www.w3.org/2000/svg",)
# Who wrote a file that is not ours says so: none may lie in the tree.
OF_OTHERS = re.compile(r"@license|sourceMappingURL|\bCopyright\b(?! .*OnePay)", re.IGNORECASE)


def served() -> list[Path]:
    return [file for file in tree.kept() if file.suffix in SERVED and file.is_relative_to(tree.ROOT / "app")] + [
        file for file in tree.kept() if file.suffix in SERVED and file.is_relative_to(tree.ROOT / "dashboards")
    ]


def test_nothing_served_names_a_foreign_address() -> None:
    wrong = []
    for file in served():
        text = file.read_text("utf-8")
        for name in NAMES:
            text = text.replace(name, "")
        if re.search(r"https?://|@import|url\(\s*['\"]?//|src=['\"]//", text):
            wrong.append(str(file.relative_to(tree.ROOT)))
    assert served()
    assert wrong == []


def test_templates_hold_no_inline_style_script_or_handler() -> None:
    wrong = []
    for file in TEMPLATES.rglob("*.html"):
        text = file.read_text("utf-8")
        if re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", text) or re.search(r"<script(?![^>]*\bsrc=)", text):
            wrong.append(file.name)
    assert wrong == []


def test_no_file_of_others_lies_in_the_tree() -> None:
    assert [str(file) for file in served() if OF_OTHERS.search(file.read_text("utf-8"))] == []
    assert not [file for file in tree.kept() if file.suffix in (".woff", ".woff2", ".ttf", ".whl", ".gz", ".zip")]


def test_htmx_is_served_as_its_wheel_brings_it() -> None:
    files = distribution("django-htmx").files or []
    source = next(file for file in files if file.name == "htmx-2.min.js")
    content = Path(str(source.locate())).read_bytes()
    made = assets.Assets()
    found = made.find(made.address("htmx.js").rpartition("/")[2])
    assert found.content == content
    assert crypto.sha256(content).hex() == assets.HTMX_SHA256
