"""What stood beside a request that nobody proved goes on by itself; words about people who were erased go, too."""

from alembic import op

revision = "0024"
down_revision = "0023"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.execute(
        "UPDATE compliance_request SET linked_to = NULL WHERE is_verified AND linked_to IN "
        "(SELECT id FROM compliance_request WHERE NOT is_verified)"
    )
    op.execute(
        "UPDATE compliance_request SET outcome = NULL WHERE subject IN (SELECT subject FROM compliance_request "
        "WHERE id IN (SELECT request_id FROM compliance_erasure_certificate))"
    )
    op.execute(
        "UPDATE compliance_objection SET grounds = NULL WHERE subject IN (SELECT subject FROM compliance_request "
        "WHERE id IN (SELECT request_id FROM compliance_erasure_certificate))"
    )
    op.execute(
        "UPDATE compliance_request_step SET note = NULL WHERE actor IS NOT NULL AND request_id IN (SELECT id "
        "FROM compliance_request WHERE subject IN (SELECT subject FROM compliance_request WHERE id IN "
        "(SELECT request_id FROM compliance_erasure_certificate)))"
    )
