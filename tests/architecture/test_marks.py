"""Every column says what it means for the person it is about."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.gateway.networks import metadata as gateway
from app.identity.models import metadata as identity
from app.kernel.marks import Mark
from compliance.attest.models import metadata as papers
from compliance.audit.models import metadata as audit
from compliance.models import metadata as compliance
from compliance.privacy.models import metadata as privacy
from compliance.registers.models import metadata as registers
from compliance.reports.models import metadata as reports
from compliance.retention.models import metadata as retention
from compliance.reviews.models import metadata as reviews
from compliance.scans.models import metadata as scans
from detectors.models import metadata as detectors
from ingest.models import keys_metadata as keys
from ingest.models import metadata as ingest
from payments.models import metadata as payments
from playbooks.models import metadata as playbooks

ALL = (
    ("app_", identity),
    ("app_", gateway),
    ("compliance_", compliance),
    ("compliance_", papers),
    ("compliance_", retention),
    ("compliance_", reviews),
    ("compliance_", scans),
    ("compliance_", privacy),
    ("compliance_", registers),
    ("compliance_", reports),
    ("compliance_", audit),
    ("detectors_", detectors),
    ("ingest_", ingest),
    ("payments_", payments),
    ("playbooks_", playbooks),
)
TABLES = [table for metadata in (*(metadata for _, metadata in ALL), keys) for table in metadata.tables.values()]
COLUMNS = [column for table in TABLES for column in table.columns]


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_a_column_has_its_mark(column: sa.Column[object]) -> None:
    mark = column.info.get("mark")
    assert isinstance(mark, Mark)
    assert mark.retention
    if mark.category != "none":
        assert mark.subject, "what is personal names the path to its person"
        assert mark.on_erase != "none"


@pytest.mark.parametrize(("prefix", "metadata"), ALL)
def test_tables_carry_the_prefix_of_their_package(prefix: str, metadata: sa.MetaData) -> None:
    assert [name for name in metadata.tables if not name.startswith(prefix)] == []


# What columns are called into which people write. Where one of these names holds a code of ours, its place is listed.
WORDS = frozenset(
    (
        "answer",
        "cause",
        "comment",
        "consequences",
        "fix",
        "ground",
        "grounds",
        "late_reason",
        "measures",
        "nature",
        "note",
        "reason",
        "reasons",
        "says",
        "statement",
        "text",
        "title",
        "why",
        "worksheet",
    )
)
CODES = frozenset(
    (
        "compliance_consent_text.text",
        "compliance_interval.reason",
        "compliance_observation.reason",
        "compliance_probe.reason",
        "compliance_recipient_notice.answer",
        "compliance_redaction.reason",
        "compliance_report.note",
        "compliance_retention_run.why",
        "compliance_standing.reason",
        "detectors_version.title",
        "ingest_checkpoint.note",
        "ingest_parked.reason",
        "ingest_subject_key.why",
        "payments_restraint.reason",
        "payments_transfer.reason",
        "playbooks_step.why",
        "playbooks_task.text",
    )
)


@pytest.mark.parametrize("column", [one for one in COLUMNS if one.name in WORDS], ids=str)
def test_a_column_that_people_write_into_is_marked_as_their_words(column: sa.Column[object]) -> None:
    mark = column.info["mark"]
    is_code = str(column) in CODES
    assert (mark.category == "none") == is_code
