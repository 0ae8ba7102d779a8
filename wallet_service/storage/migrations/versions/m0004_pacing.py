"""How often a device was told and reminded of late"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INSTANTS = postgresql.ARRAY(sa.DateTime(timezone=True))


def upgrade() -> None:
    op.add_column("devices", sa.Column("reminded_at", _INSTANTS, server_default=sa.text("'{}'"), nullable=False))
    op.add_column("deliveries", sa.Column("announced_at", _INSTANTS, server_default=sa.text("'{}'"), nullable=False))
    op.add_column("deliveries", sa.Column("missed", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
