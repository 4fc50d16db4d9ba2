"""PDF of a report: data stays data, nothing is fetched, the same bytes each time, and never a box in it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from compliance.reports import pdf, typesetting
from compliance.reports.document import Document, Seal, Table
from compliance.reports.pdf import GlyphMissing, PackageRefused, PdfFailed
from compliance.states import State

pytestmark = pytest.mark.skipif(bool(pdf.lacking()), reason=str(pdf.lacking()))
AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def document(text: str = "plain", rows: int = 3) -> Document:
    table = Table(name="t", title="Rows", columns=("A", "B"), rows=tuple((f"row {n}", text) for n in range(rows)))
    seal = Seal(size=7, root="ab" * 32, note="onepay.example/log\n7\n", at=AT)
    return Document(
        kind="k",
        title="A report",
        lead=text,
        since=AT,
        as_of=AT,
        build="1",
        seal=seal,
        facts=((text, 1),),
        tables=(table,),
    )


def failing(body: str) -> str:
    """Return a template that fails with what an expression is."""
    return f"#let data = json(bytes(sys.inputs.data))\n#panic({body})\n"


@pytest.mark.parametrize(
    "text", ['#read("/etc/passwd")', "$ x^2 $", "@preview/x:1.0.0", "#panic()", "*b* _i_ <a> \\ `"]
)
def test_data_is_text_and_never_markup(text: str) -> None:
    assert pdf.render(document(text)).startswith(b"%PDF")
    with pytest.raises(PdfFailed) as shown:
        pdf.render(document(text), template=failing("data.lead.len()"))
    assert str(len(text)) in str(shown.value)


def test_it_is_archivable_and_accessible() -> None:
    made = pdf.render(document())
    assert re.search(rb"<pdfaid:part>2</pdfaid:part>", made)
    assert re.search(rb"<pdfaid:conformance>A</pdfaid:conformance>", made)
    assert re.search(rb"<pdfuaid:part>1</pdfuaid:part>", made)
    assert b"/Lang" in made


def test_two_renders_are_equal_and_the_second_is_no_worse() -> None:
    assert pdf.render(document(rows=400)) == pdf.render(document(rows=400))


def test_a_template_reads_nothing_outside_its_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not yours")
    for path in (str(secret), "/etc/passwd", "../../../../../../etc/passwd"):
        with pytest.raises(PdfFailed) as refused:
            pdf.render(document(), template=failing(f'read("{path}")'))
        assert "not yours" not in str(refused.value)
        assert "root:" not in str(refused.value)


def test_packages_of_the_network_are_refused() -> None:
    with pytest.raises(PackageRefused):
        pdf.render(document(), template='#import "@preview/cetz:0.3.0"\n')
    # Put together, so that the look at the text does not see it: there is nothing to fetch it from.
    with pytest.raises(PdfFailed):
        pdf.render(document(), template='#import "@" + "preview/cetz:0.3.0"\n')


def test_what_takes_too_long_or_too_much_is_ended() -> None:
    endless = "#let n = 0\n#for i in range(30000) { for j in range(30000) { n += j } }\n"
    with pytest.raises(PdfFailed, match="seconds"):
        pdf.render(document(), template=endless, seconds=2)
    with pytest.raises(PdfFailed):
        pdf.render(document(), template='#let s = "x" * 1000000\n#let a = range(3000).map(n => s + str(n))\n#a.len()\n')
    assert (typesetting.SECONDS_MAX, typesetting.BYTES_MAX) == (60, 2**30)


def test_a_column_holds_its_head_and_every_word_and_all_fit_the_page() -> None:
    heads = ("Key", "Requires", "State", "Proposed finding", "Why", "Since", "Last looked", "Population", "Violations")
    row = (
        "8.4.1",
        "a second factor " * 4,
        State.NOT_EVALUABLE,
        "Not Applicable",
        None,
        "2026-11-02",
        "NOT_EVALUABLE",
        7,
        0,
    )
    wide = Table(
        name="w",
        title="Wide",
        columns=(*heads, "Evidence", "Owner", "Ids"),
        rows=((*row, "EV-118204 EV-118209", "compliance officer", "8.4.1.a " * 9),),
    )
    template = resources.files("compliance.reports").joinpath(pdf.TEMPLATE).read_text()
    looks = """
#set text(size: 6.5pt)
#layout(page => {
  let one = data.tables.at(0)
  let made = widths(one, page.width)
  assert(calc.abs((made.sum() - page.width).pt()) < 0.1)
  for (at, width) in made.enumerate() {
    for word in one.columns.at(at).split(" ") { assert(measure(strong(word)).width + 2 * inset <= width) }
  }
  assert(measure("NOT_EVALUABLE").width + 2 * inset <= made.at(6))
})
"""
    made = replace(document(), tables=(wide,))
    assert pdf.render(made, template=template + looks).startswith(b"%PDF")
    told = [cell for one in pdf._data(made)["tables"] for line in one["rows"] for cell in line]
    assert "Not evaluable" in told


@pytest.mark.parametrize("text", ["山田太郎", "नमस्ते", "😀"])
def test_a_sign_that_no_font_has_is_told_and_never_a_box(text: str) -> None:
    with pytest.raises(GlyphMissing, match=r"U\+"):
        pdf.render(document(text))


def test_the_table_of_signs_is_that_of_the_compiler() -> None:
    known = "".join(sign for sign in sorted(pdf.glyphs()) if sign.isprintable() and ord(sign) < 0x500)
    assert len(known) > 800
    assert pdf.render(document(" ".join(known[at : at + 40] for at in range(0, len(known), 40)))).startswith(b"%PDF")


def test_the_compiler_is_the_pinned_one() -> None:
    root = Path(__file__).parents[2]
    assert f"typst=={pdf.VERSION}" in (root / "deploy" / "reports.lock").read_text()
    assert f'"typst=={pdf.VERSION}"' in (root / "pyproject.toml").read_text()
    assert resources.files("compliance.reports").joinpath(pdf.TEMPLATE).is_file()
