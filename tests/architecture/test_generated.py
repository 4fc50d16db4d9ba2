"""Generated pages are what the code says: `make docs` would change nothing."""

from __future__ import annotations

from app import documentation
from tests.architecture.tree import ROOT
from tests.support.installation import Installation


def test_make_docs_changes_nothing(installation: Installation) -> None:
    pages = documentation.pages(installation.app)
    stale = [
        path for path, text in pages.items() if not (ROOT / path).is_file() or (ROOT / path).read_text("utf-8") != text
    ]
    assert stale == [], "run make docs"


def test_no_schema_stands_without_its_event(installation: Installation) -> None:
    wanted = {path for path in documentation.pages(installation.app) if path.startswith("docs/schemas/")}
    kept = {str(file.relative_to(ROOT)) for file in (ROOT / "docs" / "schemas").iterdir()}
    assert kept - wanted == set()
