"""No card number, key or token lies in the tree, but the published test numbers."""

from __future__ import annotations

import re

from app.kernel import classify
from tests.architecture import tree

# Numbers the networks publish for tests, and those a specification of ours gives as examples.
PUBLISHED = frozenset(
    ("4027183055214006", "378282246310005", "4111111111111111", "4242424242424242", "5555555555554444")
)
TEXT = (".py", ".md", ".toml", ".yml", ".yaml", ".html", ".css", ".js", ".json", ".sh", ".tsv", ".txt", ".in", "")
# Digests are not secrets, and a hash may hold any digits.
UNREAD = ("requirements.lock", "tests/requirements.lock")
KINDS = ("private_key", "jwt", "api_key")
MACHINE = re.compile(r"/(?:work|root)/(?:main|shared|\.)")


def test_nothing_secret_lies_in_the_tree() -> None:
    found = []
    for file in tree.kept():
        name = str(file.relative_to(tree.ROOT))
        if file.suffix not in TEXT or name in UNREAD or name == "tests/architecture/test_secrets.py":
            continue
        text = file.read_text("utf-8")
        for hit in classify.find_card_numbers(text):
            if re.sub(r"\D", "", text[hit.start : hit.end]) not in PUBLISHED:
                found.append(f"{name}: card number at {hit.start}")
        found += [f"{name}: {hit.kind}" for hit in classify.find_secrets(text) if hit.kind in KINDS and _is_real(name)]
    assert found == []


def test_nothing_names_the_machine_it_was_made_on() -> None:
    found = [
        str(file.relative_to(tree.ROOT))
        for file in tree.kept()
        if file.suffix in TEXT and file.name != "test_secrets.py" and MACHINE.search(file.read_text("utf-8"))
    ]
    assert found == []


def _is_real(name: str) -> bool:
    """Tests of the masking itself have to write what is masked."""
    return not name.startswith("tests/") and name != "app/kernel/classify.py"
