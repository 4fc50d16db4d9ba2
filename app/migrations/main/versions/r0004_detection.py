"""Tables of: detection."""

revision = "0004"
down_revision = "0003"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    pass
