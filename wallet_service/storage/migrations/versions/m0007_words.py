"""A message to Google says whether it should notify in Google's own word"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("google_messages", "loud", new_column_name="notify")
