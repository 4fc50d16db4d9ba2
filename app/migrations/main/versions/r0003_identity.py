"""Tables of: identity."""

revision = "0003"
down_revision = "0002"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    pass
