"""Tables of: app."""

revision = "0006"
down_revision = "0005"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    pass
