"""How often a device was told and reminded of late, when first of what it should know; walks and composing in turn"""

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
    op.add_column("deliveries", sa.Column("first_told_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("first_answer", sa.Text(), nullable=True))
    op.execute("""
        UPDATE deliveries SET first_told_at = told_at, first_answer = told_answer
        WHERE told_version >= wanted_version AND told_at IS NOT NULL
    """)
    op.add_column("campaigns", sa.Column("walked_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_cards_recompose_at", "cards")
    op.create_index(
        "ix_cards_due",
        "cards",
        ["program_id", "recompose_at"],
        postgresql_where=sa.text("recompose_at IS NOT NULL"),
    )
