"""What the command line prints: signs alone, whatever a command has to say."""

from __future__ import annotations

import pytest

from app import cli, terminal


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("plain, with\ttab\nand a second line", "plain, with\ttab\nand a second line"),
        ("Ünïcödé – 1\u00a0250,00 € 日本 👍", "Ünïcödé – 1\u00a0250,00 € 日本 👍"),
        ("\x1b]0;owned\x07 \x1b[2J", r"\x1b]0;owned\x07 \x1b[2J"),
        ("over\rwritten \x9b31m \x7f", r"over\rwritten \x9b31m \x7f"),
        ("\u202egnihton \u2066x\u200b", r"\u202egnihton \u2066x\u200b"),
        ("one\u2028two\u0085three", r"one\u2028two\x85three"),
        ("half a pair \ud800", r"half a pair \ud800"),
    ],
)
def test_only_signs_are_printed(capsys: pytest.CaptureFixture[str], said: str, printed: str) -> None:
    assert cli._shown("ingest", iter([{"text": said}, {"exit": 6}])) == 6
    assert capsys.readouterr().out == printed + "\n"


def test_progress_is_told_beside_in_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.PlainProgress, "EVERY_SECONDS", 0.0)
    cli._shown("log verify", iter([{"progress": [1_000, 20_000, "sequences"]}, {"text": "sound"}]))
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("sound\n", "log verify …\nlog verify: 1,000 of 20,000 sequences\n")


def test_progress_that_stands_still_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.PlainProgress, "EVERY_SECONDS", 0.0)
    told: list[str] = []
    progress = terminal.PlainProgress(told.append)
    for name in ("A week of life", "Another week"):
        progress.phase(name, 7)
        for done in (4, 4, 4, 5):
            progress.step(done, 7)
    assert told == [
        "A week of life …",
        "A week of life: 4 of 7",
        "A week of life: 5 of 7",
        "Another week …",
        "Another week: 4 of 7",
        "Another week: 5 of 7",
    ]


def test_refusals_and_names_of_files_are_printed_as_signs_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    cli._shown("log pack", iter([{"file": "evt_\x1b[2J.zip", "content": ""}]))
    with pytest.raises(SystemExit):
        cli._leave("There is no \x1b[2J.", 1)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("written: evt_\\x1b[2J.zip\n", "There is no \\x1b[2J.\n")
