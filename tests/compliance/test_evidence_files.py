"""Files as evidence: what they say they are, sealed, handed out as attachments, never with a card number."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.gateway.policy import BODY_MAX
from app.kernel.access import COMPLIANCE_EVIDENCE_READ, Actor, ActorKind
from app.kernel.clock import StillClock
from app.kernel.errors import ContentRefused, NotFound, ReasonMissing
from compliance.attest import attestations, cards, files
from compliance.attest.attestations import Kind
from compliance.attest.files import CardNumberInEvidence, FileGone, Upload, proven
from compliance.catalog.controls import PCI
from tests.compliance.office import ctx, opened
from tests.support.installation import ORIGIN, Browser, Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00" * 17 + b"\x00\x00\x00\x00IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 20 + b"\xff\xd9"
TRAINED = b"name,trained\nAmber,2026-10-01\n"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        opened(made, "olga", "dora")
        yield made


def bring(house: Installation, content: bytes = TRAINED, name: str = "trained.csv", **changed: str) -> str:
    given = Upload(**{"framework": PCI, "key": "12.6.1", "name": name, "content": content, **changed})  # type: ignore[arg-type]  # in pieces
    with house.system.db.begin() as session:
        return files.upload(session, given, ctx(house, "olga"), cabinet=house.system.desk.cabinet)


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.pdf", PDF, "application/pdf"),
        ("a.png", PNG, "image/png"),
        ("a.JPG", JPEG, "image/jpeg"),
        ("a.csv", TRAINED, "text/csv"),
        ("a.json", b'{"trained": true}', "application/json"),
        ("a.txt", "All were trained – été.".encode(), "text/plain"),
    ],
)
def test_a_type_is_proven_from_content(name: str, content: bytes, media_type: str) -> None:
    assert proven(name, content) == media_type


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", PNG),
        ("a.pdf", b"%PDF-1.7 cut off"),
        ("a.png", JPEG),
        ("a.jpg", PDF),
        ("a.csv", b"only one column\n"),
        ("a.csv", b"a,b\n1\n"),
        ("a.json", b"{"),
        ("a.txt", b"\xff\xfe\x00"),
        ("a.txt", b"bell \x07"),
        ("a.html", b"<script>alert(1)</script>"),
        ("a", TRAINED),
    ],
)
def test_what_is_something_else_is_refused(name: str, content: bytes) -> None:
    with pytest.raises(ContentRefused):
        proven(name, content)


@pytest.mark.parametrize("number", ["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"])
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.txt"])
def test_a_card_number_is_refused_and_nothing_is_kept(house: Installation, name: str, number: str) -> None:
    content = {"a.csv": f"name,card\nAmber,{number}\n", "a.json": f'{{"card": "{number}"}}', "a.txt": f"Card {number}"}
    with pytest.raises(CardNumberInEvidence):
        bring(house, content[name].encode(), name)
    assert not house.system.desk.cabinet.folder.exists()


_NUMBER = b"4027183055214006"
_PACKED = zlib.compress(b"BT (Paid with 4027) Tj ( 1830 5521 4006) Tj ET")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'{"card": "\\u0034027183055214006"}'),
        ("a.txt", b"4027\n1830\n5521\n4006\n"),
        ("a.csv", b"name,card\nAmber,4.027183055214006e15\n"),
        ("a.txt", b"card &#52;027183055214006"),
        ("a.pdf", b"%PDF-1.7\n(4027183055214006)Tj\n%%EOF\n"),
        ("a.pdf", b"%PDF-1.7\nstream\n" + _PACKED + b"\nendstream\n%%EOF\n"),
        ("a.txt", b"4027\r\n1830\r\n5521\r\n4006\r\n"),
        ("a.txt", b"4027&nbsp;1830&nbsp;5521&nbsp;4006"),
        ("a.txt", b"4027%201830%205521%204006"),
        ("a.txt", b"<td>4027</td><td>1830</td><td>5521</td><td>4006</td>"),
        ("a.txt", b"4027<br>1830<br>5521<br>4006"),
        ("a.txt", b"4,027,183,055,214,006"),
        ("a.json", b'["4027", "1830", "5521", "4006"]'),
        ("a.json", b'{"n": [4, 0, 2, 7, 1, 8, 3, 0, 5, 5, 2, 1, 4, 0, 0, 6]}'),
        ("a.pdf", b"%PDF-1.7\nBT <" + _NUMBER.hex().encode() + b"> Tj ET\n%%EOF\n"),
        (
            "a.pdf",
            b"%PDF-1.7\nstream\n" + zlib.compress(b"<" + _NUMBER.hex().encode() + b">Tj") + b"\nendstream\n%%EOF\n",
        ),
        ("a.pdf", b"%PDF-1.7\n<</Title <feff" + _NUMBER.decode().encode("utf-16-be").hex().encode() + b">>>\n%%EOF\n"),
        ("a.pdf", b"%PDF-1.7\n(" + b"".join(b"\\%03o" % digit for digit in _NUMBER) + b")Tj\n%%EOF\n"),
        ("a.pdf", b"%PDF-1.7\n<x:xmpmeta><t>" + _NUMBER + b"</t></x:xmpmeta>\n%%EOF\n"),
    ],
)
def test_a_card_number_is_seen_as_programs_read_it(name: str, content: bytes) -> None:
    with pytest.raises(CardNumberInEvidence):
        proven(name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"2026\n1830\n5521\n4006\n"),
        ("a.csv", b"name,sum\nAmber,4.5e3\n"),
        ("a.csv", b"name,sum\nAmber,4027\nBasil,1830\nCarl,5521\nDora,4006\n"),
        ("a.json", b'{"sums": [2026, 1830, 5521, 4006]}'),
        ("a.txt", b"1,027,183,055 and 4.027.183 of 100% </b>"),
        ("a.pdf", b"%PDF-1.7\n(Order 4027)Tj (of 2026)Tj\nstream\nnot packed\nendstream\n%%EOF\n"),
    ],
)
def test_what_is_no_card_number_is_taken(name: str, content: bytes) -> None:
    assert proven(name, content)


def test_a_file_lies_sealed_under_its_hash_and_comes_back_whole(house: Installation) -> None:
    sha256 = bring(house)
    kept = (house.system.desk.cabinet.folder / sha256).read_bytes()
    assert b"Amber" not in kept
    house.arrive()
    with house.system.db.read() as session:
        found, content = files.opened(session, sha256, ctx(house, "dora"), cabinet=house.system.desk.cabinet)
    assert content == TRAINED
    assert found.number is not None
    assert found.number.startswith("EV-")


def test_the_same_file_for_the_same_control_is_one_and_for_another_needs_a_reason(house: Installation) -> None:
    assert bring(house) == bring(house)
    house.arrive()
    assert "compliance.evidence.uploaded" not in house.waiting_kinds()
    with pytest.raises(ReasonMissing):
        bring(house, key="12.10.1")
    bring(house, key="12.10.1", reason="The same training covers the response plan")
    with house.system.db.read() as session:
        (found,) = files.of_control(session, ctx(house, "dora").actor, PCI, "12.10.1")
    assert found.reason == "The same training covers the response plan"


def test_a_file_that_was_changed_on_disk_is_gone(house: Installation) -> None:
    sha256 = bring(house)
    path = house.system.desk.cabinet.folder / sha256
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with house.system.db.read() as session, pytest.raises(FileGone):
        files.opened(session, sha256, ctx(house, "olga"), cabinet=house.system.desk.cabinet)


def test_outside_an_auditors_period_it_looks_absent(house: Installation) -> None:
    sha256 = bring(house)
    for period, is_seen in ((START - timedelta(days=1), True), (START - timedelta(days=9), False)):
        auditor = Actor(
            id="acc_auditor",
            kind=ActorKind.STAFF,
            permissions=frozenset({COMPLIANCE_EVIDENCE_READ}),
            period=(period, period + timedelta(days=2)),
        )
        with house.system.db.read() as session:
            assert bool(files.of_control(session, auditor, PCI, "12.6.1")) is is_seen
            if not is_seen:
                with pytest.raises(NotFound):
                    files.opened(session, sha256, house.system.context(auditor), cabinet=house.system.desk.cabinet)


def test_a_file_stands_behind_an_attestation(house: Installation) -> None:
    sha256 = bring(house)
    draft = attestations.Draft(
        framework=PCI, key="12.6.1", kind=Kind.FILE, statement="The list of all who were trained", files=(sha256,)
    )
    with house.system.db.begin() as session:
        made = attestations.propose(session, draft, ctx(house, "olga"), desk=house.system.desk)
    assert list(made.files) == [sha256]


def sent(browser: Browser, content: bytes, name: str = "trained.csv", control: str = "pci:12.6.1") -> int:
    browser.get(f"/staff/evidence?control={control}")
    parts = [("csrf_token", browser.token), ("control", control), ("reason", "")]
    text = "".join(f'--cut\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{said}\r\n' for key, said in parts)
    file = f'--cut\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    answer = browser.client.post(
        "/staff/evidence",
        data=text.encode() + file.encode() + content + b"\r\n--cut--\r\n",
        content_type="multipart/form-data; boundary=cut",
        headers={"Host": "localhost", "Accept": "text/html", "Origin": ORIGIN},
        environ_base={"REMOTE_ADDR": browser.ip},
    )
    return answer.status_code


def test_the_form_answers_as_it_should(house: Installation) -> None:
    browser = house.browser()
    browser.sign_in(house.people["olga"], surface="staff")
    assert sent(browser, TRAINED) == 303
    page = browser.get("/staff/evidence?control=pci:12.6.1")
    assert "trained.csv" in page.text
    assert sent(browser, b"", "empty.csv") == 422
    assert sent(browser, PNG, "no.pdf") == 415
    assert sent(browser, b"n,c\nA,4111111111111111\n", "cards.csv") == 422
    assert sent(browser, b"x" * (25 * 1024 * 1024 + 1), "long.txt") == 413
    assert sent(browser, b"y" * (26 * 1024 * 1024), "longer.txt") == 413
    large = b"word " * (BODY_MAX // 2)
    assert sent(browser, large, "large.txt") == 303
    assert browser.get("/staff/evidence?control=pci:99").status_code == 404
    assert len(list(house.system.desk.cabinet.folder.iterdir())) == 2


def test_a_file_is_only_ever_an_attachment(house: Installation) -> None:
    sha256 = bring(house, b"<script>alert(1)</script>\n", "note.txt")
    browser = house.browser()
    browser.sign_in(house.people["olga"], surface="staff")
    answer = browser.get(f"/staff/evidence/{sha256}")
    assert answer.status_code == 200
    assert "access.data.exported" in house.waiting_kinds()
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.mimetype == "application/octet-stream"


def test_other_paths_take_no_more_than_before(house: Installation) -> None:
    browser = house.browser()
    browser.sign_in(house.people["olga"], surface="staff")
    browser.get("/approvals")
    assert browser.post("/approvals/apr_x", {"reason": "x" * (BODY_MAX + 1)}).status_code == 413


def test_who_may_not_bring_files_does_not(house: Installation) -> None:
    browser = house.browser()
    browser.sign_in(house.people["dora"], surface="staff")
    assert browser.get("/staff/evidence?control=pci:12.6.1").status_code == 403


def test_a_pdf_that_is_cut_is_looked_at_in_one_pass() -> None:
    number = b"(4027 1830 5521 4006)"
    assert cards.in_pdf(b"%PDF-1.7\n" + b"stream\n" * 400_000 + number + b"%%EOF")
    packed = zlib.compress(number)
    assert cards.in_pdf(b"%PDF-1.7\nstream\nx\nendstream\nstream\n" + packed + b"\nendstream\nstream\ncut")
    assert not cards.in_pdf(b"%PDF-1.7\n" + b"stream\n" * 400_000 + b"%%EOF")
