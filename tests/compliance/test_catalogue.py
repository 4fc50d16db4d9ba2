"""The catalogue carries each id once, and is refused with file and line where it is not whole."""

from __future__ import annotations

from importlib.resources import files

import pytest

from app.kernel.documents import DocumentRefused
from compliance.catalog import controls
from compliance.catalog.controls import CROSSWALK, FILES, GDPR, PCI


def texts(**changed: tuple[str, str]) -> dict[str, str]:
    folder = files("compliance.catalog")
    found = {name: folder.joinpath(name).read_text("utf-8") for name in (*FILES.values(), CROSSWALK)}
    for name, (old, new) in changed.items():
        file = {"pci": FILES[PCI], "gdpr": FILES[GDPR], "crosswalk": CROSSWALK}[name]
        assert old in found[file]
        found[file] = found[file].replace(old, new, 1)
    return found


def probes() -> set[str]:
    return {line.rstrip(":") for line in texts()[CROSSWALK].splitlines() if line and not line.startswith((" ", "#"))}


def test_every_id_stands_once() -> None:
    made = controls.read(texts(), probes())
    pci, gdpr = made.of(PCI), made.of(GDPR)
    assert (len(pci), len(gdpr)) == (103, 28)
    ids = [id_ for row in pci for id_ in row.ids]
    assert len(ids) == len(set(ids)) == 250


def test_at_least_twenty_rows_are_probed_and_six_critical_ones_are_known() -> None:
    made = controls.read(texts(), probes())
    assert len([row for row in made.of(PCI) if row.edges]) >= 20
    assert len([row for row in made.of(PCI) if row.critical]) == 11


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pci": ("    mode: H\n", "    mode: X\n")}, r"pci_dss_401\.yaml:\d+:1: .*mode is one of"),
        ({"pci": ("    mode: H\n", "    mode: H\n    colour: red\n")}, "unknown field colour"),
        ({"pci": ("fresh: PT15M", "fresh: 15 minutes")}, "is no period"),
        ({"pci": ("fresh: PT15M", "fresh: PT1M")}, "five minutes or more"),
        ({"pci": ("['1.2.7']", "['1.2.1']")}, r"1\.2\.1 stands twice"),
        ({"gdpr": ("    title: 'Purpose limitation'\n", "")}, "title is missing"),
        ({"crosswalk": ("identity.dormant:", "identity.absent:")}, "identity.absent: there is no such probe"),
        ({"crosswalk": ("gdpr 25: Access", "gdpr 99: Access")}, "there is no such control"),
    ],
)
def test_what_is_not_whole_is_refused(change: dict[str, tuple[str, str]], says: str) -> None:
    with pytest.raises(DocumentRefused, match=says):
        controls.read(texts(**change), probes())


def test_a_row_of_the_first_wave_needs_its_probe() -> None:
    lacking = texts()
    lacking[CROSSWALK] = lacking[CROSSWALK].replace("  pci-4.0.1 8.2.6: The last", "  gdpr 25: The last", 1)
    with pytest.raises(DocumentRefused, match="first wave has no probe"):
        controls.read(lacking, probes())
