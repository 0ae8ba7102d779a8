"""Channels that have stopped, and why"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stopped_channels",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('apple', 'google')", name="ck_stopped_channels_kind"),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name="fk_stopped_channels_program_id"),
        sa.PrimaryKeyConstraint("program_id", "kind", name="pk_stopped_channels"),
    )
