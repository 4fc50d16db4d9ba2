"""Tables of: payments."""

revision = "0002"
down_revision = "0001"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    pass
