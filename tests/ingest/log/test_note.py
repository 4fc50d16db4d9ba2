"""Signed notes against the published vector, and every way in which one must not open."""

from __future__ import annotations

import base64

import pytest

from app.kernel.crypto import Secret
from app.kernel.errors import ConfigurationRefused
from ingest.log import note
from ingest.log.note import NoteRefused, TreeHead, VerifierKey

# The example of the Go package that the C2SP specification was written from.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SEED = Secret(b"s" * 32)
KEY = note.verifier_key("onepay.example/log", SEED)
HEAD = TreeHead(origin="onepay.example/log", size=7, root=b"r" * 32)


def test_the_published_note_opens() -> None:
    key = VerifierKey("PeterNeumann", base64.b64decode(VKEY.rpartition("+")[2])[1:])

    assert note.open_note(f"{TEXT}\n{SIGNATURE}", key) == TEXT
    assert str(key) == VKEY


def test_what_we_sign_opens_and_reads_back() -> None:
    signed = note.sign(HEAD.text, KEY, SEED)

    assert note.parse_tree_head(note.open_note(signed, KEY)) == HEAD


def test_signatures_of_others_are_passed_over() -> None:
    signed = note.sign(HEAD.text, KEY, SEED)
    text, ours = signed.rsplit("\n\n", 1)

    assert note.open_note(f"{text}\n\n{SIGNATURE}{ours}", KEY) == HEAD.text


def test_no_changed_byte_leaves_a_note_open() -> None:
    signed = note.sign(HEAD.text, KEY, SEED)
    for at, char in enumerate(signed):
        changed = signed[:at] + ("X" if char != "X" else "Y") + signed[at + 1 :]
        with pytest.raises(NoteRefused):
            note.open_note(changed, KEY)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        HEAD.text,
        f"{HEAD.text}\n",
        note.sign(HEAD.text, KEY, SEED)[:-1],
        note.sign(HEAD.text, KEY, SEED).replace("—", "-"),
        note.sign(HEAD.text, KEY, SEED) + "\n",
        f"{TEXT}\n{SIGNATURE}",
    ],
)
def test_what_is_no_note_of_ours_is_refused(broken: str) -> None:
    with pytest.raises(NoteRefused):
        note.open_note(broken, KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n7\n",
        f"o\n07\n{'A' * 43}=\n",
        f"o\n-1\n{'A' * 43}=\n",
        f"\n7\n{'A' * 43}=\n",
        "o\n7\nAAAA\n",
        f"o\n7\n{'A' * 43}=\nextension\n",
        f"o\n7\n{'A' * 42}B=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        note.parse_tree_head(text)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb"])
def test_an_origin_that_cannot_sign_a_note_stops_the_start(origin: str) -> None:
    with pytest.raises(ConfigurationRefused):
        note.verifier_key(origin, SEED)
