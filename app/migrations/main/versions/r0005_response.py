"""Tables of: response."""

revision = "0005"
down_revision = "0004"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    pass
