"""Offers: their version"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("offers", sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False))
