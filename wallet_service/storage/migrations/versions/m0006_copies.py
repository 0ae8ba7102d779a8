"""Cards that a phone may have which is not registered any more"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cards", sa.Column("copied", sa.Boolean(), server_default=sa.text("false"), nullable=False))
